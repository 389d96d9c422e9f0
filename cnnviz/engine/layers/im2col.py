"""Im2col: the windows of a convolution written out."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.layers._window import check_fits, field_of_window, window_of
from cnnviz.engine.ops.im2col import Im2col as Im2colOp
from cnnviz.engine.ops.im2col import Window
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Im2col(Layer):
    """y[n, (c, k), p] = x[n, c, p stride - pad + k dilation], 0 outside the image

    convolution_param:
        kernel_size, stride, pad, dilation, axis: as in Convolution; the others have no meaning here.

    Bottom: x (N, C, H, W), with any number of spatial axes.
    Top: y (N, C * kernel_h * kernel_w, out_h, out_w), the out sizes as in Convolution.
    Raises: NetError if the window does not fit the bottom.
    Source: Caffe's Im2colLayer.
    """

    type = "Im2col"
    kind = "convolution"
    more_params = ("convolution_param",)

    window: Window
    _op: Im2colOp | None = None

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        axis = positive_axis(self.param.convolution_param.axis, bottom[0])
        spatial = bottom[0][axis + 1 :]
        if not spatial:
            raise NetError(f"needs spatial axes after axis {axis}; the bottom's shape is {bottom[0]}")
        window = window_of(self.param.convolution_param, spatial)
        check_fits(window)
        if window != getattr(self, "window", None):
            self.window, self._op = window, None
        self.planes = math.prod(bottom[0][: axis + 1])
        channels = bottom[0][axis] * window.kernel_count
        return [(*bottom[0][:axis], channels, *window.out_spatial)]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return field_of_window(self.param.convolution_param, fields[0], bottom[0])

    @property
    def op(self) -> Im2colOp:
        """The work on the device, made when first needed for a window."""
        if self._op is None:
            self._op = Im2colOp(self.device, self.window)
        return self._op

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.op.im2col(self.planes, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.op.col2im(self.planes, top[0].device_diff, bottom[0].mutable_device_diff)
