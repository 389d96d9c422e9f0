"""ResizeNearestNeighbor: planes scaled by taking the nearest pixel, as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.layers._resizing import ResizingLikeTensorFlow
from cnnviz.engine.receptive_field import Place, corners, nearest, proportional
from cnnviz.formats.schema import LayerParameter


class ResizeNearestNeighbor(ResizingLikeTensorFlow):
    """y[i] = x[floor(i H / H')] along both axes

    resize_nearest_neighbor_param:
        output_height, output_width: the size of y; or
        scale_height, scale_width: what height and width are multiplied by, rounded down; default 1.
        align_corners: pixel i of y is that at i (H - 1) / (H' - 1), rounded; default false.
        half_pixel_centers: pixel i of y is that at floor((i + 1/2) H / H'); default false.
        half_pixel_onnx: pixel i of y is that at floor((i + 1/2) H / H' - 1/2); default false.
        data_format: "NHWC" (default) or "NCHW".

    Bottom: x (N, H, W, C), or (N, C, H, W) for NCHW.
    Top: y, with H' and W' for H and W; the gradient of a pixel is the sum over its copies.
    Raises: NetError if nothing remains, for another data_format, or two ways to place the pixels.
    Source: the operator of this name in TensorFlow; Synopsys' fork of Caffe, which has no gradient. Checked
        against that fork for NCHW with a given size.
    """

    type = "ResizeNearestNeighbor"
    ways = ("align_corners", "half_pixel_centers", "half_pixel_onnx")
    mixes = False

    def options_of(self, param: LayerParameter) -> Any:
        return param.resize_nearest_neighbor_param

    def place(self, axis: int, size: int, out: int) -> Place:
        options = self.options
        if options.align_corners:
            return corners(size, out)
        even = proportional(size, out, options.half_pixel_centers or options.half_pixel_onnx)
        return even if options.half_pixel_centers else nearest(even)

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        # In single precision, as the original: which pixel is nearest depends on the rounding.
        i, one = np.arange(out, dtype=np.float32), np.float32(1)
        if self.options.align_corners:
            scale = np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.float32(size)
            return np.floor(i * scale + one / 2)
        scale = np.float32(size) / np.float32(out)
        if self.options.half_pixel_onnx:
            return np.floor((i + one / 2) * scale - one / 2)
        return np.floor((i + one / 2 if self.options.half_pixel_centers else i) * scale)
