"""CenterLoss: its gradient against differences, and the update of the centres against the paper's."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

NET = """
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 5 dim: 3 } } }
layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 5 } } }
layer { name: "l" type: "CenterLoss" bottom: "x" bottom: "t" top: "y" loss_weight: 0.5
        center_loss_param { num_output: 4 center_filler { type: "uniform" min: -1 } } }
"""
LABELS = np.array([0, 2, 2, 3, 2])


@pytest.fixture
def net():
    net = Net(parse_net(NET), seed=1)
    net.blobs["x"].data[...] = np.random.default_rng(0).normal(size=(5, 3))
    net.blobs["t"].data[...] = LABELS
    return net


def test_features_are_drawn_to_their_centres(net):
    net.forward()
    net.backward()
    centres = net.params["l"][0].read_data()
    expected = 0.5 * (net.blobs["x"].read_data() - centres[LABELS]) / 5
    np.testing.assert_allclose(net.blobs["x"].read_diff(), expected, atol=1e-6)


def test_centres_move_by_the_mean_over_count_and_one(net):
    net.forward()
    net.backward()
    x, centres = net.blobs["x"].read_data(), net.params["l"][0].read_data()
    for k in range(4):
        mine = x[k == LABELS]
        expected = (centres[k] - mine).sum(axis=0) / (len(mine) + 1)
        np.testing.assert_allclose(net.params["l"][0].read_diff()[k], expected, atol=1e-6)


def test_a_label_that_is_no_class_is_refused(net):
    net.blobs["t"].data[1] = 4
    with pytest.raises(NetError, match="index 4 at position 1 is not in 0 to 3"):
        net.forward()
