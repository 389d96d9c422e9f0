"""Silence: readers for blobs that nobody reads."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer


class Silence(Layer):
    """Ignores its bottoms, so that they are not outputs of the net; their gradient is 0.

    Bottom: one or more of any shape.
    Top: none.
    Source: Caffe's SilenceLayer.
    """

    type = "Silence"
    kind = "shape"
    new_maps = False
    pointwise = True
    num_bottom = (1, None)
    num_top = (0, 0)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        return []

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Nothing to compute."""

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, propagate in zip(bottom, propagate_down, strict=True):
            if propagate:
                blob.clear_diff()
