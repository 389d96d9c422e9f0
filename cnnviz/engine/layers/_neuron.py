"""What layers share that compute each element of the top from one element of the bottom."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer


class Neuron(Layer):
    """Base of elementwise layers: top and bottom have one shape and may be the same blob."""

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        return [bottom[0]]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        raise NotImplementedError
