"""TanH."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class TanH(Neuron):
    """y = tanh x = 2 / (1 + e^-2x) - 1, y' = 1 - y^2

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's TanHLayer.
    """

    type = "TanH"
    function = "TANH"
    slope_from_top = True
