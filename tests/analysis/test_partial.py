"""Nets of which some layers cannot run: what is shown and reported."""

from __future__ import annotations

import numpy as np
import pytest

import cnnviz
from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.summary import graph_to_show
from cnnviz.api.features import plot_features
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net
from support.partial_nets import CONV, FED, INPUT, IP, PROB, WHOLE, run

# Each cannot run, for another reason, and reads "conv".
CANNOT = {
    "unknown type 'Odd'": 'layer { name: "x" type: "Odd" bottom: "conv" top: "x" }\n',
    "was not allowed to run": 'layer { name: "x" type: "Python" bottom: "conv" top: "x" '
    'python_param { module: "no_such_module" layer: "L" } }\n',
    "kernel_size": 'layer { name: "x" type: "Pooling" bottom: "conv" top: "x" }\n',
    "unknown filler type 'odd'": 'layer { name: "x" type: "InnerProduct" bottom: "conv" top: "x" '
    'inner_product_param { num_output: 2 weight_filler { type: "odd" } } }\n',
    "has the shape": 'layer { name: "x" type: "Eltwise" bottom: "conv" bottom: "data" top: "x" }\n',
}  # fmt: skip


# Layers that cannot run


@pytest.mark.parametrize("reason", CANNOT)
def test_what_does_not_need_the_layer_runs(reason, caplog):
    after = 'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }\n'
    net = cnnviz.Net(parse_net(WHOLE + CANNOT[reason] + after), seed=1, partial=True)
    whole = cnnviz.Net(parse_net(WHOLE), seed=1)
    for one in (net, whole):
        one.params["conv"][0].data[...] = 0.1
        one.params["ip"][0].data[...] = np.arange(3)[:, None]
    data = np.random.default_rng(1).normal(size=(1, 3, 8, 8))
    assert np.array_equal(net.forward(data=data)["prob"], whole.forward(data=data)["prob"])
    assert [left.names for left in net.left_out] == [["x", "y"]]
    assert reason in str(net.left_out[0]) or reason == "has the shape"
    assert str(net.left_out[0]).endswith("Left out, with what needs it: 'y'.")
    assert str(net.left_out[0]) in caplog.text
    with pytest.raises(NetError, match=r"layer 'y' does not run: <text>.*: layer 'x'"):
        net.forward(end="y")
    with pytest.raises(NetError, match="blob 'y' is not computed"):
        net.forward(["y"])
    with pytest.raises(NetError):
        cnnviz.Net(parse_net(WHOLE + CANNOT[reason] + after))


def test_every_reason_is_reported():
    second = 'layer { name: "z" type: "Odder" bottom: "x" top: "z" }\n'
    net = cnnviz.Net(parse_net(WHOLE + CANNOT["unknown type 'Odd'"] + second), partial=True)
    assert [left.name for left in net.left_out] == ["x", "z"]


def test_in_place_layers_take_what_follows_with_them():
    text = INPUT + CONV + 'layer { name: "odd" type: "Odd" bottom: "conv" top: "conv" }\n' + IP + PROB
    net = cnnviz.Net(parse_net(text), partial=True)
    assert net.layer_names == ["input", "conv"]
    assert net.left_out[0].needed_by == ["ip", "prob"]


def test_a_net_without_errors_is_the_same_graph():
    fan_out = WHOLE + 'layer { name: "r" type: "ReLU" bottom: "conv" top: "r" }\n'
    assert (
        cnnviz.Net(parse_net(fan_out), partial=True).layer_names == cnnviz.Net(parse_net(fan_out)).layer_names
    )


def test_unknown_bottoms_and_nets_of_which_nothing_runs_are_errors():
    with pytest.raises(NetError, match=r"layer 'ip' .*unknown bottom 'konv'; did you mean 'conv'"):
        cnnviz.Net(parse_net(WHOLE.replace('bottom: "conv"', 'bottom: "konv"')), partial=True)
    with pytest.raises(NetError, match=r"layer 'conv' .*unknown type 'Konv'"):
        cnnviz.Net(parse_net(INPUT + CONV.replace("Convolution", "Konv")), partial=True)


