"""cnnviz weights: exit codes, exact messages, and what is printed."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError
from cnnviz.formats.caffemodel import write_weights
from cnnviz.formats.prototxt import parse_net

NET = """
name: "Tiny"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 4 kernel_size: 3 bias_term: false } }
layer { name: "ip1" type: "InnerProduct" bottom: "conv1" top: "ip1"
        inner_product_param { num_output: 5 bias_term: false } }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with tiny.prototxt and three snapshots of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.prototxt").write_text(NET)
    for n in (10, 20, 100):
        rng = np.random.default_rng(n)
        blobs = [[], [rng.standard_normal((4, 3, 3, 3))], [rng.standard_normal((5, 144))]]
        blobs = [[blob.astype(np.float32) for blob in layer] for layer in blobs]
        write_weights(tmp_path / f"tiny_iter_{n}.caffemodel", parse_net(NET).proto, blobs)
    return tmp_path


def run(*arguments: str):
    result = CliRunner().invoke(cnnviz_command, ["weights", *arguments])
    if isinstance(result.exception, CnnvizError):
        return 1, f"Error: {result.exception}"
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_a_figure_is_drawn_in_the_given_size(folder):
    assert run("tiny.prototxt", "tiny_iter_10.caffemodel", "a.png", "--dpi", "50", "--style", "dark") == (
        0,
        "Wrote a.png\n",
    )
    first = Image.open("a.png")
    assert first.width == 10 * 50
    assert max(first.convert("RGB").getpixel((1, 1))) < 60


def test_options_reach_the_figure(folder):
    options = ["--layer", "ip1", "--order", "norm", "--normalize", "layer", "--limit", "3"]
    assert run("tiny.prototxt", "tiny_iter_10.caffemodel", "a.svg", *options)[0] == 0
    text = (folder / "a.svg").read_text(encoding="utf-8")
    assert "filters by norm, largest first · one scale for each layer" in text
    assert "ip1" in text and "conv1" not in text
    run("tiny.prototxt", "tiny_iter_10.caffemodel", "b.svg", "--rgb")
    assert "input channels read as RGB" in (folder / "b.svg").read_text(encoding="utf-8")


def test_the_file_itself_may_be_the_model(folder):
    assert run("-", "tiny_iter_10.caffemodel", "a.svg") == (0, "Wrote a.svg\n")
    assert "5 outputs of 144 inputs (4×6×6)" in (folder / "a.svg").read_text(encoding="utf-8")


def test_a_report_needs_no_figure(folder):
    code, output = run("tiny.prototxt", "tiny_iter_10.caffemodel", "--report")
    assert code == 0 and output.startswith("tiny_iter_10.caffemodel (Tiny)\n")
    code, output = run("tiny.prototxt", "tiny_iter_10.caffemodel", "--report=json")
    assert [layer["name"] for layer in json.loads(output)["layers"]] == ["conv1", "ip1"]


def test_two_snapshots_are_compared(folder):
    arguments = ["tiny.prototxt", "tiny_iter_10.caffemodel", "d.png", "--compare", "tiny_iter_20.caffemodel"]
    code, output = run(*arguments, "--report", "json", "--dpi", "40")
    assert code == 0 and (folder / "d.png").is_file()
    data = json.loads(output)
    assert (data["before"], data["after"]) == ("tiny_iter_10.caffemodel", "tiny_iter_20.caffemodel")
    assert all(layer["relative_drift"] > 1 for layer in data["layers"])


def test_a_film_strip_takes_a_pattern(folder):
    arguments = ["tiny.prototxt", "tiny_iter_10.caffemodel", "f.svg", "--filmstrip", "tiny_iter_*.caffemodel"]
    code, output = run(*arguments, "--report=json")
    assert code == 0
    assert json.loads(output)["snapshots"] == [f"tiny_iter_{n}.caffemodel" for n in (10, 20, 100)]
    text = (folder / "f.svg").read_text(encoding="utf-8")
    assert [text.count(f"iteration {n}<") for n in (10, 20, 100)] == [1, 1, 1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["no.prototxt", "tiny_iter_10.caffemodel", "a.png"], "Error: no.prototxt"),
        (["tiny.prototxt", "no.caffemodel", "a.png"], "Error: no.caffemodel"),
        (["tiny.prototxt", "tiny_iter_10.caffemodel", "a.gif"], "Error: a.gif: unknown file format"),
        (["tiny.prototxt", "tiny_iter_10.caffemodel", "no/a.png"], "Error: no/a.png: cannot be written"),
        (
            ["tiny.prototxt", "tiny_iter_10.caffemodel", "a.png", "--layer", "ip2"],
            "Error: tiny_iter_10.caffemodel: no layer 'ip2' with weights; did you mean 'ip1'?",
        ),
        (
            ["tiny.prototxt", "tiny_iter_10.caffemodel", "a.png", "--filmstrip", "x*.caffemodel"],
            "Error: x*.caffemodel: no such file, and no file matches it as a pattern.",
        ),
    ],
)
def test_errors_are_one_sentence(folder, arguments, message):
    code, output = run(*arguments)
    assert code == 1
    assert output.startswith(message)
    assert "\n" not in output.strip()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Missing argument 'OUT'"),
        (["a.png", "--compare", "b", "--filmstrip", "c"], "not both"),
        (["a.png", "--compare", "b", "--normalize", "layer"], "apply to one snapshot"),
        (["a.png", "--filmstrip", "b", "--no-marks"], "apply to one snapshot"),
        (["a.png", "--report", "xml"], "'xml' is not one of 'text', 'json'"),
        (["a.png", "--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_wrong_usage_is_explained(folder, arguments, message):
    code, output = run("tiny.prototxt", "tiny_iter_10.caffemodel", *arguments)
    assert code == 2
    assert message in output


def test_help_has_an_example():
    code, output = run("--help")
    assert code == 0
    assert "cnnviz weights deploy.prototxt lenet_iter_10000.caffemodel filters.png" in output
