"""Softmax over the middle axis of (outer, channels, inner), for the layers that contain one."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range


def softmax_forward(device: Device, outer: int, channels: int, inner: int, x: Any, y: Any) -> None:
    """Writes softmax(x) to ``y``, which may be ``x``."""
    size, options = row_range(inner, outer)
    device.launch("softmax", "softmax_forward", size, outer, channels, inner, x, y, **options)


def softmax_backward(device: Device, outer: int, channels: int, inner: int, y: Any, dy: Any, dx: Any) -> None:
    """Writes the gradient to ``dx``, which may be ``dy``."""
    size, options = row_range(inner, outer)
    device.launch("softmax", "softmax_backward", size, outer, channels, inner, y, dy, dx, **options)
