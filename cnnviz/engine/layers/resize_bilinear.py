"""ResizeBilinear: planes scaled bilinearly as TensorFlow does."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnnviz.engine.layers._resizing import ResizingLikeTensorFlow
from cnnviz.engine.ops.resize import corner_positions
from cnnviz.engine.receptive_field import Place, corners, proportional
from cnnviz.formats.schema import LayerParameter


class ResizeBilinear(ResizingLikeTensorFlow):
    """y = x scaled bilinearly; pixel i of y reads at i H / H'

    resize_bilinear_param:
        output_height, output_width: the size of y; or
        scale_height, scale_width: what height and width are multiplied by, rounded down; default 1.
        align_corners: the corners of y lie on the corners of x; default false.
        half_pixel_centers: pixel i of y reads at (i + 1/2) H / H' - 1/2; default false.
        pytorch_half_pixel: the same, but a single pixel reads the first; default false.
        data_format: "NHWC" (default) or "NCHW"; NCHWD, for volumes, is refused.

    Bottom: x (N, H, W, C), or (N, C, H, W) for NCHW.
    Top: y, with H' and W' for H and W.
    Raises: NetError if nothing remains, for another data_format, or two ways to place the pixels.
    Source: the operator of this name in TensorFlow; Synopsys' fork of Caffe. Checked against that fork, but
        for pytorch_half_pixel.
    """

    type = "ResizeBilinear"
    ways = ("align_corners", "half_pixel_centers", "pytorch_half_pixel")

    def options_of(self, param: LayerParameter) -> Any:
        return param.resize_bilinear_param

    def place(self, axis: int, size: int, out: int) -> Place:
        options = self.options
        if options.align_corners or (options.pytorch_half_pixel and out == 1):
            return corners(size, out)
        return proportional(size, out, options.half_pixel_centers or options.pytorch_half_pixel)

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        if self.options.align_corners and out > 1:
            return corner_positions(size, out)
        if self.options.pytorch_half_pixel and out == 1:
            return np.zeros(1)
        centered = self.options.half_pixel_centers or self.options.pytorch_half_pixel
        shift = 0.5 if centered else 0.0
        return (np.arange(out) + shift) * size / out - shift
