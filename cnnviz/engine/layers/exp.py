"""Exp."""

from __future__ import annotations

import math

from cnnviz.engine.layers._neuron import Neuron
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Exp(Neuron):
    """y = base^(shift + scale x), y' = y scale ln base

    exp_param:
        base: greater than 0, or -1 for e; default -1.
        scale: default 1.
        shift: default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if base is neither -1 nor positive.
    Source: Caffe's ExpLayer.
    """

    type = "Exp"
    kind = "arithmetic"
    function = "EXP"
    slope_from_top = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.exp_param
        if given.base != -1 and given.base <= 0:
            raise NetError(f"exp_param.base is {given.base:g}, expected a positive number, or -1 for e")
        self._log_base = 1.0 if given.base == -1 else math.log(given.base)

    def constants(self) -> tuple[float, ...]:
        given = self.param.exp_param
        try:
            factor = math.exp(given.shift * self._log_base)
        except OverflowError:
            factor = math.inf
        return (given.scale * self._log_base, factor)
