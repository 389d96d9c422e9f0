"""What Upsample and Unpooling share: values placed by a mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError


class ByMask(Layer):
    """Base: y[mask[i]] = x[i], 0 elsewhere; ``plane_size`` gives the size of y."""

    kind = "pooling"
    num_bottom = (2, 2)

    def plane_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns height and width of the top.

        Raises NetError if the parameters do not determine it; the caller refuses sizes below 1.
        """
        raise NotImplementedError

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if len(x) != 4:
            raise NetError(f"expects a bottom (N, C, H, W), not {x}")
        if len(bottom) > 1 and bottom[1] != x:
            raise NetError(f"bottom 1, the mask, is {bottom[1]}, expected the shape of bottom 0, {x}")
        height, width = self.plane_size(*x[2:])
        if min(height, width) < 1:
            raise NetError(f"the top would be {height} x {width}")
        self._planes, self._count, self._out = x[0] * x[1], x[2] * x[3], height * width
        return [(*x[:2], height, width)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.put(bottom[0], bottom[1].device_data, self._count, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.take(top[0], bottom[1].device_data, self._count, bottom[0])

    def put(self, bottom: Blob, mask: Any, mask_step: int, top: Blob) -> None:
        """Writes the top; the planes' masks lie ``mask_step`` elements apart (0: one for all)."""
        data = (bottom.device_data, mask, top.mutable_device_data)
        sizes = (self._planes, self._count, mask_step, self._out)
        self.device.launch("unpooling", "unpooling_forward", self._planes, *sizes, *data)

    def take(self, top: Blob, mask: Any, mask_step: int, bottom: Blob) -> None:
        """Writes the bottom's gradient."""
        data = (mask, top.device_diff, bottom.mutable_device_diff)
        sizes = (bottom.count, self._count, mask_step, self._out)
        self.device.launch("unpooling", "unpooling_backward", bottom.count, *sizes, *data)
