"""PReLU."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._channelwise import Span
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.errors import NetError
from cnnviz.formats.schema import FillerParameter


class PReLU(InPlaceSafe):
    """y = max(0, x) + a_c min(0, x) for each channel c

    prelu_param:
        filler: of a; default constant 0.25.
        channel_shared: whether one a serves all channels; default false.

    Bottom: x of shape (N, C, ...).
    Top: y of the same shape; may be the bottom (in place).
    Parameters: a of shape (C), or () if shared.
    Raises: NetError if the bottom has fewer than 2 axes.
    Source: He et al. 2015; Caffe's PReLULayer.
    """

    type = "PReLU"
    kind = "activation"
    follows = True
    is_rectifier = True
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) < 2:
            raise NetError(f"a bottom of shape {bottom[0]} has no channels; expected 2 axes or more")
        shared = self.param.prelu_param.channel_shared
        self._span = Span(bottom, axis=1, num_axes=0 if shared else 1)
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given = self.param.prelu_param
        filler = given.filler if given.HasField("filler") else FillerParameter(value=0.25)
        return [Weight(self._span.shape, filler)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        x, slope = bottom[0].device_data, self.blobs[0].device_data
        self._span.channels(self.device, bottom[0].shape).leak(x, x, slope, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels = self._span.channels(self.device, bottom[0].shape)
        x, dy = self.kept_bottom(bottom[0]), top[0].device_diff
        if self.param_propagate_down[0]:
            channels.sums(dy, x, self.blobs[0].mutable_device_diff, term="PRODUCT_BELOW_ZERO", add=True)
        if propagate_down[0]:
            channels.leak(dy, x, self.blobs[0].device_data, bottom[0].mutable_device_diff)
