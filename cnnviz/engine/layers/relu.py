"""ReLU, leaky with negative_slope."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob
from cnnviz.engine.layers._neuron import Neuron


class ReLU(Neuron):
    """y = max(0, x) + negative_slope min(0, x)

    relu_param:
        negative_slope: slope for x <= 0; default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Nair and Hinton 2010; Caffe's ReLULayer (gradient at 0 is negative_slope).
    """

    type = "ReLU"

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        slope = self.param.relu_param.negative_slope
        count = bottom[0].count
        self.launch("relu_forward", count, count, slope, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        slope = self.param.relu_param.negative_slope
        count = bottom[0].count
        self.launch(
            "relu_backward", count, count, slope,
            bottom[0].device_data, top[0].device_diff, bottom[0].mutable_device_diff,
        )  # fmt: skip
