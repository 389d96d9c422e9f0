"""Unpooling: planes made larger, the inverse of Pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import MAX_COUNT, Blob, Shape
from cnnviz.engine.layers._by_mask import ByMask
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, UnpoolingParameter


class Unpooling(ByMask):
    """MAX: y[mask[i]] = x[i]; TILE: y = sum of the x whose windows hold the pixel; AVE: each x / its window

    unpooling_param:
        unpool: MAX (default), AVE or TILE.
        kernel_size, or kernel_h and kernel_w: the window, in pixels; MAX needs none to a given size.
        stride, or stride_h and stride_w: step between windows; default 1.
        pad, or pad_h and pad_w: those of the Pooling layer, for MAX with a mask; otherwise 0.
        unpool_size, or unpool_h and unpool_w: the size of y; default (H - 1) stride + kernel - 2 pad.

    The divisor of AVE is the part of the window that lies in y. MAX without a mask puts x[i, j] at
    (i stride, j stride), or in the last row or column if that lies beyond it.

    Bottom: x (N, C, H, W); for MAX, optional, the mask (N, C, H, W), the second top of a Pooling layer. Only
        x gets a gradient; of several with one place the last stays, and all get the place's gradient.
    Top: y (N, C, H', W').
    Raises: NetError if the bottoms differ in shape, a size would not be positive, or pad is given without a
        mask.
    Source: Noh et al. 2015, DeconvNet's fork of Caffe. Checked against that fork; its gradient of TILE
        is divided by the window's size, here it is the derivative.
    """

    type = "Unpooling"
    num_bottom = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._method = param.unpooling_param.unpool
        self._by_mask = self._method == UnpoolingParameter.MAX and len(param.bottom) > 1
        self._kernel, self._stride = self._pair("kernel", "kernel_size"), self._pair("stride", "stride")
        self._pad = self._pair("pad", "pad")
        self._fixed = self._pair("unpool", "unpool_size")
        needs_kernel = self._method != UnpoolingParameter.MAX or 0 in self._fixed
        if 0 in self._stride or (needs_kernel and 0 in self._kernel):
            raise NetError("kernel_size is missing or 0, or stride is 0; give at least 1")
        if max(self._kernel + self._stride) > MAX_COUNT:
            raise NetError(f"kernel_size and stride can be {MAX_COUNT} at most")
        if any(self._pad) and not self._by_mask:
            raise NetError("pad is for MAX with a mask; remove it")
        self._places: Any = None

    def _pair(self, part: str, whole: str) -> tuple[int, int]:
        options = self.param.unpooling_param
        sides = [f"{part}_h", f"{part}_w"]
        given = [options.HasField(name) for name in sides]
        if any(given) != all(given) or (any(given) and options.HasField(whole)):
            raise NetError(f"give {whole}, or {sides[0]} and {sides[1]}")
        names = sides if all(given) else [whole] * 2
        return getattr(options, names[0]), getattr(options, names[1])

    def plane_size(self, height: int, width: int) -> tuple[int, int]:
        default = [
            (size - 1) * s + k - 2 * p
            for size, s, k, p in zip((height, width), self._stride, self._kernel, self._pad, strict=True)
        ]
        return self._fixed[0] or default[0], self._fixed[1] or default[1]

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        # AVE and TILE do not look at a mask.
        tops = super().shapes(bottom if self._by_mask else bottom[:1])
        self._places = None
        self._window = (*tops[0][2:], *bottom[0][2:], *self._kernel, *self._stride)
        return tops

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        single = self._method == UnpoolingParameter.MAX and not self._by_mask
        extent = (1, 1) if single else self._kernel
        if fields[0] is None or 0 in extent:
            return None
        return fields[0].through_transposed_window(extent, self._stride, self._pad)

    def _own_mask(self) -> Any:
        """Where x goes without a mask, in one plane."""
        if self._places is None:
            height, width, in_h, in_w = self._window[:4]
            rows = np.minimum(np.arange(in_h) * self._stride[0], height - 1)
            columns = np.minimum(np.arange(in_w) * self._stride[1], width - 1)
            places = (rows[:, None] * width + columns).astype(self.device.dtype)
            self._places = self.device.upload(places, "places")
        return self._places

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._by_mask:
            super().forward(bottom, top)
        elif self._method == UnpoolingParameter.MAX:
            self.put(bottom[0], self._own_mask(), 0, top[0])
        else:
            count, data = top[0].count, (bottom[0].device_data, top[0].mutable_device_data)
            self.launch("windows_forward", count, count, *self._window, self._averages, *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if self._by_mask:
            super().backward(top, propagate_down, bottom)
        elif propagate_down[0] and self._method == UnpoolingParameter.MAX:
            self.take(top[0], self._own_mask(), 0, bottom[0])
        elif propagate_down[0]:
            count, data = bottom[0].count, (top[0].device_diff, bottom[0].mutable_device_diff)
            self.launch("windows_backward", count, count, *self._window, self._averages, *data)

    @property
    def _averages(self) -> bool:
        return self._method == UnpoolingParameter.AVE
