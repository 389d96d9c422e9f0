"""Feature maps and predictions, read as values and as artists."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import cnnviz
from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.preprocessing import (
    Preprocessing,
    parse_size,
    preprocessing_from_options,
    preprocessing_of,
    read_image,
)
from cnnviz.analysis.receptive_field import ReceptiveField
from cnnviz.api.feature_files import FeatureFiles, FeatureWriter
from cnnviz.api.features import plot_features
from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError, NetError
from cnnviz.formats.images import encode_image, load_image
from cnnviz.formats.prototxt import parse_net, read_net
from cnnviz.plots.common.text import number_label
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.attributions import attribution_figure
from cnnviz.plots.features.maps import features_figure
from cnnviz.plots.features.options import FeatureOptions
from support.features import make_inspector


@pytest.fixture(scope="module")
def inspector(demo):
    folder, result = demo
    definition = read_net(folder / "lenet_train_test.prototxt")
    return Inspector(definition, result.weights, ImageOptions(preprocessing_of(definition)), gradients=True)


@pytest.fixture(scope="module")
def digit(demo):
    return load_image(demo[0] / "digits" / "digit_3.png", None)


def test_a_training_net_is_deployed(demo):
    deployed = deploy(read_net(demo[0] / "lenet_train_test.prototxt"))
    types = [layer.type for layer in deployed.proto.layer]
    assert types == [
        "Input", "Convolution", "Pooling", "Convolution", "Pooling", "InnerProduct", "ReLU",
        "InnerProduct", "Softmax",
    ]  # fmt: skip
    assert list(deployed.proto.layer[0].input_param.shape[0].dim) == [1, 1, 28, 28]


def test_each_layer_that_changes_has_its_maps(inspector, digit):
    features = inspector.run(digit, "digit_3.png")
    assert [(m.layer, m.values.shape) for m in features.maps] == [
        ("conv1", (20, 24, 24)),
        ("pool1", (20, 12, 12)),
        ("conv2", (50, 8, 8)),
        ("pool2", (50, 4, 4)),
        ("ip1 + relu1", (500,)),
        ("ip2", (10,)),
        ("loss", (10,)),
    ]
    assert features.maps[0].field.size == (5, 5) and features.maps[2].field.size == (14, 14)
    assert features.predictions[0][0] == 3
    assert sum(share for _, _, share in inspector.predictions(10)) == pytest.approx(1, abs=1e-5)


def test_maps_are_those_of_a_plain_convolution(inspector, digit):
    maps = inspector.run(digit).maps[0].values
    weight, bias = (b.read_data() for b in inspector.net.params["conv1"])
    x = digit.astype(np.float32) / 256
    want = (x[3:8, 5:10] * weight[7, 0]).sum() + bias[7]
    assert maps[7, 3, 5] == pytest.approx(want, rel=1e-4)


def test_single_layers(inspector, digit):
    assert [m.layer for m in inspector.run(digit, layers=["conv2"]).maps] == ["conv2"]
    with pytest.raises(NetError, match="no layer 'conv3'; did you mean 'conv"):
        inspector.run(digit, layers=["conv3"])


def test_the_figure_shows_what_the_numbers_are(inspector, digit):
    features = inspector.run(digit, "digit_3.png")
    figure = features_figure(features, theme=get_theme("light"))
    texts = [t.get_text() for t in figure.texts]
    assert "conv1" in texts and "ip1 + relu1" in texts and "digit_3.png" in texts
    low, high = (
        number_label(float(v)) for v in (features.maps[0].values.min(), features.maps[0].values.max())
    )
    facts = f"Convolution · 20 maps of 24 × 24 · {low} to {high} · receptive field 5 × 5"
    assert any(t.startswith(facts) for t in texts)
    assert any("3" in t and "%" in t for t in texts)
    lines = [c for axes in figure.axes for c in axes.collections if hasattr(c, "get_segments")]
    drawn = [np.array([s[1][1] for s in c.get_segments()]) for c in lines]
    assert any(len(d) == 10 and np.allclose(d, features.maps[5].values) for d in drawn)


@pytest.mark.parametrize("style", ["light", "dark"])
@pytest.mark.parametrize("options", [{}, {"overlay": True}, {"top": 6}, {"normalize": "layer", "limit": 7}])
def test_no_text_is_clipped(inspector, digit, style, options):
    figure = features_figure(
        inspector.run(digit, "digit.png"), FeatureOptions(**options), theme=get_theme(style)
    )
    renderer = figure.canvas.get_renderer()
    for text in figure.texts:
        box = text.get_window_extent(renderer)
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0 and box.y1 <= figure.bbox.height


def test_what_is_left_out_is_said(inspector, digit):
    figure = features_figure(inspector.run(digit), FeatureOptions(limit=7), theme=get_theme("light"))
    assert any("7 of 20 maps" in t.get_text() for t in figure.texts)
    figure = features_figure(inspector.run(digit), FeatureOptions(top=3), theme=get_theme("light"))
    assert any("3 most active of 20 maps" in t.get_text() for t in figure.texts)


def test_maps_left_out_are_spread_evenly(inspector, digit):
    """Of a Concat the first maps alone would be those of one branch."""
    figure = features_figure(
        inspector.run(digit, layers=["conv1"]), FeatureOptions(limit=7), theme=get_theme("light")
    )
    labels = [t.get_text() for axes in figure.axes for t in axes.texts]
    assert labels == ["0", "2", "5", "8", "11", "14", "17"]


def test_one_colour_bar_serves_all_maps(inspector, digit):
    features = inspector.run(digit)
    note = "share of each map's largest value"
    for options, bars in (({}, [[-1, 0, 1]]), ({"normalize": "layer"}, [])):
        figure = features_figure(features, FeatureOptions(**options), theme=get_theme("light"))
        assert [t.get_text() for t in figure.texts].count(note) == len(bars)
        ticks = [list(axes.get_xticks()) for axes in figure.axes]
        assert [t for t in ticks if t == [-1, 0, 1]] == bars


def test_a_field_that_is_the_whole_image_is_not_drawn(inspector, digit):
    features = inspector.run(digit, layers=["conv1", "pool2"])
    first, last = features.maps
    last = replace(last, field=ReceptiveField((99, 99), (1, 1), (0, 0)))
    features = replace(features, maps=(first, last))
    figure = features_figure(features, theme=get_theme("light"))
    assert sum(bool(axes.patches) for axes in figure.axes if axes.images) == 1


def test_top_channels_are_the_most_active(inspector, digit):
    maps = inspector.run(digit).maps[0]
    means = maps.values.mean(axis=(1, 2))
    assert list(maps.top_channels(3)) == list(np.argsort(-means, kind="stable")[:3])
    energy = np.square(maps.values).mean(axis=(1, 2))
    assert maps.top_channels(1, "energy")[0] == energy.argmax()


def test_plot_features_writes_a_figure(demo, tmp_path):
    folder, result = demo
    out = tmp_path / "maps.png"
    figure = plot_features(
        folder / "lenet_train_test.prototxt", result.weights, folder / "digits" / "digit_5.png", out,
        preprocessing=Preprocessing(scale=1 / 256), dpi=50,
    )  # fmt: skip
    assert out.stat().st_size > 1000 and figure.axes


def test_attribution_figure_names_its_methods(inspector, digit):
    from cnnviz.analysis.attribution import explain

    features = inspector.run(digit, "digit.png")
    figure = attribution_figure(
        explain(inspector, features, ["saliency", "gradcam"]), theme=get_theme("dark")
    )
    texts = [t.get_text() for t in figure.texts]
    assert {"image", "saliency", "Grad-CAM", "digit.png: evidence for class 3"} <= set(texts)


# Preprocessing


def test_mean_scale_and_order():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 30, 20, 10
    values, seen = Preprocessing(np.array([1, 2, 3.0]), 0.5).prepare(image, (3, 2, 2))
    assert values[:, 0, 0].tolist() == [4.5, 9, 13.5]
    values, _ = Preprocessing(channel_order="rgb").prepare(image, (3, 2, 2))
    assert values[:, 0, 0].tolist() == [30, 20, 10]
    assert seen.shape == (2, 2, 3)


def test_crop_keeps_proportions_and_stretch_does_not():
    image = np.zeros((10, 20), np.uint8)
    image[:, :5] = image[:, 15:] = 255
    _, seen = Preprocessing().prepare(image, (1, 10, 10))
    assert seen.max() == 0
    _, seen = Preprocessing(fit="stretch").prepare(image, (1, 10, 10))
    assert seen.max() == 255


def test_a_mean_image_is_cut_to_the_input():
    mean = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    values, _ = Preprocessing(mean).prepare(np.zeros((2, 2), np.uint8), (1, 2, 2))
    assert values[0].tolist() == [[-5, -6], [-9, -10]]


def test_wrong_inputs_are_refused():
    with pytest.raises(CnnvizError, match="input has 7 channels; an image has 1 or 3"):
        Preprocessing().prepare(np.zeros((2, 2), np.uint8), (7, 2, 2))
    with pytest.raises(CnnvizError, match=r"A mean of shape \(5,\) does not fit"):
        Preprocessing(np.zeros(5)).prepare(np.zeros((2, 2), np.uint8), (3, 2, 2))
    for scale in (0.0, float("nan"), float("inf")):
        with pytest.raises(CnnvizError, match=r"--scale \S+ leaves nothing of the image"):
            preprocessing_from_options(parse_net(""), None, scale)
    with pytest.raises(CnnvizError, match="A size is HEIGHT,WIDTH"):
        parse_size("big")
    definition = parse_net('layer { name: "d" type: "Input" top: "d" }')
    with pytest.raises(CnnvizError, match="neither numbers such as 104,117,123 nor a file"):
        preprocessing_from_options(definition, "nonsense", None)


def test_command(demo, tmp_path):
    folder, result = demo
    arguments = [
        "features", str(folder / "lenet_train_test.prototxt"), str(result.weights),
        str(folder / "digits"), "--out", str(tmp_path / "out"), "--npz", "--attribution", "saliency",
        "--dpi", "40", "--limit", "4", "--maximize", "3", "--npy", "pool1", "--top-images", "conv1",
    ]  # fmt: skip
    printed = CliRunner().invoke(cnnviz_command, arguments, catch_exceptions=False).output
    names = sorted(p.name for p in (tmp_path / "out").iterdir())
    for digit in (3, 5, 8):
        assert {f"digit_{digit}.npz", f"digit_{digit}_attribution.png", f"digit_{digit}_features.png"} <= set(
            names
        )
    assert "digit_3.png: " in printed and "maximize_class_3.png" in names
    assert "top_images_conv1.png" in names
    assert np.load(tmp_path / "out" / "digit_5_pool1.npy").shape == (1, 20, 12, 12)
    with np.load(tmp_path / "out" / "digit_3.npz") as arrays:
        assert arrays["conv1"].shape == (20, 24, 24) and arrays["relu1"].shape == (500,)


def test_images_are_read_one_at_a_time(demo, tmp_path):
    """The first picture is done when the second turns out to be none."""
    folder, result = demo
    (tmp_path / "broken.png").write_bytes(b"no picture")
    arguments = [
        "features", str(folder / "lenet_train_test.prototxt"), str(result.weights),
        str(folder / "digits" / "digit_3.png"), str(tmp_path / "broken.png"),
        "--out", str(tmp_path / "out"), "--dpi", "40", "--layer", "conv*", "--limit", "4",
    ]  # fmt: skip
    run = CliRunner().invoke(cnnviz_command, arguments)
    assert "broken.png: is not an image" in str(run.exception)
    assert (tmp_path / "out" / "digit_3_features.png").exists()


def test_a_damaged_image_of_a_folder_is_omitted(demo, tmp_path):
    folder, result = demo
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"no picture")
    arguments = [
        "features", str(folder / "lenet_train_test.prototxt"), str(result.weights), str(pictures),
        "--out", str(tmp_path / "out"), "--dpi", "40", "--layer", "conv1", "--limit", "4",
    ]  # fmt: skip
    run = CliRunner().invoke(cnnviz_command, arguments)
    assert "pictures: holds no image that can be read" in str(run.exception)
    (pictures / "b.png").write_bytes((folder / "digits" / "digit_3.png").read_bytes())
    run = CliRunner().invoke(cnnviz_command, arguments, catch_exceptions=False)
    assert "b.png: " in run.stdout and "Skipped: " in run.stderr and "a.png: is not an image" in run.stderr


@pytest.mark.parametrize(
    "pixels, mode, suffix",
    [
        (np.full((1, 1, 3), 80, np.uint8), None, "png"),
        (np.full((1, 300), 80, np.uint8), None, "png"),
        (np.full((9, 7), 80 * 256 + 3, np.uint16), None, "png"),
        (np.full((9, 7, 4), 80, np.uint8), None, "png"),
        (np.full((9, 7, 3), 80, np.uint8), "CMYK", "jpg"),
        (np.full((9, 7), 80, np.uint8), "P", "gif"),
    ],
)
def test_images_of_any_kind_are_read(inspector, tmp_path, pixels, mode, suffix):
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(tmp_path / f"a.{suffix}")
    seen = inspector.run(read_image(tmp_path / f"a.{suffix}")).seen
    assert seen.shape == (28, 28) and (abs(seen.astype(int) - 80) <= 3).all()


def test_a_class_out_of_range_is_refused_before_the_work(inspector, tmp_path):
    with pytest.raises(CnnvizError, match="Class 10 is out of range: the net has 10 classes"):
        FeatureWriter(inspector, FeatureFiles(tmp_path / "out", methods=["saliency"], target=10))
    assert not (tmp_path / "out").exists()


def test_what_is_done_is_announced(inspector, tmp_path):
    writer = FeatureWriter(inspector, FeatureFiles(tmp_path, layers=["ip2"], methods=["saliency"], dpi=30))
    said: list[str] = []
    writer.write("a.png", np.zeros((28, 28), np.uint8), said.append)
    assert said == ["maps of a.png", "saliency of a.png"]


@pytest.mark.simulator
def test_layers_may_be_called_anything(tmp_path):
    """Names that are arguments of numpy.savez, or folders of an archive."""

    text = """input: "data" input_dim: 1 input_dim: 1 input_dim: 6 input_dim: 6
    layer { name: "file" type: "Power" bottom: "data" top: "file" power_param { scale: 2 } }
    layer { name: "../up" type: "Power" bottom: "file" top: "up" }"""
    (tmp_path / "net.prototxt").write_text(text)
    cnnviz.Net(tmp_path / "net.prototxt", "TEST").save(tmp_path / "net.caffemodel")
    (tmp_path / "a.png").write_bytes(encode_image(np.full((6, 6), 3, np.uint8), "png"))
    arguments = [
        "features", str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"), str(tmp_path / "a.png"),
        "--out", str(tmp_path / "out"), "--npz", "--npy", "up", "--dpi", "40",
    ]  # fmt: skip
    assert "no class scores" in CliRunner().invoke(cnnviz_command, arguments, catch_exceptions=False).output
    with np.load(tmp_path / "out" / "a.npz") as arrays:
        assert arrays["file"].tolist() == [[[6.0] * 6] * 6] and ".._up" in arrays


@pytest.mark.parametrize(
    "options, first, said",
    [
        ({}, "", True),
        ({"mean": np.array([9.0])}, "", False),
        ({"scale": 0.5}, "", False),
        ({}, 'layer { name: "n" type: "BatchNorm" bottom: "data" top: "data" }', False),
        ({}, 'layer { name: "n" type: "LRN" bottom: "data" top: "n" }', True),  # subtracts nothing
        (
            {},
            'layer { name: "n" type: "Power" bottom: "data" top: "n" power_param { shift: -9 } }'
            'layer { name: "s" type: "Silence" bottom: "data" }',
            False,
        ),  # the input has two readers
    ],
)
def test_pixels_without_mean_and_scale_are_warned_of_once(tmp_path, caplog, options, first, said):
    text = f"""input: "data" input_shape {{ dim: 1 dim: 1 dim: 4 dim: 4 }} {first}
    layer {{ name: "ip" type: "InnerProduct" bottom: "{"n" if 'top: "n"' in first else "data"}" top: "ip"
      inner_product_param {{ num_output: 2 }} }}"""
    inspector = make_inspector(tmp_path, text, preprocessing=Preprocessing(**options))
    for _ in range(2):
        inspector.run(np.zeros((4, 4), np.uint8))
    assert caplog.text.count("pixels go in as 0 to 255 and nothing is subtracted") == said
