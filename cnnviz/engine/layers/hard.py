"""Activations made of straight lines that mobile nets use, and the smooth ones they stand for."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class ReLU6(Neuron):
    """y = min(max(0, x), 6), y' = 1 for 0 <= x <= 6, else 0

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Krizhevsky 2010; forks of Caffe, e.g. for MobileNet.
    """

    type = "ReLU6"
    function = "CLIP"

    def constants(self) -> tuple[float, ...]:
        return (0.0, 6.0)


class HardSigmoid(Neuron):
    """y = min(max(0, alpha x + beta), 1), y' = alpha for 0 < y < 1, else 0

    hard_sigmoid_param:
        alpha: default 0.2.
        beta: default 0.5.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Courbariaux et al. 2015; forks of Caffe.
    """

    type = "HardSigmoid"
    function = "HARD_SIGMOID"
    slope_from_top = True

    def constants(self) -> tuple[float, ...]:
        given = self.param.hard_sigmoid_param
        return (given.alpha, given.beta)


class HardSwish(Neuron):
    """y = x h, h = min(max(0, alpha x + beta), 1); y' = h + alpha x for 0 < h < 1, else h

    hard_swish_param:
        alpha: default 1/6.
        beta: default 0.5.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Howard et al. 2019 (MobileNetV3); forks of Caffe.
    """

    type = "HardSwish"
    function = "HARD_SWISH"

    def constants(self) -> tuple[float, ...]:
        given = self.param.hard_swish_param
        return (given.alpha, given.beta)


class Mish(Neuron):
    """y = x tanh(ln(1 + e^x)) = x t, y' = t + x (1 - t^2) / (1 + e^-x)

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Misra 2019; forks of Caffe, e.g. for YOLOv4.
    """

    type = "Mish"
    function = "MISH"
