"""docs/features.md describes the command: its options, its pictures' options, its Python example."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys

from cnnviz.cli.features import METHODS, command
from make_pictures.features import FEATURES
from support.files import ROOT

PAGE = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")


def test_every_option_is_described():
    described = set(re.findall(r"--[a-z][a-z-]*", PAGE))
    expected = {name for option in command.params for name in option.opts if name.startswith("--")}
    assert expected - described == {"--out", "--device"} - described


def test_captions_are_the_options_of_their_pictures():
    captions = re.findall(r"^`(--[^`]+)`[^\n]*:[^\n]*\n\n!\[[^\]]*\]\(pictures/([\w-]+)\.png\)", PAGE, re.M)
    assert len(captions) >= 6
    for options, name in captions:
        # The maker adds a layer where the caption is not about maps, to keep the other picture small.
        made = FEATURES[name].options
        assert made[-len(shlex.split(options)) :] == shlex.split(options) or name == "features-class", name


def test_every_method_is_explained():
    for method in METHODS:
        assert re.search(rf"^\| {method} \|", PAGE, re.M)


def test_the_python_example_runs(demo, tmp_path):
    folder, result = demo
    shutil.copy(folder / "lenet_train_test.prototxt", tmp_path / "deploy.prototxt")
    shutil.copy(result.weights, tmp_path / "net.caffemodel")
    shutil.copy(folder / "digits" / "digit_3.png", tmp_path / "cat.jpg")
    code = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "class 3" in done.stdout and "(20, 24, 24)" in done.stdout
    assert (tmp_path / "maps.png").exists()
