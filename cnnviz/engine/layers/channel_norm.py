"""ChannelNorm: the length of the vector of channels at each place."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, legacy_shape
from cnnviz.engine.ops.ranges import row_range


class ChannelNorm(Layer):
    """y[n, 0, i] = sqrt(sum over c of x[n, c, i]^2);  dx = dy x / (y + 1e-9)

    Bottom: x (N, C, H, W), of up to four axes.
    Top: y (N, 1, H, W).
    Raises: NetError if the bottom has more than four axes.
    Source: Ilg et al. 2017; FlowNet 2's fork of Caffe.
    Checked: forward against FlowNet 2's fork.
    """

    type = "ChannelNorm"
    kind = "normalization"
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.num, self.channels, height, width = legacy_shape(bottom[0])
        self.inner = height * width
        return [(self.num, 1, height, width)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._launch("channel_norm_forward", bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            x, y, dy = bottom[0].device_data, top[0].device_data, top[0].device_diff
            self._launch("channel_norm_backward", x, y, dy, bottom[0].mutable_device_diff)

    def _launch(self, kernel: str, *buffers: object) -> None:
        size, options = row_range(self.inner, self.num)
        self.launch(kernel, size, self.num, self.channels, self.inner, *buffers, **options)
