"""Fixtures that all tests share."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cnnviz.errors import FileError
from cnnviz.formats.prototxt import parse_net

pytest_plugins = ["device_tests", "simulator"]

SHARED = Path(__file__).resolve().parents[2] / "shared"


def _folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent")
    return folder


@pytest.fixture(scope="session")
def reference() -> Path:
    """Cases computed with Caffe 1.0 itself, beside the checkout."""
    return _folder("reference")


@pytest.fixture(scope="session")
def real() -> Path:
    """Models, logs and pictures made by strangers, beside the checkout."""
    return _folder("real")


def assert_refused(read: Callable[[Path], object], path: Path, content: bytes, message: str) -> None:
    """Checks that a file with this content is refused by a sentence that begins with its path and message."""
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {message}")


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits until a condition holds; fails if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def make_looker(folder: Path, text: str, **options):
    """Returns a Looker at the net of ``text``, whose random weights are saved as net.caffemodel."""
    from cnnviz.analysis.features import Looker
    from cnnviz.engine.net import Net

    definition, weights = parse_net(text), folder / "net.caffemodel"
    Net(definition, "TEST", seed=0).save(weights)
    return Looker(definition, weights, **options)


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder of one run of the demonstration, and its result."""
    from cnnviz.gallery.demo import run_demo

    folder = tmp_path_factory.mktemp("demo") / "cnnviz-demo"
    return folder, run_demo(folder)
