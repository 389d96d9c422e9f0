"""Biases over a channel axis, for Convolution, Deconvolution and InnerProduct."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.device import Device


def add_bias(device: Device, outer: int, channels: int, inner: int, bias: Any, y: Any) -> None:
    """Adds bias[c] to every y[o, c, i]."""
    count = outer * channels * inner
    device.launch("bias", "bias_add", count, count, channels, inner, bias, y)


def add_bias_gradient(device: Device, outer: int, channels: int, inner: int, dy: Any, db: Any) -> None:
    """Adds to each db[c] the sum of dy[o, c, i] over o and i."""
    device.launch("bias", "bias_gradient", channels, outer, channels, inner, dy, db)
