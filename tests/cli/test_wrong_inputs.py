"""Wrong inputs give one sentence on stderr, exit code 1 and no traceback, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import cnnviz

NET = """name: "net"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)
    (tmp_path / "type.prototxt").write_text(NET.replace('"Convolution"', '"Convolutoin"'))
    (tmp_path / "bottom.prototxt").write_text(NET.replace('bottom: "conv"', 'bottom: "convv"'))
    (tmp_path / "other.prototxt").write_text(NET.replace("num_output: 3", "num_output: 5"))
    (tmp_path / "noise.prototxt").write_text("layer { name: 'a' ]\n")
    (tmp_path / "image.png").write_text("this is no picture")
    Image.new("L", (8, 8)).save(tmp_path / "fine.png")
    (tmp_path / "empty.prototxt").touch()
    (tmp_path / "empty.log").write_text("nothing\n" * 3)
    net = cnnviz.Net("net.prototxt", cnnviz.TEST)
    net.save("net.caffemodel")
    whole = (tmp_path / "net.caffemodel").read_bytes()
    (tmp_path / "short.caffemodel").write_bytes(whole[: len(whole) - 100])
    return tmp_path


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "cnnviz", *arguments], capture_output=True, text=True, env={**os.environ}
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ("draw missing.prototxt o.svg", "missing.prototxt: cannot be read: no such file or directory."),
        ("draw noise.prototxt o.svg", "noise.prototxt:1:"),
        ("draw image.png o.svg", "image.png"),
        ("draw net.prototxt o.xyz", "o.xyz: unknown file format '.xyz'"),
        ("draw net.prototxt nowhere/o.svg", "nowhere/o.svg: cannot be written: "
         "there is no folder 'nowhere'; create it first."),
        ("draw net.prototxt o.svg --both-phases --phase test", "Give --both-phases or --phase, not both."),
        ("wieghts net.prototxt", "unknown command 'wieghts'; did you mean 'weights'?"),
        ("nonsense", "unknown command 'nonsense'"),
        ("summary net.prototxt --json --csv", "Give --json or --csv, not both."),
        ("plot 6 o.png empty.log --json --csv", "Give --json or --csv, not both."),
        ("time --model type.prototxt", "type.prototxt:3: layer 'conv' (Convolutoin): "
         "unknown type 'Convolutoin'; did you mean 'Convolution'?"),
        ("time --model bottom.prototxt", "bottom.prototxt:5: layer 'ip' (InnerProduct): "
         "unknown bottom 'convv'; did you mean 'conv'?"),
        ("weights other.prototxt net.caffemodel o.png", "net.caffemodel: layer 'conv' weight "
         "is (3, 1, 3, 3), the net expects (5, 1, 3, 3)."),
        ("weights net.prototxt short.caffemodel o.png", "short.caffemodel: ends inside layer 'ip'"),
        ("weights net.prototxt net.prototxt o.png", "net.prototxt"),
        ("features net.prototxt net.caffemodel image.png --out maps", "image.png: is not an image"),
        ("features net.prototxt missing.caffemodel image.png --out maps", "missing.caffemodel: "),
        ("features net.prototxt net.caffemodel fine.png --out maps --class 1", "give --attribution too"),
        ("features net.prototxt net.caffemodel fine.png --out maps --classes fine.png",
         "fine.png: holds no class names"),
        ("features net.prototxt net.caffemodel fine.png --out maps --mean nan", "--mean nan: is not finite"),
        ("features net.prototxt net.caffemodel fine.png --out maps --input x=1",
         "has no input 'x'; the image is its only input."),
        ("features net.prototxt net.caffemodel fine.png --out maps --train-model net.prototxt",
         "net.prototxt: has no data layer that gives mean and scale"),
        ("features net.prototxt net.caffemodel missing.png --out maps", "missing.png: cannot be read"),
        ("features net.prototxt net.caffemodel fine.png --out maps --top-images con", "did you mean 'conv'?"),
        ("features net.prototxt net.caffemodel fine.png --out maps --maximize 9", "Class 9 is out of range"),
        ("features net.prototxt net.caffemodel fine.png --out maps --maximize conv:3", "Channel 3 is out of"),
        ("time --model net.prototxt --json nowhere/o.json", "there is no folder 'nowhere'; create it first."),
        ("plot 6 o.png empty.log", "empty.log: no line says"),
        ("plot 8 o.png empty.log", "8"),
        ("plot 6 o.png missing.log", "missing.log: cannot be read"),
        ("train --solver missing.prototxt", "missing.prototxt: cannot be read"),
        ("train --solver empty.prototxt", "empty.prototxt: has no lr_policy; give one of fixed, step"),
        ("train --solver net.prototxt", "this is a net definition, not a solver"),
        ("test --model net.prototxt --weights short.caffemodel", "short.caffemodel: ends inside layer 'ip'"),
        ("gallery net.prototxt --image image.png --out o.html", "give the .caffemodel"),
        ("gallery net.prototxt --index pages", "Give MODEL and OUT, or --index DIR, not both."),
        ("demo net.prototxt", "net.prototxt"),
        ("time --model net.prototxt --device abacus", "No OpenCL device matches 'abacus'"),
    ],
)  # fmt: skip
def test_one_sentence(folder, arguments, message):
    result = run(*arguments.split())
    assert result.returncode == 1, (result.stdout, result.stderr)
    lines = [line for line in result.stderr.splitlines() if "Error: " in line]
    assert len(lines) == 1 and message in lines[0], result.stderr
    assert "Traceback" not in result.stderr
    assert not [name for name in os.listdir(folder) if name.startswith(("o.", "."))], "nothing half written"
    assert not list(folder.glob("maps/*")) and not result.stdout, "said before the work"


def test_one_name_of_a_layer_is_not_a_list_of_characters(folder):
    figure = cnnviz.plot_weights("net.prototxt", "net.caffemodel", layers="conv")
    assert any(text.get_text() == "conv" for text in figure.texts)
    shown = cnnviz.plot_features("net.prototxt", "net.caffemodel", "fine.png", layers="conv")
    assert any(text.get_text() == "conv" for text in shown.texts)


def test_names_of_nets_and_classes_cannot_steer_the_terminal(folder):
    (folder / "escape.prototxt").write_text(NET.replace('name: "net"', 'name: "a\\033[31mb"'))
    printed = run("summary", "escape.prototxt").stdout
    assert "\x1b" not in printed and "a\ufffd[31mb" in printed
    (folder / "classes.txt").write_text("\x1b[31mone\ntwo\nthree\nfour\n")
    command = "features net.prototxt net.caffemodel fine.png --out maps --classes classes.txt"
    assert "\x1b" not in run(*command.split()).stdout


def test_a_bug_keeps_its_traceback(monkeypatch):
    from cnnviz.cli import main

    monkeypatch.setattr(main.cnnviz_command, "main", lambda **options: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main.main()


def test_a_nan_in_the_weights_is_shown_not_fatal(folder):
    net = cnnviz.Net("net.prototxt", cnnviz.TEST)
    net.params["conv"][0].data[0, 0, 0, 0] = np.nan
    net.save("nan.caffemodel")
    assert run("weights", "net.prototxt", "nan.caffemodel", "o.png").returncode == 0
