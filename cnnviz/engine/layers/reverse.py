"""Reverse: an axis read backward."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._shape import Rearrangement, refuse_in_place
from cnnviz.engine.ops.views import View, dense_strides


class Reverse(Rearrangement):
    """Element i along the axis of the top is element size - 1 - i of the bottom

    reverse_param:
        axis: the axis to reverse; negative counts from the end; default 0, the time of recurrent layers.

    Bottom: one of any shape.
    Top: of the same shape.
    Source: forks of Caffe, for recurrent nets that read in both directions.
    """

    type = "Reverse"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape = bottom[0]
        axis, strides = positive_axis(self.param.reverse_param.axis, shape), dense_strides(shape)
        start = (shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
        self.view = View.of(shape, strides, max(start, 0))
        return [shape]
