"""The checkout, the folders beside it, and checks of files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cnnviz.errors import FileError

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"


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
    """Models, logs and images made by other people, beside the checkout."""
    return _folder("real")


def assert_refused(read: Callable[[Path], object], path: Path, content: bytes, message: str) -> None:
    """Checks that a file with this content is refused by a sentence that begins with its path and message."""
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: {message}")
