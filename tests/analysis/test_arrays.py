"""Arrays and pairs of images as inputs: signals, volumes, spectra, images of many channels."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.arrays import InputArray, image_of
from cnnviz.analysis.attribution import attribute
from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError
from cnnviz.formats.images import encode_image
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maps import features_figure
from support.features import make_inspector

SCORES = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }"""


def net_text(shape: tuple[int, ...]) -> str:
    dims = " ".join(f"dim: {side}" for side in shape)
    return f'input: "data" input_shape {{ {dims} }}\n{SCORES}'


@pytest.mark.parametrize(
    "shape, given",
    [
        ((8, 2, 64), (2, 64)),  # a signal; the batch of training becomes 1
        ((8, 30), (30,)),  # a spectrum
        ((8, 30), (1, 30)),
        ((1, 1, 1, 64), (64,)),
        ((1, 1, 4, 6, 5), (4, 6, 5)),  # a volume
        ((1, 6, 5, 4), (1, 6, 5, 4)),  # a pair in the channels
        ((1, 3, 5, 4), (3, 5, 4)),
    ],
)
def test_arrays_go_in_as_they_are(tmp_path, shape, given):
    inspector = make_inspector(tmp_path, net_text(shape))
    values = np.random.default_rng(0).normal(size=given).astype(np.float32)
    features = inspector.run(InputArray(values), "x.npy")
    assert np.array_equal(inspector.net.blobs["data"].data, values.reshape(1, *shape[1:]))
    assert len(features.predictions) == 3 and features.seen.dtype == np.uint8
    assert features.origin == "array of " + "×".join(map(str, given))
    texts = [text.get_text() for text in features_figure(features, theme=get_theme("light")).texts]
    assert any(features.origin in text for text in texts)


def test_what_does_not_fit_is_one_sentence(tmp_path):
    inspector = make_inspector(tmp_path, net_text((1, 2, 64)))
    with pytest.raises(CnnvizError, match=r"The array is \(64,\); input 'data' expects \(2, 64\), or"):
        inspector.run(InputArray(np.zeros(64)))
    with pytest.raises(CnnvizError, match=r"takes no image; give an \.npy array of the shape \(2, 64\)"):
        inspector.run(np.zeros((4, 4), np.uint8))
    inspector.run(InputArray(np.zeros((2, 64))))
    with pytest.raises(CnnvizError, match="attributions explain nets that read images"):
        attribute(inspector, "saliency")


def test_figures_of_arrays():
    assert image_of(np.arange(8.0).reshape(2, 2, 2), "bgr").tolist() == [[0, 85], [170, 255]]
    volume = np.zeros((1, 3, 2, 2))
    volume[0, 1] = [[1, 2], [3, 4]]
    assert image_of(volume, "bgr").tolist() == [[0, 85], [170, 255]]
    colors = np.stack([np.full((1, 2), k) for k in (0.0, 1.0, 2.0)])
    assert image_of(colors, "bgr")[0, 0].tolist() == [255, 128, 0]
    curve = image_of(np.array([[0.0, 1.0]]), "bgr")
    assert curve[-1, 0] == 255 and curve[0, 0] == 0 and curve[0, -1] == 255
    assert image_of(np.full((1, 5), np.nan), "bgr").shape[0] == 48


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(cnnviz_command, arguments, catch_exceptions=False)


def test_the_command_and_the_page_take_arrays(folder, caplog):
    (folder / "n.prototxt").write_text(net_text((1, 1, 4, 6, 5)))
    make_inspector(folder, net_text((1, 1, 4, 6, 5)))
    np.save(folder / "x.npy", np.random.default_rng(0).normal(size=(4, 6, 5)))
    assert "class" in run("features", "n.prototxt", "net.caffemodel", "x.npy", "--out", "maps").output
    run("gallery", "n.prototxt", "net.caffemodel", "--image", "x.npy", "--out", "p.html")
    assert "array of 4×6×5" in (folder / "p.html").read_text(encoding="utf-8")
    assert "frames" not in caplog.text


def test_the_second_image_of_a_pair(folder):
    one = 'input: "{}" input_shape {{ dim: 1 dim: 3 dim: 4 dim: 4 }}\n'
    text = one.format("a") + one.format("b")
    text += 'layer { name: "cat" type: "Concat" bottom: "a" bottom: "b" top: "cat" }\n'
    text += SCORES.replace('"data"', '"cat"')
    (folder / "n.prototxt").write_text(text)
    make_inspector(folder, text)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3)).astype(np.uint8)
    for k in range(2):
        (folder / f"{k}.png").write_bytes(encode_image(pixels[k], "png"))
    files = ["n.prototxt", "net.caffemodel", "0.png", "--out", "maps"]
    run("features", *files, "--input", "b=1.png", "--npy", "cat", "--mean", "1,2,3")
    expected = [
        image[:, :, ::-1].transpose(2, 0, 1) - np.array([1, 2, 3]).reshape(3, 1, 1) for image in pixels
    ]
    assert np.array_equal(np.load(folder / "maps" / "0_cat.npy")[0], np.concatenate(expected))


POOLED = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" convolution_param {
  num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Reduction" bottom: "conv" top: "pool"
  reduction_param { axis: 2 operation: MEAN } }
layer { name: "prob" type: "Softmax" bottom: "pool" top: "prob" }"""


@pytest.mark.parametrize("shape", [(1, 2, 20), (1, 2, 9, 12), (1, 1, 5, 6, 7)])
def test_the_net_takes_the_length_of_an_array_where_it_can(tmp_path, shape):
    text = net_text(shape).replace(SCORES, POOLED)
    inspector = make_inspector(tmp_path, text)
    for sides in ([side + 3 for side in shape[2:]], [side - 1 for side in shape[2:]], list(shape[2:])):
        values = np.random.default_rng(0).normal(size=(shape[1], *sides)).astype(np.float32)
        given = values[0] if shape[1] == 1 else values
        features = inspector.run(InputArray(given), "x.npy")
        other = cnnviz.Net(parse_net(text), weights=tmp_path / "net.caffemodel")
        other.blobs["data"].reshape(1, *values.shape)
        assert np.array_equal(inspector.net.blobs["prob"].data, other.forward(data=values[None])["prob"])
        assert features.maps[0].values.shape[1:] == tuple(side - 2 for side in sides)


def test_a_net_of_fixed_size_says_why_an_array_does_not_fit(tmp_path):
    inspector = make_inspector(tmp_path, net_text((1, 2, 20)))
    with pytest.raises(
        CnnvizError, match=r"expects \(2, 20\), and the net cannot run with another size: .*'ip'"
    ):
        inspector.run(InputArray(np.zeros((2, 24))))
    inspector.run(InputArray(np.zeros((2, 20))))
