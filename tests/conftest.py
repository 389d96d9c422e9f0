"""Fixtures that all tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

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


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder of one run of the demonstration, and its result."""
    from cnnviz.gallery.demo import run_demo

    folder = tmp_path_factory.mktemp("demo") / "cnnviz-demo"
    return folder, run_demo(folder)
