"""What layers share that compute each element of the top from one element of the bottom.

Their formulas, with the derivatives, are the list in kernels/neuron.cl.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._in_place import InPlaceSafe


class Neuron(InPlaceSafe):
    """Base of elementwise layers: top and bottom have one shape and may be the same blob.

    A layer type names its function and gives the constants a, b, c of its formula.

    Attributes:
        function: name in kernels/neuron.cl.
        slope_from_top: whether the derivative follows from y (and the sign of x, which y shares), so
            that nothing must be kept where the layer works in place.
    """

    kind = "activation"
    follows = True
    pointwise = True
    function: ClassVar[str]
    slope_from_top: bool = False

    def constants(self) -> tuple[float, ...]:
        """Returns up to three constants of the formula."""
        return ()

    def picked(self) -> str:
        """Returns the function to compute, where parameters choose between several."""
        return self.function

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        return [bottom[0]]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if not self.slope_from_top:
            self.keep_bottom(bottom[0], top[0])
        self._launch("neuron_forward", bottom[0].count, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        x, y = self.kept_bottom(bottom[0]), top[0].device_data
        dy, dx = top[0].device_diff, bottom[0].mutable_device_diff
        self._launch("neuron_backward", bottom[0].count, x, y, dy, dx)

    def _launch(self, kernel: str, count: int, *buffers: object) -> None:
        a, b, c = (*map(float, self.constants()), 0.0, 0.0, 0.0)[:3]
        defines: tuple[tuple[str, str | int], ...] = (("FUNCTION", self.picked()),)
        if self.has_backward:
            defines += (("HAS_DERIVATIVE", 1),)
        self.device.launch("neuron", kernel, count, count, a, b, c, *buffers, defines=defines)
