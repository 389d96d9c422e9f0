"""What the table of layers cannot show of Pooling: chances, NaN, refusals."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net


def pooling(params: str, shape: tuple[int, ...], phase: int = cnnviz.TRAIN, top: str = "y") -> Net:
    dims = " ".join(f"dim: {d}" for d in shape)
    text = f"""force_backward: true
    layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}
    layer {{ name: "pool" type: "Pooling" bottom: "x" top: "{top}" pooling_param {{ {params} }} }}"""
    return Net(parse_net(text, "p.prototxt"), phase, seed=1)


def test_stochastic_pooling_draws_in_proportion_and_remembers_its_draw():
    net = pooling("pool: STOCHASTIC kernel_size: 2 stride: 2", (1, 4000, 2, 2))
    net.blobs["x"].data[...] = np.array([[1, 2], [0, 5]])
    drawn = net.forward()["y"].ravel()
    shares = [np.mean(drawn == value) for value in (1, 2, 0, 5)]
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.03)
    net.backward(y=np.ones((1, 4000, 1, 1)))
    given = (net.blobs["x"].data * net.blobs["x"].diff).sum(axis=(2, 3)).ravel()
    np.testing.assert_array_equal(given, drawn)
    assert (net.forward()["y"].ravel() != drawn).any()


def test_windows_of_nan_are_harmless():
    net = pooling("kernel_size: 2 stride: 2", (1, 1, 4, 4))
    net.blobs["x"].data[...] = np.nan
    net.blobs["x"].data[0, 0, 3, 3] = 1
    y = net.forward()["y"]
    assert y[0, 0, 1, 1] == 1 and y[0, 0, 0, 0] == np.float32(-3.4028235e38)
    net.backward(y=np.ones((1, 1, 2, 2)))
    assert net.blobs["x"].diff.sum() == net.blobs["x"].diff[0, 0, 3, 3] == 1


@pytest.mark.parametrize("params, reason", [
    ("", "has no kernel_size"),
    ("kernel_size: 2 kernel_h: 2 kernel_w: 2", "not both"),
    ("kernel_h: 2", "belong together"),
    ("kernel_size: 0", "the kernel's size is 0"),
    ("kernel_size: 2 stride: 0", "stride is 0"),
    ("kernel_size: 2 pad: 2", "pad 2 is not less than the kernel's height 2"),
    ("kernel_size: 9", "larger than the bottom's 5x4"),
    ("global_pooling: true kernel_size: 2", "omit kernel_size"),
    ("global_pooling: true pad: 1", "omit pad and stride"),
    ("pool: STOCHASTIC kernel_size: 2 pad: 1", "STOCHASTIC pooling has no pad"),
    ("kernel_size: 2 pad: 1 pad_l: 1", "give one of: pad;"),
    ("kernel_size: 2 pad_type: 2", "pad_type is 2"),
    ("kernel_size: 3 stride: 4294967295", "can span 2147483647 pixels at most"),
    ("kernel_size: 4294967295 pad: 4294967294", "can span 2147483647 pixels at most"),
])  # fmt: skip
def test_what_cannot_be_pooled_is_refused(params, reason):
    with pytest.raises(NetError, match=rf"p.prototxt:3: layer 'pool' \(Pooling\): .*{reason}"):
        pooling(params, (1, 2, 5, 4))


def test_in_place_is_built_as_caffe_does_and_refused_when_run():
    net = pooling("kernel_size: 2", (1, 2, 4, 4), top="x")
    with pytest.raises(NetError, match="cannot run in place"):
        net.forward()
