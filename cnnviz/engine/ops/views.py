"""Strided views of blobs: what concatenation, slices, crops, tiles and permutations have in common.

A view names the elements of a buffer that belong to a dense array of some shape. ``gather`` reads
through a view into a dense array, ``scatter`` writes a dense array through a view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range

_AXES = 3
"""Axes that one launch handles; more are looped over on the host."""
_LONG_ROW = 2**16
"""Bytes from which on a row is best copied by itself."""


@dataclass(frozen=True)
class View:
    """Position (i, j, ...) of a dense array of ``shape`` lies at start + i strides[0] + j strides[1] ...

    Adjacent axes that one stride can walk are joined, axes of one element dropped.
    """

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    start: int = 0

    @staticmethod
    def of(shape: Sequence[int], strides: Sequence[int], start: int = 0) -> View:
        axes: list[tuple[int, int]] = []
        for size, stride in zip(shape, strides, strict=True):
            if size == 1:
                continue
            if axes and axes[-1][1] == stride * size:
                axes[-1] = (axes[-1][0] * size, stride)
            else:
                axes.append((size, stride))
        return View(tuple(a[0] for a in axes), tuple(a[1] for a in axes), start)

    @property
    def count(self) -> int:
        return math.prod(self.shape)


def dense_strides(shape: Sequence[int]) -> list[int]:
    """Returns the strides of a row-major array, in elements."""
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def box(whole: Sequence[int], part: Sequence[int], offsets: Sequence[int]) -> View:
    """Returns the view of a box of shape ``part`` at ``offsets`` in an array of shape ``whole``."""
    strides = dense_strides(whole)
    start = sum(offset * stride for offset, stride in zip(offsets, strides, strict=True))
    return View.of(part, strides, start)


def permuted(shape: Sequence[int], order: Sequence[int]) -> View:
    """Returns the view that gives axis ``order[i]`` of an array of ``shape`` as axis i."""
    strides = dense_strides(shape)
    return View.of([shape[axis] for axis in order], [strides[axis] for axis in order])


def gather(device: Device, view: View, source: Any, target: Any) -> None:
    """Copies the elements of ``source`` that ``view`` names to the dense ``target``."""
    _run(device, "gather", view, source, target, 0)


def scatter(device: Device, view: View, source: Any, target: Any) -> None:
    """Copies the dense ``source`` to the elements of ``target`` that ``view`` names."""
    _run(device, "scatter", view, source, target, 0)


def _run(device: Device, kernel: str, view: View, source: Any, target: Any, dense_start: int) -> None:
    if view.count == 0:
        return
    if view.strides in ((), (1,)):
        _copy(device, kernel == "gather", view, source, target, dense_start)
    elif len(view.shape) > _AXES or _has_long_rows(device, view):
        size, stride = view.shape[0], view.strides[0]
        for i in range(size):
            part = View(view.shape[1:], view.strides[1:], view.start + i * stride)
            _run(device, kernel, part, source, target, dense_start + i * part.count)
    else:
        missing = _AXES - len(view.shape)
        n0, n1, n2 = [1] * missing + list(view.shape)
        strides = (0,) * missing + view.strides
        whole, options = row_range(n2, n1, n0)
        defines = (("UNIT_STEP", 1),) if strides[-1] == 1 else ()
        numbers = (n1, n2, *strides, view.start, dense_start)
        device.launch("views", kernel, whole, *numbers, source, target, defines=defines, **options)


def _has_long_rows(device: Device, view: View) -> bool:
    if len(view.shape) != 2 or view.strides[1] != 1:
        return False
    return view.shape[1] * device.dtype.itemsize >= _LONG_ROW


def _copy(device: Device, reads_view: bool, view: View, source: Any, target: Any, dense_start: int) -> None:
    start, to = (view.start, dense_start) if reads_view else (dense_start, view.start)
    item = device.dtype.itemsize
    device.copy(target, source, view.count * item, to=to * item, start=start * item)
