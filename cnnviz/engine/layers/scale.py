"""Scale: a factor, and perhaps a bias, for each channel."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._channelwise import Span
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.formats.schema import FillerParameter


class Scale(InPlaceSafe):
    """y = x s, or y = x s + b, with s (and b) repeated over the axes that it lacks

    scale_param:
        axis: of bottom 0 where the first axis of s lies; negative counts from the end; default 1.
        num_axes: how many axes s covers; -1 all from axis, 0 is one factor for all; default 1.
            Not used with two bottoms.
        filler: of s; default constant 1.
        bias_term: whether b is added; default false.
        bias_filler: of b; default constant 0.

    Bottom: x, and s unless s is a parameter.
    Top: of x's shape; may be x (in place).
    Parameters: s unless it is bottom 1, then b; both of the shape of the covered axes.
    Raises: NetError if s does not fit x.
    Source: Caffe's ScaleLayer.
    """

    type = "Scale"
    kind = "normalization"
    follows = True
    pointwise = True
    num_bottom = (1, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = self.param.scale_param
        self._span = Span(bottom, given.axis, given.num_axes)
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given, weights = self.param.scale_param, []
        if len(bottom) == 1:
            one = FillerParameter(value=1)
            weights.append(Weight(self._span.shape, given.filler if given.HasField("filler") else one))
        if given.bias_term:
            weights.append(Weight(self._span.shape, given.bias_filler))
        return weights

    def _factor(self, bottom: Sequence[Blob]) -> Blob:
        return bottom[1] if len(bottom) > 1 else self.blobs[0]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        channels = self._span.channels(self.device, bottom[0].shape)
        bias = self.blobs[-1].device_data if self.param.scale_param.bias_term else None
        factor = self._factor(bottom).device_data
        channels.affine(bottom[0].device_data, top[0].mutable_device_data, factor=factor, bias=bias)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels = self._span.channels(self.device, bottom[0].shape)
        dy, factor = top[0].device_diff, self._factor(bottom)
        if self.param.scale_param.bias_term and self.param_propagate_down[-1]:
            channels.sums(dy, dy, self.blobs[-1].mutable_device_diff, term="PLAIN", add=True)
        learned = factor is not bottom[-1]
        if self.param_propagate_down[0] if learned else propagate_down[1]:
            x = self.kept_bottom(bottom[0])
            channels.sums(dy, x, factor.mutable_device_diff, add=learned)
        if propagate_down[0]:
            channels.affine(dy, bottom[0].mutable_device_diff, factor=factor.device_data)
