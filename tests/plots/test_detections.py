"""What detectors find, as values and as boxes on the image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import cnnviz
from cnnviz.api.feature_files import FeatureFiles, FeatureWriter
from cnnviz.errors import CnnvizError
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maps import features_figure
from support.features import make_inspector

# Two priors; boxes and scores are inputs, so that what must be found is known.
NET = """input: "data" input_shape { dim: 1 dim: 3 dim: 40 dim: 80 }
input: "boxes" input_shape { dim: 1 dim: 8 }
input: "scores" input_shape { dim: 1 dim: 6 }
input: "priors" input_shape { dim: 1 dim: 2 dim: 8 }
layer { name: "found" type: "DetectionOutput" bottom: "boxes" bottom: "scores" bottom: "priors" top: "found"
  detection_output_param { num_classes: 3 code_type: CORNER nms_param { nms_threshold: 0.5 }
                           variance_encoded_in_target: true confidence_threshold: 0.01 %s } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2
  kernel_size: 3 weight_filler { type: "xavier" } } }
"""
PRIORS = np.array([[0.25, 0.25, 0.5, 0.75, -0.5, 0.5, 0.5, 1.5], [0.1] * 8])
SCORES = np.array([0.1, 0.2, 0.9, 0.05, 0.6, 0.1])  # background and two classes of each prior
IMAGE = np.zeros((40, 80, 3), np.uint8)


def look(tmp_path, settings: str = "", scores: np.ndarray = SCORES):
    given = {"boxes": 0.0, "priors": PRIORS, "scores": scores}
    inspector = make_inspector(tmp_path, NET % settings, class_names=["none", "cat", "dog"], inputs=given)
    return inspector.run(IMAGE, "a.png")


def test_objects_are_boxes_in_pixels(tmp_path):
    found = look(tmp_path).detections.found
    assert [(d.target, d.name, round(d.score, 3)) for d in found] == [(2, "dog", 0.9), (1, "cat", 0.6)]
    assert found[0].box == pytest.approx((20, 10, 40, 30))
    assert found[1].box == pytest.approx((0, 20, 40, 40))  # cut at the image's edge


def test_faint_objects_are_counted_not_drawn(tmp_path):
    features = look(tmp_path, "visualize_threshold: 0.7")
    assert [d.target for d in features.detections.found] == [2] and features.detections.below == 3
    assert features.summary() == "90.0% dog (2)"
    features = look(tmp_path, scores=np.full(6, 0.02))
    assert features.summary() == "no object with a score of 0.3 or more"
    figure = features_figure(features, theme=get_theme("light"))
    assert any(t.get_text().startswith("no object with a score") for t in figure.texts)


@pytest.mark.parametrize("style", ["light", "dark"])
def test_boxes_are_drawn_where_they_are(tmp_path, style):
    figure = features_figure(look(tmp_path), theme=get_theme(style))
    drawn = {
        (p.get_x() + 0.5, p.get_y() + 0.5, p.get_width(), p.get_height())
        for axes in figure.axes
        for p in axes.patches
    }
    expected = [(20, 10, 20, 20), (0, 20, 40, 20)]
    assert all(any(np.allclose(box, want) for box in drawn) for want in expected)
    texts = [t.get_text() for t in figure.texts]
    assert {"1", "90.0% dog (2)", "2", "60.0% cat (1)"} <= set(texts)
    tags = [t.get_text() for axes in figure.axes for t in axes.texts]
    assert {"1", "2"} <= set(tags)


@pytest.mark.parametrize("shape", [(8, 300), (300, 8), (40, 40)])
def test_nothing_of_the_head_overlaps(tmp_path, shape):
    features = look(tmp_path)
    many = replace(features.detections, found=features.detections.found * 20, below=1234)
    features = replace(features, seen=np.zeros((*shape, 3), np.uint8), detections=many)
    figure = features_figure(features, theme=get_theme("light"))
    renderer = figure.canvas.get_renderer()
    boxes = [t.get_window_extent(renderer) for t in figure.texts]
    for k, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0
        assert not any(box.overlaps(other) for other in boxes[k + 1 :])


def test_other_nets_have_no_detections(tmp_path):
    text = NET.partition("layer")[0] + "layer" + NET.rpartition("layer")[2]
    features = make_inspector(tmp_path, text).run(IMAGE)
    assert features.detections is None and features.summary() == "no class scores"


def test_a_detector_has_no_class_to_explain(tmp_path):
    inspector = make_inspector(tmp_path, NET % "")
    with pytest.raises(CnnvizError, match="no class scores"):
        FeatureWriter(inspector, FeatureFiles(tmp_path / "out", methods=["saliency"]))


@pytest.mark.filterwarnings("error")
def test_infinite_boxes_of_an_untrained_net_are_no_warning():
    text = NET.replace("CORNER", "CENTER_SIZE").replace("variance_encoded_in_target: true", "")
    net = cnnviz.Net(parse_net(text % ""), "TEST")
    net.blobs["boxes"].data[...] = 1e30
    net.blobs["priors"].data[...] = PRIORS
    net.blobs["scores"].data[...] = SCORES
    assert not np.isfinite(net.forward()["found"][..., 3:]).all()


YOLO = """input: "data" input_shape { dim: 1 dim: 3 dim: 40 dim: 80 }
input: "x" input_shape { dim: 1 dim: 7 dim: 1 dim: 2 }
layer { name: "found" type: "YoloDetectionOutput" bottom: "x" top: "found"
  yolo_detection_output_param { num_classes: 2 num_box: 1 biases: [1, 0.5] } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param { num_output: 2
  kernel_size: 3 weight_filler { type: "xavier" } } }
"""


@pytest.mark.parametrize("names", [["cat", "dog"], ["none", "cat", "dog"]])
def test_boxes_of_yolo_are_drawn_with_their_names(tmp_path, names):
    values = np.zeros((1, 7, 1, 2))
    values[0, 4] = -9, 9  # sure of the second position only
    values[0, 6, 0, 1] = 9
    found = make_inspector(tmp_path, YOLO, class_names=names, inputs={"x": values}).run(IMAGE)
    (only,) = found.detections.found
    assert (only.target, only.name) == (2, "dog") and only.score > 0.99
    assert only.box == pytest.approx((40, 10, 80, 30))
