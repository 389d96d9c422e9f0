"""Pooling: maximum, mean or a random pick of windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import cnnviz
from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops import pooling
from cnnviz.engine.ops.im2col import same_pads
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, PoolingParameter


class Pooling(Layer):
    """y[n, c, i, j] = the maximum, mean or a sample of x[n, c] over the window of (i, j)

    pooling_param:
        pool: MAX (default); AVE, whose divisor counts the padding that the window covers;
            AVE_EXC_PAD, or AVE_TF, whose divisor counts real pixels only; STOCHASTIC, which draws one pixel
            in proportion to max(x, 0) in TRAIN, and takes the mean weighted so in TEST.
        kernel_size, or kernel_h and kernel_w: the window, in pixels.
        stride, or stride_h and stride_w: step between windows; default 1.
        pad, or pad_h and pad_w: pixels added on each side, less than the kernel; default 0.
        global_pooling: the window is the whole plane.
        round_mode: CEIL (default) or FLOOR of (H + 2 pad - kernel) / stride; where it is not given,
            ceil_mode: false is FLOOR.
        pad_l, pad_r, pad_t, pad_b: pads for each side, instead of pad.
        pad_type: 1: pads by TensorFlow's rule SAME, by which H' is H / stride, rounded up; default 0.
        kernel_depth, temporal_stride: refused; they are for Pooling3D.
        engine: accepted and not used.

    Bottom: x (N, C, H, W).
    Top: y (N, C, H', W') with H' = ceil((H + 2 pad - kernel) / stride) + 1, less one if pads are given
        and the last window would begin beyond H + pad; for MAX an optional second one, of the same
        shape: the index of the maximum in its plane (-1 if there is none).
    Raises: NetError for a kernel given twice or not at all, or larger than the plane; a pad not less
        than the kernel; pad with STOCHASTIC.
    Source: Caffe's PoolingLayer (the first maximum wins; a window of NaN gives -FLT_MAX);
        Zeiler and Fergus 2013 for STOCHASTIC. AVE_EXC_PAD, AVE_TF, pad_l and the like and pad_type are
        those of Synopsys' fork, not checked against its numbers; ceil_mode was checked against Tiny-DSOD's.
    """

    type = "Pooling"
    keeps_forward = True
    kind = "pooling"
    num_top = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.pooling_param
        self.method = options.pool
        self.is_global = options.global_pooling
        self.stride = _pair(options, "stride", 1)
        self.pad = _pair(options, "pad", 0)
        self.end = self.pad
        sides = [getattr(options, f"pad_{side}") for side in "tblr"]
        plain = any(options.HasField(name) for name in ("pad", "pad_h", "pad_w"))
        if plain + any(sides) + bool(options.pad_type) > 1:
            raise NetError("give one of: pad; pad_h and pad_w; pad_type; pad_t, pad_b, pad_l and pad_r")
        if any(sides):
            self.pad, self.end = (options.pad_t, options.pad_l), (options.pad_b, options.pad_r)
        self.kernel = (0, 0) if self.is_global else _pair(options, "kernel", None)
        self._workspace = Workspace(self)
        self._check(options)

    def _check(self, options: Any) -> None:
        kernel_given = any(options.HasField(f) for f in ("kernel_size", "kernel_h", "kernel_w"))
        if self.is_global and kernel_given:
            self.complain("global_pooling takes the whole plane: omit kernel_size")
        padded = any(self.pad + self.end) or options.pad_type
        if self.is_global and (padded or self.stride != (1, 1)):
            self.complain("global_pooling takes the whole plane: omit pad and stride")
        if not self.is_global and min(self.kernel) == 0:
            raise NetError("the kernel's size is 0; give at least 1")
        if min(self.stride) == 0:
            raise NetError("stride is 0; give at least 1")
        for name in ("kernel_depth", "temporal_stride"):
            if options.HasField(name):
                self.complain(f"pooling_param.{name} is for Pooling3D; Pooling is over height and width")
        if options.pad_type > 1:
            raise NetError(f"pad_type is {options.pad_type}; give 0, or 1 for TensorFlow's SAME")
        if self.method == PoolingParameter.STOCHASTIC and padded:
            self.complain("STOCHASTIC pooling has no pad; use MAX or AVE")
        if self.method != PoolingParameter.MAX and len(self.param.top) > 1:
            self.complain("a second top, the mask, exists with pool MAX only")

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) != 4:
            raise NetError(f"expects a bottom (N, C, H, W), not {bottom[0]}")
        num, channels, height, width = bottom[0]
        self.window = self._window(height, width)
        if self.param.top[:1] == self.param.bottom[:1]:
            # Caffe builds such a net, in which the blob shrinks twice; here it can be drawn but not run.
            self.window = self._window(self.window.pooled_h, self.window.pooled_w)
        self.planes = num * channels
        shape = (num, channels, self.window.pooled_h, self.window.pooled_w)
        return [shape] * max(1, len(self.param.top))

    def _window(self, height: int, width: int) -> pooling.Window:
        kernel, pad, end = self.kernel, self.pad, self.end
        options = self.param.pooling_param
        by_round = options.round_mode == PoolingParameter.CEIL
        ceil = by_round if options.HasField("round_mode") else options.ceil_mode
        if self.is_global:
            kernel, pad, end = (height, width), (0, 0), (0, 0)
        elif options.pad_type:
            rows, columns = map(same_pads, (height, width), kernel, self.stride)
            pad, end, ceil = (rows[0], columns[0]), (rows[1], columns[1]), False
        return pooling.pooling_window((height, width), kernel, self.stride, pad, ceil, end, self.complain)

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        pad, plane = self.pad, bottom[0]
        if fields[0] is None or self.is_global:
            return None
        if self.param.pooling_param.pad_type:
            if plane is None or len(plane) != 4:
                return None
            rows, columns = map(same_pads, plane[2:], self.kernel, self.stride)
            pad = rows[0], columns[0]
        return fields[0].through_window(self.kernel, self.stride, pad)

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if bottom[0] is top[0]:
            raise NetError(f"layer {self.name!r} (Pooling) cannot run in place; name its top differently.")
        where = (self.device, self.planes, self.window, bottom[0].device_data, top[0].mutable_device_data)
        if self.method == PoolingParameter.MAX:
            pooling.max_forward(*where, self._index)
            if len(top) > 1:
                count = top[1].count
                self.launch("index_to_top", count, count, self._index, top[1].mutable_device_data)
        elif self.method != PoolingParameter.STOCHASTIC:
            pooling.ave_forward(*where, self._padding_counts)
        elif self.phase == cnnviz.TRAIN:
            seed = np.uint32(self.random.integers(2**32))
            pooling.stochastic_sample(*where, self._index, seed)
        else:
            pooling.stochastic_mean(*where, self._total)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        where = (self.device, self.planes, self.window)
        dy, dx = top[0].device_diff, bottom[0].mutable_device_diff
        if self.method in (PoolingParameter.AVE, PoolingParameter.AVE_EXC_PAD, PoolingParameter.AVE_TF):
            pooling.ave_backward(*where, dy, dx, self._padding_counts)
        elif self.method == PoolingParameter.STOCHASTIC and self.phase == cnnviz.TEST:
            x, y = bottom[0].device_data, top[0].device_data
            pooling.stochastic_mean_backward(*where, x, y, self._total, dy, dx)
        else:
            pooling.index_backward(*where, self._index, dy, dx)

    @property
    def _padding_counts(self) -> bool:
        return self.method == PoolingParameter.AVE

    @property
    def _index(self) -> Any:
        return self._workspace.get("index", self.planes * self.window.pooled_count, itemsize=4)

    @property
    def _total(self) -> Any:
        return self._workspace.get("total", self.planes * self.window.pooled_count)


def _pair(options: Any, name: str, default: int | None) -> tuple[int, int]:
    """Returns (height, width) of kernel, stride or pad, given as one number or as two."""
    whole = "kernel_size" if name == "kernel" else name
    parts = [f"{name}_h", f"{name}_w"]
    given = [options.HasField(part) for part in parts]
    if any(given) and options.HasField(whole):
        raise NetError(f"give {whole}, or {parts[0]} and {parts[1]}, not both")
    if any(given) != all(given):
        raise NetError(f"{parts[0]} and {parts[1]} belong together; give both, or {whole}")
    if all(given):
        return getattr(options, parts[0]), getattr(options, parts[1])
    if options.HasField(whole):
        return getattr(options, whole), getattr(options, whole)
    if default is None:
        raise NetError(f"has no {whole}; give it in pooling_param, or {parts[0]} and {parts[1]}")
    return default, default
