"""Figures of real and unusual weights, and errors of weights that cannot be shown."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.analysis.filter_measures import filter_banks
from cnnviz.analysis.filter_report import filter_report
from cnnviz.api.compare import plot_weight_difference
from cnnviz.api.filmstrip import plot_weight_filmstrip
from cnnviz.api.weights import plot_weights
from cnnviz.errors import CnnvizError, FileError, WeightsError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.prototxt import parse_net
from cnnviz.gallery.page import build_gallery
from cnnviz.plots.common.filter_plan import FilterOptions, plan_filters
from support.weight_figures import Snapshot, assert_texts_are_apart, graph, small

# --- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layers": ["conv11"]}, "no layer 'conv11' with weights; did you mean 'conv1'"),
        ({"layers": ["zzz"]}, "no layer 'zzz' with weights; it has 'conv1', 'conv2', 'ip'"),
        ({"layers": ["pool2"]}, "layer 'pool2' has no filters; layers that have: 'conv1', 'conv2', 'ip'."),
        ({"order": "size"}, "unknown order 'size'"),
        (
            {"normalize": "filtre"},
            "normalize is 'filtre'; expected 'filter' or 'layer'; did you mean 'filter'?",
        ),
        ({"channel_order": "gbr"}, "channel_order is 'gbr'"),
        ({"limit": 0}, "limit is 0"),
        ({"style": "sepia"}, "unknown style 'sepia'"),
    ],
)
def test_wrong_options_are_one_sentence(options, message):
    with pytest.raises(CnnvizError) as error:
        plot_weights(graph(), small(), **options)
    assert message in str(error.value)


def test_weights_of_another_net_are_an_error():
    weights = small()
    weights["conv2"][0] = weights["conv2"][0][:, :5]
    with pytest.raises(
        WeightsError, match=r"layer 'conv2' weight is \(9, 5, 3, 3\), the net expects \(9, 6, 3, 3\)"
    ):
        plot_weights(graph(), weights)
    with pytest.raises(WeightsError, match=r"holds weights of 'fc', and small.prototxt has none of these"):
        plot_weights(graph(), Snapshot({"fc": [np.ones((2, 3))]}))


def test_no_filters_and_unknown_suffix_are_errors(tmp_path):
    with pytest.raises(WeightsError, match="holds no filters"):
        plot_weights(None, Snapshot({"bias": [np.zeros(3)]}))
    with pytest.raises(FileError, match="unknown file format"):
        plot_weights(graph(), small(), tmp_path / "weights.xyz")


# --- real nets ----------------------------------------------------------------------------------


REAL = [
    ("lenet_mnist/lenet_deploy_BVLC.prototxt", "lenet_mnist/lenet_iter_10000.caffemodel"),
    ("lenet_everpeace/lenet.prototxt", "lenet_everpeace/lenet_iter_5000.caffemodel"),
    ("cifar10_everpeace/cifar10_quick.prototxt", "cifar10_everpeace/cifar10_quick_iter_5000.caffemodel"),
    ("squeezenet_v1.0/SqueezeNet_deploy.prototxt", "squeezenet_v1.0/decompressed_SqueezeNet.caffemodel"),
    ("mtcnn_cholihao/det1.prototxt", "mtcnn_cholihao/det1.caffemodel"),
    ("ultraface/slim-320.prototxt", "ultraface/slim-320.caffemodel"),
]


@pytest.mark.parametrize("net, weights", REAL, ids=lambda name: name.split("/")[0])
def test_texts_of_real_nets_are_apart(real, net, weights):
    figure = plot_weights(real / "caffemodels" / net, real / "caffemodels" / weights, order="similarity")
    assert_texts_are_apart(figure)


def test_texts_of_real_snapshots_are_apart(real):
    files = [
        real / "caffemodels/cifar10_everpeace" / f"cifar10_full_iter_{n}0000.caffemodel" for n in (1, 4, 7)
    ]
    assert_texts_are_apart(plot_weight_difference(files[0], files[2], style="dark"))
    assert_texts_are_apart(plot_weight_filmstrip(files, layer="conv3"))


# Filters of volumes, and weights at the end of float32's range


def volume_net(tmp_path, channels: int = 1):
    text = f"""input: "data" input_shape {{ dim: 1 dim: {channels} dim: 8 dim: 8 dim: 8 }}
    layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
      convolution_param {{ num_output: 6 kernel_size: 3 weight_filler {{ type: "xavier" }} }} }}"""
    net = cnnviz.Net(parse_net(text), seed=1)
    net.save(tmp_path / "v.caffemodel")
    return net, read_weights(tmp_path / "v.caffemodel")


@pytest.mark.parametrize("channels", [1, 2])
def test_slices_of_volumes_stand_side_by_side_and_are_no_colours(tmp_path, channels):
    net, weights = volume_net(tmp_path, channels)
    figure = plot_weights(net.graph, weights)
    texts = " ".join(text.get_text() for axes in [figure, *figure.axes] for text in axes.texts)
    assert f"6 filters of {channels}×3×3×3" in texts and "BGR" not in texts
    bank = filter_banks(weights, net.graph)[0]
    assert bank.filter_shape == (channels, 3, 3, 3) and plan_filters(bank, FilterOptions()).form == "rows"
    slices = net.params["conv"][0].data.reshape(6, 3 * channels, 3, 3)
    assert np.array_equal(bank.filters, slices)
    assert f"6 of {channels}×3×3×3" in filter_report(weights, net.graph).to_text()
    page = build_gallery(net.definition, tmp_path / "v.caffemodel")
    assert f"6 filters of {channels}×3×3×3" in page and "Red, green and blue" not in page


def test_weights_near_the_end_of_the_range_are_drawn(tmp_path):
    net, _ = volume_net(tmp_path)
    values = np.random.default_rng(0).choice([3.4e38, -3.4e38, 1e38, 0.0], (6, 1, 3, 3, 3))
    net.params["conv"][0].data[...] = values
    net.save(tmp_path / "huge.caffemodel")
    weights = read_weights(tmp_path / "huge.caffemodel")
    with np.errstate(all="ignore"):
        plot_weights(net.graph, weights)
    (health,) = filter_report(weights, net.graph).layers
    flat = values.astype(np.float32).reshape(6, -1).astype(np.float64)
    assert np.allclose(health.norm, np.linalg.norm(flat, axis=1), rtol=1e-6)
    assert np.allclose(health.std, flat.std(axis=1), rtol=1e-6) and np.isfinite(health.noise).all()
