"""Normalize: vectors of channels brought to one length, then scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.engine.ops.kept import Kept
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError
from cnnviz.formats.schema import FillerParameter, LayerParameter


class Normalize(Layer):
    """y[n, c, i] = scale[c] x[n, c, i] / sqrt(eps + sum of x^2)

    norm_param:
        across_spatial: sum over the whole item n (default true), or over the channels at each position i.
        channel_shared: one scale for all channels; default true.
        scale_filler: default constant 1.
        eps: default 1e-10.

    Bottom: x (N, C, ...).
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if the bottom has fewer than two axes.
    Source: Liu et al. 2015, ParseNet; SSD's fork of Caffe (whose gradient takes all channels' scales for
        equal; here it is exact).
    """

    type = "Normalize"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._kept = Kept(self)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if len(x) < 2:
            raise NetError(f"wants a bottom (N, C, ...), not {x}")
        self.num, self.channels, self.inner = x[0], x[1], math.prod(x[2:])
        self.norms = 1 if self.param.norm_param.across_spatial else self.inner
        self.shared = self.param.norm_param.channel_shared
        return [x]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        options = self.param.norm_param
        given = options.HasField("scale_filler")
        filler = options.scale_filler if given else FillerParameter(type="constant", value=1)
        return [Weight(() if self.shared else (self.channels,), filler)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].device_data
        if bottom[0] is top[0]:
            x = self._kept.get("x", bottom[0].count)
            nbytes = bottom[0].count * self.device.dtype.itemsize
            self.device.copy(x, bottom[0].device_data, nbytes)
        squares = self._kept.get("squares", self.num * self.norms)
        self._sums(self.param.norm_param.eps, x, x, None, squares)
        data = (x, squares, self.blobs[0].device_data, top[0].mutable_device_data)
        self.launch("normalize_forward", bottom[0].count, *self._element_sizes(bottom[0]), *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        count = bottom[0].count
        x = self._kept.get("x", count) if bottom[0] is top[0] else bottom[0].device_data
        squares = self._kept.get("squares", self.num * self.norms)
        dy, scale = top[0].device_diff, self.blobs[0].device_data
        if self.param_propagate_down[0]:
            sizes = (self.num, self.channels, self.inner, self.norms, self.shared)
            items = 1 if self.shared else self.channels
            dscale = self.blobs[0].mutable_device_diff
            self.launch("normalize_scale", items, *sizes, x, squares, dy, dscale)
        if propagate_down[0]:
            dots = self.device.scratch(self.num * self.norms, "dots")
            self._sums(0.0, x, dy, scale, dots)
            data = (x, squares, dots, scale, dy, bottom[0].mutable_device_diff)
            self.launch("normalize_backward", count, *self._element_sizes(bottom[0]), *data)

    def _element_sizes(self, blob: Blob) -> tuple[int, int, int, int, bool]:
        return blob.count, self.channels, self.inner, self.norms, self.shared

    def _sums(self, extra: float, x: Any, g: Any, scale: Any, target: Any) -> None:
        """Writes extra + the sum of x g scale for each norm."""
        whole = self.norms != self.inner
        sums = self.device.scratch(self.num * self.inner, "sums of positions") if whole else target
        size, options = row_range(self.inner, self.num)
        sizes = (self.num, self.channels, self.inner, self.shared, 0.0 if whole else float(extra))
        self.launch("normalize_sums", size, *sizes, x, g, scale, sums, **options)
        if whole:
            self.launch("normalize_join", self.num, self.num, self.inner, float(extra), sums, target)
