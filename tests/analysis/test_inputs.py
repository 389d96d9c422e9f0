"""Inputs other than the image: what they are fed, and nets that read sequences."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.attribution import attribute
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inputs import parse_inputs
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.maximization import Ascent, maximize_activation
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.sequences import continuations, time_major_blobs
from cnnviz.analysis.top_images import top_images
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine import python_modules
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.images import encode_image
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maps import features_figure

# Reads the rows of a picture, 6 x 5 pixels, one after the other; T = 6, N = 1.
ROWS = """layer { name: "rows" type: "Permute" bottom: "data" top: "rows"
  permute_param { order: 2 order: 0 order: 1 order: 3 } }
layer { name: "lstm" type: "LSTM" bottom: "rows" bottom: "cont" top: "lstm"
  recurrent_param { num_output: 4 weight_filler { type: "xavier" } bias_filler { type: "constant" } } }
"""
CLASSES = """layer { name: "ip" type: "InnerProduct" bottom: "lstm" top: "ip"
  inner_product_param { num_output: 3 axis: 2 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" softmax_param { axis: 2 } }
"""
DATA = 'input: "data" input_shape { dim: 1 dim: 1 dim: 6 dim: 5 } '
CONT = 'input: "cont" input_shape { dim: 6 dim: 1 }\n'
IMAGE = np.random.default_rng(0).integers(0, 256, (6, 5)).astype(np.uint8)
BEGIN = np.array([0, 1, 1, 1, 1, 1], np.float32)


def weights_of(text: str, path) -> str:
    cnnviz.Net(parse_net(text), "TEST", seed=1).save(path / "net.caffemodel")
    return str(path / "net.caffemodel")


def make_inspector(tmp_path, text: str, **options) -> Inspector:
    entering = ImageOptions(Preprocessing(scale=1 / 255), **options)
    return Inspector(parse_net(text), weights_of(text, tmp_path), entering, gradients=True)


@pytest.fixture
def inspector(tmp_path):
    return make_inspector(tmp_path, DATA + CONT + ROWS + CLASSES)


def test_sequences_begin_at_the_first_step(inspector, caplog):
    assert inspector.net.blobs["cont"].data.ravel().tolist() == BEGIN.tolist()


def test_what_was_fed_is_said_once(tmp_path, caplog):
    make_inspector(tmp_path, DATA + CONT + ROWS + CLASSES)
    said = "Inputs of the net: cont: 0 at the first step, 1 after (for lstm)."
    assert [r.getMessage() for r in caplog.records] == [said]


@pytest.mark.parametrize(
    "reshaping, shape",
    [
        ('type: "Permute" permute_param { order: 1 order: 0 }', (1, 6)),
        ('type: "Reshape" reshape_param { shape { dim: 6 dim: 1 } }', (6,)),
        ('type: "Reshape" reshape_param { shape { dim: 6 dim: 1 } }', (1, 6, 1, 1)),
    ],
)
def test_continuation_is_followed_to_the_input(tmp_path, reshaping, shape):
    dims = " ".join(f"dim: {side}" for side in shape)
    text = DATA + f'input: "marks" input_shape {{ {dims} }}\n'
    text += f'layer {{ name: "c" bottom: "marks" top: "cont" {reshaping} }}\n' + ROWS
    # A second reader makes a Split.
    text += ROWS.replace('"lstm"', '"second"').replace('"rows"', '"rows2"')
    inspector = make_inspector(tmp_path, text)
    assert inspector.net.blobs["marks"].data.shape == shape
    inspector.run(IMAGE)
    assert inspector.net.blobs["cont"].data.ravel().tolist() == BEGIN.tolist()


def test_several_sequences_each_begin(tmp_path):
    graph = build_graph(parse_net(
        'input: "x" input_shape { dim: 3 dim: 2 dim: 5 } input: "c" input_shape { dim: 2 dim: 3 }\n'
        'layer { name: "p" type: "Permute" bottom: "c" top: "cont" permute_param { order: 1 order: 0 } }\n'
        'layer { name: "r" type: "RNN" bottom: "x" bottom: "cont" top: "y" '
        "recurrent_param { num_output: 2 } }"
    ), "TEST")  # fmt: skip
    values, layers = continuations(graph)["c"]
    assert values.tolist() == [[0, 1, 1], [0, 1, 1]] and layers == ["r"]


def test_the_state_is_carried_from_step_to_step(inspector):
    """With a cont of zeros each step would forget: equal rows would give equal outputs."""
    even = np.full((6, 5), 200, np.uint8)
    maps = inspector.run(even, layers=["lstm"]).maps[0]
    assert maps.is_sequence and maps.values.shape == (6, 4)
    assert np.abs(np.diff(maps.values, axis=0)).min() > 0
    forgetful = np.zeros((6, 1), np.float32)
    inspector.net.blobs["cont"].data[...] = forgetful
    assert np.allclose(np.diff(inspector.run(even, layers=["lstm"]).maps[0].values, axis=0), 0, atol=1e-6)


def test_given_values_are_fed(tmp_path, caplog):
    inspector = make_inspector(tmp_path, DATA + CONT + ROWS + CLASSES, inputs={"cont": np.arange(6)})
    assert inspector.net.blobs["cont"].data.ravel().tolist() == [0, 1, 2, 3, 4, 5] and not caplog.records
    inspector = make_inspector(tmp_path, DATA + CONT + ROWS + CLASSES, inputs={"cont": 0.5})
    assert set(inspector.net.blobs["cont"].data.ravel()) == {0.5}


def test_wrong_values_are_refused(tmp_path):
    text = DATA + CONT + ROWS
    with pytest.raises(
        CnnvizError,
        match=r"no input 'count'; did you mean 'cont'\?; the inputs besides the image are 'cont'\.",
    ):
        make_inspector(tmp_path, text, inputs={"count": 1})
    with pytest.raises(CnnvizError, match="the input 'data' takes the image; it cannot be given"):
        make_inspector(tmp_path, text, inputs={"data": 1})
    with pytest.raises(CnnvizError, match=r"Input 'cont' is \(6, 1\); the values given for it are \(4,\)"):
        make_inspector(tmp_path, text, inputs={"cont": np.zeros(4)})


def test_inputs_are_written_as_numbers_or_files(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3))
    found = parse_inputs(["a=0.5", "b=600,800,1.5", f"c={tmp_path / 'x.npy'}"])
    assert found["a"] == 0.5 and found["a"].ndim == 0
    assert found["b"].tolist() == [600, 800, 1.5] and found["c"].tolist() == [0, 1, 2]
    with pytest.raises(CnnvizError, match=r"--input a: write NAME=VALUE or NAME=FILE\.npy"):
        parse_inputs(["a"])
    with pytest.raises(CnnvizError, match=r"--input a=word: 'word' is neither a number nor an \.npy file"):
        parse_inputs(["a=word"])
    with pytest.raises(FileError, match=r"gone\.npy"):
        parse_inputs([f"a={tmp_path / 'gone.npy'}"])
    (tmp_path / "bad.npy").write_bytes(b"no array")
    with pytest.raises(FileError, match=r"bad\.npy"):
        parse_inputs([f"a={tmp_path / 'bad.npy'}"])


def test_the_training_net_keeps_what_marks_sequences(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["data"], file["marks"] = np.zeros((4, 1, 6, 5), "f4"), np.zeros((4, 6), "f4")
        file["label"] = np.zeros(4, "f4")
    (tmp_path / "d.txt").write_text(str(tmp_path / "d.h5"))
    text = 'layer { name: "d" type: "HDF5Data" top: "data" top: "marks" top: "label" hdf5_data_param { '
    text += f'source: "{tmp_path}/d.txt" batch_size: 4 }} }}\n'
    text += 'layer { name: "c" type: "Permute" bottom: "marks" top: "cont" permute_param '
    text += "{ order: 1 order: 0 } }\n" + ROWS
    inspector = Inspector(parse_net(text), weights_of(text, tmp_path))
    assert inspector.net.inputs == ["data", "marks"] and inspector.net.blobs["lstm"].shape == (6, 1, 4)
    assert inspector.net.blobs["marks"].data.ravel().tolist() == BEGIN.tolist()


def test_proposals_learn_the_size_of_the_image(tmp_path, monkeypatch):
    class ProposalLayer:
        def setup(self, bottom, top): ...

        def reshape(self, bottom, top):
            top[0].reshape(*bottom[2].shape)

        def forward(self, bottom, top):
            top[0].data[...] = bottom[2].data

    module = types.ModuleType("rpn_proposal_layer")
    module.ProposalLayer = ProposalLayer
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(python_modules, "_allowed", {"rpn_proposal_layer"})
    text = DATA + 'input: "im_info" input_shape { dim: 1 dim: 3 } input: "rest" input_shape { dim: 2 }\n'
    text += 'layer { name: "p" type: "Python" bottom: "data" bottom: "data" bottom: "im_info" top: "rois" '
    text += 'python_param { module: "rpn_proposal_layer" layer: "ProposalLayer" } }'
    inspector = make_inspector(tmp_path, text)
    inspector.net.blobs["rest"].data[...] = 7
    inspector = make_inspector(tmp_path, text)
    assert inspector.net.blobs["im_info"].data.tolist() == [[6, 5, 1]]
    assert inspector.net.blobs["rest"].data.tolist() == [0, 0]


# Sequences in pictures and attributions


def test_time_is_distinguished_from_channels():
    graph = build_graph(parse_net(DATA + CONT + ROWS + CLASSES), "TEST")
    assert time_major_blobs(graph) == {"rows", "lstm", "ip", "prob"}


def test_a_sequence_is_drawn_with_time_along_the_page(inspector):
    features = inspector.run(IMAGE, layers=["lstm"])
    figure = features_figure(features, theme=get_theme("light"))
    axes = next(axes for axes in figure.axes if axes.get_xlabel() == "time step")
    assert axes.get_ylabel() == "channel" and axes.images[0].get_array().shape[:2] == (4, 6)
    assert any(t.get_text() == "LSTM · 6 time steps × 4 channels" for t in figure.texts)


def test_predictions_are_the_mean_over_time(inspector):
    features = inspector.run(IMAGE)
    values = inspector.net.blobs["prob"].data
    assert values.shape == (6, 1, 3) and features.are_probabilities
    assert {k: s for k, _, s in features.predictions} == pytest.approx(dict(enumerate(values[:, 0].mean(0))))


def test_saliency_of_a_sequence_agrees_with_finite_differences(inspector):
    inspector.show(IMAGE)
    found = attribute(inspector, "saliency", 1).values
    blob = inspector.net.blobs["data"]
    picture = blob.read_data()
    for row, column in ((0, 0), (3, 2), (5, 4)):
        scores = []
        for sign in (1, -1):
            blob.data[...] = picture
            blob.data[0, 0, row, column] += sign * 0.02
            inspector.net.run_forward()
            scores.append(inspector.net.blobs["ip"].read_data()[:, 0, 1].mean())
        assert found[row, column] == pytest.approx(abs(scores[0] - scores[1]) / 0.04, rel=0.02, abs=1e-4)


def test_channels_of_a_sequence(inspector, tmp_path):
    inspector.show(IMAGE)
    inspector.net.run_forward()
    assert inspector.reader.channel_count("lstm") == 4
    excitation = maximize_activation(inspector, 2, "lstm", ascent=Ascent(steps=8))
    assert excitation.after > excitation.before
    (tmp_path / "a.png").write_bytes(encode_image(IMAGE, "png"))
    best = top_images(inspector, "lstm", [str(tmp_path / "a.png")])
    assert best.total == 4
    values = inspector.net.blobs["lstm"].read_data()
    assert [row[0].value for row in best.patches] == pytest.approx(values[:, 0].max(axis=0).tolist())


FRAMES = (
    """input: "data" input_shape { dim: 6 dim: 1 dim: 1 dim: 5 }
input: "clip" input_shape { dim: 6 }
layer { name: "frames" type: "Reshape" bottom: "data" top: "x"
  reshape_param { shape { dim: 3 dim: 2 dim: 5 } } }
layer { name: "marks" type: "Reshape" bottom: "clip" top: "cont" reshape_param { shape { dim: 3 dim: 2 } } }
layer { name: "lstm" type: "LSTM" bottom: "x" bottom: "cont" top: "lstm" recurrent_param { num_output: 4 } }
"""
    + CLASSES
)


def test_a_net_of_frames_sees_the_image_in_each(tmp_path, caplog):
    """T x N frames in the batch cannot be one picture."""
    inspector = make_inspector(tmp_path, FRAMES)
    inspector.run(IMAGE[:1])
    assert inspector.entry.frames == 6
    data = inspector.net.blobs["data"].data
    assert data.shape == (6, 1, 1, 5) and np.array_equal(data, np.repeat(data[:1], 6, axis=0)) and data.any()
    assert inspector.net.blobs["clip"].data.tolist() == [0, 0, 1, 1, 1, 1]
    assert "data: the image in each of its 6 frames; clip: 0 at the first step" in caplog.text
    with pytest.raises(CnnvizError, match="reads 6 frames at once; attributions explain nets that read one"):
        attribute(inspector, "saliency")


def test_a_video_net_sees_the_image_in_each_frame(tmp_path):
    text = """input: "clip" input_shape { dim: 1 dim: 3 dim: 4 dim: 6 dim: 6 }
    layer { name: "conv" type: "Convolution" bottom: "clip" top: "conv"
      convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }"""
    inspector = make_inspector(tmp_path, text)
    image = np.random.default_rng(1).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    maps = inspector.run(image).maps[0]
    assert inspector.entry.frames == 4 and maps.values.shape == (2, 2, 4, 4)
    data = inspector.net.blobs["clip"].data
    assert np.array_equal(data[0, :, 0], data[0, :, 3])
    assert maps.values[:, 0] == pytest.approx(maps.values[:, 1], abs=1e-4)


def test_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = DATA + CONT + ROWS + CLASSES
    (tmp_path / "net.prototxt").write_text(text)
    weights_of(text, tmp_path)
    (tmp_path / "a.png").write_bytes(encode_image(IMAGE, "png"))
    arguments = ["features", "net.prototxt", "net.caffemodel", "a.png", "--out", "out", "--dpi", "30"]
    CliRunner().invoke(cnnviz_command, [*arguments, "--npy", "cont", "--input", "cont=1,0,1,0,1,0"],
                       catch_exceptions=False)  # fmt: skip
    assert np.load("out/a_cont.npy").ravel().tolist() == [1, 0, 1, 0, 1, 0]
