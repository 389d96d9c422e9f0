"""Interp: planes scaled bilinearly, corners on corners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.engine.layers._resizing import Resizing
from cnnviz.engine.ops.resize import corner_positions
from cnnviz.engine.receptive_field import Place, corners
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Interp(Resizing):
    """y = x scaled bilinearly; the corners of y lie on the corners of x

    Of the sizes given the first of this list counts.

    interp_param:
        shrink_factor s, alone: H' = (H - 1) / s + 1, rounded down.
        zoom_factor z, alone: H' = H + (H - 1)(z - 1).
        height, width: the size of y.
        shrink_factor and zoom_factor: first shrunk, then zoomed.
        full_zoom_factor z: H' = H z.
        pad_beg, pad_end: 0 or negative: pixels cut off at the start and end of both axes first.

    Bottom: x (N, C, H, W); a second, optional, whose H and W are the size of y whatever is given.
    Top: y (N, C, H', W').
    Raises: NetError if no size is given, nothing remains, or for a positive pad.
    Source: DeepLab and PSPNet; full_zoom_factor is that of Synopsys' fork. Checked against PSPNet's, but for
        full_zoom_factor and the second bottom.
    """

    type = "Interp"
    size_bottom = 1
    num_bottom = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._options = options = param.interp_param
        if options.pad_beg > 0 or options.pad_end > 0:
            raise NetError("pad_beg and pad_end can only cut off: give 0 or a negative number")
        if min(options.shrink_factor, options.zoom_factor, options.full_zoom_factor) < 1:
            raise NetError("shrink_factor, zoom_factor and full_zoom_factor must be at least 1")

    def out_size(self, axis: int, size: int, shapes: Sequence[Shape]) -> int:
        inside = size + self._options.pad_beg + self._options.pad_end
        if inside < 1:
            raise NetError(f"of {size} pixels {inside} would be left by pad_beg and pad_end")
        if len(shapes) == 1:
            return self._scaled(axis, inside, self._options)
        if len(shapes[1]) != 4:
            raise NetError(f"bottom 1 gives the size and is {shapes[1]}, expected (N, C, H, W)")
        return shapes[1][2 + axis]

    @staticmethod
    def _scaled(axis: int, size: int, options: Any) -> int:
        shrinks, zooms = options.HasField("shrink_factor"), options.HasField("zoom_factor")
        fixed = options.HasField("height") and options.HasField("width")
        if fixed and shrinks == zooms:
            return (options.height, options.width)[axis]
        if shrinks or zooms:
            size = (size - 1) // options.shrink_factor + 1
            return size + (size - 1) * (options.zoom_factor - 1)
        if options.HasField("full_zoom_factor"):
            return size * options.full_zoom_factor
        raise NetError("interp_param gives no size; give height and width, zoom_factor or shrink_factor")

    def place(self, axis: int, size: int, out: int) -> Place:
        cut = self._options.pad_beg
        scale, start = corners(size + cut + self._options.pad_end, out)
        return scale, start - cut

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        inside = size + self._options.pad_beg + self._options.pad_end
        return corner_positions(inside, out) - self._options.pad_beg
