"""Upsample: planes made larger, by a mask of a Pooling layer or by repetition."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._by_mask import ByMask
from cnnviz.engine.layers._resizing import Resizing
from cnnviz.engine.receptive_field import Place, nearest
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Upsample(ByMask, Resizing):
    """y[mask[i]] = x[i], 0 elsewhere; without a mask every pixel of x repeated

    upsample_param:
        scale, or scale_h and scale_w: how much larger y is; default 2.
        upsample_h, upsample_w: the size of y instead; without a mask it is filled up with the last pixel.
        pad_out_h, pad_out_w: y has one row or column less; default false.

    Bottom: x (N, C, H, W); the mask (N, C, H, W), optional: the second top of a Pooling layer, positions
        in the planes of y. Only x gets a gradient.
    Top: y (N, C, scale H, scale W).
    Raises: NetError if the bottoms differ in shape, one of two sizes is missing, or a size would not be
        positive.
    Source: SegNet's fork of Caffe with a mask (of several inputs with one place the last stays),
        MobileNet-YOLO's without; checked against both.
    """

    type = "Upsample"
    mixes = False
    num_bottom = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._options = options = param.upsample_param
        for pair in (("scale_h", "scale_w"), ("upsample_h", "upsample_w")):
            if len({options.HasField(name) for name in pair}) > 1:
                raise NetError(f"{pair[0]} and {pair[1]} belong together; give both")
        self._base = ByMask if len(param.bottom) > 1 else Resizing

    def plane_size(self, height: int, width: int) -> tuple[int, int]:
        return self._side(0, height), self._side(1, width)

    def _side(self, axis: int, size: int) -> int:
        options, name = self._options, "hw"[axis]
        fixed = getattr(options, f"upsample_{name}")
        return fixed or size * self._factor(axis) - getattr(options, f"pad_out_{name}")

    def _factor(self, axis: int) -> int:
        options = self._options
        return (options.scale_h, options.scale_w)[axis] if options.HasField("scale_h") else options.scale

    def out_size(self, axis: int, size: int, shapes: Sequence[Shape]) -> int:
        if self._factor(axis) < 1:
            raise NetError("the scale is 0; give at least 1")
        return self._side(axis, size)

    def place(self, axis: int, size: int, out: int) -> Place:
        # With a mask, and without, as if every unit were repeated; a given size may cut the last ones off.
        return nearest((Fraction(1, self._factor(axis)), Fraction(0)))

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        return np.arange(out) // self._factor(axis)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        return self._base.shapes(self, bottom)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._base.forward(self, bottom, top)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self._base.backward(self, top, propagate_down, bottom)
