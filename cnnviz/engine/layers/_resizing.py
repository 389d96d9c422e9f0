"""What layers share that bring planes to another size."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.resize import AxisMap, Resize
from cnnviz.errors import NetError


class Resizing(Layer):
    """Base: a subclass says by ``axis_map`` where each output of one axis reads."""

    def axis_map(self, axis: int, size: int, shapes: Sequence[Shape]) -> AxisMap:
        """Returns the map of axis 0 (rows) or 1 (columns) of ``size`` inputs.

        Raises NetError if the outputs' number would not be positive.
        """
        raise NotImplementedError

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x = bottom[0]
        if len(x) != 4 or 0 in x[2:]:
            raise NetError(f"wants a bottom (N, C, H, W), not {x}")
        self._maps = [self.axis_map(axis, x[2 + axis], bottom) for axis in (0, 1)]
        self._planes = x[0] * x[1]
        self._resize: Resize | None = None
        return [(*x[:2], self._maps[0].out, self._maps[1].out)]

    @property
    def resize(self) -> Resize:
        if self._resize is None:
            self._resize = Resize(self.device, *self._maps)
        return self._resize

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.resize.forward(self._planes, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.resize.backward(self._planes, top[0].device_diff, bottom[0].mutable_device_diff)
