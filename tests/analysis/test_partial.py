"""Nets of which some layers cannot run, and weights that lack some layers: what is shown and reported."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.summary import graph_to_show
from cnnviz.api.features import plot_features
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.solver import Solver
from cnnviz.errors import FileError, NetError, WeightsError
from cnnviz.formats.images import encode_image
from cnnviz.formats.prototxt import parse_net

INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
"""
IP = """layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
PROB = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }\n'
WHOLE = INPUT + CONV + IP + PROB
# Nets whose weights lack the layer "ip", or all layers.
PART = WHOLE.replace('"ip"', '"i"')
OTHER = PART.replace('"conv"', '"c"')
# A data layer in place of the input.
FED = 'layer { name: "data" type: "DummyData" top: "data" dummy_data_param { '
FED += "shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n"
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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_image(pixels, "png"))
    (tmp_path / "net.prototxt").write_text(WHOLE)
    save(WHOLE, "net.caffemodel")
    return tmp_path


def save(text: str, path: str) -> None:
    cnnviz.Net(parse_net(text), "TEST", seed=1).save(path)


def run(*arguments: str):
    return CliRunner().invoke(cnnviz_command, arguments)


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


# Data that is elsewhere


AWAY = """name: "away"
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { TRANSFORM } data_param { source: "no_such_lmdb" batch_size: 2 } }
"""
TRAINED = (
    CONV + IP + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n'
)


@pytest.mark.parametrize(
    "transform, said",
    [
        ("crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3", "data (2, 3, 8, 8), label (2,)."),
        ("crop_size: 8 force_color: true", "data (2, 3, 8, 8), label (2,)."),
        ("crop_size: 6 mean_file: 'mean.npy'", "data (2, 4, 6, 6), label (2,)."),
        ("mean_file: 'mean.npy'", "data (2, 4, 9, 7), label (2,)."),
        ("crop_size: 8 mean_file: 'gone.npy'", "(2, 3, 8, 8), label (2,) (that images have 3 channels is "),
        ("crop_size: 8 mean_value: 7", "(2, 3, 8, 8), label (2,) (that images have 3 channels is assumed)."),
    ],
)  # fmt: skip
def test_time_has_zeros_stand_in_for_data_that_is_elsewhere(folder, caplog, transform, said):
    np.save("mean.npy", np.zeros((4, 9, 7), np.float32))
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", transform) + TRAINED)
    result = run("time", "--model", "train.prototxt", "--iterations", "1")
    assert result.exit_code == 0, result.exception
    assert "\nloss " in result.output and "\ndata " in result.output
    (line,) = [record.getMessage() for record in caplog.records]
    assert "train.prototxt:2: layer 'data' (Data): " in line and said in line


def test_the_weights_determine_the_channels_of_absent_data(folder, caplog):
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", "crop_size: 8") + TRAINED)
    save(WHOLE.replace("dim: 3", "dim: 1"), "gray.caffemodel")
    result = run("time", "--model", "train.prototxt", "--iterations", "1", "--weights", "gray.caffemodel")
    assert result.exit_code == 0, result.exception
    assert "data (2, 1, 8, 8), label (2,)." in caplog.text


def test_absent_data_of_unknown_shape_is_an_error_with_the_way_out(folder):
    (folder / "train.prototxt").write_text(AWAY.replace("TRANSFORM", "") + TRAINED)
    error = run("time", "--model", "train.prototxt").exception
    assert isinstance(error, NetError) and "no_such_lmdb" in str(error)
    assert "nor do its parameters tell the shape of 'data'" in str(error)
    assert str(error).endswith("Give the deploy prototxt, whose Input says it.")


def test_train_and_test_want_their_data(folder):
    text = AWAY.replace("TRANSFORM", "crop_size: 8 force_color: true").replace("TRAIN", "TEST") + TRAINED
    (folder / "test.prototxt").write_text(text)
    tested = run("test", "--model", "test.prototxt", "--weights", "net.caffemodel").exception
    assert isinstance(tested, FileError) and "no_such_lmdb" in str(tested)
    extracted = run("extract-features", "net.caffemodel", "test.prototxt", "ip", "ip.npz", "1").exception
    assert "no_such_lmdb" in str(extracted)


def test_time_sets_zeros_for_memory_data(folder, caplog):
    sizes = "batch_size: 2 channels: 3 height: 8 width: 8"
    data = 'layer { name: "data" type: "MemoryData" top: "data" top: "label" '
    data += f"memory_data_param {{ {sizes} }} }}\n"
    (folder / "train.prototxt").write_text(data + TRAINED)
    assert run("time", "--model", "train.prototxt", "--iterations", "1").exit_code == 0
    assert "no arrays are set for it. Zeros stand in for it: data (2, 3, 8, 8), label (2,)." in caplog.text


# Layers that fail only as they run


FAILING = """
class Setup:
    def setup(self, bottom, top): raise KeyError("no key")

