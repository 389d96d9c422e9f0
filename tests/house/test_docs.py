"""What the documents promise is true: examples run, links lead somewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from support.files import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def console_examples() -> list[tuple[str, str]]:
    found = []
    for block in re.findall(r"```console\n(.*?)```", README, re.S):
        for command, output in re.findall(r"\$ (.*)\n((?:(?!\$ ).*\n)*)", block):
            found.append((command, output))
    return found


def masked(text: str) -> list[str]:
    """Lines without what depends on the device: numbers of predictions and scores."""
    return [re.sub(r"[\d.]+", "#", line).rstrip() for line in text.strip().splitlines()]


def run(command: str, folder: Path) -> str:
    python = f"{shlex.quote(sys.executable)} -m cnnviz"
    result = subprocess.run(
        re.sub(r"^cnnviz", python, command), shell=True, cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_there_are_five_examples():
    assert len(console_examples()) >= 5


@pytest.mark.parametrize("command, output", console_examples(), ids=lambda text: text[:40])
def test_examples_of_the_readme(demo, command, output):
    folder, _ = demo
    printed = run(command, folder.parent)
    if "summary" in command:
        assert printed.strip() == output.strip()
    else:
        assert masked(printed) == masked(output)


def test_python_example_of_the_readme(demo):
    folder, _ = demo
    code = re.search(r"```python\n(.*?)```", README, re.S)[1]
    result = subprocess.run([sys.executable, "-c", code], cwd=folder.parent, capture_output=True, text=True)
    assert result.stdout.strip() == re.search(r"# (\(100.*)", code)[1], result.stderr


def test_example_of_the_pycaffe_page(tmp_path):
    text = (ROOT / "docs" / "pycaffe.md").read_text(encoding="utf-8")
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.S) if "NetSpec" in block)
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout.strip() == re.search(r"# (\(1, 10.*)", code)[1], result.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if not target.startswith(("http:", "https:")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"
