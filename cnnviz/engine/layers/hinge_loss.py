"""HingeLoss: one against all, with a margin of 1."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob
from cnnviz.engine.layers._row_loss import RowLoss
from cnnviz.formats.schema import HingeLossParameter


class HingeLoss(RowLoss):
    """loss = 1/N sum over n and c of m^p,  m = max(0, 1 - d x[n, c]), d = 1 for the label, otherwise -1

    hinge_loss_param:
        norm: L1 (default): p = 1; L2: p = 2, the squared hinge.

    Bottom: scores x (N, C, ...), seen as N rows; labels (N), integers in [0, C). Only x gets a gradient.
    Top: the loss ().
    Raises: NetError unless there is one label per item.
    Source: Caffe's HingeLossLayer.
    """

    type = "HingeLoss"

    @property
    def _squared(self) -> bool:
        return self.param.hinge_loss_param.norm == HingeLossParameter.L2

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, labels, count = bottom[0].device_data, bottom[1].device_data, bottom[0].count
        losses = self.device.scratch(count, "losses")
        self.launch("hinge_forward", count, count, self.classes, self._squared, x, labels, losses)
        self.sum_to_top(losses, count, self.scale, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            count, sizes = bottom[0].count, (self.classes, self._squared, self.scale)
            x, labels = bottom[0].device_data, bottom[1].device_data
            dloss, dx = top[0].device_diff, bottom[0].mutable_device_diff
            self.launch("hinge_backward", count, count, *sizes, x, labels, dloss, dx)
