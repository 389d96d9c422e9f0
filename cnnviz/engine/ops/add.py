"""Sum of two arrays."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.device import Device


def add(device: Device, count: int, a: Any, b: Any, result: Any) -> None:
    """Writes a + b to ``result``, which may be a or b; all are buffers of ``count`` elements."""
    device.launch("add", "add", count, count, a, b, result)
