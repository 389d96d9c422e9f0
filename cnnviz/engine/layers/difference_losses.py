"""Losses that sum a function of the differences between two blobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._loss import Loss, requested_diffs
from cnnviz.engine.layers._normalization import Normalization
from cnnviz.formats.schema import LayerParameter


class DifferenceLoss(Loss):
    """Base: ``curve`` names f in difference_losses.cl, ``factor`` what its mean over the items is times."""

    curve: ClassVar[str]
    factor: ClassVar[float] = 1.0

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < 2

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        for index, shape in enumerate(bottom[1:], 1):
            if shape[:1] != bottom[0][:1] or math.prod(shape) != math.prod(bottom[0]):
                self.complain(
                    f"bottom {index} is {shape}, bottom 0 is {bottom[0]}: each item of both must have "
                    "the same number of elements"
                )
        self.scale = self.factor / max(1, bottom[0][0])
        return top

    def sigma(self) -> float:
        return 1.0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.sum_to_top(self.element_losses(bottom), bottom[0].count, self.scale, top[0])

    def element_losses(self, bottom: Sequence[Blob]) -> Any:
        """Returns a work buffer with v f(d) of each element."""
        losses = self.device.scratch(bottom[0].count, "losses")
        self._launch("difference_forward", bottom, losses)
        return losses

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if any(propagate_down[:2]):
            diffs = requested_diffs(bottom, propagate_down, 2)
            self._launch("difference_backward", bottom, self.scale, top[0].device_diff, *diffs)

    def _launch(self, kernel: str, bottom: Sequence[Blob], *args: Any) -> None:
        count = bottom[0].count
        data = [blob.device_data for blob in bottom]
        data += [None] * (4 - len(data))
        self.launch(kernel, count, count, self.sigma() ** 2, *data, *args, defines=(("KIND", self.curve),))


class EuclideanLoss(DifferenceLoss):
    """loss = 1/(2N) sum of (a - b)^2

    Bottom: a (N, ...); b with as many elements in each of N items. Both get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms differ in size.
    Source: Caffe's EuclideanLossLayer.
    """

    type = "EuclideanLoss"
    curve = "SQUARE"
    factor = 0.5


class SmoothL1Loss(DifferenceLoss):
    """loss = 1/D sum of v f(u (a - b)),  f(d) = s^2 d^2 / 2 where |d| < 1/s^2, otherwise |d| - 1/(2 s^2)

    Two forks have this type. Three bottoms, two tops, or a loss_param beside two bottoms are R-FCN's form:
    D follows loss_param. Otherwise D is N, the number of items.

    smooth_l1_loss_param:
        sigma: s, where the parabola ends; default 1.
    loss_param:
        normalization: of R-FCN's form, D: N H W (VALID, the default, and FULL), N (BATCH_SIZE), 1 (NONE), or
            pre_fixed_normalizer (PRE_FIXED); at least 1.
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: a (N, ...); b; inside weights u and outside weights v, optional, 1 if absent; all with as
        many elements in each of N items. a and b get a gradient.
    Top: the loss (), which counts with weight 1, but with three or four bottoms only by a loss_weight, as in
        the forks; each item's sum of f (N, 1, H, W), optional, without a gradient.
    Raises: NetError if the bottoms differ in size.
    Source: Girshick 2015, Fast R-CNN (rbgirshick/caffe-fast-rcnn); SSD (weiliu89/caffe, branch ssd); R-FCN
        (daijifeng001/caffe-rfcn), whose gradient treats all nonzero weights u as 1; here it is exact.
    Checked: against these three forks.
    """

    type = "SmoothL1Loss"
    curve = "SMOOTH"
    num_bottom = (2, 4)
    num_top = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        bottoms = len(param.bottom)
        self.is_loss = bottoms < 3  # type: ignore[misc]
        loss_param = bottoms == 2 and param.HasField("loss_param")
        self._of_rfcn = bottoms == 3 or len(param.top) > 1 or loss_param

    def sigma(self) -> float:
        return self.param.smooth_l1_loss_param.sigma

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        num, channels, height, width = _as_maps(bottom[0])
        places = num * height * width
        if self._of_rfcn:
            divisor = Normalization(self.param.loss_param).divisor(valid=places, full=places, num=num)
            self.scale = 1 / max(1.0, divisor)
        self._sizes = num, channels, height * width
        return [*top, (num, 1, height, width)][: max(1, len(self.param.top))]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        losses = self.element_losses(bottom)
        self.sum_to_top(losses, bottom[0].count, self.scale, top[0])
        if len(top) > 1:
            self.launch("difference_items", top[1].count, *self._sizes, losses, top[1].mutable_device_data)


def _as_maps(shape: Shape) -> Shape:
    """Returns ``shape`` as (N, C, H, W), axes beyond the fourth taken into H."""
    return legacy_shape(shape if len(shape) <= 4 else (*shape[:2], math.prod(shape[2:])))


class SmoothL1LossOHEM(SmoothL1Loss):
    """loss = 1/D sum of f(w (a - b)),  f(d) = d^2 / 2 where |d| < 1, otherwise |d| - 1/2

    The name that R-FCN's first release gave to its form of SmoothL1Loss.

    Its smooth_l1_loss_param and loss_param are as of SmoothL1Loss in R-FCN's form.

    Bottom: a (N, C, H, W); b; weights w, optional. a and b get a gradient.
    Top: the loss (), which counts only by a loss_weight; each item's sum of f (N, 1, H, W), optional.
    Raises: NetError if the bottoms differ in size.
    Source: R-FCN (extendedcaffe/extended-caffe).
    Checked: against that fork.
    """

    type = "SmoothL1LossOHEM"
    num_bottom = (2, 3)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.is_loss = False  # type: ignore[misc]
        self._of_rfcn = True
