"""Upsample and Unpooling: planes made larger, by a mask of a Pooling layer or by repetition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._resizing import Resizing
from cnnviz.engine.ops.resize import AxisMap
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, UnpoolingParameter


class _ByMask(Layer):
    """Base: y[mask[i]] = x[i]; ``out_size`` says how large y is."""

    num_bottom = (2, 2)

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        raise NotImplementedError

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if len(x) != 4:
            raise NetError(f"wants a bottom (N, C, H, W), not {x}")
        if bottom[1] != x:
            raise NetError(f"bottom 1, the mask, is {bottom[1]}, wanted is the shape of bottom 0, {x}")
        height, width = self.out_size(*x[2:])
        if min(height, width) < 1:
            raise NetError(f"the top would be {height} x {width}")
        self._planes, self._count, self._out = x[0] * x[1], x[2] * x[3], height * width
        return [(*x[:2], height, width)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        data = (bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data)
        sizes = (self._planes, self._count, self._out)
        self.device.launch("unpooling", "unpooling_forward", self._planes, *sizes, *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            total = bottom[0].count
            data = (bottom[1].device_data, top[0].device_diff, bottom[0].mutable_device_diff)
            sizes = (total, self._count, self._out)
            self.device.launch("unpooling", "unpooling_backward", total, *sizes, *data)


class Upsample(_ByMask, Resizing):
    """y[mask[i]] = x[i], 0 elsewhere; without a mask every pixel of x repeated

    upsample_param:
        scale, or scale_h and scale_w: how much larger y is; default 2.
        upsample_h, upsample_w: the size of y instead; without a mask it is filled up with the last pixel.
        pad_out_h, pad_out_w: y has one row or column less; default false.

    Bottom: x (N, C, H, W); the mask (N, C, H, W), optional: the second top of a Pooling layer, positions
        in the planes of y. Only x gets a gradient.
    Top: y (N, C, scale H, scale W).
    Raises: NetError if the bottoms differ in shape, or the size would not be positive.
    Source: SegNet's fork of Caffe; of several inputs with one place the last stays.
    """

    type = "Upsample"
    num_bottom = (1, 2)

    @property
    def _by_mask(self) -> bool:
        return len(self.param.bottom) > 1

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        options = self.param.upsample_param
        if options.upsample_h and options.upsample_w:
            return options.upsample_h, options.upsample_w
        rows, columns = self._factors()
        return height * rows - options.pad_out_h, width * columns - options.pad_out_w

    def _factors(self) -> tuple[int, int]:
        options = self.param.upsample_param
        if options.HasField("scale_h") and options.HasField("scale_w"):
            return options.scale_h, options.scale_w
        return options.scale, options.scale

    def axis_map(self, axis: int, size: int, shapes: Sequence[Shape]) -> AxisMap:
        height, width = shapes[0][2:]
        out, times = self.out_size(height, width)[axis], self._factors()[axis]
        if out < 1 or times < 1:
            raise NetError(f"the top would have {out} rows or columns, the scale is {times}")
        return AxisMap(np.arange(out) // times, size)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        return (_ByMask if self._by_mask else Resizing).shapes(self, bottom)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        (_ByMask if self._by_mask else Resizing).forward(self, bottom, top)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        (_ByMask if self._by_mask else Resizing).backward(self, top, propagate_down, bottom)


class Unpooling(_ByMask):
    """y[mask[i]] = x[i], 0 elsewhere: the inverse of MAX pooling

    unpooling_param:
        unpool: MAX (default); AVE and TILE are refused.
        kernel_size, kernel_h, kernel_w; stride, stride_h, stride_w; pad, pad_h, pad_w: those of the
            Pooling layer: H' = (H - 1) stride + kernel - 2 pad.
        unpool_size, or unpool_h and unpool_w: the size of y instead.

    Bottom: x (N, C, H, W); the mask (N, C, H, W), the second top of a Pooling layer. Only x gets a
        gradient.
    Top: y (N, C, H', W').
    Raises: NetError if the bottoms differ in shape, or the size would not be positive.
    Source: Noh et al. 2015, DeconvNet.
    """

    type = "Unpooling"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        if param.unpooling_param.unpool != UnpoolingParameter.MAX:
            raise NetError("unpool AVE and TILE are not supported; use MAX, or Upsample for repetition")

    def out_size(self, height: int, width: int) -> tuple[int, int]:
        options = self.param.unpooling_param

        def of(name: str, axis: str) -> int:
            own = f"{name}_{axis}"
            whole = f"{name}_size" if name in ("kernel", "unpool") else name
            return getattr(options, own) if options.HasField(own) else getattr(options, whole)

        sizes = [
            of("unpool", axis) or (size - 1) * of("stride", axis) + of("kernel", axis) - 2 * of("pad", axis)
            for axis, size in (("h", height), ("w", width))
        ]
        return sizes[0], sizes[1]
