"""Net: pycaffe's interface, running in parts, sharing, weights. nets/ holds Caffe's own numbers."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.errors import NetError, WeightsError
from cnnviz.formats.prototxt import parse_net
from support.files import SHARED

NETS = SHARED / "reference" / "nets"

TWO_LAYERS = """
name: "two"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "data" top: "a"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" } } }
layer { name: "r" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b"
  inner_product_param { num_output: 2 weight_filler { type: "gaussian" } } }
"""


@pytest.fixture
def net():
    return cnnviz.Net(parse_net("force_backward: true\n" + TWO_LAYERS, "two.prototxt"), cnnviz.TEST, seed=1)


def tolerance(reference: Path, case: str, default: float) -> float:
    files = json.loads((reference / "tolerances.json").read_text())["files"]
    return files.get(f"nets/{case}.npz", {}).get("recommended", default)


def close(got: np.ndarray, want: np.ndarray, limit: float) -> bool:
    error = np.abs(got.ravel().astype(float) - want.ravel()).max(initial=0)
    return bool(error <= limit * np.abs(want).max(initial=0) + 1e-6)


def fill_by_rule(net: cnnviz.Net) -> None:
    """The rule of nets/: values from the checksum of each parameter's name."""
    types = {name: layer.type for name, layer in net.layer_dict.items()}
    for layer, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            seed = zlib.crc32(f"{layer}:{i}".encode())
            n = np.random.RandomState(seed).standard_normal(blob.shape).astype(np.float32)
            if types[layer] == "BatchNorm":
                blob.data[...] = (np.float32(0.1) * n, np.float32(0.5) + abs(n), np.ones_like(n))[i]
            elif types[layer] == "Scale":
                blob.data[...] = (1 - i) + np.float32(0.1) * n
            elif n.ndim >= 2:
                blob.data[...] = n * np.float32(np.sqrt(2 / np.prod(n.shape[1:])))
            else:
                blob.data[...] = np.float32(0.01) * n


@pytest.mark.skipif(not NETS.is_dir(), reason="../shared/reference is absent")
@pytest.mark.parametrize("case", sorted(p.stem for p in NETS.glob("*.prototxt")))
def test_whole_nets_as_in_caffe(case, reference):
    arrays = np.load(NETS / f"{case}.npz")
    train = case.endswith("_train")
    net = cnnviz.Net(NETS / f"{case}.prototxt", "TRAIN" if train else "TEST")
    fill_by_rule(net)
    for name in net.inputs:
        if f"in:{name}" in arrays:
            net.blobs[name].data[...] = arrays[f"in:{name}"].reshape(net.blobs[name].shape)
        else:
            random = np.random.RandomState(zlib.crc32(f"{net.name}:{name}".encode()))
            net.blobs[name].data[...] = random.standard_normal(net.blobs[name].shape)
    net.forward()
    if train:
        net.backward()
    limit, compared = tolerance(reference, case, 1e-2 if train else 2e-4), 0
    for key in arrays.files:
        kind, _, name = key.partition(":")
        stem = kind.removesuffix("_val")
        if stem == "out":
            got = net.blobs[name].read_data()
        elif stem == "param_diff":
            layer, i = name.rsplit(":", 1)
            got = net.params[layer][int(i)].read_diff()
        else:
            continue
        if kind.endswith("_val"):
            got = got.ravel()[arrays[f"{stem}_idx:{name}"]]
        assert close(got, arrays[key], limit), key
        compared += 1
    assert compared > 0
    facts = json.loads((NETS / f"{case}.json").read_text())
    if "parameters" in facts and isinstance(facts["parameters"], int):
        assert net.graph.param_count == facts["parameters"]


def test_pycaffes_names(net):
    assert net.name == "two" and net.inputs == ["data"] and net.outputs == ["b"]
    assert list(net.blobs) == ["data", "a", "b"]
    assert net.layer_names == net._layer_names == ["data", "a", "r", "b"]
    assert [layer.type for layer in net.layers] == ["Input", "InnerProduct", "ReLU", "InnerProduct"]
    assert [b.shape for b in net.params["a"]] == [(4, 3), (4,)]
    assert net.bottom_names["b"] == ["a"] and net.top_names["r"] == ["a"]
    assert net.layers[1].blobs[0] is net.params["a"][0]


@pytest.mark.simulator
def test_forward_is_the_formula(net):
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    out = net.forward(blobs=["a"], data=x)
    (w1, b1), (w2, b2) = ([b.read_data() for b in net.params[n]] for n in ("a", "b"))
    hidden = np.maximum(x @ w1.T + b1, 0)
    assert np.allclose(out["a"], hidden, atol=1e-5)
    assert np.allclose(out["b"], hidden @ w2.T + b2, atol=1e-5)


def test_backward_without_forward_is_refused():
    """Pooling would write to places that forward never found, or found in larger planes."""
    text = """force_backward: true
    layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
    layer { name: "p" type: "Pooling" bottom: "x" top: "p" pooling_param { kernel_size: 2 stride: 2 } }"""
    net = cnnviz.Net(parse_net(text))
    with pytest.raises(NetError, match=r"layer 'p' .*forward has not run"):
        net.backward()
    net.forward()
    net.backward()
    net.blobs["x"].reshape(1, 1, 4, 4)
    net.reshape()
    with pytest.raises(NetError, match=r"layer 'p' .*Run it first"):
        net.backward()
    net.forward()
    net.blobs["p"].fill_diff(1.0)
    assert net.backward()["x"].sum() == 4


