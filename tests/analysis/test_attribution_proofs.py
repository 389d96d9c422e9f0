"""Attributions against their definitions, computed independently of the engine."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import cnnviz
from cnnviz.analysis import attribution
from cnnviz.analysis.attribution import attribute, grad_cam, integrated_gradients, occlusion
from cnnviz.analysis.features import ImageFeatures
from cnnviz.analysis.gradients import score_blob
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.preprocessing import Preprocessing, read_image
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.prototxt import parse_net, read_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.attributions import attribution_figure, attribution_note
from support.numpy_net import RULES, NumpyNet

METHODS = {"plain": "saliency", "guided": "guided", "deconvolution": "deconvolution"}
# Name -> prototxt and weights of nets trained by others, mean, scale.
NETS = {
    "cifar10": ("cifar10_everpeace/cifar10_quick", "cifar10_everpeace/cifar10_quick_iter_5000", 120, 1),
    "mtcnn": ("mtcnn_cholihao/det1", "mtcnn_cholihao/det1", 127.5, 1 / 128),
    "squeezenet": (
        "squeezenet_v1.0/SqueezeNet_deploy", "squeezenet_v1.0/decompressed_SqueezeNet", 115, 1,
    ),
}  # fmt: skip


@functools.cache
def looked(folder, name: str) -> tuple[Inspector, NumpyNet, int]:
    """An inspector that has seen the cat, the same net in NumPy, and the class that the inspector finds."""
    model, weights, mean, scale = NETS[name]
    definition = read_net(folder / "caffemodels" / f"{model}.prototxt")
    path = folder / "caffemodels" / f"{weights}.caffemodel"
    inspector = Inspector(
        definition, path, ImageOptions(Preprocessing(np.array([mean]), scale)), gradients=True
    )
    inspector.run(read_image(folder / "images" / "bvlc_cat.jpg"))
    other = NumpyNet(list(definition.proto.layer), read_weights(path))
    other.forward(inspector.entry.name, inspector.net.blobs[inspector.entry.name].read_data()[0])
    target = int(inspector.reader.class_scores(score_blob(inspector)[0])[0].argmax())
    return inspector, other, target


def by_numpy(other: NumpyNet, inspector: Inspector, target: int, rule: str) -> np.ndarray:
    return other.backward(inspector.entry.name, score_blob(inspector)[0], target, rule)


@pytest.mark.parametrize("name", NETS)
def test_scores_agree(real, name):
    inspector, other, target = looked(real, name)
    blob = score_blob(inspector)[0]
    scores = other.blobs[blob].reshape(len(other.blobs[blob]), -1).mean(axis=1)
    assert inspector.reader.class_scores(blob)[0] == pytest.approx(scores, rel=1e-3, abs=1e-3)
    assert target == scores.argmax()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("name", NETS)
def test_gradients_agree_with_plain_numpy(real, name, rule):
    inspector, other, target = looked(real, name)
    expected = np.abs(by_numpy(other, inspector, target, rule)).max(axis=0)
    found = attribute(inspector, METHODS[rule], target).values
    # Where two values of a pooling window are almost equal, rounding may choose the other one.
    differs = np.abs(found - expected) > 1e-3 * expected.max()
    assert differs.mean() < 0.005
    assert expected.any() == found.any()


def test_rules_differ(real):
    """Otherwise the comparison above would show nothing."""
    inspector, other, target = looked(real, "cifar10")
    found = [by_numpy(other, inspector, target, rule) for rule in RULES]
    for k in range(3):
        assert np.abs(found[k] - found[k - 1]).max() > 0.1 * np.abs(found[k]).max()


def test_deconvolution_of_squeezenet_is_truly_zero(real):
    """Its weights pass nothing positive below a layer in the middle, whatever the picture."""
    inspector, other, target = looked(real, "squeezenet")
    assert not by_numpy(other, inspector, target, "deconvolution").any()
    found = attribute(inspector, "deconvolution", target)
    assert not found.values.any()
    assert other.lowest == "fire7/relu_conv1x1_1"  # what conv1x1_2 hands down to it is nowhere positive
    assert found.note == "no gradient is left below fire7/conv1x1_2; try guided"
    assert attribute(inspector, "guided", target).values.any()


def test_the_figure_says_why_it_is_zero(real):
    inspector, _, target = looked(real, "squeezenet")
    found = attribute(inspector, "deconvolution", target)
    seen = np.zeros((227, 227, 3), np.uint8)
    features = ImageFeatures("", seen, attributions=(found,))
    figure = attribution_figure(features, theme=get_theme("light"))
    said = " ".join(t.get_text() for t in figure.texts)
    assert "zero everywhere: no gradient is left" in said and "try guided" in said
    renderer = figure.canvas.get_renderer()
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        assert box.x1 <= figure.bbox.width and box.y0 >= 0


# By definition, on a small net


NET = """input: "data" input_dim: 1 input_dim: 3 input_dim: 12 input_dim: 12
layer { name: "c1" type: "Convolution" bottom: "data" top: "c1" convolution_param { num_output: 6
  kernel_size: 3 weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "constant" value: 0.1 } } }
