"""Weights against a net: what loads, what does not, and the sentence that says why."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.graph import build_graph
from cnnviz.engine.weights_check import check_weights_fit, same_shape
from cnnviz.errors import WeightsError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.prototxt import parse_net, read_net

NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 28 dim: 28 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 20 kernel_size: 5 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
"""


def graph():
    return build_graph(parse_net(NET))


def conv(*shape: int) -> dict:
    return {"conv1": [np.zeros(shape), np.zeros(20)]}


def test_another_shape_is_refused_with_both_shapes():
    with pytest.raises(WeightsError) as error:
        check_weights_fit(graph(), conv(20, 1, 5, 5), "lenet.caffemodel")
    assert str(error.value) == (
        "lenet.caffemodel: layer 'conv1' weight is (20, 1, 5, 5), the net expects (20, 3, 5, 5). "
        "Use the matching prototxt, or rename the layer to train it from scratch."
    )


def test_another_number_of_blobs_is_refused():
    with pytest.raises(WeightsError, match=r"'conv1' has 1 parameter blob\(s\), the net expects 2"):
        check_weights_fit(graph(), {"conv1": [np.zeros((20, 3, 5, 5))]})


def test_layers_unknown_to_either_side_are_not_an_error():
    check_weights_fit(graph(), {"other": [np.zeros(3)]})
    check_weights_fit(graph(), conv(20, 3, 5, 5) | {"fc8": [np.zeros((9, 9))]})


def test_blobs_omitted_by_sharing_are_not_an_error():
    first = NET.replace("convolution_param", 'param { name: "w" } convolution_param')
    second = first.split("\n")[2:4]
    both = build_graph(parse_net(first + "\n".join(second).replace('"conv1"', '"conv2"')))
    check_weights_fit(both, {"conv2": [None, np.zeros(20)]})
    with pytest.raises(WeightsError, match="has 3 parameter blob"):
        check_weights_fit(both, {"conv2": [None, np.zeros(20), np.zeros(1)]})
    with pytest.raises(WeightsError, match="has 1 parameter blob"):
        check_weights_fit(both, {"conv1": [None, np.zeros(20)]})


@pytest.mark.parametrize(
    "found, expected, fits",
    [
        ((1, 1, 1, 20), (20,), True),
        ((1, 1, 10, 500), (10, 500), True),
        ((1, 1, 1, 1), (), True),
        ((20,), (20,), True),
        ((1, 20), (20,), False),
        ((1, 2, 1, 10), (20,), False),
        ((1, 1, 500, 10), (10, 500), False),
        ((20, 1, 5, 5), (20, 25), False),
        ((1, 1, 20, 1, 1), (20, 1, 1), False),
    ],
)
def test_old_shapes_fit_with_ones_on_the_left(found, expected, fits):
    assert same_shape(found, expected) is fits


@pytest.mark.parametrize("name", ["det2", "det3"])
def test_published_nets_that_do_not_fit_are_found_out(real, name):
    folder = real / "caffemodels" / "mtcnn_cholihao"
    net = build_graph(read_net(folder / f"{name}.prototxt"), splits=False, strict=False)
    with pytest.raises(WeightsError, match=rf"{name}\.caffemodel: layer '\w+' \w+ is \("):
        check_weights_fit(net, read_weights(folder / f"{name}.caffemodel"))


@pytest.mark.parametrize(
    "net, weights",
    [
        ("lenet_everpeace/lenet.prototxt", "lenet_everpeace/lenet_iter_10000.caffemodel"),
        ("mtcnn_cholihao/det1.prototxt", "mtcnn_cholihao/det1.caffemodel"),
        ("squeezenet_v1.0/SqueezeNet_deploy.prototxt", "squeezenet_v1.0/decompressed_SqueezeNet.caffemodel"),
    ],
)
def test_real_pairs_fit(real, net, weights):
    folder = real / "caffemodels"
    check_weights_fit(
        build_graph(read_net(folder / net), splits=False, strict=False), read_weights(folder / weights)
    )
