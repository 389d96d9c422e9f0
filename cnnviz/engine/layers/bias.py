"""Bias: a number added to each channel."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.engine.layers._channelwise import Span


class Bias(Layer):
    """y = x + b, with b repeated over the axes that it lacks

    bias_param:
        axis: of bottom 0 where the first axis of b lies; negative counts from the end; default 1.
        num_axes: how many axes b covers; -1 all from axis, 0 is one number for all; default 1.
            Not used with two bottoms.
        filler: of b; default constant 0.

    Bottom: x, and b unless b is a parameter.
    Top: of x's shape; may be x (in place).
    Parameters: b unless it is bottom 1, of the shape of the covered axes.
    Raises: NetError if b does not fit x.
    Source: Caffe's BiasLayer.
    """

    type = "Bias"
    kind = "normalization"
    follows = True
    pointwise = True
    num_bottom = (1, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = self.param.bias_param
        self._span = Span(bottom, given.axis, given.num_axes)
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        return [] if len(bottom) > 1 else [Weight(self._span.shape, self.param.bias_param.filler)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        bias = bottom[1] if len(bottom) > 1 else self.blobs[0]
        channels = self._span.channels(self.device, bottom[0].shape)
        channels.affine(bottom[0].device_data, top[0].mutable_device_data, bias=bias.device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy = top[0].device_diff
        learned = len(bottom) == 1
        if self.param_propagate_down[0] if learned else propagate_down[1]:
            bias = self.blobs[0] if learned else bottom[1]
            channels = self._span.channels(self.device, bottom[0].shape)
            channels.sums(dy, dy, bias.mutable_device_diff, term="PLAIN", add=learned)
        if propagate_down[0] and top[0] is not bottom[0]:
            bottom[0].copy_diff_from(top[0])