layer { name: "r1" type: "ReLU" bottom: "c1" top: "c1" }
layer { name: "c2" type: "Convolution" bottom: "c1" top: "c2" convolution_param { num_output: 8 kernel_size: 3
  weight_filler { type: "gaussian" std: 0.2 } bias_filler { type: "constant" value: 0.1 } } }
layer { name: "r2" type: "ReLU" bottom: "c2" top: "c2" }
layer { name: "gap" type: "Pooling" bottom: "c2" top: "gap" pooling_param { pool: AVE global_pooling: true } }
layer { name: "ip" type: "InnerProduct" bottom: "gap" top: "ip" inner_product_param { num_output: 4
  weight_filler { type: "gaussian" std: 0.5 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def small(tmp_path):
    definition = parse_net(NET)
    cnnviz.Net(definition, "TEST", seed=3).save(tmp_path / "net.caffemodel")
    options = ImageOptions(Preprocessing(np.array([128]), 1 / 64))
    inspector = Inspector(definition, tmp_path / "net.caffemodel", options, gradients=True)
    inspector.run(np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8))
    return inspector


@pytest.mark.parametrize("target", range(4))
def test_grad_cam_after_global_pooling_is_cam(small, target):
    """There the mean gradient is the class's weight: class activation mapping, Zhou et al. 2016."""
    weights = small.net.params["ip"][0].data[target]
    maps = small.net.blobs["c2"].read_data()[0]
    cam = np.maximum(np.tensordot(weights, maps, 1), 0) / maps[0].size
    found = grad_cam(small, target).values
    assert cam.any()
    places = (np.arange(12) + 0.5) * 8 / 12 - 0.5  # of the pixels among the 8 units
    enlarged = np.array([[_between(cam, row, column) for column in places] for row in places])
    assert found == pytest.approx(enlarged, rel=1e-4, abs=1e-6)


def _between(values: np.ndarray, row: float, column: float) -> float:
    """Bilinear interpolation by its definition."""
    row, column = np.clip(row, 0, len(values) - 1), np.clip(column, 0, values.shape[1] - 1)
    total = 0.0
    for i in range(len(values)):
        for j in range(values.shape[1]):
            total += values[i, j] * max(0, 1 - abs(row - i)) * max(0, 1 - abs(column - j))
    return total


def test_integrated_gradients_are_complete(small):
    blob, target = small.net.blobs["data"], 2
    picture = blob.read_data()
    scores = {}
    for share in (0, 1):
        blob.data[...] = share * picture
        small.net.run_forward()
        scores[share] = float(small.net.blobs["ip"].read_data()[0, target])
    rise = scores[1] - scores[0]
    errors = {}
    for steps in (8, 64, 512):
        found = integrated_gradients(small, target, steps=steps)
        errors[steps] = abs(float(found.values.sum()) - rise)
        assert found.note == f"sums to {found.values.sum():.4g}, the score rises by {rise:.4g}"
    assert errors[512] < 0.003 * abs(rise) and errors[512] < errors[8]


def test_each_pixel_of_the_gradient_is_a_slope(small):
    target, step = 1, 1e-2
    found = attribute(small, "saliency", target).values
    blob = small.net.blobs["data"]
    picture = blob.read_data()
    for row, column in ((0, 0), (5, 7), (11, 3)):
        slopes = []
        for channel in range(3):
            ends = []
            for sign in (1, -1):
                blob.data[...] = picture
                blob.data[0, channel, row, column] += sign * step
                small.net.run_forward()
                ends.append(float(small.net.blobs["ip"].read_data()[0, target]))
            slopes.append(abs(ends[0] - ends[1]) / (2 * step))
        assert found[row, column] == pytest.approx(max(slopes), rel=0.05, abs=1e-4)


def test_occlusion_is_the_mean_of_masked_forwards(small):
    """Windows overlap: a pixel's number is the mean over all that hide it."""
    target, window, stride = 3, 5, 3
    found = occlusion(small, target, window, stride).values
    blob = small.net.blobs["data"]
    picture = blob.read_data()
    total, hidden = np.zeros((12, 12)), np.zeros((12, 12))
    small.net.run_forward()
    whole = float(small.net.blobs["ip"].read_data()[0, target])
    for top in (0, 3, 6, 7):
        for left in (0, 3, 6, 7):
            masked = picture.copy()
            masked[..., top : top + window, left : left + window] = 0
            blob.data[...] = masked
            small.net.run_forward()
            total[top : top + window, left : left + window] += (
                whole - small.net.blobs["ip"].read_data()[0, target]
            )
            hidden[top : top + window, left : left + window] += 1
    blob.data[...] = picture
    assert found == pytest.approx(total / hidden, abs=1e-5)
    assert np.ptp(found) > 1e-3


def test_grad_cam_takes_what_joins_the_last_block(tmp_path):
    """Not the last convolution of one branch alone."""
    branch = (
        'layer { name: "c3" type: "Convolution" bottom: "c2" top: "c3" convolution_param { num_output: 8 '
    )
    branch += 'kernel_size: 1 weight_filler { type: "xavier" } } }\n'
    branch += 'layer { name: "sum" type: "Eltwise" bottom: "c2" bottom: "c3" top: "sum" }\n'
    branch += 'layer { name: "r3" type: "ReLU" bottom: "sum" top: "sum" }\nlayer { name: "gap"'
    text = NET.replace('layer { name: "gap"', branch)
    definition = parse_net(text.replace('bottom: "c2" top: "gap"', 'bottom: "sum" top: "gap"'))
    cnnviz.Net(definition, "TEST", seed=3).save(tmp_path / "net.caffemodel")
    options = ImageOptions(Preprocessing(scale=1 / 64))
    inspector = Inspector(definition, tmp_path / "net.caffemodel", options, gradients=True)
    inspector.run(np.random.default_rng(0).integers(0, 256, (12, 12, 3)).astype(np.uint8))
    assert grad_cam(inspector).note == "of r3"


def test_notes_say_how_it_was_made(small):
    assert attribution_note(attribute(small, "gradcam", 0)).endswith("; of r2")
    assert "windows of 2 × 2 pixels" in attribution_note(attribute(small, "occlusion", 0))
    assert attribution_note(attribute(small, "saliency", 0)) == "absolute gradient of the score"


@pytest.mark.parametrize("dpi", [60, 80, 150])
def test_notes_keep_apart(small, dpi):
    found = tuple(attribute(small, method, 0) for method in attribution.METHODS)
    features = ImageFeatures("a.png", np.zeros((12, 12, 3), np.uint8), attributions=found)
    figure = attribution_figure(features, theme=get_theme("dark"))
    figure.set_dpi(dpi)
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.texts]
    for k, box in enumerate(boxes):
        assert box.x1 <= figure.bbox.width and box.y0 >= 0
        assert not any(box.overlaps(other) for other in boxes[k + 1 :] if other.x0 != box.x0)


def test_a_class_that_no_map_supports(small):
    small.net.params["ip"][0].data[0] = -1
    found = grad_cam(small, 0)
    assert not found.values.any() and found.note == "no map of r2 supports the class; try occlusion"
