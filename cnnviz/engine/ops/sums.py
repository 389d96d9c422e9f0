"""Sums over the rows of buffers on the device, with results that repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.device import Device

_CHUNK = 2048  # of sums.cl
_TERMS = {"sum": 0, "abs": 1, "square": 2, "product": 3}


def row_sums(
    device: Device,
    shape: tuple[int, int],
    source: Any,
    target: Any,
    *,
    term: str = "sum",
    other: Any = None,
    scale: float = 1.0,
    target_start: int = 0,
) -> None:
    """Writes target[target_start + r] = scale sum over i of f(source[r, i]).

    Args:
        shape: rows, and the elements of each.
        term: f: "sum" x, "abs" |x|, "square" x^2, or "product" x z.
        other: the buffer of z.
    """
    rows, count = shape
    slot = 0
    while count > _CHUNK:
        chunks = -(-count // _CHUNK)
        # Two slots take turns: a pass never reads what it writes.
        partial = device.scratch(rows * chunks, f"sums {slot}")
        _pass(device, (rows, count), source, partial, term, other)
        source, other, term, count, slot = partial, None, "sum", chunks, 1 - slot
    _pass(device, (rows, count), source, target, term, other, scale, target_start)


def _pass(
    device: Device,
    shape: tuple[int, int],
    source: Any,
    target: Any,
    term: str,
    other: Any,
    scale: float = 1.0,
    start: int = 0,
) -> None:
    rows, count = shape
    chunks = max(1, -(-count // _CHUNK))
    # On a CPU an item sums with vectors itself; a group of several would gather from all their chunks.
    columns = 1 if device.is_cpu else min(chunks, 16)
    size = (-(-chunks // columns) * columns, rows)
    other = source if other is None else other  # a pointer that is never followed
    args = (chunks, rows, count, _TERMS[term], float(scale), source, other, target, start)
    device.launch("sums", "sum_chunks", size, *args, local_size=(columns, 1))


def sum_of_squares(device: Device, buffer: Any, count: int) -> float:
    """Returns the sum of the squares of the first ``count`` elements."""
    result = device.scratch(1, "total")
    row_sums(device, (1, count), buffer, result, term="square")
    return float(device.read(result, np.empty(1, device.dtype))[0])
