"""SoftmaxWithLoss: softmax and the negative log-likelihood of the label."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import SoftmaxLoss


class SoftmaxWithLoss(SoftmaxLoss):
    """loss = -1/D sum over items of log p[label],  p = softmax(x)

    p is kept from falling below 1.18e-38, so that an item adds at most 87.3. D depends on normalization and
    is at least 1.

    softmax_param:
        axis: the axis of the classes; default 1.
    loss_param:
        ignore_label: items with this label add nothing and get no gradient; default: none.
        normalization: D is the number of labels that are not ignored (VALID, the default), of all
            labels (FULL), of entries before the axis (BATCH_SIZE), 1 (NONE), or pre_fixed_normalizer
            (PRE_FIXED; default 1).
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: scores x (N, C, ...); labels (N, ...), one integer in [0, C) for each item and position.
    Top: the loss (), optional; p of the shape of x, optional, through which no gradient flows.
    Raises: NetError if the labels are not as many as the items. A label that is no class makes the loss
        NaN.
    Source: Caffe's SoftmaxWithLossLayer, where the second top does not work.
    """

    type = "SoftmaxWithLoss"
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        loss = super().shapes(bottom)
        x, labels = bottom
        self.find_axis(self.param.softmax_param.axis, x)
        self.set_sizes(self.outer, self.classes, self.inner, labels, math.prod(labels))
        return loss + ([x] if len(self.param.top) > 1 else [])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.compute_prob(bottom, top)
        data = (self.prob, bottom[1].device_data, self.item_losses)
        self.launch_items("softmax_loss_forward", *self.ignoring, *data)
        self.mean_to_top(self.items, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            data = (self.prob, bottom[1].device_data, self.totals, top[0].device_diff)
            dx = bottom[0].mutable_device_diff
            self.launch_items("softmax_loss_backward", *self.ignoring, *data, dx)
