"""Randomized ReLU: NoisyReLU and RReLU."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cnnviz
from cnnviz.engine.blob import Blob
from cnnviz.engine.layers._neuron import Neuron
from cnnviz.engine.layers._random import draw_seeds
from cnnviz.formats.schema import LayerParameter


class NoisyReLU(Neuron):
    """TRAIN: y = max(0, x + N(0, deviation)); TEST: y = max(0, x)

    The noise of an element follows from a seed, drawn in each forward, and the element's index.

    noisy_relu_param:
        deviation: standard deviation of the noise, not negative; default 1.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if deviation is negative.
    Source: Nair and Hinton 2010.
    Checked: by its formula; no fork was available.
    """

    type = "NoisyReLU"
    is_rectifier = True
    function = "RELU"
    slope_from_top = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        if param.noisy_relu_param.deviation < 0:
            self.complain(f"noisy_relu_param.deviation is {param.noisy_relu_param.deviation:g}, below 0")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.phase == cnnviz.TEST:
            super().forward(bottom, top)
            return
        count, deviation = bottom[0].count, self.param.noisy_relu_param.deviation
        seeds, x, y = draw_seeds(self.random), bottom[0].device_data, top[0].mutable_device_data
        self.device.launch("random", "noisy_relu", count, count, *seeds, deviation, x, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            y, dx = top[0].device_data, bottom[0].mutable_device_diff  # y > 0 means that x + noise was
            self._launch("neuron_backward", top[0].count, y, y, top[0].device_diff, dx)


class RReLU(Neuron):
    """y = x for x > 0, x / a for x <= 0; TRAIN: a uniform in lb to ub; TEST: a = (ub - lb) / ln(ub / lb)

    The a of an element follows from a seed, drawn in each forward, and the element's index.

    rrelu_param:
        lb, ub: limits of a, 0 < lb <= ub; default 3 and 8, the paper's (that fork's are 5 and 10).

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if the limits are not 0 < lb <= ub.
    Source: Xu et al. 2015 (who take a = (lb + ub) / 2 in TEST); ducha-aiki's fork of Caffe.
    Checked: in TEST against ducha-aiki's fork.
    """

    type = "RReLU"
    keeps_forward = True
    is_rectifier = True
    function = "RELU"
    slope_from_top = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        lb, ub = param.rrelu_param.lb, param.rrelu_param.ub
        if not 0 < lb <= ub:
            self.complain(f"rrelu_param has lb {lb:g} and ub {ub:g}, expected 0 < lb <= ub")

    def constants(self) -> tuple[float, ...]:
        lb, ub = self.param.rrelu_param.lb, self.param.rrelu_param.ub
        return (math.log(ub / lb) / (ub - lb) if ub > lb else 1 / lb,)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.phase == cnnviz.TEST:
            super().forward(bottom, top)
            return
        self._seeds = draw_seeds(self.random)
        x = bottom[0].device_data
        self._leak(bottom[0].count, x, x, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if self.phase == cnnviz.TEST:
            super().backward(top, propagate_down, bottom)
        elif propagate_down[0]:
            y, dy = top[0].device_data, top[0].device_diff  # y has the sign of x
            self._leak(top[0].count, y, dy, bottom[0].mutable_device_diff)

    def _leak(self, count: int, sign: object, source: object, target: object) -> None:
        given = self.param.rrelu_param
        limits = given.lb, given.ub - given.lb
        self.device.launch("random", "random_leak", count, count, *self._seeds, *limits, sign, source, target)
