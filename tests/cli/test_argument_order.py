"""Files are given in one order, MODEL WEIGHTS ... OUT, or in the older ways, which give the same."""

from __future__ import annotations

import os

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.cli.main import cnnviz_command

NET = """name: "net"
layer { name: "data" type: "DummyData" top: "data"
  dummy_data_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
"""


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nets")
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 1')
    (folder / "run.log").write_text("Iteration 0, loss = 2\nIteration 1, loss = 1\n")
    net = cnnviz.Net(folder / "net.prototxt", cnnviz.TEST, seed=1)
    net.save(folder / "net.caffemodel")
    net.close()
    return folder


@pytest.fixture
def folder(nets, monkeypatch):
    monkeypatch.chdir(nets)
    return nets


def run(command: str, code: int = 0) -> str:
    result = CliRunner().invoke(cnnviz_command, command.split(), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    "forms",
    [
        [
            "test net.prototxt net.caffemodel --iterations 2",
            "test -model net.prototxt -weights net.caffemodel -iterations 2",
            "test net.prototxt --weights net.caffemodel --iterations 2",
            "test net.prototxt net.caffemodel --model net.prototxt --iterations 2",
        ],
        [
            "gallery net.prototxt net.caffemodel OUT.html --log run.log",
            "gallery net.prototxt net.caffemodel --log run.log --out OUT.html",
        ],
        ["gallery net.caffemodel OUT.html", "gallery net.caffemodel net.caffemodel --out OUT.html"],
        ["plot 6 OUT.csv run.log", "plot 6 run.log --out OUT.csv", "plot 6 --out OUT.csv run.log"],
        ["weights net.caffemodel OUT.svg --style dark", "weights - net.caffemodel OUT.svg --style dark"],
        ["weights net.caffemodel --report", "weights - net.caffemodel --report"],
        [
            "extract-features net.prototxt net.caffemodel conv OUT.npz 2",
            "extract-features net.caffemodel net.prototxt conv OUT.npz 2 lmdb CPU",
        ],
    ],
    ids=lambda forms: forms[0],
)
def test_all_forms_give_the_same(folder, forms):
    results = []
    for number, form in enumerate(forms):
        printed = run(form.replace("OUT", f"out{number}")).replace(f"out{number}", "OUT")
        files = sorted(folder.glob(f"out{number}.*"))
        content = [dict(np.load(f)) if f.suffix == ".npz" else f.read_text() for f in files]
        assert bool(files) == ("OUT" in form)
        for file in files:
            os.remove(file)
        results.append((printed, repr(content)))
    assert all(result == results[0] for result in results)


def test_a_lone_caffemodel_is_drawn_to_standard_output(folder):
    assert "<svg" in run("weights net.caffemodel -")


def test_time_takes_words_and_flags(folder):
    for typed in (
        "net.prototxt",
        "net.prototxt net.caffemodel",
        "-model net.prototxt -weights net.caffemodel",
    ):
        assert "conv" in run(f"time {typed} --iterations 1")


def test_train_takes_its_solver_as_a_word(folder):
    assert "Missing argument 'SOLVER'" in run("train", code=2)
    assert "SOLVER is given twice" in run("train a.prototxt -solver b.prototxt", code=2)
    assert "Give --snapshot to resume" in run("train solver.prototxt --snapshot a --weights b", code=2)


@pytest.mark.parametrize(
    "command, message",
    [
        ("test net.prototxt", "Missing argument 'WEIGHTS'."),
        ("test --weights net.caffemodel", "Missing argument 'MODEL'."),
        (
            "test net.prototxt net.caffemodel --model other.prototxt",
            "MODEL is given twice, as net.prototxt and as --model other.prototxt; give one.",
        ),
        ("time net.caffemodel -model net.prototxt", "MODEL is given twice, as net.caffemodel and as --model"),
        ("gallery net.prototxt a.html --out b.html", "OUT is given twice, as a.html and as --out b.html;"),
        ("gallery net.prototxt", "Give MODEL and OUT, a PAGE.html, or --index DIR."),
        ("plot 6 out.png", "Missing argument 'LOG...'."),
        (
            "weights net.prototxt out.png",
            "Missing argument 'WEIGHTS'; MODEL is not a caffemodel that holds both.",
        ),
        (
            "weights net.prototxt net.caffemodel",
            "Missing argument 'OUT'; it may be omitted only with --report.",
        ),
    ],
)
def test_what_is_missing_or_given_twice_is_named(folder, command, message):
    assert message in " ".join(run(command, code=2).split())
