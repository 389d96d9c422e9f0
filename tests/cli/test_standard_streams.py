"""Commands in pipes: "-" reads standard input, or writes the result and nothing else to standard output."""

from __future__ import annotations

import subprocess
import sys

import pytest

NET = """name: "piped"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
"""
LOG = "Iteration 0, loss = 2\nIteration 10, loss = 1\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "run.log").write_text(LOG)
    return tmp_path


def run(folder, command: str, input: bytes | str = b"") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cnnviz", *command.split()],
        input=input.encode() if isinstance(input, str) else input,
        capture_output=True,
        cwd=folder,
        timeout=120,
    )


@pytest.mark.parametrize(
    "command, file",
    [
        ("summary -", None),
        ("check - --layer conv --samples 2", None),
        ("draw - out.svg", "out.svg"),
        ("draw - out.txt", "out.txt"),
        ("upgrade - out.prototxt", "out.prototxt"),
    ],
)
def test_a_net_from_standard_input_is_the_net_in_the_file(folder, command, file):
    outputs = []
    for typed, input in ((command, NET), (command.replace(" -", " net.prototxt", 1), "")):
        result = run(folder, typed, input)
        assert result.returncode == 0, result.stderr
        outputs.append((folder / file).read_bytes() if file else result.stdout)
    assert outputs[0] == outputs[1] != b""


@pytest.mark.parametrize(
    "input, message",
    [
        (b"", "Error: -: standard input is empty."),
        ("layer { name: 'a' ]\n", "Error: -:1:"),
        (
            b"\x00\x01" * 99,
            "Error: -: is a binary file, perhaps a caffemodel, not a net or solver definition",
        ),
        (b"\x89PNG....", "Error: -: is a PNG"),
        (b"# \n" * (1 << 25), "Error: -: has more than 67108864 bytes."),
    ],
    ids=["empty", "text", "binary", "image", "endless"],
)
def test_what_is_no_net_in_standard_input_is_one_sentence(folder, input, message):
    result = run(folder, "summary -", input)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.decode().startswith(message) and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    "command, suffix",
    [
        ("draw net.prototxt OUT", "svg"),
        ("draw net.prototxt OUT", "dot"),
        ("draw net.prototxt OUT", "txt"),
        ("draw net.prototxt OUT", "html"),
        ("draw net.prototxt OUT --dpi 40", "png"),
        ("activations OUT", "svg"),
        ("plot 6 OUT run.log", "svg"),
        ("plot 6 OUT run.log", "csv"),
        ("plot 6 OUT run.log", "json"),
        ("upgrade net.prototxt OUT", "prototxt"),
        ("gallery net.prototxt --log run.log --out OUT", "html"),
    ],
)
def test_standard_output_gets_what_a_file_gets_and_nothing_else(folder, command, suffix):
    out = folder / f"out.{suffix}"
    written = run(folder, command.replace("OUT", out.name))
    assert written.returncode == 0, written.stderr
    has_choice = not command.startswith(("upgrade", "gallery")) and suffix != "svg"
    piped = run(folder, command.replace("OUT", "-") + f" --format {suffix}" * has_choice)
    assert piped.returncode == 0, piped.stderr
    assert piped.stdout == out.read_bytes()


def test_times_go_to_standard_output_alone(folder):
    import json

    result = run(folder, "time net.prototxt --phase test --iterations 1 --json -")
    assert "conv" in json.dumps(json.loads(result.stdout)), result.stderr


def test_a_pipe_from_end_to_end(folder):
    piped = run(folder, "plot train-loss - -", LOG)
    assert piped.stdout.rstrip().endswith(b"</svg>")


@pytest.mark.parametrize(
    "command, message",
    [
        (
            "draw net.prototxt o.svg --format png",
            "--format is for OUT -; o.svg has its format by its extension.",
        ),
        ("draw net.prototxt - --format gif", "Invalid value for '--format': 'gif' is not one of 'svg', "),
        ("plot 6 - run.log --json", "Give OUT a file; --json and --csv print to standard output."),
        ("plot 6 - run.log --follow", "Give OUT a file to follow a log; standard output takes one chart."),
        ("plot 6 o.svg - --follow", "Give --follow the path of a log; standard input cannot be followed."),
        (
            "weights net.prototxt x.caffemodel - --report",
            "Give OUT a file; --report prints to standard output.",
        ),
    ],
)
def test_contradictions_are_one_sentence(folder, command, message):
    result = run(folder, command)
    assert result.returncode == 1 and result.stdout == b""
    assert message in " ".join(result.stderr.decode().split()), result.stderr
