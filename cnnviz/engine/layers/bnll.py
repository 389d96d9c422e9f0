"""BNLL."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class BNLL(Neuron):
    """y = ln(1 + e^x), y' = 1 / (1 + e^-x): binomial normal log likelihood

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's BNLLLayer.
    """

    type = "BNLL"
    function = "SOFTPLUS"
