"""Slopes exactly at the corners of piecewise activations: those of the forks that the layers come from."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.net import Net
from cnnviz.formats.prototxt import parse_net


def slopes(text, values):
    """The derivative of one layer at each of the values."""
    net = Net(
        parse_net(
            f"force_backward: true layer {{ name: 'x' type: 'Input' top: 'x' input_param {{ shape {{ dim: "
            f"{len(values)} }} }} }} layer {{ name: 'l' bottom: 'x' top: 'y' {text} }}"
        )
    )
    net.blobs["x"].data[...] = values
    net.forward()
    net.blobs["y"].diff[...] = 1
    net.backward()
    return net.blobs["x"].read_diff()


@pytest.mark.parametrize(
    "text, values, expected",
    [
        ("type: 'ReLU'", [0], [0]),
        ("type: 'ReLU6'", [-1, 0, 3, 6, 7], [0, 0, 1, 0, 0]),
        ("type: 'ReLU6' relu6_param { negative_slope: 0.1 }", [-1, 0, 6], [0.1, 0.1, 0]),
        ("type: 'ReLU' relu_param { relu6: true }", [0, 6], [0, 0]),
        ("type: 'HardSwish'", [-4, -3, 0, 3, 4], [0, -0.5, 0.5, 1.5, 1]),
        ("type: 'HardSigmoid'", [-2.5, 0, 2.5], [0, 0.2, 0]),
    ],
)
def test_slope_at_the_corners(text, values, expected):
    np.testing.assert_allclose(slopes(text, values), expected, atol=1e-6)
