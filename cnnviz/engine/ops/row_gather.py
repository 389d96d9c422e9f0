"""Rows gathered by index, and gradients added back to the rows they came from."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError


class RowGather:
    """For each row of a result, which row of a source it is; rows have ``width`` elements.

    Args:
        indices: row numbers, whole ones, as floats or integers.
        rows: number of rows of the source.

    Raises:
        NetError: an index is not in 0 to rows - 1.
    """

    def __init__(self, device: Device, indices: np.ndarray, rows: int):
        flat = np.asarray(indices).ravel()
        wrong = np.flatnonzero(~((flat >= 0) & (flat < rows)))  # NaN is neither
        if wrong.size:
            raise NetError(f"index {flat[wrong[0]]:g} at position {wrong[0]} is not in 0 to {rows - 1}")
        self.device = device
        self.count = flat.size
        self.rows = rows
        self._indices = flat.astype(np.int32)

    def gather(self, width: int, source: Any, target: Any) -> None:
        """Copies row indices[i] of ``source`` to row i of ``target``."""
        size, options = row_range(width, self.count)
        args = (self.count, width, self.device.upload(self._indices), source, target)
        self.device.launch("row_gather", "gather_rows", size, *args, **options)

    def scatter(self, width: int, source: Any, target: Any, *, add: bool) -> None:
        """Sets row r of ``target`` to (or adds) the sum of the rows i of ``source`` with indices[i] = r."""
        order = np.argsort(self._indices, kind="stable").astype(np.int32)
        ends = np.cumsum(np.bincount(self._indices, minlength=self.rows)).astype(np.int32)
        size, options = row_range(width, self.rows)
        tables = self.device.upload(ends), self.device.upload(order)
        args = (self.rows, width, *tables, add, source, target)
        self.device.launch("row_gather", "scatter_rows", size, *args, **options)
