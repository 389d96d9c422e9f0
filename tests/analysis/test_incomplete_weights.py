"""Weights that lack some layers of the net: what is filled, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import cnnviz
from cnnviz.analysis.inspector import Inspector
from cnnviz.api.features import plot_features
from cnnviz.engine.solver import Solver
from cnnviz.errors import WeightsError
from cnnviz.formats.prototxt import parse_net
from support.partial_nets import CONV, INPUT, WHOLE, run, save

# Nets whose weights lack the layer "ip", or all layers.
PART = WHOLE.replace('"ip"', '"i"')
OTHER = PART.replace('"conv"', '"c"')


def test_weights_of_another_net_are_an_error(folder):
    save(OTHER, "other.caffemodel")
    message = (
        "other.caffemodel: holds weights of 'c', 'i', and net.prototxt has none of these layers but 'conv'"
    )
    for arguments in (
        ["features", "net.prototxt", "other.caffemodel", "a.png", "--out", "maps"],
        ["gallery", "net.prototxt", "other.caffemodel", "--image", "a.png", "--out", "p.html"],
        ["gallery", "net.prototxt", "other.caffemodel", "--out", "p.html"],
        ["test", "--model", "net.prototxt", "--weights", "other.caffemodel"],
        ["time", "--model", "net.prototxt", "--weights", "other.caffemodel"],
        ["weights", "net.prototxt", "other.caffemodel", "w.png"],
    ):
        error = run(*arguments).exception
        assert isinstance(error, WeightsError) and message in str(error), arguments
    with pytest.raises(WeightsError, match="holds weights of 'c'"):
        cnnviz.Net("net.prototxt", weights="other.caffemodel")


def test_layers_left_at_their_filler_are_named(folder, caplog):
    save(PART, "part.caffemodel")
    said = "part.caffemodel: has no weights for the layer 'ip': it keeps untrained initial values."
    assert run("features", "net.prototxt", "part.caffemodel", "a.png", "--out", "maps").exit_code == 0
    assert [record.getMessage() for record in caplog.records].count(said) == 1
    inspector = Inspector("net.prototxt", "part.caffemodel")
    figure = plot_features(inspector, None, np.zeros((8, 8, 3), np.uint8))
    assert said.split(":")[0] in " ".join(text.get_text() for text in figure.texts)
    for images in (["--image", "a.png"], []):
        caplog.clear()
        assert run("gallery", "net.prototxt", "part.caffemodel", *images, "--out", "p.html").exit_code == 0
        assert "has no weights for the layer &#x27;ip&#x27;" in (folder / "p.html").read_text(
            encoding="utf-8"
        )
        assert caplog.text.count(said) == 1
    assert cnnviz.Net("net.prototxt", weights="part.caffemodel").unfilled == ["ip"]


def test_layers_that_share_weights_of_the_file_are_filled(folder, caplog):
    shared = 'param { name: "w" } param { name: "b" } '
    text = INPUT + CONV.replace("convolution_param", shared + "convolution_param")
    twin = text + CONV.replace('name: "conv"', 'name: "twin"').replace('top: "conv"', 'top: "twin"').replace(
        "convolution_param", shared + "convolution_param"
    )
    save(text, "one.caffemodel")
    assert cnnviz.Net(parse_net(twin), weights="one.caffemodel").unfilled == []
    assert not caplog.records


def test_fine_tuning_gets_a_notice_only(folder, caplog):
    save(OTHER, "other.caffemodel")
    save(PART, "part.caffemodel")
    (folder / "solver.prototxt").write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1 snapshot_after_train: false'
    )
    solver = Solver("solver.prototxt")
    with caplog.at_level(logging.INFO, "cnnviz"):
        solver.copy_weights("part.caffemodel")
    assert "Layer ip is not in part.caffemodel: it keeps its values" in caplog.text
    caplog.clear()
    solver.copy_weights("other.caffemodel")
    assert "other.caffemodel: holds weights of 'c', 'i'" in caplog.text


def test_pycaffe_goes_on_as_caffe_does(folder, caplog):
    import cnnviz.pycaffe as caffe

    save(OTHER, "other.caffemodel")
    caffe.Net("net.prototxt", "other.caffemodel", caffe.TEST)
    assert "holds weights of 'c', 'i'" in caplog.text
