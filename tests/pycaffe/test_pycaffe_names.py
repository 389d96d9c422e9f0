"""The rest of pycaffe's interface: names that programs use though its manual does not list them."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cnnviz.pycaffe as caffe
from cnnviz.errors import CnnvizError
from cnnviz.pycaffe import coord_map, draw, net_spec
from cnnviz.pycaffe import layers as L
from cnnviz.pycaffe.proto import caffe_pb2

NET = """
force_backward: true
input: "data" input_shape { dim: 2 dim: 3 dim: 4 dim: 4 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 6 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "ip" }
layer { name: "top" type: "InnerProduct" bottom: "ip" top: "top"
  inner_product_param { num_output: 5 weight_filler { type: "gaussian" std: 1 } } }
"""
TRAINING = """
layer { name: "x" type: "DummyData" top: "x" top: "t" dummy_data_param {
  shape { dim: 4 dim: 2 } shape { dim: 4 dim: 1 } data_filler { type: "gaussian" } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 1 weight_filler { type: "gaussian" std: 1 } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" loss_weight: 2 }
"""
MODULE = """
import caffe
import numpy as np

class Base(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data
    def backward(self, top, propagate_down, bottom): pass

class Rows(Base):
    def setup(self, bottom, top): top[0].reshape(1, 3)
    def reshape(self, bottom, top): pass
    def set_rows(self, rows): self.rows = rows
    def forward(self, bottom, top): top[0].data[...] = self.rows

class Made(Base):
    def __init__(self, p, *args, **kwargs):
        super().__init__(p, *args, **kwargs)
        self.made_of = p.name

class Phase(Base):
    def reshape(self, bottom, top): top[0].reshape(1)
    def forward(self, bottom, top): top[0].data[0] = str(self.phase) == "TEST"
"""


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    return caffe.Net(str(path), caffe.TEST, seed=1)


@pytest.fixture
def solver(tmp_path):
    (tmp_path / "train.prototxt").write_text(TRAINING)
    path = tmp_path / "solver.prototxt"
    path.write_text(
        f'net: "{tmp_path / "train.prototxt"}" base_lr: 0.5 lr_policy: "step" gamma: 0.1 stepsize: 2'
    )
    return caffe.SGDSolver(str(path))


@pytest.fixture
def user_layer(tmp_path, monkeypatch):
    """Returns a net of one Python layer of the module above, which is trusted as a program's own."""
    monkeypatch.setattr("cnnviz.engine.python_modules._trusts_program", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "user_layers.py").write_text(MODULE)
    caffe.install()
    yield lambda name: caffe.Net(_python_net(tmp_path, name), caffe.TEST)
    sys.modules.pop("user_layers", None)


def _python_net(folder: Path, layer: str) -> str:
    path = folder / f"{layer}.prototxt"
    path.write_text(
        'input: "data" input_shape { dim: 2 dim: 3 }\n'
        'layer { name: "p" type: "Python" bottom: "data" top: "p" '
        f'python_param {{ module: "user_layers" layer: "{layer}" }} }}'
    )
    return str(path)


def test_modules_and_types_of_the_compiled_half(net):
    caffe.install()
    compiled = importlib.import_module("caffe._caffe")
    assert compiled is caffe._caffe and importlib.import_module("caffe.pycaffe").Net is caffe.Net
    assert type(net.params["ip"]) is compiled.BlobVec
    assert isinstance(net.blobs["data"], compiled.Blob) and isinstance(net, compiled.Net)
    assert caffe.io.caffe_pb2 is caffe.proto.caffe_pb2
    missing = [name for name in compiled.__all__ if not hasattr(compiled, name)]
    assert not missing


def test_layers_one_by_one(net):
    net.blobs["data"].data[...] = np.random.default_rng(0).normal(size=(2, 3, 4, 4))
    whole = net.forward()["top"]
    assert [net._forward(i, i) for i in range(len(net.layers))] == [0.0] * len(net.layers)
    assert np.array_equal(net.blobs["top"].data, whole)
    net.blobs["top"].diff[...] = 1
    net._backward(len(net.layers) - 1, 0)
    gradient = net.blobs["data"].diff.copy()
    assert np.array_equal(gradient, net.backward(top=np.ones((2, 5)))["data"]) and gradient.any()


def test_forward_returns_the_weighted_loss(solver):
    loss = solver.net._forward(0, len(solver.net.layers) - 1)
    assert loss == pytest.approx(2 * float(solver.net.blobs["loss"].data), rel=1e-6)
    assert solver.net._blob_loss_weights["loss"] == 2


def test_backward_from_a_layer_and_deconvolution(net):
    rng = np.random.default_rng(2)
    net.blobs["data"].data[...] = rng.normal(size=(2, 3, 4, 4))
    net.forward()
    seed = rng.normal(size=(2, 5)).astype(np.float32)
    below, above = (net.params[name][0].data.astype(float) for name in ("ip", "top"))
    hidden = net.blobs["ip"].data
    expected = {
        "gradient": (seed @ above) * (hidden > 0),
        "Zeiler & Fergus": np.maximum(seed @ above, 0),
        "Guided Backprop": np.maximum(seed @ above, 0) * (hidden > 0),
    }
    got = {
        kind: net.deconv_from_layer("top", seed, deconv_type=kind)["data"].copy()
        for kind in ("Zeiler & Fergus", "Guided Backprop")
    }
    got["gradient"] = net.backward_from_layer("top", seed, zero_higher=True)["data"]
    for kind, middle in expected.items():
        np.testing.assert_allclose(got[kind].reshape(2, -1), middle @ below, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="expected 'Zeiler & Fergus' or 'Guided Backprop'"):
        net.deconv_from_layer("top", seed, deconv_type="other")


def test_going_back_from_the_middle_clears_what_is_above(net):
    net.blobs["top"].diff[...] = 7
    net.backward_from_layer("ip", np.ones((2, 6)), zero_higher=True)
    assert not net.blobs["top"].diff.any()


def test_batches_and_broadcast_inputs(net):
    pieces = list(net._batch({"data": np.ones((5, 3, 4, 4))}))
    assert [piece["data"].shape[0] for piece in pieces] == [2, 2, 2]
    assert pieces[2]["data"][0].all() and not pieces[2]["data"][1].any()
    net.forward(data=np.arange(6).reshape(2, 3, 1, 1))
    assert np.array_equal(net.blobs["data"].data, np.arange(6).reshape(2, 3, 1, 1) * np.ones((2, 3, 4, 4)))
    with pytest.raises(CnnvizError, match=r"blob 'data' is \(2, 3, 4, 4\), the array \(1, 3, 4, 4\)"):
        net.forward(data=np.zeros((1, 3, 4, 4)))


def test_errors_are_those_that_programs_catch(net, tmp_path):
    with pytest.raises(ValueError, match="no layer 'nothing'"):
        net.forward(end="nothing")
    with pytest.raises(KeyError) as caught:
        net.forward(["nothing"])
    assert str(caught.value) == f"{net.graph.path}: the net has no blob 'nothing'."
    for make in (
        lambda: caffe.Net(str(tmp_path / "no.prototxt"), caffe.TEST),
        lambda: net.copy_from("no.caffemodel"),
    ):
        with pytest.raises(RuntimeError, match=r"no\.(prototxt|caffemodel): cannot be opened \(No such file"):
            make()
    with pytest.raises(AttributeError, match="no setting 'kernel'"):
        L.Pooling(L.Input(), kernel=3).fn.layer("pool", (), ())


def test_paths_may_be_bytes(tmp_path):
    path = tmp_path / "net.prototxt"
    path.write_text(NET)
    caffe.Net(bytes(path), caffe.TEST).save(str(tmp_path / "net.caffemodel"))
    assert caffe.Net(bytes(path), bytes(tmp_path / "net.caffemodel"), caffe.TEST).params


def test_process_settings(solver, caplog):
    timer = caffe.Timer()
    assert timer.ms == 0
    timer.start()
    timer.stop()
    assert 0 < timer.ms < 60_000 and timer.us == timer.ms * 1e3
    assert (caffe.solver_count(), caffe.solver_rank()) == (1, 0)
    caffe.set_solver_count(1), caffe.set_solver_rank(0), caffe.set_multiprocess(True)
    for refused in (
        lambda: caffe.set_solver_count(2),
        lambda: caffe.set_solver_rank(1),
        lambda: caffe.NCCL(solver),
    ):
        with pytest.raises(CnnvizError, match="not supported; train on one"):
            refused()
    assert solver.lr == 0.5
    solver.step(2)
    assert solver.lr == pytest.approx(0.05)


def test_log_lines_name_their_place(capsys):
    program = 'import cnnviz.pycaffe as caffe\ncaffe.init_log(0, True)\ncaffe.log("50 % done")\n'
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.rstrip().endswith("<string>:3] 50 % done")


def test_a_parameter_may_be_added(net):
    net.params["ip"].add_blob(2, 3)
    assert net.params["ip"][-1].data.tolist() == [[0, 0, 0]] * 2


# Python layers


def test_the_users_object_belongs_to_its_layer(user_layer):
    net = user_layer("Rows")
    net.layers[1].set_rows([1, 2, 3])
    assert net.forward()["p"].tolist() == [[1, 2, 3]]
    net.layers[1].rows = [4, 5, 6]
    assert net.forward()["p"].tolist() == [[4, 5, 6]]
    assert net.layers[1].type == "Python"
    with pytest.raises(AttributeError, match="'Rows' object has no attribute 'columns'"):
        _ = net.layers[1].columns


def test_a_top_keeps_the_shape_of_setup(user_layer):
    net = user_layer("Rows")
    net.layers[1].set_rows([1, 2, 3])
    net.blobs["data"].reshape(4, 3)
    assert net.forward()["p"].shape == (1, 3)


def test_a_constructor_is_given_the_message(user_layer):
    assert user_layer("Made").layers[1].made_of == "p"


def test_the_phase_prints_as_its_name(user_layer):
    assert user_layer("Phase").forward()["p"].tolist() == [1]


def test_what_is_installed_is_not_a_programs_own(user_layer, tmp_path):
    text = Path(_python_net(tmp_path, "Made")).read_text()
    for module in ("subprocess", "numpy.linalg", "", "no_such_module"):
        path = tmp_path / "installed.prototxt"
        path.write_text(text.replace("user_layers", module))
        with pytest.raises(CnnvizError, match=r"was not allowed|needs module and layer"):
            caffe.Net(str(path), caffe.TEST)


def _run(folder: Path, text: str, *arguments: str) -> subprocess.CompletedProcess:
    program = folder / "program.py"
    program.write_text(text)
    command = [sys.executable, "-m", "cnnviz.pycaffe", str(program), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_the_runner_trusts_layers_of_its_program(tmp_path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/user_layers.py").write_text(MODULE)
    net = _python_net(tmp_path, "Made")
    begin = f'import sys\nsys.path.insert(0, "{tmp_path / "lib"}")\n'
    done = _run(tmp_path, f'{begin}import caffe\nprint(caffe.Net("{net}", 1).outputs)')
    assert (done.stdout, done.stderr) == ("['p']\n", "")


def test_spawned_and_started_processes_find_caffe(tmp_path):
    (tmp_path / "user_layers.py").write_text(MODULE)
    net = _python_net(tmp_path, "Made")
    done = _run(
        tmp_path,
        "import multiprocessing, subprocess, sys, caffe\n"
        f'def work(_): return caffe.Net("{net}", 1).outputs\n'
        'if __name__ == "__main__":\n'
        '    with multiprocessing.get_context("spawn").Pool(1) as pool:\n'
        "        print(pool.map(work, [0]), flush=True)\n"
        '    subprocess.run([sys.executable, "-c", "import caffe; print(caffe.__name__)"], check=True)\n',
    )
    assert (done.stdout, done.returncode) == ("[['p']]\ncnnviz.pycaffe\n", 0), done.stderr


# io


def test_images_of_open_files_and_bytes_paths(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for source in (io.BytesIO((tmp_path / "a.png").read_bytes()), bytes(tmp_path / "a.png")):
        np.testing.assert_allclose(caffe.io.load_image(source), pixels / 255.0, rtol=1e-6)


def test_resize_scales_integers_and_keeps_axes():
    ramp = np.tile(np.arange(0, 250, 50, dtype=np.uint8), (4, 1))
    half = caffe.io.resize(ramp, (2, 5))
    assert half.shape == (2, 5) and half[0].tolist() == pytest.approx(list(np.arange(0, 250, 50) / 255))
    assert caffe.io.resize(np.zeros((9, 9, 6)), (5, 4, 6)).shape == (5, 4, 6)
    with pytest.raises(CnnvizError, match="cannot become"):
        caffe.io.resize(np.zeros((9, 9, 3)), (5, 5, 4))


def test_bicubic_keeps_straight_lines():
    """Catmull-Rom reproduces what is linear, away from the borders."""
    ramp = np.repeat(np.arange(12, dtype=np.float32)[None, :, None], 12, axis=0)
    enlarged = caffe.io.resize_image(ramp, (12, 24), 3)[6, 6:18, 0]
    np.testing.assert_allclose(enlarged, (np.arange(6, 18) + 0.5) / 2 - 0.5, atol=1e-6)
    step = np.where(np.arange(12) < 6, 0, 1).astype(np.float32)[None, :, None]
    assert caffe.io.resize_image(step.repeat(4, 0), (4, 24), 3).max() > 1.01  # overshoots, as cubics do
    with pytest.raises(CnnvizError, match="interp_order 3 is not supported for 2 channels"):
        caffe.io.resize_image(np.zeros((4, 4, 2)), (2, 2), 3)


# Messages, specifications, maps, drawing


def test_messages_of_forks_and_descriptors():
    labels = caffe_pb2.LabelMap()
    labels.item.add(name="cat", label=3, display_name="a cat")
    assert caffe_pb2.LabelMap.FromString(labels.SerializeToString()).item[0].label == 3
    annotated = caffe_pb2.AnnotatedDatum(type=caffe_pb2.AnnotatedDatum.BBOX)
    annotated.annotation_group.add(group_label=1).annotation.add().bbox.xmin = 0.5
    assert b"\x00\x00\x00?" in annotated.SerializeToString()
    assert "LayerParameter" in caffe_pb2.DESCRIPTOR.message_types_by_name
    assert caffe_pb2._LAYERPARAMETER is caffe_pb2.LayerParameter.DESCRIPTOR


def test_a_spec_lists_its_tops():
    n = caffe.NetSpec()
    n.data = L.Input(shape={"dim": [1, 3]})
    n.ip = L.InnerProduct(n.data, num_output=2)
    assert n.keys() == ["data", "ip"] and n.vals()[1] is n.ip
    assert n.ip._to_proto() == n.ip.to_proto() == n.ip.fn._to_proto()
    assert net_spec.param_name_dict()["InnerProduct"] == "inner_product"
    message = caffe_pb2.LayerParameter()
    net_spec.assign_proto(
        message, "convolution_param", {"kernel_size": [3, 5], "weight_filler": {"type": "xavier"}}
    )
    assert list(message.convolution_param.kernel_size) == [3, 5]


def test_maps_of_coordinates_by_parts():
    conv = L.Convolution(L.Input(), kernel_size=3, stride=2, pad=1, num_output=1).fn
    axis, stride, kernel, pad = coord_map.conv_params(conv)
    assert (axis, stride, kernel, pad) == (1, 2, 3, 1)
    there = tuple(coord_map.coord_map(conv))
    axis, scale, shift = coord_map.compose(there, coord_map.inverse(there))
    assert (axis, scale, shift) == (1, 1, 0)
    assert coord_map.crop_params(L.Crop(L.Input(), L.Input(), axis=1, offset=[2, 3]).fn)[1].tolist() == [2, 3]


def test_drawing_under_older_names(net, tmp_path):
    proto = net.to_proto()
    assert draw.draw_net(proto, "UD", "svg") == draw.draw_net(proto, "TB", "svg")
    layer = caffe_pb2.LayerParameter(name="c", type="Convolution")
    layer.convolution_param.kernel_size.append(5)
    layer.convolution_param.num_output = 7
    layer.param.add(lr_mult=2)
    assert draw.get_layer_label(layer, "TB") == "c (Convolution) kernel size: 5 stride: 1 pad: 0"
    assert draw.get_layer_label(layer, "LR") == r"c\n(Convolution)\nkernel size: 5\nstride: 1\npad: 0"
    assert draw.get_layer_label(layer, "TB", True).endswith("lr mult: 2.0")
    assert draw.get_edge_label(layer) == "7" and draw.choose_color_by_layertype("Pooling") == "#FF9900"
    pool = caffe_pb2.LayerParameter(name="p", type="Pooling", pooling_param={"kernel_size": 2, "pool": 1})
    assert draw.get_layer_label(pool, "TB") == "p (Pooling AVE) kernel size: 2 stride: 1 pad: 0"
