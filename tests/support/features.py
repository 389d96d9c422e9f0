"""Nets given as text, and what reads their features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.engine.net import Net
from cnnviz.formats.prototxt import parse_net


def make_inspector(folder: Path, text: str, **options: Any) -> Inspector:
    """Returns an Inspector at the net of ``text``, whose random weights are saved as net.caffemodel.

    Args:
        options: see ImageOptions.
    """
    definition, weights = parse_net(text), folder / "net.caffemodel"
    Net(definition, "TEST", seed=0).save(weights)
    return Inspector(definition, weights, ImageOptions(**options))
