"""Softmax: scores to probabilities."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, axis_sizes
from cnnviz.engine.ops.softmax import softmax_backward, softmax_forward
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, is_spatial


class Softmax(Layer):
    """y[c] = exp(x[c]) / sum over c' of exp(x[c']), along one axis

    The maximum is subtracted first, so that large scores do not overflow.

    softmax_param:
        axis: the axis of the classes; default 1, negative ones count from the end.
        engine: accepted and not used.

    Bottom: x of any shape that has the axis.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if the bottom lacks the axis.
    Source: Caffe's SoftmaxLayer.
    """

    type = "Softmax"
    kind = "activation"
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.sizes = axis_sizes(self.param.softmax_param.axis, bottom[0])
        return [bottom[0]]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return None if is_spatial(self.param.softmax_param.axis) else fields[0]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        softmax_forward(self.device, *self.sizes, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            y, dy, dx = top[0].device_data, top[0].device_diff, bottom[0].mutable_device_diff
            softmax_backward(self.device, *self.sizes, y, dy, dx)