def test_features_and_gallery_report_an_error_of_the_net(folder):
    fault = "unknown bottom 'konv'; did you mean 'conv'?"
    (folder / "bad.prototxt").write_text(WHOLE.replace('bottom: "conv"', 'bottom: "konv"'))
    for result in (
        run("features", "bad.prototxt", "net.caffemodel", "a.png", "--out", "maps"),
        run("gallery", "bad.prototxt", "net.caffemodel", "--image", "a.png", "--out", "p.html"),
    ):
        assert isinstance(result.exception, NetError) and fault in str(result.exception)


def test_features_show_what_runs(folder, caplog):
    text = WHOLE + 'layer { name: "out" type: "Proposal2" bottom: "prob" top: "rois" }\n'
    (folder / "odd.prototxt").write_text(text)
    result = run("features", "odd.prototxt", "net.caffemodel", "a.png", "--out", "maps", "--layer", "conv",
                 "--top-images", "conv", "--attribution", "saliency", "--npy", "prob")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "layer 'out' (Proposal2): unknown type 'Proposal2'" in caplog.text
    names = {path.name for path in (folder / "maps").iterdir()}
    assert names == {"a_features.png", "a_attribution.png", "top_images_conv.png", "a_prob.npy"}
    refused = run("features", "odd.prototxt", "net.caffemodel", "a.png", "--out", "maps", "--layer", "out")
    assert "layer 'out' does not run: odd.prototxt" in str(refused.exception)


def test_scores_before_an_unknown_layer_are_no_classes(folder):
    text = INPUT + CONV + IP + 'layer { name: "out" type: "Odd" bottom: "ip" top: "out" }\n'
    features = Inspector(parse_net(text), "net.caffemodel").run(np.zeros((8, 8, 3), np.uint8))
    assert features.summary() == "no class scores, as layer 'out' cannot run"
    figure = plot_features(Inspector(parse_net(text), "net.caffemodel"), None, np.zeros((8, 8, 3), np.uint8))
    assert any("unknown type 'Odd'" in shown.get_text() for shown in figure.texts)


def test_gallery_shows_what_runs(folder):
    (folder / "odd.prototxt").write_text(WHOLE + CANNOT["unknown type 'Odd'"])
    result = run("gallery", "odd.prototxt", "net.caffemodel", "--image", "a.png", "--out", "p.html")
    assert result.exit_code == 0, result.output
    page = (folder / "p.html").read_text(encoding="utf-8")
    assert page.count("layer &#x27;x&#x27; (Odd): unknown type") >= 1 and "% class" in page


def test_time_and_extract_features_run_the_rest(folder):
    (folder / "odd.prototxt").write_text(WHOLE + CANNOT["unknown type 'Odd'"])
    shown = run("time", "--model", "odd.prototxt", "--iterations", "1").output
    assert "prob " in shown and "\nx " not in shown
    (folder / "fed.prototxt").write_text(FED + CONV + IP + PROB + CANNOT["unknown type 'Odd'"])
    assert run("extract-features", "net.caffemodel", "fed.prototxt", "prob", "p.npz", "1").exit_code == 0
    refused = run("extract-features", "net.caffemodel", "fed.prototxt", "x", "x.npz", "1")
    assert "blob 'x' is not computed: fed.prototxt" in str(refused.exception)


def test_missing_labels_are_not_an_error():
    scoring = """layer { name: "flat" type: "Flatten" bottom: "label" top: "flat" }
    layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "flat" top: "acc" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }"""
    names = [layer.name for layer in deploy(parse_net(WHOLE + scoring)).proto.layer]
    assert names == ["input", "conv", "ip", "prob", "loss"]


def test_unknown_data_layers_become_inputs():
    text = 'layer { name: "d" type: "OddData" top: "data" top: "label" transform_param { crop_size: 8 } }\n'
    text += CONV + IP + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" }'
    proto = deploy(parse_net(text), {"conv": [np.zeros((4, 3, 3, 3))]}).proto
    assert [layer.type for layer in proto.layer] == ["Input", "Convolution", "InnerProduct", "Softmax"]


