"""Proposals by the C++ layer's parameters and by the Python layer's text, and the regions after them."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from cnnviz.engine import python_modules
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

BOTTOMS = {"scores": (1, 18, 4, 5), "moves": (1, 36, 4, 5), "image": (1, 3), "x": (1, 2, 8, 10)}
INPUTS = "".join(f'input: "{name}" input_shape {{ dim: {list(shape)} }}\n' for name, shape in BOTTOMS.items())
READS = 'bottom: "scores" bottom: "moves" bottom: "image"'
IN_CPP = f'layer {{ name: "p" type: "Proposal" {READS} top: "rois" top: "sure" %s }}\n'
IN_PYTHON = (
    f'layer {{ name: "p" type: "Python" {READS} top: "rois" top: "sure" python_param '
    '{ module: "rpn.proposal_layer" layer: "ProposalLayer" param_str: "%s" } }\n'
)
POOLED = (
    'layer { name: "pool" type: "ROIPooling" bottom: "x" bottom: "rois" top: "pool" '
    "roi_pooling_param { pooled_h: 2 pooled_w: 2 spatial_scale: 0.125 } }\n"
)


def run(text: str, phase: str = "TEST", image=(64, 80, 1)) -> Net:
    net = Net(parse_net(INPUTS + text), phase)
    random = np.random.default_rng(1)
    for name, shape in BOTTOMS.items():
        net.blobs[name].data[...] = random.uniform(-2, 0.3, shape)
    net.blobs["image"].data[...] = image
    net.forward()
    return net


@pytest.mark.parametrize("text", ["'feat_stride': 16", "{feat_stride: 16, 'scales': (8, 16, 32)}"])
def test_the_python_form_is_built_in(text):
    built_in = run(IN_PYTHON % text + POOLED)
    regions = built_in.blobs["rois"].data
    assert len(regions) > 3 and (regions[:, 3:] <= [79, 63]).all()
    np.testing.assert_array_equal(regions, run(IN_CPP % "").blobs["rois"].data)
    assert built_in.blobs["sure"].shape == (len(regions), 1)
    assert built_in.blobs["pool"].shape == (len(regions), 2, 2, 2)


def test_other_scales_make_other_anchors():
    few = IN_PYTHON % "'feat_stride': 16 \\n'scales': !!python/tuple [4]\\n'ratios': [0.5, 1, 2]"
    with pytest.raises(NetError, match=r"expected \(N, 6, H, W\) for 3 anchors"):
        run(few)


@pytest.mark.parametrize("text", ["'feat_stride': 16\\n'nms': 0.5", "", "[16]", "'feat_stride': x"])
def test_what_the_text_says_beyond_is_refused(text):
    with pytest.raises(NetError, match="expected feat_stride, and scales and ratios at most"):
        run(IN_PYTHON % text)


def test_no_region_is_not_an_error():
    net = run(IN_CPP % "proposal_param { min_size: 100 }" + POOLED)
    assert net.blobs["rois"].shape == (0, 5) and net.blobs["pool"].shape == (0, 2, 2, 2)


def test_an_allowed_module_runs_itself(monkeypatch):
    class ProposalLayer:
        def setup(self, bottom, top): ...

        def reshape(self, bottom, top):
            top[0].reshape(2, 5)
            top[1].reshape(2)

        def forward(self, bottom, top):
            top[0].data[...] = 7

    module = types.ModuleType("rpn.proposal_layer")
    module.ProposalLayer = ProposalLayer
    monkeypatch.setitem(sys.modules, "rpn", types.ModuleType("rpn"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(python_modules, "_allowed", {module.__name__})
    assert (run(IN_PYTHON % "").blobs["rois"].data == 7).all()


@pytest.mark.parametrize("phase, most", [("TEST", 300), ("TRAIN", 2000)])
def test_training_keeps_more_regions(phase, most):
    inputs = INPUTS.replace("[1, 18, 4, 5]", "[1, 18, 40, 50]").replace("[1, 36, 4, 5]", "[1, 36, 40, 50]")
    net = Net(parse_net(inputs + IN_PYTHON % "'feat_stride': 16"), phase)
    assert net.graph.shapes["rois"] == (most, 5)
