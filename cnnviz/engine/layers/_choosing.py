"""What layers share that choose among their bottoms."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import Layer


class Choosing(Layer):
    """Base: nothing flows back through the choice, so a gradient that is asked for is 0."""

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def top_has_gradient(self, top_index: int) -> bool:
        return False

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, down in zip(bottom, propagate_down, strict=True):
            if down:
                blob.clear_diff()
