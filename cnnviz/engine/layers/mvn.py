"""MVN: each map to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._kept import KeepsBottom
from cnnviz.engine.ops.channels import Channels
from cnnviz.errors import NetError


class MVN(KeepsBottom):
    """y = (x - mean) / (sqrt(variance) + eps) over each map of each item, or over each whole item

    mvn_param:
        normalize_variance: whether to divide, or only to subtract the mean; default true.
        across_channels: whether mean and variance are taken over all channels of an item; default false.
        eps: added to the standard deviation; default 1e-9.

    Bottom: (N, C, ...).
    Top: of the same shape; may be the bottom (in place). (Caffe makes it four axes.)
    Raises: NetError if the bottom has fewer than 2 axes.
    Source: Caffe's MVNLayer.
    """

    type = "MVN"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) < 2:
            raise NetError(f"a bottom of shape {bottom[0]} has no maps; wanted are 2 axes or more")
        return [bottom[0]]

    def _channels(self, bottom: Blob) -> Channels:
        maps = bottom.shape[0] if self.param.mvn_param.across_channels else bottom.shape[0] * bottom.shape[1]
        return Channels(self.device, 1, maps, bottom.count // max(maps, 1))

    def setup(self) -> None:
        self._mean, self._inverse = (
            Blob(self.device, (0,), f"{what} of layer {self.name!r}") for what in ("mean", "spread")
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
            channels.sums(dy, dy, mean_diff, term="PLAIN", scale=1 / channels.size)
            channels.affine(dy, dx, shift=mean_diff)
