"""Log."""

from __future__ import annotations

import math

from cnnviz.engine.layers._neuron import Neuron
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Log(Neuron):
    """y = log_base(shift + scale x), y' = scale / ((shift + scale x) ln base)

    log_param:
        base: greater than 0 and not 1, or -1 for e; default -1.
        scale: default 1.
        shift: default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if base is 1, or neither -1 nor positive.
    Source: Caffe's LogLayer.
    """

    type = "Log"
    kind = "arithmetic"
    function = "LOG"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        base = param.log_param.base
        if base == 1 or (base != -1 and base <= 0):
            raise NetError(f"log_param.base is {base:g}, expected a positive number except 1, or -1 for e")

    def constants(self) -> tuple[float, ...]:
        given = self.param.log_param
        factor = 1.0 if given.base == -1 else 1 / math.log(given.base)
        return (given.shift, given.scale, factor)
