"""Normalize: vectors of channels brought to one length, then scaled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight, legacy_shape
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import FillerParameter, LayerParameter


class Normalize(Layer):
    """y[n, c, i] = scale[c] x[n, c, i] / sqrt(eps + sum of x^2)

    Two forms exist, distinguished by their parameters: that of SSD (norm_param, or none), and happynear's
    (normalize_param), which sums over the channels at each position, with eps 1e-6 and no scale, or takes
    the sum of |x| + 1e-6 in place of the square root.

    norm_param:
        across_spatial: sum over the whole item n (default true), or over the channels at each position i.
        channel_shared: one scale for all channels; default true.
        scale_filler: default constant 1.
        eps: default 1e-10.
    normalize_param:
        normalize_type: "L2" (default) or "L1", the sum of |x|.
        bp_norm: whether the gradient of the second top counts; default false.
        fix_gradient: accepted, changes nothing; the original reads but does not use it.

    Bottom: x (N, C, ...); with normalize_param up to four axes.
    Top: y of the same shape; may be the bottom (in place). With normalize_param y (N, C, H, W); the
        norms (N, 1, H, W), optional.
    Parameters: scale (C), or () if shared; none with normalize_param.
    Raises: NetError if the bottom has fewer than two axes, both parameters are given, or there is no such
        normalize_type.
    Source: Liu et al. 2015, ParseNet; SSD's fork of Caffe (whose gradient takes all channels' scales as
        equal; here it is exact); Wang et al. 2017, happynear's fork (caffe-windows).
    Checked: against both forks but for L1 and the second top.
    """

    type = "Normalize"
    kind = "normalization"
    num_top = (1, 2)
    more_params = ("norm_param",)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._workspace = Workspace(self)
        self._by_position = param.HasField("normalize_param")
        if self._by_position and param.HasField("norm_param"):
            raise NetError("has norm_param and normalize_param, of different forks; give one of them")
        kind = param.normalize_param.normalize_type
        if kind not in ("L1", "L2"):
            raise NetError(f"normalize_type is {kind!r}, expected 'L1' or 'L2'")
        self._absolute = kind == "L1"
        if len(param.top) > 1 and not self._by_position:
            raise NetError("has 2 tops; the second, the norms, exists with normalize_param only")

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        whole_item = not self._by_position and self.param.norm_param.across_spatial
        return None if whole_item else fields[0]

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if self._by_position:
            self.num, self.channels, height, width = legacy_shape(x)
            self.inner = self.norms = height * width
            self.shared = True
            tops: list[Shape] = [(self.num, channels, height, width) for channels in (self.channels, 1)]
            return tops[: len(self.param.top)]
        if len(x) < 2:
            raise NetError(f"expects a bottom (N, C, ...), not {x}")
        self.num, self.channels, self.inner = x[0], x[1], math.prod(x[2:])
        self.norms = 1 if self.param.norm_param.across_spatial else self.inner
        self.shared = self.param.norm_param.channel_shared
        return [x]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        if self._by_position:
            return []
        options = self.param.norm_param
        given = options.HasField("scale_filler")
        filler = options.scale_filler if given else FillerParameter(type="constant", value=1)
        return [Weight(() if self.shared else (self.channels,), filler)]

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0 or self.param.normalize_param.bp_norm

    @property
    def _scale(self) -> Any:
        return self.blobs[0].device_data if self.blobs else None

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = bottom[0].device_data
        if bottom[0] is top[0]:
            x = self._workspace.get("x", bottom[0].count)
            nbytes = bottom[0].count * self.device.dtype.itemsize
            self.device.copy(x, bottom[0].device_data, nbytes)
        squares = self._workspace.get("squares", self.num * self.norms)
        self._fill_squares(x, squares)
        data = (x, squares, self._scale, top[0].mutable_device_data)
        self._launch("normalize_forward", bottom[0].count, *self._element_sizes(bottom[0]), *data)
        if len(top) > 1:
            count = top[1].count
            self._launch("normalize_norms", count, count, squares, top[1].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        count = bottom[0].count
        x = self._workspace.get("x", count) if bottom[0] is top[0] else bottom[0].device_data
        squares = self._workspace.get("squares", self.num * self.norms)
        dy = top[0].device_diff
        if self.blobs and self.param_propagate_down[0]:
            sizes = (self.num, self.channels, self.inner, self.norms, self.shared)
            items = 1 if self.shared else self.channels
            dscale = self.blobs[0].mutable_device_diff
            self._launch("normalize_scale", items, *sizes, x, squares, dy, dscale)
        if propagate_down[0]:
            dots = self.device.scratch(self.num * self.norms, "dots")
            self._sums(0.0, x, dy, self._scale, dots)
            dnorm = top[1].device_diff if len(top) > 1 and self.top_has_gradient(1) else None
            data = (x, squares, dots, self._scale, dy, dnorm, bottom[0].mutable_device_diff)
            self._launch("normalize_backward", count, *self._element_sizes(bottom[0]), *data)

    def _element_sizes(self, blob: Blob) -> tuple[int, int, int, int, bool]:
        return blob.count, self.channels, self.inner, self.norms, self.shared

    def _launch(self, kernel: str, size: Any, *args: Any, **options: Any) -> None:
        defines = (("ABSOLUTE", 1),) if self._absolute else ()
        self.launch(kernel, size, *args, defines=defines, **options)

    def _fill_squares(self, x: Any, squares: Any) -> None:
        eps = 1e-6 if self._by_position else self.param.norm_param.eps
        if not self._absolute:
            self._sums(eps, x, x, None, squares)
            return
        size, options = row_range(self.inner, self.num)
        sizes = (self.num, self.channels, self.inner, eps)
        self._launch("normalize_absolutes", size, *sizes, x, squares, **options)

    def _sums(self, extra: float, x: Any, g: Any, scale: Any, target: Any) -> None:
        """Writes extra + the sum of x g scale for each norm."""
        whole = self.norms != self.inner
        sums = self.device.scratch(self.num * self.inner, "sums of positions") if whole else target
        size, options = row_range(self.inner, self.num)
        sizes = (self.num, self.channels, self.inner, self.shared, 0.0 if whole else float(extra))
        self._launch("normalize_sums", size, *sizes, x, g, scale, sums, **options)
        if whole:
            self._launch("normalize_join", self.num, self.num, self.inner, float(extra), sums, target)
