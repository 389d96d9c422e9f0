"""AbsVal."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class AbsVal(Neuron):
    """y = |x|, y' = sign x

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's AbsValLayer (which gives a wrong gradient in place).
    """

    type = "AbsVal"
    kind = "arithmetic"
    function = "ABSOLUTE"
