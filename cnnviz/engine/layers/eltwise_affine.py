"""EltwiseAffine: a slope and a bias for each channel."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._channelwise import Span
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.formats.schema import FillerParameter


class EltwiseAffine(InPlaceSafe):
    """y = slope_c x + bias_c for each channel c

    eltwise_affine_param:
        slope_filler: default constant 1.
        bias_filler: default constant 0.
        channel_shared: whether all channels have one slope and one bias; default false.

    Bottom: x of shape (N, C, ...).
    Top: y of the same shape; may be the bottom (in place).
    Parameters: slope, bias, of shape (C), or () if shared.
    Source: forks of Caffe; what Scale with bias_term does.
    Checked: against ducha-aiki's fork.
    """

    type = "EltwiseAffine"
    kind = "normalization"
    follows = True
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        shared = self.param.eltwise_affine_param.channel_shared
        self._span = Span(bottom, axis=1, num_axes=0 if shared else 1)
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given = self.param.eltwise_affine_param
        slope = given.slope_filler if given.HasField("slope_filler") else FillerParameter(value=1)
        return [Weight(self._span.shape, slope), Weight(self._span.shape, given.bias_filler)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        slope, bias = (blob.device_data for blob in self.blobs)
        x, y = bottom[0].device_data, top[0].mutable_device_data
        self._span.channels(self.device, bottom[0].shape).affine(x, y, factor=slope, bias=bias)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels, dy = self._span.channels(self.device, bottom[0].shape), top[0].device_diff
        slope, bias = self.blobs
        if self.param_propagate_down[1]:
            channels.sums(dy, dy, bias.mutable_device_diff, term="PLAIN", add=True)
        if self.param_propagate_down[0]:
            channels.sums(dy, self.kept_bottom(bottom[0]), slope.mutable_device_diff, add=True)
        if propagate_down[0]:
            channels.affine(dy, bottom[0].mutable_device_diff, factor=slope.device_data)
