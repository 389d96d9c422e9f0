"""Planes of another size: bilinear or nearest, for the layers that scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range


class AxisMap:
    """Where each output position of one axis reads: between ``low`` and ``low + 1``, ``part`` of the way."""

    def __init__(self, positions: np.ndarray, size: int):
        """``positions`` are the outputs' places among the ``size`` inputs, not decreasing."""
        places = np.clip(positions, 0, size - 1)
        self.size = size
        self.low = np.floor(places).astype(np.int32)
        self.part = places - self.low
        inputs = np.arange(size)
        # Outputs that read input k have low = k - 1 or k.
        self.begin = np.searchsorted(self.low, inputs - 1, side="left").astype(np.int32)
        self.end = np.searchsorted(self.low, inputs, side="right").astype(np.int32)

    @property
    def out(self) -> int:
        return len(self.low)


def corner_positions(size: int, out: int) -> np.ndarray:
    """Returns positions that put the first and last outputs on the first and last inputs."""
    return np.arange(out) * ((size - 1) / (out - 1) if out > 1 else 0.0)


class Resize:
    """A pair of axis maps with their tables on the device; planes are of shape (H, W, inner)."""

    def __init__(self, device: Device, rows: AxisMap, columns: AxisMap, inner: int = 1):
        self._device = device
        self._inner = inner
        self._sizes = (rows.size, columns.size, rows.out, columns.out)
        self._tables = [
            device.upload(table.astype(kind), "resize table")
            for axis in (rows, columns)
            for table, kind in ((axis.low, np.int32), (axis.part, device.dtype))
        ]
        self._ranges = [
            device.upload(table, "resize table")
            for axis in (rows, columns)
            for table in (axis.begin, axis.end)
        ]

    def forward(self, planes: int, x: Any, y: Any) -> None:
        """Writes the resized planes of ``x`` to ``y``."""
        height, width = self._sizes[2:]
        self._launch("resize_forward", planes, height, width, *self._tables, x, y)

    def backward(self, planes: int, dy: Any, dx: Any) -> None:
        """Writes the gradient of the inputs to ``dx``."""
        height, width = self._sizes[:2]
        self._launch("resize_backward", planes, height, width, *self._tables, *self._ranges, dy, dx)

    def _launch(self, kernel: str, planes: int, height: int, width: int, *args: Any) -> None:
        size, options = row_range(width * self._inner, height, planes)
        defines = (("CHANNELS_LAST", 1),) if self._inner > 1 else ()
        self._device.launch(
            "resize", kernel, size, *self._sizes, self._inner, *args, defines=defines, **options
        )