class Base:
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = bottom[0].data
    def backward(self, top, propagate_down, bottom): bottom[0].diff[...] = top[0].diff

class Reshape(Base):
    def reshape(self, bottom, top):
        super().reshape(bottom, top)
        if bottom[0].data.any(): raise ValueError("an odd shape")

class Forward(Base):
    def forward(self, bottom, top): raise ZeroDivisionError("nothing to divide")

class Interrupt(Base):
    def forward(self, bottom, top): raise KeyboardInterrupt
"""
RAISES = {
    "Setup": "its code raised KeyError: 'no key' (",
    "Reshape": "its code raised ValueError: an odd shape (",
    "Forward": "its code raised ZeroDivisionError: nothing to divide (",
}
# The index 7 is beyond Embed's input_dim.
SEVEN = """layer { name: "seven" type: "Power" bottom: "data" top: "seven" power_param { scale: 0 shift: 7 } }
layer { name: "x" type: "Embed" bottom: "seven" top: "x" embed_param { num_output: 2 input_dim: 3 } }
"""


@pytest.fixture
def failing(folder, monkeypatch):
    name = f"failing_{folder.name}".replace("-", "_")
    (folder / f"{name}.py").write_text(FAILING)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("CNNVIZ_PYTHON_LAYERS", name)

    def write(kind: str) -> None:
        layer = SEVEN
        if kind != "Embed":
            layer = (
                f'layer {{ name: "x" type: "Python" bottom: "conv" top: "x" python_param {{ module: "{name}" '
            )
            layer += f'layer: "{kind}" }} }}\n'
        layer += 'layer { name: "y" type: "ReLU" bottom: "x" top: "y" }\n'
        (folder / "odd.prototxt").write_text(INPUT + CONV + layer + IP + PROB)

    return write


@pytest.mark.parametrize("kind", [*RAISES, "Embed"])
def test_what_does_not_need_a_failing_layer_is_shown(failing, folder, caplog, kind):
    failing(kind)
    shown = Inspector("net.prototxt", "net.caffemodel").run(np.full((8, 8, 3), 9, np.uint8)).predictions
    inspector = Inspector("odd.prototxt", "net.caffemodel")
    features = inspector.run(np.full((8, 8, 3), 9, np.uint8))
    assert features.predictions == shown
    assert {maps.layer for maps in features.maps} - {"seven"} == {"conv", "ip", "prob"}
    (note,) = features.notes
    assert "layer 'x' (" in note and RAISES.get(kind, "7") in note and note.endswith("needs it: 'y'.")
    assert caplog.text.count(note) == 1
    page = ["gallery", "odd.prototxt", "net.caffemodel", "--image", "a.png", "--out", "p.html"]
    assert run(*page).exit_code == 0
    assert "Left out, with what needs it: &#x27;y&#x27;." in (folder / "p.html").read_text(encoding="utf-8")
    maps = ["features", "odd.prototxt", "net.caffemodel", "a.png", "--out", "maps"]
    maps += ["--attribution", "saliency", "--npy"]
    assert run(*maps, "conv").exit_code == 0
    assert "blob 'y' is not computed: odd.prototxt" in str(run(*maps, "y").exception)


@pytest.mark.parametrize("kind", ["Forward", "Embed"])
def test_time_and_extract_features_go_on_without_a_failing_layer(failing, folder, caplog, kind):
    failing(kind)
    result = run("time", "--model", "odd.prototxt", "--iterations", "1")
    assert result.exit_code == 0, result.exception
    assert "\nprob " in result.output and "\nx " not in result.output and "\ny " not in result.output
    assert caplog.text.count("Left out, with what needs it: 'y'.") == 1
    text = (folder / "odd.prototxt").read_text().replace(INPUT, FED)
    (folder / "odd.prototxt").write_text(text)
    assert run("extract-features", "net.caffemodel", "odd.prototxt", "prob", "p.npz", "2").exit_code == 0
    assert np.load("p.npz")["prob"].shape == (2, 3)
    refused = run("extract-features", "net.caffemodel", "odd.prototxt", "y", "y.npz", "1").exception
    assert "blob 'y' is not computed: odd.prototxt" in str(refused)


def test_errors_of_no_layer_pass(failing, monkeypatch):
    failing("Interrupt")
    inspector = Inspector("odd.prototxt", "net.caffemodel")
    with pytest.raises(KeyboardInterrupt):
        inspector.run(np.zeros((8, 8, 3), np.uint8))
    whole = Inspector("net.prototxt", "net.caffemodel")

    def wrong(bottom, top):
        raise ValueError("a fault of ours")

    monkeypatch.setattr(whole.net.layers[1], "forward", wrong)
    with pytest.raises(ValueError, match="a fault of ours"):
        whole.run(np.zeros((8, 8, 3), np.uint8))


# Weights that lack layers


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
