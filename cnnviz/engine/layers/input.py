"""Input: blobs that the caller fills."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError


class Input(Layer):
    """Blobs whose values the caller writes before forward.

    input_param:
        shape: one for all tops, or one for each.

    Top: of the given shapes.
    Raises: NetError if the number of shapes is neither 0, 1 nor that of the tops.
    Source: Caffe's InputLayer.
    """

    type = "Input"
    kind = "data"
    new_maps = False
    num_bottom = (0, 0)
    num_top = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = [tuple(shape.dim) for shape in self.param.input_param.shape]
        tops = len(self.param.top)
        if len(given) not in (0, 1, tops):
            raise NetError(f"input_param has {len(given)} shapes for {tops} tops; give one, or one for each")
        if any(axis < 0 for shape in given for axis in shape):
            raise NetError("input_param has a negative dimension")
        if not given:
            return [()] * tops
        return given * tops if len(given) == 1 else given

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """The caller has written the values."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Nothing lies below."""
