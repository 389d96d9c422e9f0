"""Pooling3D: maximum or mean of windows of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import MAX_COUNT, Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, Pooling3DParameter


class Pooling3D(Layer):
    """y[n, c, p] = the maximum or mean of x[n, c] over the window of p

    pooling3d_param:
        pool: MAX (default), or AVE, whose divisor counts the padding that the window covers; STOCHASTIC is
            refused, as by the original.
        kernel_depth, kernel_size: length of the window in frames, its height and width in pixels; required.
        temporal_stride, stride: step between windows in frames and in pixels; default 1.
        pad: pixels added on each side of height and width, for AVE only; default 0.

    C3D-v1.0 writes the same fields in pooling_param.

    Bottom: x (N, C, L, H, W).
    Top: y (N, C, L', H', W') with H' = ceil((H + 2 pad - kernel_size) / stride) + 1; a window without a pixel
        gives -FLT_MAX, or 0 for AVE. Of several pixels that are the maximum each gets the gradient.
    Raises: NetError for other axes than five, a window that does not fit, or pad with MAX.
    Source: Tran et al. 2015, C3D. Forward checked against v1.1, the gradients follow its source.
    """

    type = "Pooling3D"
    kind = "pooling"
    more_params = ("pooling_param",)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = self._options_of(param)
        self._is_max = options.pool == Pooling3DParameter.MAX
        self._kernel = (options.kernel_depth, options.kernel_size, options.kernel_size)
        self._stride = (options.temporal_stride, options.stride, options.stride)
        self._pad = (0, options.pad, options.pad)
        if 0 in self._kernel + self._stride:
            raise NetError("kernel_depth or kernel_size is missing or 0, or a stride is 0; give at least 1")
        if options.pool == Pooling3DParameter.STOCHASTIC:
            self.complain("pool STOCHASTIC does not exist in C3D either; use MAX or AVE")
        if self._is_max and options.pad:
            self.complain("pad is for AVE only; remove it")

    def _options_of(self, param: LayerParameter) -> Any:
        if param.HasField("pooling3d_param") or not param.HasField("pooling_param"):
            return param.pooling3d_param
        names = Pooling3DParameter.DESCRIPTOR.fields_by_name
        for descriptor, _ in param.pooling_param.ListFields():
            if descriptor.name not in names:
                raise NetError(f"pooling_param.{descriptor.name} does not exist in C3D; remove it")
        return param.pooling_param

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if len(x) != 5:
            raise NetError(f"expects a bottom (N, C, L, H, W), not {x}")
        rows = list(zip(x[2:], self._kernel, self._stride, self._pad, strict=True))
        if max(size + k + s + 2 * p for size, k, s, p in rows) > MAX_COUNT:
            raise NetError(f"kernel, stride and pad can span {MAX_COUNT} pixels at most")
        pooled = tuple(-(-(size + 2 * p - k) // s) + 1 for size, k, s, p in rows)
        if min(pooled) < 1:
            raise NetError(f"the kernel {self._kernel} is larger than the bottom's {x[2:]} with its pad")
        self._sizes = (*x[2:], *pooled, *self._kernel[:2], *self._stride[:2], self._pad[1])
        return [(*x[:2], *pooled)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        count, data = top[0].count, (bottom[0].device_data, top[0].mutable_device_data)
        self.launch("max_forward" if self._is_max else "ave_forward", count, count, *self._sizes, *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        count, gradients = bottom[0].count, (top[0].device_diff, bottom[0].mutable_device_diff)
        if self._is_max:
            values = (bottom[0].device_data, top[0].device_data)
            self.launch("max_backward", count, count, *self._sizes, *values, *gradients)
        else:
            self.launch("ave_backward", count, count, *self._sizes, *gradients)
