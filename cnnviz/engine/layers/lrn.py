"""LRN: local response normalization, across channels or within each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.ranges import row_range, vector_rows
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
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
    kind = "normalization"
    pointwise = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.lrn_param
        size = options.local_size
        if size % 2 == 0:
            self.complain(f"local_size is {size}; only odd sizes have a middle")
        self.within = options.norm_region == LRNParameter.WITHIN_CHANNEL
        self.radius = (size - 1) // 2
        self.k = 1.0 if self.within else options.k
        self.rate = options.alpha / (size * size if self.within else size)
        self.beta = options.beta
        self._workspace = Workspace(self)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) != 4:
            raise NetError(f"expects a bottom (N, C, H, W), not {bottom[0]}")
        num, channels, height, width = bottom[0]
        self.sizes = (num * channels, height, width) if self.within else (num, channels, height * width)
        return [bottom[0]]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        if fields[0] is None or not self.within:
            return fields[0]
        return fields[0].through_window(*([side] * 2 for side in (2 * self.radius + 1, 1, self.radius)))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, count = bottom[0].device_data, bottom[0].count
        if bottom[0] is top[0]:
            x = self._workspace.get("x", count)
            self.device.copy(x, bottom[0].device_data, count * self.device.dtype.itemsize)
        source = self._row_sums(x, count, squared=True) if self.within else x
        scale, y = self._workspace.get("scale", count), top[0].mutable_device_data
        self._launch("lrn_forward", self.k, self.rate, self.beta, not self.within, source, x, scale, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        count = bottom[0].count
        x = self._workspace.get("x", count) if bottom[0] is top[0] else bottom[0].device_data
        scale, ratio = self._workspace.get("scale", count), self.device.scratch(count, "ratio")
        dy, dx = top[0].device_diff, bottom[0].mutable_device_diff
        self.launch("lrn_ratio", count, count, self.beta, x, scale, dy, ratio)
        if self.within:
            ratio = self._row_sums(ratio, count, squared=False)
        self._launch("lrn_backward", self.rate, self.beta, x, scale, ratio, dy, dx)

    def _row_sums(self, x: Any, count: int, squared: bool) -> Any:
        planes, height, width = self.sizes
        sums = self.device.scratch(count, "row sums")
        size, options = row_range(width, planes * height)
        self.launch("lrn_row_sums", size, planes * height, width, self.radius, squared, x, sums, **options)
        return sums

    def _launch(self, kernel: str, *args: Any) -> None:
        outer, dim, inner = self.sizes
        if self.device.is_cpu:
            size, options = vector_rows(self.device, outer * dim)
            options["defines"] = (("LANES", 16),)
        else:
            size, options = row_range(inner, dim, outer)
        self.launch(kernel, size, outer, dim, inner, self.radius, *args, **options)
