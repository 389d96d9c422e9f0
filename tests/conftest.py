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
