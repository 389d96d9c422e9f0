"""cnnviz plot: what it prints and writes, exact messages, and following a running log."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError, FileError
from support.waiting import wait_for

LOG = """I1121 02:00:00.000000 7 solver.cpp:1] Solving Net
I1121 02:00:01.000000 7 solver.cpp:1] Iteration 0, loss = 2
I1121 02:00:02.000000 7 solver.cpp:1] Iteration 10, loss = nan
"""
MORE = "I1121 02:00:03.000000 7 solver.cpp:1] Iteration 20, loss = 1\n"
DONE = "I1121 02:00:04.000000 7 solver.cpp:1] Optimization Done.\n"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "run.log"
    path.write_text(LOG)
    return path


def plot(*arguments, **kwargs):
    arguments = [str(argument) for argument in arguments]
    return CliRunner().invoke(cnnviz_command, ["plot", *arguments], catch_exceptions=False, **kwargs)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "jpg", "webp", "html"])
def test_figure(log, tmp_path, suffix):
    out = tmp_path / f"loss.{suffix}"
    result = plot("train-loss", out, log)
    assert result.exit_code == 0 and result.stdout == f"Wrote {out}\n"
    assert out.stat().st_size > 1000


def test_json(log, tmp_path):
    result = plot(7, tmp_path / "loss.png", log, "--json")
    assert json.loads(result.stdout) == [
        {"log": "run", "name": "loss", "x": [1, 2], "y": [2, "nan"], "segments": [0]}
    ]
    assert (tmp_path / "loss.png").exists()


def test_csv(log, tmp_path):
    result = plot(6, tmp_path / "loss.png", log, log, "--csv")
    assert result.stdout == (
        "log,name,segment,x,y\nrun,loss,0,0,2\nrun,loss,0,10,nan\nrun (2),loss,0,0,2\nrun (2),loss,0,10,nan\n"
    )


def test_every_number_as_a_table(log, tmp_path):
    plot(6, tmp_path / "all.csv", log)
    assert (tmp_path / "all.csv").read_text().splitlines()[1] == f"{log},0,solver,,loss,0,1,2"
    plot(6, tmp_path / "all.json", log)
    assert json.loads((tmp_path / "all.json").read_text())[0]["lines"] == 3


def test_standard_input(tmp_path):
    command = [sys.executable, "-m", "cnnviz", "plot", "6", str(tmp_path / "a.svg"), "-", "--json"]
    result = subprocess.run(command, input=LOG, capture_output=True, text=True, timeout=60)
    assert json.loads(result.stdout)[0]["x"] == [0, 10]


@pytest.mark.parametrize(
    "arguments, kind, message",
    [
        (
            ("8", "a.png"),
            CnnvizError,
            r"unknown chart type '8', expected one of 0 test-accuracy, 1 test-accuracy-seconds, ",
        ),
        (("trainloss", "a.png"), CnnvizError, r"; did you mean 'train-loss'\?$"),
        (("6", "a.pgn"), FileError, r"a\.pgn: unknown file format '\.pgn', expected one of \.png, "),
        (
            ("6", "nowhere/a.png"),
            FileError,
            r"nowhere/a\.png: cannot be written: there is no folder 'nowhere'; create it first\.$",
        ),
        (("6", "a.png", "--smooth", "1"), CnnvizError, "smooth is 1, expected 0 "),
        (
            ("0", "a.png"),
            CnnvizError,
            r"run\.log: nothing to plot as test accuracy: no test output was printed; "
            r"there are values for train-loss\.$",
        ),
        (("4", "a.png"), CnnvizError, "as train learning rate: no learning rate was printed; there are val"),
        (
            ("6", "a.png", "--output", "x"),
            CnnvizError,
            r"no train output 'x': no train output was printed\.$",
        ),
    ],
)
def test_errors(log, tmp_path, monkeypatch, arguments, kind, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind, match=message) as error:
        plot(arguments[0], arguments[1], log, *arguments[2:])
    assert "\n" not in str(error.value)
    assert os.listdir(tmp_path) == ["run.log"]


def test_error_line_and_exit_code(tmp_path):
    command = [sys.executable, "-m", "cnnviz", "plot", "6", "a.png", "nope.log"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == "Error: nope.log: cannot be read: no such file or directory.\n"


@pytest.mark.parametrize(
    "content, found",
    [
        (b"", "0 lines"),
        (bytes(range(256)) * 400, "801 lines"),
        (b"layer {\n}\n", "2 lines"),
        (None, "is a directory"),
    ],
)
def test_what_is_no_log(tmp_path, content, found):
    path = tmp_path / "run.log"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(FileError, match=found):
        plot("6", tmp_path / "a.png", path)
    assert os.listdir(tmp_path) == ["run.log"]


def test_closed_standard_input(tmp_path):
    command = f"{sys.executable} -m cnnviz plot 6 {tmp_path}/a.png - <&-"
    result = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and result.stderr == "Error: -: cannot be read: bad file descriptor.\n"


def test_a_disk_that_is_full_leaves_nothing(log, tmp_path):
    resource = pytest.importorskip("resource")
    result = subprocess.run(
        [sys.executable, "-m", "cnnviz", "plot", "6", "a.png", "run.log"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)),
    )  # fmt: skip
    assert result.returncode == 1 and result.stderr == "Error: a.png: cannot be written: file too large.\n"
    assert os.listdir(tmp_path) == ["run.log"]


def test_full_range(tmp_path):
    rows = "".join(f"Iteration {i}, loss = {50 if i == 7 else 2 + i % 3 / 10}\n" for i in range(40))
    (tmp_path / "peak.log").write_text(rows)
    for options, shown in (((), True), (("--full-range",), False)):
        plot(6, tmp_path / "a.svg", tmp_path / "peak.log", *options)
        assert ("1 point above: 50 at 7" in (tmp_path / "a.svg").read_text()) == shown


def test_needs_no_opencl(log, tmp_path):
    code = (
        "import sys; sys.modules['pyopencl'] = None\n"
        "from cnnviz.cli.main import main; sys.argv = ['cnnviz', 'plot', '6', 'a.png', 'run.log']; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.png").exists()


def test_follow_draws_again_and_ends_cleanly(log, tmp_path):
    out = tmp_path / "all.csv"
    log.write_text("")
    command = [sys.executable, "-m", "cnnviz", "plot", "6", str(out), str(log), "--follow"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(1)
        assert not out.exists()
        log.write_text(LOG)
        wait_for(out.exists, 30)
        with open(log, "a") as file:
            file.write(MORE)
        wait_for(lambda: "loss,20," in out.read_text(), 30)
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    finally:
        process.kill()
    assert process.returncode == 0 and errors.endswith("Stopped following.\n") and "Traceback" not in errors


def test_follow_ends_with_the_training(log, tmp_path):
    log.write_text(LOG + MORE + DONE)
    result = plot(6, tmp_path / "a.svg", log, "--follow")
    assert result.exit_code == 0 and (tmp_path / "a.svg").exists()
