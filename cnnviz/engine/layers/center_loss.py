"""CenterLoss: features near the centre of their class, which is learned."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight, legacy_shape, positive_axis
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.ops.row_gather import RowGather
from cnnviz.engine.ops.sums import row_sums
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class CenterLoss(Loss):
    """loss = 1/(2N) sum over n of |x[n] - centre[label[n]]|^2

    What backward adds to the gradient of centre k is not a derivative but the paper's update, which no
    loss weight changes: the sum of centre[k] - x[n] over its items, by their number + 1.

    center_loss_param:
        num_output: number of classes; required.
        center_filler: how the centres start; default constant 0.
        axis: accepted if it is axis 1, the default.

    Bottom: x (N, C, ...); labels (N), or (N, 1, 1, 1), integers in [0, num_output).
    Top: the loss ().
    Parameters: centres (num_output, K), K the elements of an item.
    Raises: NetError if num_output is missing, axis is another, there is not one label for each item, or
        in forward a label is not a class.
    Source: Wen et al. 2016; ydwen's fork of Caffe (caffe-face).
    Checked: against ydwen's fork.
    """

    type = "CenterLoss"
    keeps_forward = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.num_output = param.center_loss_param.num_output
        if not self.num_output:
            raise NetError("has no num_output; give the number of classes")

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        x, labels = bottom
        if positive_axis(self.param.center_loss_param.axis, x) != 1:
            raise NetError(f"axis is {self.param.center_loss_param.axis}, only 1 is supported; omit it")
        if legacy_shape(labels)[1:] != (1, 1, 1):
            raise NetError(f"has labels {labels} for {x[0]} items; give one label for each")
        self.num, self.length = x[0], math.prod(x[1:])
        return top

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        return [Weight((self.num_output, self.length), self.param.center_loss_param.center_filler)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        count = bottom[0].count
        self._labels = bottom[1].read_data().astype(np.int32).ravel()
        self._rows = RowGather(self.device, self._labels, self.num_output)
        distances = self.workspace.get("distances", count)
        self._rows.gather(self.length, self.blobs[0].device_data, distances)
        self.launch("center_distances", count, count, bottom[0].device_data, distances)
        scale = 0.5 / max(1, self.num)
        row_sums(self.device, (1, count), distances, top[0].mutable_device_data, term="square", scale=scale)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        count = bottom[0].count
        distances = self.workspace.get("distances", count)
        if self.param_propagate_down[0]:
            members = np.bincount(self._labels, minlength=self.num_output)[self._labels]
            shares = self.device.upload((1 / (members + 1)).astype(self.device.dtype))
            moves = self.device.scratch(count, "moves")
            self.launch("center_moves", count, count, self.length, distances, shares, moves)
            self._rows.scatter(self.length, moves, self.blobs[0].mutable_device_diff, add=True)
        if propagate_down[0]:
            scale, dloss = 1 / max(1, self.num), top[0].device_diff
            dx = bottom[0].mutable_device_diff
            self.launch("center_backward", count, count, scale, dloss, distances, dx)
