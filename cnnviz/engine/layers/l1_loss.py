"""L1Loss: the mean absolute error, or the mean length of the error at each place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss, requested_diffs
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.sums import row_sums
from cnnviz.errors import NetError


class L1Loss(Loss):
    """loss = 1/D sum of |d|,  d = a - b; or with l2_per_location 1/D sum over places of sqrt(p s + epsilon)

    s is the sum of d^2 over the channels of a place. Where d is NaN it counts as 0 and has no gradient,
    so that unknown targets can be written as NaN. At d = 0 the slope is -1, as in the original.

    l1_loss_param:
        l2_per_location: the second form; default false.
        l2_prescale_by_channels: p = 1/C instead of 1; default false.
        normalize_by_num_entries: D = elements that are not NaN / C, instead of N; default false. The
            loss is 0 if all are NaN.
        epsilon: default 0.01.
        plateau: |d|, or sqrt(p s), below it counts as 0 and has no gradient; default 0.

    Bottom: a (N, C, ...); b with as many elements in each of N items, optional: 0 if absent. Both get a
        gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ in size.
    Source: Ilg et al. 2017; FlowNet 2's fork of Caffe.
    Checked: against FlowNet 2's fork but for l2_prescale_by_channels, normalize_by_num_entries, plateau and
        NaN.
    """

    type = "L1Loss"
    num_bottom = (1, 2)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        a, b = bottom[0], bottom[-1]
        if not a or a[0] != (b[0] if b else None) or math.prod(a) != math.prod(b):
            raise NetError(
                f"bottom 0 is {a} and bottom 1 is {b}: both must have the same number of items, and each "
                "item the same number of elements"
            )
        self.num = a[0]
        self.channels = a[1] if len(a) > 1 else 1
        self.inner = math.prod(a[2:])
        return [()]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        places = self.num * self.inner
        losses, totals = self.device.scratch(2 * places, "losses"), self.device.scratch(2, "totals")
        self._launch("l1_forward", bottom, losses)
        row_sums(self.device, (2, places), losses, totals)
        # 0: the kernel takes the number of elements that are not NaN.
        fixed = 0.0 if self.param.l1_loss_param.normalize_by_num_entries else float(self.num)
        channels, y = max(1, self.channels), top[0].mutable_device_data
        self.launch("l1_mean", 1, fixed, channels, totals, self._divisor, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if any(propagate_down):
            diffs = requested_diffs(bottom, propagate_down, 2)
            self._launch("l1_backward", bottom, self._divisor, top[0].device_diff, *diffs)

    @property
    def _divisor(self) -> Any:
        """The buffer of D, which forward leaves to backward."""
        return self.workspace.get("divisor", 1)

    def _launch(self, kernel: str, bottom: Sequence[Blob], *args: Any) -> None:
        given = self.param.l1_loss_param
        factor = 1 / max(1, self.channels) if given.l2_prescale_by_channels else 1.0
        sizes = (self.num, self.channels, self.inner, given.epsilon, given.plateau, factor)
        b = bottom[1].device_data if len(bottom) > 1 else None
        size, options = row_range(self.inner, self.num)
        if given.l2_per_location:
            options["defines"] = (("PER_LOCATION", 1),)
        self.launch(kernel, size, *sizes, bottom[0].device_data, b, *args, **options)
