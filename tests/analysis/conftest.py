"""Fixtures of the tests of analysis."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.formats.images import encode_image
from support.partial_nets import WHOLE, save


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with an image, a net and its weights."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    (tmp_path / "a.png").write_bytes(encode_image(pixels, "png"))
    (tmp_path / "net.prototxt").write_text(WHOLE)
    save(WHOLE, "net.caffemodel")
    return tmp_path
