"""What layers keep from one forward to the next, and what they draw at random."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net


def net_of(layer: str, shape: str, phase=cnnviz.TRAIN, inputs: str = "x", seed: int = 1) -> Net:
    """A net of Input layers for the characters of ``inputs``, each of its shape, and one layer."""
    lines = ["force_backward: true"]
    for name, dims in zip(inputs.split(), shape.split(), strict=True):
        axes = " ".join(f"dim: {d}" for d in dims.split("x"))
        lines.append(
            f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ shape {{ {axes} }} }} }}'
        )
    return Net(parse_net("\n".join([*lines, layer])), phase, seed=seed)


def layer(type: str, params: str = "", bottoms: str = "x") -> str:
    names = " ".join(f'bottom: "{name}"' for name in bottoms.split())
    return f'layer {{ name: "l" type: "{type}" {names} top: "y" {params} }}'


def batches(count: int, *shape: int) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.normal(2, 3, shape).astype(np.float32) for _ in range(count)]


def test_nvcaffes_batch_norm_averages_what_it_has_seen():
    params = "batch_norm_param { moving_average_fraction: 0.8 scale_bias: true }"
    net = net_of(layer("BatchNorm", params), "4x3x2x5")
    weight = net.params["l"][2]
    assert [blob.shape for blob in net.params["l"]] == [(3,), (3,), (1,), (3,), (3,)]
    mean, variance = np.zeros(3), np.zeros(3)
    for i, x in enumerate(batches(4, 4, 3, 2, 5)):
        net.forward(x=x)
        kept = 0.8 if i > 1 else 0
        mean = kept * mean + (1 - kept) * x.mean(axis=(0, 2, 3))
        variance = kept * variance + (1 - kept) * x.var(axis=(0, 2, 3))
        np.testing.assert_allclose(net.params["l"][0].data, mean, rtol=1e-4)
        np.testing.assert_allclose(net.params["l"][1].data, variance, rtol=1e-4)
        assert weight.data[0] == 1


def test_batch_norm_sums_up_what_it_has_seen():
    net = net_of(layer("BatchNorm", "batch_norm_param { moving_average_fraction: 0.8 }"), "4x3x2x5")
    mean, variance, weight = np.zeros(3), np.zeros(3), 0.0
    for x in batches(3, 4, 3, 2, 5):
        net.forward(x=x)
        mean = 0.8 * mean + x.mean(axis=(0, 2, 3))
        variance = 0.8 * variance + x.var(axis=(0, 2, 3), ddof=1)
        weight = 0.8 * weight + 1
    for blob, want in zip(net.params["l"], (mean, variance, weight), strict=True):
        np.testing.assert_allclose(blob.data, np.reshape(want, blob.shape), rtol=1e-5)


def test_bn_averages_what_it_has_seen():
    net = net_of(layer("BN", "bn_param { momentum: 0.7 }"), "4x3x2x5")
    mean, variance = np.zeros(3), np.ones(3)
    for x in batches(3, 4, 3, 2, 5):
        net.forward(x=x)
        mean = 0.7 * mean + 0.3 * x.mean(axis=(0, 2, 3))
        variance = 0.7 * variance + 0.3 * x.var(axis=(0, 2, 3))
    np.testing.assert_allclose(net.params["l"][2].data.ravel(), mean, rtol=1e-5)
    np.testing.assert_allclose(net.params["l"][3].data.ravel(), variance, rtol=1e-5)


@pytest.mark.parametrize("type", ["LSTM", "RNN"])
def test_recurrent_layers_go_on_where_they_stopped(type):
    params = 'recurrent_param { num_output: 4 weight_filler { type: "uniform" min: -1 max: 1 } }'
    whole = net_of(layer(type, params, "x cont"), "6x2x3 6x2", inputs="x cont")
    parts = net_of(layer(type, params, "x cont"), "3x2x3 3x2", inputs="x cont")
    (x,) = batches(1, 6, 2, 3)
    cont = np.array([[0, 0], [1, 1], [1, 0], [1, 1], [1, 1], [0, 1]])
    want = whole.forward(x=x, cont=cont)["y"]
    got = [parts.forward(x=x[i : i + 3], cont=cont[i : i + 3])["y"] for i in (0, 3)]
    np.testing.assert_allclose(np.concatenate(got), want, rtol=1e-5, atol=1e-6)


def test_other_sequences_start_from_nothing():
    params = 'recurrent_param { num_output: 4 weight_filler { type: "uniform" min: -1 max: 1 } }'
    net = net_of(layer("LSTM", params, "x cont"), "3x2x3 3x2", inputs="x cont")
    (x,) = batches(1, 3, 5, 3)
    net.forward(x=x[:, :2], cont=np.ones((3, 2)))
    net.blobs["x"].reshape(3, 5, 3)
    net.blobs["cont"].reshape(3, 5)
    first = net.forward(x=x, cont=np.ones((3, 5)))["y"]
    fresh = net.forward(x=x, cont=np.array([[0] * 5, [1] * 5, [1] * 5]))["y"]
    np.testing.assert_array_equal(first, fresh)


@pytest.mark.parametrize("ratio", [0.3, 0.5])
def test_dropout_drops_its_share_and_scales_the_rest(ratio):
    net = net_of(layer("Dropout", f"dropout_param {{ dropout_ratio: {ratio} }}"), "200x500")
    y = net.forward(x=np.ones((200, 500)))["y"]
    assert (y == 0).mean() == pytest.approx(ratio, abs=0.01)
    assert np.unique(y[y != 0]) == pytest.approx([1 / (1 - ratio)])
    # Neighbours are independent of each other, along both axes.
    dropped = (y == 0) - ratio
    for pair in (dropped[1:] * dropped[:-1], dropped[:, 1:] * dropped[:, :-1]):
        assert abs(pair.mean()) < 0.01
    np.testing.assert_array_equal(net.backward(y=np.ones((200, 500)))["x"], y)
    assert (net.forward()["y"] != y).any()


@pytest.mark.parametrize("type", ["Dropout", "NoisyReLU", "RReLU"])
def test_equal_seeds_give_equal_numbers(type):
    x = np.random.default_rng(0).normal(size=(3, 100))
    first, same, other = (net_of(layer(type), "3x100", seed=seed).forward(x=x)["y"] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_noise_of_relu_is_gaussian():
    net = net_of(layer("NoisyReLU", "noisy_relu_param { deviation: 2 }"), "200x500")
    noise = net.forward(x=np.full((200, 500), 100))["y"] - 100
    assert noise.mean() == pytest.approx(0, abs=0.03)
    assert noise.std() == pytest.approx(2, rel=0.02)
    assert (np.abs(noise) < 2).mean() == pytest.approx(0.683, abs=0.01)
    assert (np.abs(noise) < 4).mean() == pytest.approx(0.954, abs=0.01)


def test_random_slopes_keep_within_their_limits():
    net = net_of(layer("RReLU", "rrelu_param { lb: 2 ub: 5 }"), "100x500")
    y = net.forward(x=np.full((100, 500), -1))["y"]
    divisors = -1 / y
    assert divisors.min() >= 2 - 1e-5
    assert divisors.max() <= 5 + 1e-5
    assert divisors.mean() == pytest.approx(3.5, abs=0.02)
    np.testing.assert_allclose(net.backward(y=np.ones((100, 500)))["x"], -y, rtol=1e-6)


@pytest.mark.parametrize("type, params, index", [
    ("Embed", "embed_param { num_output: 2 input_dim: 3 }", 3),
    ("Embed", "embed_param { num_output: 2 input_dim: 3 }", -1),
    ("Embed", "embed_param { num_output: 2 input_dim: 3 }", np.nan),
])  # fmt: skip
def test_an_index_out_of_range_is_named(type, params, index):
    net = net_of(layer(type, params), "2")
    with pytest.raises(NetError, match=r"layer 'l' \(Embed\): index .* at position 1 is not in 0 to 2"):
        net.forward(x=np.array([0, index]))
