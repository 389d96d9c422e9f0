"""Caffe's command line as tutorials type it, for every command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from cnnviz.cli._flags import COMMANDS, command_name, rewritten
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine import opencl
from support.waiting import wait_for

NET = """
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TRAIN }
  dummy_data_param { shape { dim: 4 dim: 3 } data_filler { type: "gaussian" }
    shape { dim: 4 } data_filler { value: 1 } } }
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TEST }
  dummy_data_param { shape { dim: 4 dim: 3 } data_filler { type: "gaussian" }
    shape { dim: 4 } data_filler { value: 1 } } }
layer { name: "low" type: "InnerProduct" bottom: "data" top: "final" include { stage: "x" stage: "y" }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "high" type: "InnerProduct" bottom: "data" top: "final" include { min_level: 3 }
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "final" bottom: "label" top: "loss" }
"""
SOLVER = 'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: %d snapshot_prefix: "snap" display: 1'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "solver.prototxt").write_text(SOLVER % 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(cnnviz_command, list(words), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def words(command: str, *arguments: str) -> list[str]:
    return rewritten(command, cnnviz_command.get_command(None, command), list(arguments))


@pytest.mark.parametrize(
    "typed, taken",
    [
        ("-solver a -weights=b,c", "--solver a --weights b,c"),
        ("--solver=a --sigint-effect stop", "--solver a --sigint-effect stop"),
        ("-sigint_effect snapshot", "--sigint_effect snapshot"),
        ("-solver -solver", "--solver -solver"),
        ("-logtostderr=1 -alsologtostderr --minloglevel 2 -v=1 -solver a", "--solver a"),
        ("-level -1 -solver a", "--level -1 --solver a"),
        ("-h", "-h"),
        ("-helpshort", "--help"),
        ("-solver a -- -solver", "--solver a -- -solver"),
    ],
)
def test_flags_of_train(typed, taken):
    taken_words = words("train", *typed.split())
    spelled = [word.replace("--sigint_effect", "--sigint-effect") for word in taken_words]
    assert spelled == taken.replace("--sigint_effect", "--sigint-effect").split()


@pytest.mark.parametrize(
    "command, typed, taken",
    [
        ("convert-imageset", "--gray=true -shuffle=false --noencoded", "--gray"),
        ("convert-imageset", "-resize-width=3", "--resize-width 3"),
        ("convert-imageset", "-gray -1 -", "--gray -1 -"),
        ("draw", "-nocosts -rankdir LR --every_layer", "--no-costs --rankdir LR --every-layer"),
        ("draw", "--costs=false --costs=true", "--no-costs --costs"),
        ("plot", "6 o.png -", "6 o.png -"),
        ("features", "-scale -0.5 -train_model x", "--scale -0.5 --train-model x"),
        ("devices", "-gpu all", ""),
    ],
)  # fmt: skip
def test_flags_of_other_commands(command, typed, taken):
    assert words(command, *typed.split()) == taken.split()


@pytest.mark.parametrize("command", cnnviz_command.list_commands(None))
def test_every_option_may_be_typed_in_caffes_ways(command):
    for param in cnnviz_command.get_command(None, command).params:
        for name in [name for name in param.opts if name.startswith("--")]:
            plain = name[2:]
            for typed in (f"-{plain}", f"--{plain.replace('-', '_')}", f"-{plain.replace('_', '-')}"):
                value = [] if param.is_flag else ["7"]
                found = words(command, typed, *value)
                assert found[0] in (*param.opts, *param.secondary_opts) and found[1:] == value
    assert "Usage:" in run(command, "-h")


@pytest.mark.parametrize("word", ["convert_imageset", "extract_features", "image_mean", *COMMANDS])
def test_commands_go_by_caffes_names(word):
    known = cnnviz_command.list_commands(None)
    for typed in (word, word.replace("-", "_"), f"{word}.py", f"{word.replace('-', '_')}.bin"):
        assert command_name(typed) in known
    assert "Usage:" in run("caffe", word, "--help")


@pytest.mark.parametrize(
    "command, message",
    [
        (
            "train -solver solver.prototxt -iterations 5",
            "--iterations: the solver file determines how long to train: max_iter",
        ),
        ("train -solver solver.prototxt -model x", "the solver file names it: net"),
        ("train -solver solver.prototxt -log_dir logs", "--log_dir: the log goes to stderr"),
        ("draw net.prototxt o.svg -gpu 0", "--gpu: this command does not run the net"),
        ("test -model net.prototxt -snapshot x", "give weights as --weights"),
        ("train -solvr x", "--solvr"),
        ("convert_imageset a b c --gray=maybe", "--gray"),
    ],
)
def test_flags_without_a_meaning_say_what_to_do_instead(folder, command, message):
    assert message in run(*command.split(), code=2)


def test_gpu_takes_the_gpus_in_order(monkeypatch):
    class Info:
        def __init__(self, index, kind):
            self.index, self.kind = index, kind

    monkeypatch.setattr(opencl, "list_devices", lambda: [Info(0, "GPU"), Info(1, "CPU"), Info(2, "GPU")])
    assert words("time", "-gpu", "1", "-model", "m") == ["--device", "2", "--model", "m"]
    assert words("train", "--gpu=all") == words("train", "-gpu", "0,1") == ["--device", "0"]
    assert "--gpu 2: expected 0 to 1;" in run("time", "-gpu", "2", code=2)
    monkeypatch.setattr(opencl, "list_devices", lambda: [Info(0, "CPU")])
    assert words("time", "-gpu", "0", "-model", "m") == ["--model", "m"]


def train(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cnnviz", "train", *arguments], capture_output=True, text=True, timeout=120
    )


def test_train_takes_stages_and_a_level(folder):
    plain = train("-solver", "solver.prototxt")
    assert plain.returncode == 1 and "unknown bottom 'final'" in plain.stderr
    staged = train("-solver", "solver.prototxt", "-stage=x,y", "--weights", "")
    assert staged.returncode == 0 and "Optimization Done" in staged.stderr, staged.stderr
    one = train("--solver=solver.prototxt", "--stage", "x")
    assert "unknown bottom 'final'" in one.stderr
    level = train("--solver=solver.prototxt", "--level", "3", "--weights", "snap_iter_2.caffemodel")
    assert level.returncode == 0 and "Optimization Done" in level.stderr, level.stderr


@pytest.mark.parametrize(
    "number, flag, effect, ends",
    [
        (signal.SIGINT, "-sigint_effect", "snapshot", False),
        (signal.SIGINT, "-sigint_effect", "none", False),
        (signal.SIGHUP, "-sighup_effect", "stop", True),
    ],
)
def test_signals_do_what_their_flags_say(folder, number, flag, effect, ends):
    (folder / "solver.prototxt").write_text(SOLVER % 10**8)
    with open("log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cnnviz", "train", "-solver", "solver.prototxt", "-level=3", flag, effect],
            stderr=log,
        )
        try:
            wait_for(lambda: "Iteration 5" in (folder / "log").read_text())
            process.send_signal(number)
            if ends:
                assert process.wait(60) == 0
            elif effect == "snapshot":
                wait_for(lambda: list(folder.glob("snap_iter_*.solverstate")))
            else:
                seen = (folder / "log").stat().st_size
                wait_for(lambda: (folder / "log").stat().st_size > seen + 20_000)
            assert ends or process.poll() is None
        finally:
            process.kill()
            process.wait()
    assert bool(list(folder.glob("snap_iter_*.caffemodel"))) == (effect != "none")


def test_a_snapshot_prefix_may_be_a_folder(folder):
    os.mkdir("sdir")
    for prefix, stem in (("sdir", "sdir/solver"), ("other/", "other/solver"), (r"win\\dows", "win/dows")):
        (folder / "solver.prototxt").write_text((SOLVER % 2).replace('"snap"', f'"{prefix}"'))
        assert train("-solver", "solver.prototxt", "-level=3").returncode == 0
        assert os.path.exists(f"{stem}_iter_2.caffemodel")
    assert sorted(os.listdir()) == ["net.prototxt", "other", "sdir", "solver.prototxt", "win"]


@pytest.mark.parametrize("prefix", ["n" * 240, "net.prototxt/x", "/proc/1/x", r"a\000b"])
def test_an_impossible_prefix_is_found_before_the_training(folder, prefix):
    (folder / "solver.prototxt").write_text((SOLVER % 2).replace('"snap"', f'"{prefix}"'))
    result = train("-solver", "solver.prototxt", "-level=3")
    assert result.returncode == 1 and "Iteration 0" not in result.stderr
    assert "Error: solver.prototxt: snapshots cannot be written to" in result.stderr
