"""Biases over a channel axis, for Convolution, Deconvolution and InnerProduct."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.device import Device


def add_bias(device: Device, outer: int, channels: int, inner: int, bias: Any, y: Any) -> None:
    """Adds bias[c] to every y[o, c, i]."""
    if inner == 1:
        device.launch("bias", "bias_add_rows", (channels, outer), bias, y)
    else:
        device.launch("bias", "bias_add", (inner, outer * channels), channels, bias, y)


def add_bias_gradient(device: Device, outer: int, channels: int, inner: int, dy: Any, db: Any) -> None:
    """Adds to each db[c] the sum of dy[o, c, i] over o and i."""
    if inner == 1:
        device.launch("bias", "bias_gradient_rows", (channels,), outer, dy, db)
    else:
        # On a CPU an item sums with vectors itself; a group of several would be made one wide, slow item.
        local_size = (1,) if device.is_cpu else None
        device.launch("bias", "bias_gradient", (channels,), outer, inner, dy, db, local_size=local_size)
