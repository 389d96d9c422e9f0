"""Activations made of straight lines that mobile nets use, and the smooth ones they stand for."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron
from cnnviz.formats.schema import LayerParameter


class ReLU6(Neuron):
    """y = min(max(0, x), 6) + negative_slope min(0, x)

    y' = 1 for 0 < x < 6, negative_slope for x <= 0, 0 for x >= 6.

    relu6_param:
        negative_slope: slope for x <= 0; default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Krizhevsky 2010; forks of Caffe, e.g. for MobileNet.
    Checked: against MobileNet-YOLO's and chuanqi305's forks.
    """

    type = "ReLU6"
    is_rectifier = True
    function = "RELU6"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.slope_from_top = param.relu6_param.negative_slope >= 0

    def constants(self) -> tuple[float, ...]:
        return (self.param.relu6_param.negative_slope,)


class HardSigmoid(Neuron):
    """y = min(max(0, alpha x + beta), 1), y' = alpha for 0 < y < 1, otherwise 0

    hard_sigmoid_param:
        alpha: default 0.2.
        beta: default 0.5.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Courbariaux et al. 2015; forks of Caffe.
    Checked: against Synopsys' fork.
    """

    type = "HardSigmoid"
    function = "HARD_SIGMOID"
    slope_from_top = True

    def constants(self) -> tuple[float, ...]:
        given = self.param.hard_sigmoid_param
        return (given.alpha, given.beta)


class HardSwish(Neuron):
    """y = x h, h = min(max(0, alpha x + beta), 1); y' = h + alpha x for 0 <= h <= 1, otherwise h

    hard_swish_param:
        alpha: default 1/6.
        beta: default 0.5.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Howard et al. 2019 (MobileNetV3); forks of Caffe.
    Checked: against micronet's (Zeitzmz/micronet-caffe) and Synopsys' forks.
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
    Checked: forward against Synopsys' fork, whose gradient is wrong.
    """

    type = "Mish"
    function = "MISH"
