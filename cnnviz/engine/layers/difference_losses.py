"""Losses that sum a function of the differences between two blobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.errors import NetError


class DifferenceLoss(Loss):
    """Base: ``kind`` names f in difference_losses.cl, ``factor`` what its mean over the items is times."""

    kind: ClassVar[str]
    factor: ClassVar[float] = 1.0

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < 2

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        for index, shape in enumerate(bottom[1:], 1):
            if shape[:1] != bottom[0][:1] or math.prod(shape) != math.prod(bottom[0]):
                raise NetError(
                    f"bottom {index} is {shape}, bottom 0 is {bottom[0]}: each item of both must have "
                    "the same number of elements"
                )
        self.scale = self.factor / max(1, bottom[0][0])
        return top

    def sigma(self) -> float:
        return 1.0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        count = bottom[0].count
        losses = self.device.scratch(count, "losses")
        self._launch("difference_forward", bottom, losses)
        self.sum_to_top(losses, count, self.scale, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if any(propagate_down[:2]):
            diffs = [
                blob.mutable_device_diff if down else None
                for blob, down in zip(bottom[:2], propagate_down, strict=False)
            ]
            self._launch("difference_backward", bottom, self.scale, top[0].device_diff, *diffs)

    def _launch(self, kernel: str, bottom: Sequence[Blob], *args: Any) -> None:
        count = bottom[0].count
        data = [blob.device_data for blob in bottom]
        data += [None] * (4 - len(data))
        self.launch(kernel, count, count, self.sigma() ** 2, *data, *args, defines=(("KIND", self.kind),))


class EuclideanLoss(DifferenceLoss):
    """loss = 1/(2N) sum of (a - b)^2

    Bottom: a (N, ...); b with as many elements in each of N items. Both get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ in size.
    Source: Caffe's EuclideanLossLayer.
    """

    type = "EuclideanLoss"
    kind = "SQUARE"
    factor = 0.5


class SmoothL1Loss(DifferenceLoss):
    """loss = 1/N sum of v f(u (a - b)),  f(d) = s^2 d^2 / 2 where |d| < 1/s^2, else |d| - 1/(2 s^2)

    smooth_l1_loss_param:
        sigma: s, where the parabola ends; default 1.

    Bottom: a (N, ...); b; inside weights u and outside weights v, optional, 1 if absent; all with as
        many elements in each of N items. a and b get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ in size.
    Source: Girshick 2015, Fast R-CNN.
    """

    type = "SmoothL1Loss"
    kind = "SMOOTH"
    num_bottom = (2, 4)

    def sigma(self) -> float:
        return self.param.smooth_l1_loss_param.sigma
