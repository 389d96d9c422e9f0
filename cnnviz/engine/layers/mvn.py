"""MVN: each map to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.engine.ops.channels import Channels


class MVN(InPlaceSafe):
    """y = (x - mean) / (sqrt(variance) + eps) over each map of each item, or over each whole item

    mvn_param:
        normalize_variance: whether to divide, or only to subtract the mean; default true.
        across_channels: whether mean and variance are taken over all channels of an item; default false.
        eps: added to the standard deviation; default 1e-9.

    Bottom: (N, C, H, W), of up to four axes; those absent are 1.
    Top: (N, C, H, W), always of four axes; may be the bottom (in place).
    Raises: NetError if the bottom has more than 4 axes.
    Source: Caffe's MVNLayer.
    """

    type = "MVN"
    kind = "normalization"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = legacy_shape(bottom[0])
        self._maps = top[0] if self.param.mvn_param.across_channels else top[0] * top[1]
        return [top]

    def _channels(self, bottom: Blob) -> Channels:
        return Channels(self.device, 1, self._maps, bottom.count // max(self._maps, 1))

    def setup(self) -> None:
        self._mean, self._inverse = (
            Blob(self.device, (0,), f"{name} of layer {self.name!r}") for name in ("mean", "spread")
        )

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        channels, x, y = self._channels(bottom[0]), bottom[0].device_data, top[0].mutable_device_data
        self._mean.reshape(channels.dim)
        self._inverse.reshape(channels.dim)
        mean, inverse = self._mean.mutable_device_data, self._inverse.mutable_device_data
        channels.moments(x, mean, inverse)
        if self.param.mvn_param.normalize_variance:
            self.launch("mvn_inverse", channels.dim, channels.dim, self.param.mvn_param.eps, inverse)
            channels.affine(x, y, shift=mean, factor=inverse)
        else:
            channels.affine(x, y, shift=mean)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        channels, dy, dx = self._channels(bottom[0]), top[0].device_diff, bottom[0].mutable_device_diff
        if self.param.mvn_param.normalize_variance:
            x, mean, inverse = self.kept_bottom(bottom[0]), self._mean.device_data, self._inverse.device_data
            channels.normalize_backward(x, mean, inverse, dy, dx)
        else:
            mean_diff = self._mean.mutable_device_diff
            channels.sums(dy, dy, mean_diff, term="PLAIN", scale=1 / max(1, channels.size))
            channels.affine(dy, dx, shift=mean_diff)
