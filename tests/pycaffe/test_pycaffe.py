"""pycaffe's interface: programs written for Caffe's Python module run unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cnnviz
import cnnviz.pycaffe as caffe
from cnnviz.errors import NetError
from cnnviz.pycaffe import mode

NET = """
name: "two"
force_backward: true
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 5 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
TRAINING = """
name: "line"
layer { name: "x" type: "DummyData" top: "x" top: "t" dummy_data_param {
  shape { dim: 4 dim: 2 } shape { dim: 4 dim: 1 }
  data_filler { type: "gaussian" } data_filler { type: "constant" value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 1 weight_filler { type: "gaussian" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" loss_weight: 2 }
"""


@pytest.fixture(autouse=True)
def fresh_mode(monkeypatch):
    monkeypatch.setattr(mode, "_target", None)
    monkeypatch.setattr(mode, "_seeds", None)


@pytest.fixture
def net_file(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return str(path)


@pytest.fixture
def weights_file(tmp_path, net_file):
    path = str(tmp_path / "net.caffemodel")
    caffe.Net(net_file, caffe.TEST).save(path)
    return path


@pytest.fixture
def solver_file(tmp_path):
    (tmp_path / "line.prototxt").write_text(TRAINING)
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net: "{tmp_path / "line.prototxt"}" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 random_seed: 1 '
        f'snapshot_prefix: "{tmp_path / "line"}" type: "Adam" test_iter: 1 test_interval: 100'
    )
    return str(path)


def read(net):
    return [blob.data.copy() for blobs in net.params.values() for blob in blobs]


def same(some, others):
    return all(np.array_equal(a, b) for a, b in zip(some, others, strict=True))


# Net


def test_both_orders_of_arguments_load_weights(net_file, weights_file):
    expected = read(caffe.Net(net_file, caffe.TEST, weights=weights_file))
    assert same(read(caffe.Net(net_file, weights_file, caffe.TEST)), expected)
    assert same(read(caffe.Net(net_file, phase=caffe.TEST, weights=weights_file)), expected)
    assert caffe.Net(net_file, weights_file, caffe.TRAIN).graph.phase == cnnviz.TRAIN
    assert not same(read(caffe.Net(net_file, caffe.TEST)), expected)


def test_names_that_programs_read(net_file):
    net = caffe.Net(net_file, caffe.TEST)
    assert net._blob_names == ["data", "ip", "prob"] and net._inputs == [0] and net._outputs == [2]
    assert net._bottom_ids(1) == [0] and net._top_ids(1) == [1]
    assert net._blobs[1] is net.blobs["ip"]
    assert list(net.blob_loss_weights.items()) == [("data", 0), ("ip", 0), ("prob", 0)]


def test_loss_weights(tmp_path, solver_file):
    net = caffe.get_solver(solver_file).net
    assert net.blob_loss_weights["loss"] == 2 and net.blob_loss_weights["y"] == 0


def test_callbacks_around_layers(net_file):
    net = caffe.Net(net_file, caffe.TEST)
    seen = []
    net.before_forward(lambda i: seen.append(("before", i)))
    net.after_forward(lambda i: seen.append(("after", i)))
    net.before_backward(lambda i: seen.append(("back", i)))
    net.after_backward(lambda i: seen.append(("done", i)))
    net.forward(end="ip")
    assert seen == [("before", 0), ("after", 0), ("before", 1), ("after", 1)]
    del seen[:]
    net.forward()
    del seen[:]
    net.backward(start="prob", end="relu")
    assert seen == [("back", 3), ("done", 3), ("back", 2), ("done", 2)]


def test_forward_all_and_backward_all_join_batches(net_file):
    caffe.set_random_seed(1)
    net = caffe.Net(net_file, caffe.TEST)
    random = np.random.default_rng(0)
    x = random.standard_normal((5, 3, 4, 5)).astype(np.float32)
    top = random.standard_normal((5, 4)).astype(np.float32)
    data, diffs = net.forward_backward_all(blobs=["ip"], diffs=["ip"], data=x, prob=top)
    assert data["prob"].shape == (5, 4) and data["ip"].shape == (5, 4)
    assert diffs["data"].shape == x.shape and diffs["ip"].shape == (5, 4)
    assert np.array_equal(net.forward_all(blobs=["ip"], data=x)["ip"], data["ip"])
    # The last, padded batch by itself.
    net.blobs["data"].data[0] = x[4]
    net.forward()
    assert np.allclose(net.blobs["prob"].data[0], data["prob"][4])
    assert np.allclose(net.backward(prob=np.stack([top[4], top[4]]))["data"][0], diffs["data"][4], atol=1e-6)
    assert not np.allclose(diffs["data"][4], 0)


def test_losses_without_axes_are_joined(solver_file):
    net = caffe.get_solver(solver_file).test_nets[0]
    with pytest.raises(NetError, match="needs arrays"):
        net.forward_all()


def test_hdf5_weights(tmp_path, net_file):
    pytest.importorskip("h5py")
    net, other = caffe.Net(net_file, caffe.TEST), caffe.Net(net_file, caffe.TEST)
    path = str(tmp_path / "weights")
    net.save_hdf5(path)
    other.load_hdf5(path)
    assert same(read(net), read(other))


# Settings


def test_seed_repeats_a_net(net_file):
    caffe.set_random_seed(7)
    first, second = read(caffe.Net(net_file, caffe.TEST)), read(caffe.Net(net_file, caffe.TEST))
    caffe.set_random_seed(7)
    assert same(first, read(caffe.Net(net_file, caffe.TEST))) and not same(first, second)


