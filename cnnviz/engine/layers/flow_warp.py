"""FlowWarp: an image read where a flow points."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError
from cnnviz.formats.schema import FlowWarpParameter


class FlowWarp(Layer):
    """y[c, i, j] = x[c] at row i + flow[1, i, j] and column j + flow[0, i, j], interpolated bilinearly

    flow_warp_param:
        fill_value: what stands where the flow points out of the image: ZERO (default) or NOT_A_NUMBER.

    Bottom: x (N, C, H, W); flow (N, 2, H, W), in pixels.
    Top: y of x's shape; both bottoms get a gradient, places that point outside give none.
    Raises: NetError if the bottoms do not fit each other.
    Source: Ilg et al. 2017, FlowNet2. Forward checked against its fork; the gradients are the derivatives, as
        there.
    """

    type = "FlowWarp"
    kind = "pooling"
    num_bottom = (2, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x, flow = bottom
        if len(x) != 4 or flow != (x[0], 2, *x[2:]):
            raise NetError(f"expects bottoms (N, C, H, W) and (N, 2, H, W), not {x} and {flow}")
        self._places, self._planes, self._sizes = x[0] * x[2] * x[3], x[0] * x[1], x[1:]
        return [x]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        fill = self.param.flow_warp_param.fill_value
        outside = math.nan if fill == FlowWarpParameter.NOT_A_NUMBER else 0.0
        data = (bottom[0].device_data, bottom[1].device_data, top[0].mutable_device_data)
        self.launch("flow_warp_forward", self._places, self._places, *self._sizes, outside, *data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        (x, flow), dy = bottom, top[0].device_diff
        if propagate_down[0]:
            data = (flow.device_data, dy, x.mutable_device_diff)
            self.launch("image_gradient", self._planes, self._planes, *self._sizes, *data)
        if propagate_down[1]:
            values = (x.device_data, flow.device_data, dy, flow.mutable_device_diff)
            self.launch("flow_gradient", self._places, self._places, *self._sizes, *values)