@pytest.mark.simulator
def test_backward_is_the_chain_rule(net):
    x = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    net.forward(data=x)
    dy = np.random.default_rng(1).normal(size=(2, 2)).astype(np.float32)
    dx = net.backward(b=dy)["data"]
    (w1, b1), (w2, _) = ([b.read_data() for b in net.params[n]] for n in ("a", "b"))
    hidden = x @ w1.T + b1
    dh = (dy @ w2) * (hidden > 0)
    assert np.allclose(dx, dh @ w1, atol=1e-5)
    assert np.allclose(net.params["a"][0].diff, dh.T @ x, atol=1e-5)
    net.backward(b=dy)
    assert np.allclose(net.params["a"][0].diff, 2 * dh.T @ x, atol=1e-5), "parameter diffs add up"
    net.clear_param_diffs()
    assert not net.params["a"][0].diff.any()


def test_parts_of_a_net(net):
    net.forward(data=np.ones((2, 3), np.float32))
    net.blobs["a"].data[...] = 1
    out = net.forward(start="b")
    w, b = (p.read_data() for p in net.params["b"])
    assert np.allclose(out["b"], w.sum(axis=1) + b, atol=1e-5)
    assert list(net.forward(end="a")) == ["a"]


def test_reshaping_the_input(net):
    net.blobs["data"].reshape(5, 3)
    net.reshape()
    assert net.blobs["b"].shape == (5, 2)
    assert net.forward(data=np.zeros((5, 3), np.float32))["b"].shape == (5, 2)
    net.blobs["data"].reshape(5, 4)
    with pytest.raises(NetError, match=r"two.prototxt:5: layer 'a' .* its parameters would be \[\(4, 4\)"):
        net.forward()


def test_forward_all_joins_batches(net):
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    joined = net.forward_all(data=x)["b"]
    assert joined.shape == (5, 2)
    assert np.allclose(joined[4], net.forward(data=np.stack([x[4], x[4]]))["b"][0], atol=1e-6)


def test_weights_go_out_and_come_back(net, tmp_path):
    path = tmp_path / "two.caffemodel"
    net.save(path)
    other = cnnviz.Net(parse_net(TWO_LAYERS), cnnviz.TEST, weights=path)
    for layer in ("a", "b"):
        for mine, theirs in zip(net.params[layer], other.params[layer], strict=True):
            assert np.array_equal(mine.data, theirs.data)


def test_weights_of_another_net_are_refused_as_a_whole(net, tmp_path):
    path = tmp_path / "two.caffemodel"
    net.save(path)
    other = cnnviz.Net(parse_net(TWO_LAYERS.replace("num_output: 2", "num_output: 5")), cnnviz.TEST)
    before = other.params["a"][0].read_data()
    with pytest.raises(WeightsError) as error:
        other.copy_from(path)
    assert str(error.value) == (
        f"{path}: layer 'b' weight is (2, 4), the net expects (5, 4). "
        "Use the matching prototxt, or rename the layer to train it from scratch."
    )
    assert np.array_equal(other.params["a"][0].data, before)


def test_shared_parameters_are_one_memory():
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ name: "w" }} '
        'inner_product_param {{ num_output: 3 bias_term: false weight_filler {{ type: "xavier" }} }} }}\n'
    )
    data = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'
    net = cnnviz.Net(parse_net(data + layer.format("a", "data") + layer.format("b", "a")), cnnviz.TRAIN)
    net.params["b"][0].data[...] = 5
    assert (net.params["a"][0].data == 5).all() and len(net.learnable_params) == 1


def test_the_same_seed_gives_the_same_net():
    nets = [cnnviz.Net(parse_net(TWO_LAYERS), cnnviz.TEST, seed=4) for _ in range(2)]
    assert np.array_equal(nets[0].params["a"][0].data, nets[1].params["a"][0].data)


@pytest.mark.parametrize(
    "work, message",
    [
        (lambda n: n.forward(start="c"), "the net has no layer 'c'"),
        (lambda n: n.forward(blobs=["dat"]), "the net has no blob 'dat'; did you mean 'data'?"),
        (lambda n: n.forward(image=np.zeros(3)), "the net has no input 'image'; its inputs are ['data']"),
        (lambda n: n.forward(data=np.zeros((2, 4))), "blob 'data' is (2, 3), the array (2, 4)"),
        (lambda n: cnnviz.Net(n.definition, "TESTING"), "phase 'TESTING' is neither TRAIN nor TEST"),
    ],
)
def test_wrong_use_is_one_sentence(net, work, message):
    with pytest.raises(NetError) as error:
        work(net)
    assert message in str(error.value)


def test_nan_goes_through(net):
    out = net.forward(data=np.full((2, 3), np.nan, np.float32))
    assert np.isnan(out["b"]).any()
    net.backward(b=np.ones((2, 2), np.float32))