def test_gpu_mode_without_a_gpu_warns_and_continues(net_file, monkeypatch, caplog):
    monkeypatch.setattr(mode, "_gpus", lambda: [])
    monkeypatch.setattr(mode.log, "propagate", True)
    caffe.set_mode_gpu()
    caffe.set_device(3)
    assert caplog.text.count("no OpenCL GPU found") == 2
    assert set(caffe.Net(net_file, caffe.TEST).forward()) == {"prob"}


def test_devices_are_chosen_by_number_among_gpus(monkeypatch):
    monkeypatch.setattr(mode, "_gpus", lambda: [4, 6])
    monkeypatch.delenv("CNNVIZ_DEVICE", raising=False)
    targets = []
    monkeypatch.setattr(mode, "get_device", targets.append)
    caffe.set_device(1)
    mode.device()
    caffe.set_mode_gpu()
    mode.device()
    caffe.set_mode_cpu()
    mode.device()
    monkeypatch.setenv("CNNVIZ_DEVICE", "mine")
    mode.device()
    assert targets == ["6", "gpu", "cpu", "mine"]
    with pytest.raises(ValueError, match="2 GPUs"):
        caffe.set_device(2)


def test_layer_types():
    assert {"Convolution", "LSTM", "SoftmaxWithLoss"} < set(caffe.layer_type_list())
    assert caffe.layer_type_list() == sorted(caffe.layer_type_list())


# Solvers


def test_solver_classes_and_types(solver_file):
    assert type(caffe.get_solver(solver_file)) is caffe.AdamSolver
    solver = caffe.SGDSolver(solver_file)
    assert solver.param.type == "SGD" and len(solver.history) == 2
    assert isinstance(solver.net, caffe.Net) and isinstance(solver.test_nets[0], caffe.Net)


def test_callbacks_of_a_step(solver_file):
    solver = caffe.get_solver(solver_file)
    seen = []

    def on_start():
        seen.append(("start", solver.iter))

    def on_gradients_ready():
        seen.append(("ready", bool(np.any(solver.net.params["ip"][0].diff))))

    solver.add_callback(on_start, on_gradients_ready)
    solver.step(2)
    assert seen == [("start", 0), ("ready", True), ("start", 1), ("ready", True)]


def test_a_solver_as_in_a_notebook(solver_file, tmp_path):
    solver = caffe.get_solver(solver_file)
    before = read(solver.net)
    solver.net.forward()
    solver.test_nets[0].forward()
    solver.step(1)
    assert solver.iter == 1 and not same(before, read(solver.net))
    assert same(read(solver.net), read(solver.test_nets[0]))
    solver.snapshot()
    resumed = caffe.get_solver(solver_file)
    resumed.restore(str(tmp_path / "line_iter_1.solverstate"))
    assert resumed.iter == 1 and same(read(resumed.net), read(solver.net))


def test_arrays_taken_before_are_up_to_date(solver_file):
    solver = caffe.SGDSolver(solver_file)
    if not solver.device.shares_memory:
        pytest.skip("as with Caffe on a GPU, an array is taken again")
    weight = solver.net.params["ip"][0]
    data, diff = weight.data, weight.diff
    solver.net.forward()
    solver.net.backward()
    assert np.any(diff)
    solver.net.clear_param_diffs()
    assert not np.any(diff)
    data[...], diff[...] = 0, 1
    solver.apply_update()
    assert np.allclose(data, -0.01)
    solver.step(1)
    held = data.copy()
    assert np.array_equal(held, weight.data) and not np.allclose(held, -0.01)


# import caffe

PROGRAM = """
import sys
import caffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
import caffe.draw
from google.protobuf import text_format

class Half(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data / 2
    def backward(self, top, propagate_down, bottom): pass

caffe.set_mode_cpu()
net = caffe_pb2.NetParameter()
text_format.Merge(open(sys.argv[1]).read(), net)
caffe.draw.draw_net_to_file(net, sys.argv[2], "TB")
print(net.name, caffe.TEST, len(caffe.Net(sys.argv[1], caffe.TEST).forward()["prob"]), __name__)
"""


def run(tmp_path: Path, program: str, *arguments: str) -> subprocess.CompletedProcess:
    path = tmp_path / "program.py"
    path.write_text(program)
    return subprocess.run(
        [sys.executable, "-m", "cnnviz.pycaffe", str(path), *arguments],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip


def test_a_program_runs_unchanged(tmp_path, net_file):
    picture = tmp_path / "net.svg"
    result = run(tmp_path, PROGRAM, net_file, str(picture))
    assert result.stdout == "two 1 2 __main__\n", result.stderr
    assert "InnerProduct" in picture.read_text()


def test_an_error_is_one_sentence(tmp_path):
    result = run(tmp_path, "import caffe\ncaffe.Net('absent.prototxt', caffe.TEST)\n")
    assert result.returncode == 1 and result.stderr.startswith("Error: absent.prototxt: ")
    assert len(result.stderr.splitlines()) == 1


def test_without_a_program_the_usage_is_shown():
    result = subprocess.run([sys.executable, "-m", "cnnviz.pycaffe"], capture_output=True, text=True)
    assert result.returncode == 1 and "python -m cnnviz.pycaffe PROGRAM" in result.stderr


def test_drawing_gives_bytes(net_file):
    from google.protobuf import text_format

    from cnnviz.pycaffe import draw
    from cnnviz.pycaffe.proto import caffe_pb2

    net = caffe_pb2.NetParameter()
    text_format.Merge(Path(net_file).read_text(), net)
    assert draw.draw_net(net, "LR").startswith(b"\x89PNG")
    assert caffe_pb2.TEST == 1 and caffe_pb2.Phase.Name(0) == "TRAIN"
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = caffe_pb2.Nonsense
