"""Reverse: axes read backward."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._shape import Rearrangement, refuse_in_place
from cnnviz.engine.ops.views import View, dense_strides
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, is_spatial


class Reverse(Rearrangement):
    """Element i along each named axis of the top is element size - 1 - i of the bottom

    reverse_param:
        axis: those to reverse, given once for each; negative counts from the end; default 0, the time of
            recurrent layers.

    Bottom: one of any shape.
    Top: of the same shape.
    Source: Synopsys' fork of Caffe, where axis must be given, checked against it; forks for recurrent nets
        that read in both directions.
    """

    type = "Reverse"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape = bottom[0]
        strides, start = dense_strides(shape), 0
        for axis in {positive_axis(axis, shape) for axis in self.param.reverse_param.axis or [0]}:
            start += max(shape[axis] - 1, 0) * strides[axis]
            strides[axis] = -strides[axis]
        self.view = View.of(shape, strides, start)
        return [shape]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return None if any(map(is_spatial, self.param.reverse_param.axis)) else fields[0]
