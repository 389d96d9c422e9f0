"""ELU."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron
from cnnviz.formats.schema import LayerParameter


class ELU(Neuron):
    """y = x for x > 0, alpha (e^x - 1) for x <= 0; y' = 1, y + alpha

    elu_param:
        alpha: default 1.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Clevert et al. 2015; Caffe's ELULayer.
    """

    type = "ELU"
    function = "ELU"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.slope_from_top = param.elu_param.alpha >= 0

    def constants(self) -> tuple[float, ...]:
        return (self.param.elu_param.alpha,)
