"""ContrastiveLoss: similar pairs near, others apart by a margin."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._loss import Loss, requested_diffs
from cnnviz.engine.ops.sums import row_sums


class ContrastiveLoss(Loss):
    """loss = 1/(2N) sum over n of y d^2 + (1 - y) max(0, margin - d)^2,  d = |a[n] - b[n]|

    contrastive_loss_param:
        margin: distance from which pairs that are not similar add nothing; default 1.
        legacy_version: max(0, margin - d^2) instead of the square; default false.

    Bottom: a (N, C), b (N, C): the pairs; y (N): 0 where a pair is not similar; further axes must be 1. a
        and b get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ in size, or height and width are not 1.
    Source: Hadsell et al. 2006; Caffe's ContrastiveLossLayer (its gradient divides by d + 1e-4).
    """

    type = "ContrastiveLoss"
    num_bottom = (3, 3)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < 2

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        a, b, similar = (legacy_shape(shape) for shape in bottom)
        self.num, self.channels = a[:2]
        if a[2:] != (1, 1) or b != a:
            self.complain(
                f"bottom 0 is {bottom[0]} and bottom 1 {bottom[1]}: expected pairs of one shape, (N, C) "
                "or (N, C, 1, 1); a Flatten layer makes maps so"
            )
        if similar != (self.num, 1, 1, 1):
            self.complain(f"bottom 2 is {bottom[2]}, expected one number for each of the {self.num} pairs")
        self.scale = 0.5 / max(1, self.num)
        return top

    @property
    def _margin(self) -> tuple[bool, float]:
        options = self.param.contrastive_loss_param
        return options.legacy_version, options.margin

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        count, num = bottom[0].count, self.num
        difference, squares = self.workspace.get("difference", count), self.workspace.get("distances", num)
        losses = self.device.scratch(num, "losses")
        a, b, similar = (blob.device_data for blob in bottom)
        self.launch("contrastive_difference", count, count, a, b, difference)
        row_sums(self.device, (num, self.channels), difference, squares, term="square")
        self.launch("contrastive_forward", num, num, *self._margin, squares, similar, losses)
        self.sum_to_top(losses, num, self.scale, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not any(propagate_down[:2]):
            return
        count = bottom[0].count
        difference = self.workspace.get("difference", count)
        squares = self.workspace.get("distances", self.num)
        diffs = requested_diffs(bottom, propagate_down, 2)
        args = (self.scale, difference, squares, bottom[2].device_data, top[0].device_diff, *diffs)
        self.launch("contrastive_backward", count, count, self.channels, *self._margin, *args)
