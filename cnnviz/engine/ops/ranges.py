"""Work sizes for kernels that walk rows of contiguous elements."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.device import Device

_GROUP = 256

_WORKERS_PER_UNIT = 8
"""Work items per processor core: enough that one that is late does not hold up the rest."""


def row_range(width: int, rows: int, planes: int = 1) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Returns the global size and the launch options for one work item per (column, row, plane).

    Both columns and rows are rounded up to whole work groups: the kernel compares them with their
    counts. Neighbouring work items of a group are neighbours in a row.
    """
    columns = _piece(width, _GROUP)
    lines = _piece(rows, max(1, _GROUP // columns))
    whole = (-(-width // columns) * columns, -(-rows // lines) * lines)
    if planes == 1:
        return whole, {"local_size": (columns, lines)}
    return (*whole, planes), {"local_size": (columns, lines, 1)}


def worker_count(device: Device) -> int:
    """Returns the number of work items that share one job on a processor."""
    return device.info.units * _WORKERS_PER_UNIT


def vector_rows(device: Device, rows: int) -> tuple[tuple[int, ...], dict[str, Any]]:
    """Returns the global size and the launch options for kernels that take rows by vectors, on a processor.

    Each work item takes its share of the rows, and the kernel walks a row by vectors of LANES elements.
    """
    return (min(rows, worker_count(device)),), {"local_size": (1,)}


def _piece(count: int, limit: int) -> int:
    """Returns a group size that cuts ``count`` into equal pieces, a multiple of 16 above 16."""
    pieces = -(-max(count, 1) // limit)
    size = -(-max(count, 1) // pieces)
    return size if size <= 16 else min(limit, -(-size // 16) * 16)
