"""Interp and its like: planes scaled by bilinear or nearest interpolation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.engine.layers._resizing import Resizing
from cnnviz.engine.ops.resize import AxisMap, corner_positions
from cnnviz.errors import NetError


class Interp(Resizing):
    """y = x scaled bilinearly; the corners of y lie on the corners of x

    interp_param:
        height, width: the size of y; or
        zoom_factor z: H' = H + (H - 1)(z - 1); or
        shrink_factor s: H' = (H - 1) / s + 1; both: first shrunk, then zoomed.
        pad_beg, pad_end: 0 or negative: pixels cut off at the start and end of both axes first.

    Bottom: x (N, C, H, W); a second, optional, whose H and W are the size of y.
    Top: y (N, C, H', W').
    Raises: NetError if nothing remains, or for a positive pad.
    Source: DeepLab and PSPNet.
    """

    type = "Interp"
    num_bottom = (1, 2)

    def axis_map(self, axis: int, size: int, shapes: Sequence[Shape]) -> AxisMap:
        options = self.param.interp_param
        if options.pad_beg > 0 or options.pad_end > 0:
            raise NetError("pad_beg and pad_end can only cut off: give 0 or a negative number")
        inside = size + options.pad_beg + options.pad_end
        out = shapes[1][2 + axis] if len(shapes) > 1 else self._out(axis, inside)
        if inside < 1 or out < 1:
            raise NetError(f"{size} pixels would become {inside} without the pads and {out} when scaled")
        return AxisMap(corner_positions(inside, out) - options.pad_beg, size)

    def _out(self, axis: int, size: int) -> int:
        options = self.param.interp_param
        fixed = (options.height, options.width)[axis]
        if options.HasField("height") and options.HasField("width"):
            return fixed
        if options.shrink_factor < 1 or options.zoom_factor < 1:
            raise NetError("shrink_factor and zoom_factor must be at least 1")
        if options.HasField("shrink_factor"):
            size = (size - 1) // options.shrink_factor + 1
        return size + (size - 1) * (options.zoom_factor - 1)


class ResizeBilinear(Resizing):
    """y = x scaled bilinearly to a fixed size

    resize_bilinear_param:
        output_height, output_width: the size of y.
        align_corners: the corners of y lie on the corners of x; default false: pixel i of y reads at
            i H / H'.
        half_pixel_centers: pixel i of y reads at (i + 1/2) H / H' - 1/2; default false.
        data_format: "NCHW" or absent.

    Bottom: x (N, C, H, W).
    Top: y (N, C, output_height, output_width).
    Raises: NetError for a size of 0 or another data_format.
    Source: the operator of this name in TensorFlow.
    """

    type = "ResizeBilinear"

    def axis_map(self, axis: int, size: int, shapes: Sequence[Shape]) -> AxisMap:
        options = self.param.resize_bilinear_param
        if options.data_format not in ("", "NCHW"):
            raise NetError(f"data_format is {options.data_format!r}, wanted is NCHW")
        out = (options.output_height, options.output_width)[axis]
        if out < 1:
            raise NetError("output_height and output_width must be given and positive")
        if options.align_corners:
            return AxisMap(corner_positions(size, out), size)
        shift = 0.5 if options.half_pixel_centers else 0.0
        return AxisMap((np.arange(out) + shift) * size / out - shift, size)


class UpsampleDarknet(Resizing):
    """y[i, j] = x[i // stride, j // stride]: every pixel repeated

    upsample_darknet_param:
        stride: how often in each direction; default 2.

    Bottom: x (N, C, H, W).
    Top: y (N, C, stride H, stride W).
    Raises: NetError for a stride of 0.
    Source: Darknet's upsample layer (YOLOv3).
    """

    type = "UpsampleDarknet"

    def axis_map(self, axis: int, size: int, shapes: Sequence[Shape]) -> AxisMap:
        stride = self.param.upsample_darknet_param.stride
        if stride < 1:
            raise NetError(f"stride is {stride}; give at least 1")
        return AxisMap(np.arange(size * stride) // stride, size)
