"""Sigmoid."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Sigmoid(Neuron):
    """y = 1 / (1 + e^-x), y' = y (1 - y)

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's SigmoidLayer.
    """

    type = "Sigmoid"
    function = "SIGMOID"
    slope_from_top = True
