"""Nets given as text, and what reads their features."""

from __future__ import annotations

from pathlib import Path

from cnnviz.analysis.features import Inspector
from cnnviz.engine.net import Net
from cnnviz.formats.prototxt import parse_net


def make_inspector(folder: Path, text: str, **options):
    """Returns an Inspector at the net of ``text``, whose random weights are saved as net.caffemodel."""
    definition, weights = parse_net(text), folder / "net.caffemodel"
    Net(definition, "TEST", seed=0).save(weights)
    return Inspector(definition, weights, **options)
