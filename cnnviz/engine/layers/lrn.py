"""LRN: local response normalization, across channels or within each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.kept import Kept
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, LRNParameter


class LRN(Layer):
    """y = x / (k + alpha/n sum of x^2 over the window)^beta

    lrn_param:
        norm_region: ACROSS_CHANNELS (default): the window is n neighbouring channels; WITHIN_CHANNEL:
            it is a square of n x n pixels, alpha is divided by n^2, and k is always 1.
        local_size: n, odd; default 5.
        alpha: default 1.
        beta: default 0.75.
        k: default 1.
        engine: accepted and not used.

    Bottom: x (N, C, H, W).
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if local_size is even, or the bottom has not 4 axes.
    Source: Krizhevsky et al. 2012; Caffe's LRNLayer.
    """

    type = "LRN"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.lrn_param
        size = options.local_size
        if size % 2 == 0:
            raise NetError(f"local_size is {size}; only odd sizes have a middle")
        within = options.norm_region == LRNParameter.WITHIN_CHANNEL
        radius = (size - 1) // 2
        self.radii = (0, radius) if within else (radius, 0)
        self.k = 1.0 if within else options.k
        self.rate = options.alpha / (size * size if within else size)
        self.beta = options.beta
        self._kept = Kept(self)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) != 4:
            raise NetError(f"wants a bottom (N, C, H, W), not {bottom[0]}")
        self.shape = bottom[0]
        return [bottom[0]]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].device_data
        count = bottom[0].count
        if bottom[0] is top[0]:
            x = self._kept.get("x", count)
            self.device.copy(x, bottom[0].device_data, count * self.device.dtype.itemsize)
        y = top[0].mutable_device_data
        self._launch("lrn_forward", self.k, self.rate, self.beta, x, self._kept.get("scale", count), y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        count = bottom[0].count
        x = self._kept.get("x", count) if bottom[0] is top[0] else bottom[0].device_data
        scale, ratio = self._kept.get("scale", count), self.device.scratch(count, "ratio")
        dy, dx = top[0].device_diff, bottom[0].mutable_device_diff
        self.launch("lrn_ratio", count, count, self.beta, x, scale, dy, ratio)
        self._launch("lrn_backward", self.rate, self.beta, x, scale, ratio, dy, dx)

    def _launch(self, kernel: str, *args: Any) -> None:
        num, channels, height, width = self.shape
        size, options = row_range(height * width, channels, num)
        self.launch(kernel, size, channels, height, width, *self.radii, *args, **options)
