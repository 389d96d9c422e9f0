"""Clip."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Clip(Neuron):
    """y = min(max(x, min), max), y' = 1 for min <= x <= max, otherwise 0

    clip_param:
        min, max: the limits. Without clip_param both are 0 and so is the top, as in Caffe.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's ClipLayer (which gives a wrong gradient in place).
    """

    type = "Clip"
    function = "CLIP"

    def constants(self) -> tuple[float, ...]:
        return (self.param.clip_param.min, self.param.clip_param.max)
