"""Deconvolution, also called transposed convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._base_convolution import BaseConvolution
from cnnviz.engine.layers._window import seen_window, window_of
from cnnviz.engine.ops.bias import add_bias, add_bias_gradient
from cnnviz.engine.ops.im2col import Axes, Window
from cnnviz.engine.ops.plain_convolution import Geometry
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Deconvolution(BaseConvolution):
    """y[n, o, q] = bias[o] + sum over c, k of w[c, o, k] x[n, c, p], where q = p stride - pad + k dilation

    The gradient of a convolution by its bottom, used forward: each pixel of x adds a window to y.
    o and c run inside one group.

    convolution_param:
        num_output, kernel_size, dilation, group, bias_term, axis: as in Convolution.
        weight_filler, bias_filler: as in Convolution.
        stride: distance in y of neighbouring pixels of x; default 1.
        pad: pixels cut off y's borders; default 0; pad_type is refused.

    Bottom: one or more x of one shape (N, C, H, W), with any number of spatial axes.
    Top: as many y of shape (N, num_output, stride (H - 1) + dilation (kernel - 1) + 1 - 2 pad, ...).
    Parameters: weights (C, num_output / group, kernel_h, kernel_w), bias (num_output).
    Raises: NetError if the channels cannot be cut into groups or nothing of the top is left.
    Source: Zeiler et al. 2010; Caffe's DeconvolutionLayer.
    """

    type = "Deconvolution"

    def geometry_of(self, bottom: Shape, axis: int) -> tuple[Geometry, Axes]:
        # The convolution that would lead from the top to the bottom.
        spatial = bottom[axis + 1 :]
        if self.options.pad_type:
            raise NetError("pad_type is for Convolution; use pad_t, pad_b, pad_l and pad_r")
        forth = window_of(self.options, spatial)
        painted = tuple(
            s * (size - 1) + extent - before - after
            for size, extent, s, before, after in zip(
                forth.spatial, forth.extent, forth.stride, forth.pad, forth.end, strict=True
            )
        )
        if any(size < 1 for size in painted):
            raise NetError(f"pad leaves nothing of the top: its spatial size would be {painted}")
        window = Window(painted, forth.kernel, forth.stride, forth.pad, forth.dilation, forth.end)
        num = math.prod(bottom[:axis])
        geometry = Geometry(num, self.num_output, window, self.group, bottom[axis])
        return geometry, painted if spatial else ()

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        window = seen_window(self.options, bottom[0])
        if fields[0] is None or window is None:
            return None
        return fields[0].through_transposed_window(window.extent, window.stride, window.pad)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        g = self.geometry
        for x, y in zip(bottom, top, strict=True):
            self.op.backward_data(x.device_data, self.blobs[0].device_data, y.mutable_device_data)
            if self.bias_term:
                bias = self.blobs[1].device_data
                add_bias(self.device, g.num, g.channels, g.window.in_count, bias, y.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        g = self.geometry
        for x, y, down in zip(bottom, top, propagate_down, strict=True):
            if self._needs_diff(1):
                db = self.blobs[1].mutable_device_diff
                add_bias_gradient(self.device, g.num, g.channels, g.window.in_count, y.device_diff, db)
            if self._needs_diff(0):
                dw = self.blobs[0].mutable_device_diff
                self.op.backward_weights(y.device_diff, x.device_data, dw, None)
            if down:
                self.op.forward(y.device_diff, self.blobs[0].device_data, None, x.mutable_device_diff)