# Rules


STAGED = (
    INPUT
    + CONV
    + """
layer { name: "a" type: "ReLU" bottom: "conv" top: "last" include { stage: "a" } }
layer { name: "b" type: "TanH" bottom: "conv" top: "last" include { phase: TRAIN stage: "b" not_stage: "c" } }
layer { name: "c" type: "AbsVal" bottom: "conv" top: "last" exclude { phase: TEST } }
layer { name: "d" type: "BNLL" bottom: "conv" top: "last" include { min_level: 2 } }
layer { name: "out" type: "Sigmoid" bottom: "last" top: "out" }"""
)


def test_an_unknown_bottom_names_its_makers_and_their_rules():
    with pytest.raises(NetError) as error:
        cnnviz.Net(parse_net(STAGED))
    assert (
        "layer 'out' (Sigmoid): unknown bottom 'last'; layer 'a' makes it with stage 'a', layer 'b' makes "
        in (str(error.value))
    )
    assert "in phase TRAIN with stage 'b' without stage 'c', layer 'c' makes it except in phase TEST" in str(
        error.value
    )
    assert str(error.value).endswith(
        "layer 'd' makes it from level 2: give --stage a or --phase TRAIN --stage b or --level 2."
    )
    assert cnnviz.Net(parse_net(STAGED), stages=["a"]).layer_names[-1] == "out"


def test_a_maker_further_down_is_named():
    text = INPUT + IP + CONV
    with pytest.raises(
        NetError, match=r"'ip' .*unknown bottom 'conv'; layer 'conv' makes it further down: put"
    ):
        cnnviz.Net(parse_net(text))


@pytest.mark.parametrize("command", ["summary", "draw"])
def test_figures_name_the_makers(folder, command):
    (folder / "staged.prototxt").write_text(STAGED)
    arguments = ["staged.prototxt"] + (["net.txt"] if command == "draw" else [])
    output = run(command, "--phase", "TEST", *arguments).output
    shown = output if command == "summary" else (folder / "net.txt").read_text(encoding="utf-8")
    assert "layer 'a' makes it with stage 'a'" in shown


def test_the_phase_that_is_shown_has_the_fewest_unknown_bottoms():
    # TEST lacks one bottom; TRAIN has two layers of unknown types.
    text = (
        INPUT
        + """
    layer { name: "a" type: "Odd" bottom: "data" top: "a" include { phase: TRAIN } }
    layer { name: "b" type: "Odd" bottom: "data" top: "b" include { phase: TRAIN } }
    layer { name: "c" type: "ReLU" bottom: "a" top: "c" }"""
    )
    assert graph_to_show(parse_net(text)).phase == cnnviz.TRAIN


def test_features_take_stages(folder):
    (folder / "staged.prototxt").write_text(
        "".join(line for line in STAGED.splitlines() if '"c"' not in line)
    )
    arguments = ["features", "staged.prototxt", "net.caffemodel", "a.png", "--out", "maps"]
    assert "give --stage a" in str(run(*arguments).exception)
    result = run(*arguments, "--stage", "a")
    assert result.exit_code == 0, result.exception
    page = ["gallery", "staged.prototxt", "net.caffemodel", "--image", "a.png", "--out", "p.html"]
    assert run(*page, "--level", "2").exit_code == 0


def test_refused_fields_of_a_layer_are_refused_in_features_too(folder):
    text = WHOLE.replace("kernel_size: 3", "kernel_size: 3 odd_rule: 2")
    with pytest.raises(NetError, match="odd_rule"):
        Inspector(parse_net(text), "net.caffemodel")


@pytest.mark.parametrize("names, said", [(["a", "b"], True), (["a", "b", "c"], False), (list("abcd"), True)])
def test_a_wrong_number_of_class_names_is_reported(folder, caplog, names, said):
    inspector = Inspector("net.prototxt", "net.caffemodel", ImageOptions(class_names=names))
    message = f"{len(names)} class names are given for the net's 3 classes."
    assert (message in caplog.text) == said and (message in inspector.notes) == said
