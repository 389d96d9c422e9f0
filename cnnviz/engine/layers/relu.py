"""ReLU, leaky with negative_slope."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron
from cnnviz.formats.schema import LayerParameter


class ReLU(Neuron):
    """y = max(0, x) + negative_slope min(0, x)

    relu_param:
        negative_slope: slope for x <= 0; default 0.
        relu6: whether y is cut off at 6 as well, as forks write it; default false.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if relu6 and negative_slope are both given.
    Source: Nair and Hinton 2010; Caffe's ReLULayer (gradient at 0 is negative_slope).
    """

    type = "ReLU"
    is_rectifier = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.relu_param
        if given.relu6 and given.negative_slope:
            self.complain("relu_param has relu6 and negative_slope; give one of them")
        self.slope_from_top = given.negative_slope >= 0

    def picked(self) -> str:
        return "RELU6" if self.param.relu_param.relu6 else "RELU"

    def constants(self) -> tuple[float, ...]:
        return (self.param.relu_param.negative_slope,)
