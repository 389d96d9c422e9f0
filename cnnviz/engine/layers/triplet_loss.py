"""TripletLoss: an anchor nearer to its positive than to its negative by a margin."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._loss import Loss, requested_diffs
from cnnviz.engine.ops.sums import row_sums
from cnnviz.errors import NetError


class TripletLoss(Loss):
    """loss = 1/(2N) sum over n of max(0, margin + |a - p|^2 - |a - q|^2)

    triplet_loss_param:
        margin: default 1.

    Bottom: anchors a (N, C) or (N, C, 1, 1), positives p and negatives q of the same shape. All get a
        gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ, or height and width are not 1.
    Source: Schroff et al. 2015; happynear's fork of Caffe. Other forks' layers of this name, with other
        bottoms, are refused.
    Checked: against happynear's fork.
    """

    type = "TripletLoss"
    num_bottom = (3, 3)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        shapes = [legacy_shape(shape) for shape in bottom]
        if any(shape != shapes[0] for shape in shapes) or shapes[0][2:] != (1, 1):
            raise NetError(
                f"bottoms are {', '.join(map(str, bottom))}; expected three of one shape (N, C) or "
                "(N, C, 1, 1)"
            )
        self.num, self.channels = shapes[0][:2]
        return [()]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        count, num = bottom[0].count, self.num
        terms, gaps = self.device.scratch(count, "terms"), self.workspace.get("gaps", num)
        self.launch("triplet_terms", count, count, *(blob.device_data for blob in bottom), terms)
        row_sums(self.device, (num, self.channels), terms, gaps)
        losses = self.device.scratch(num, "losses")
        self.launch("triplet_forward", num, num, self.param.triplet_loss_param.margin, gaps, losses)
        self.sum_to_top(losses, num, 0.5 / max(1, num), top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not any(propagate_down):
            return
        count = bottom[0].count
        sizes = (count, self.channels, self.param.triplet_loss_param.margin, 1 / max(1, self.num))
        data = [blob.device_data for blob in bottom]
        diffs = requested_diffs(bottom, propagate_down, 3)
        gaps, dloss = self.workspace.get("gaps", self.num), top[0].device_diff
        self.launch("triplet_backward", count, *sizes, *data, gaps, dloss, *diffs)
