"""Reorg: pixels to channels and back, as YOLOv2 does."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.views import View, gather, permuted, scatter
from cnnviz.errors import NetError


class Reorg(Layer):
    """y = the elements of x in the order of Darknet's reorg, s = stride

    The elements are seen as planes of C/s^2 channels and s H x s W pixels; each s x s block of pixels
    becomes s^2 channels. Forward does so although the bottom has other axes: weights trained with Darknet
    count on that. With reverse the bottom's channels become blocks of pixels.

    reorg_param:
        stride: s.
        reverse: default false.

    Bottom: x (N, C, H, W), C divisible by s^2.
    Top: y (N, C s^2, H/s, W/s); with reverse (N, C/s^2, H s, W s).
    Raises: NetError if the sizes do not divide.
    Source: Redmon and Farhadi 2017, YOLOv2; forks of Caffe.
    Checked: against MobileNet-YOLO's fork.
    """

    type = "Reorg"
    kind = "pooling"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        options, x = self.param.reorg_param, bottom[0]
        stride = options.stride
        if stride < 1:
            raise NetError("stride is missing or 0")
        if len(x) != 4 or x[1] % stride**2:
            raise NetError(f"expects a bottom (N, C, H, W) with C divisible by {stride**2}, not {x}")
        num, channels, height, width = x
        if not options.reverse and (height % stride or width % stride):
            raise NetError(f"height and width of {x} are not divisible by the stride {stride}")
        blocks = (num, channels // stride**2, height, stride, width, stride)
        # From (n, c, h, dy, w, dx) to (n, dy, dx, c, h, w).
        self._view: View = permuted(blocks, (0, 3, 5, 1, 2, 4))
        if options.reverse:
            return [(num, channels // stride**2, height * stride, width * stride)]
        return [(num, channels * stride**2, height // stride, width // stride)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        move = scatter if self.param.reorg_param.reverse else gather
        move(self.device, self._view, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            move = gather if self.param.reorg_param.reverse else scatter
            move(self.device, self._view, top[0].device_diff, bottom[0].mutable_device_diff)
