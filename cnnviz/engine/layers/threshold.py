"""Threshold."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Threshold(Neuron):
    """y = 1 for x > threshold, otherwise 0; no gradient

    threshold_param:
        threshold: default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's ThresholdLayer.
    """

    type = "Threshold"
    function = "STEP"
    has_backward = False

    def constants(self) -> tuple[float, ...]:
        return (self.param.threshold_param.threshold,)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False
