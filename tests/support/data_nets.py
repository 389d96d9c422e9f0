"""Nets with data layers."""

from __future__ import annotations

import cnnviz
from cnnviz.formats.prototxt import parse_net


def net_of(layer: str, phase: int = cnnviz.TEST, seed: int = 0) -> cnnviz.Net:
    return cnnviz.Net(parse_net(f"layer {{ name: 'data' {layer} }}"), phase, seed=seed)
