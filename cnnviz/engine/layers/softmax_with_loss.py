"""SoftmaxWithLoss: softmax and the negative log-likelihood of the label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._loss import LabelLoss
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.softmax import softmax_forward


class SoftmaxWithLoss(LabelLoss):
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
    num_top = (1, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        loss = super().shapes(bottom)
        x, labels = bottom
        axis = positive_axis(self.param.softmax_param.axis, x)
        inner = math.prod(x[axis + 1 :])
        self.set_sizes(math.prod(x[:axis]), x[axis], inner, labels, math.prod(labels))
        return loss + ([x] if len(self.param.top) > 1 else [])

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        prob = self.prob
        softmax_forward(self.device, self.outer, self.classes, self.inner, bottom[0].device_data, prob)
        self._launch("softmax_loss_forward", prob, bottom[1].device_data, self.item_losses)
        self.mean_to_top(self.items, top[0])
        if len(top) > 1:
            nbytes = top[1].count * self.device.dtype.itemsize
            self.device.copy(top[1].mutable_device_data, prob, nbytes)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            labels, dx = bottom[1].device_data, bottom[0].mutable_device_diff
            self._launch("softmax_loss_backward", self.prob, labels, self.totals, top[0].device_diff, dx)

    @property
    def prob(self) -> Any:
        return self.kept.get("prob", self.items * self.classes)

    def _launch(self, kernel: str, *args: Any) -> None:
        size, options = row_range(self.inner, self.outer)
        self.launch(kernel, size, self.outer, self.classes, self.inner, *self.ignoring, *args, **options)
