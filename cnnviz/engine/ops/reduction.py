"""Sums over whole buffers or their rows, on the device, with results that repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.device import Device

_CHUNK = 2048  # of sums.cl
_KINDS = {"sum": 0, "abs": 1, "square": 2, "product": 3}


def row_sums(
    device: Device,
    rows: int,
    count: int,
    source: Any,
    target: Any,
    *,
    what: str = "sum",
    other: Any = None,
    scale: float = 1.0,
    target_start: int = 0,
) -> None:
    """Writes target[target_start + r] = scale sum over i of f(source[r, i]) for rows of ``count`` elements.

    Args:
        what: f: "sum" x, "abs" |x|, "square" x^2, or "product" x z.
        other: the buffer of z.
    """
    slot = 0
    while count > _CHUNK:
        chunks = -(-count // _CHUNK)
        # Two slots take turns: a pass never reads what it writes.
        partial = device.scratch(rows * chunks, f"sums {slot}")
        _pass(device, rows, count, source, other, partial, what, 1.0, 0)
        source, other, what, count, slot = partial, None, "sum", chunks, 1 - slot
    _pass(device, rows, count, source, other, target, what, scale, target_start)


def _pass(
    device: Device,
    rows: int,
    count: int,
    source: Any,
    other: Any,
    target: Any,
    what: str,
    scale: float,
    start: int,
) -> None:
    chunks = max(1, -(-count // _CHUNK))
    # On a CPU an item sums with vectors itself; a group of several would gather from all their chunks.
    columns = 1 if device.is_cpu else min(chunks, 16)
    size = (-(-chunks // columns) * columns, rows)
    other = source if other is None else other  # a pointer that is never followed
    args = (chunks, rows, count, _KINDS[what], float(scale), source, other, target, start)
    device.launch("sums", "sum_chunks", size, *args, local_size=(columns, 1))


def _total(device: Device, buffer: Any, count: int, what: str, other: Any = None) -> float:
    result = device.scratch(1, "total")
    row_sums(device, 1, count, buffer, result, what=what, other=other)
    return float(device.read(result, np.empty(1, device.dtype))[0])


def total(device: Device, buffer: Any, count: int) -> float:
    """Returns the sum of the first ``count`` elements."""
    return _total(device, buffer, count, "sum")


def abs_sum(device: Device, buffer: Any, count: int) -> float:
    """Returns the sum of the absolute values of the first ``count`` elements."""
    return _total(device, buffer, count, "abs")


def sum_of_squares(device: Device, buffer: Any, count: int) -> float:
    """Returns the sum of the squares of the first ``count`` elements."""
    return _total(device, buffer, count, "square")


def dot(device: Device, a: Any, b: Any, count: int) -> float:
    """Returns the inner product of the first ``count`` elements of two buffers."""
    return _total(device, a, count, "product", b)
