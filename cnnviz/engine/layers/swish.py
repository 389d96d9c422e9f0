"""Swish."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Swish(Neuron):
    """y = x / (1 + e^(-beta x)), y' = beta y + (1 - beta y) / (1 + e^(-beta x))

    swish_param:
        beta: default 1.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Ramachandran et al. 2017; Caffe's SwishLayer.
    """

    type = "Swish"
    function = "SWISH"

    def constants(self) -> tuple[float, ...]:
        return (self.param.swish_param.beta,)
