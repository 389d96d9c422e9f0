"""Reduction: sums over the last axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.ops.channels import Channels
from cnnviz.engine.ops.ranges import row_range
from cnnviz.formats.schema import ReductionParameter

_TERMS = {
    ReductionParameter.SUM: "PLAIN",
    ReductionParameter.MEAN: "PLAIN",
    ReductionParameter.ASUM: "ABSOLUTE",
    ReductionParameter.SUMSQ: "PRODUCT",
}


class Reduction(Layer):
    """y = coeff sum x, coeff sum |x|, coeff sum x^2 or coeff mean x over the axes from axis on

    reduction_param:
        operation: SUM, ASUM, SUMSQ or MEAN; default SUM.
        axis: first axis that is summed over, with all after it; negative counts from the end; default 0.
        coeff: factor; default 1.

    Bottom: one of any shape.
    Top: the bottom's shape before axis; () if axis is 0. With a loss_weight it is a loss.
    Source: Caffe's ReductionLayer.
    """

    type = "Reduction"
    kind = "arithmetic"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self._axis = positive_axis(self.param.reduction_param.axis, bottom[0]) if bottom[0] else 0
        return [bottom[0][: self._axis]]

    def _rows(self, bottom: Blob) -> tuple[int, int]:
        return math.prod(bottom.shape[: self._axis]), math.prod(bottom.shape[self._axis :])

    def _coeff(self, width: int) -> float:
        given = self.param.reduction_param
        return given.coeff / max(1, width) if given.operation == ReductionParameter.MEAN else given.coeff

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        rows, width = self._rows(bottom[0])
        x, term = bottom[0].device_data, _TERMS[self.param.reduction_param.operation]
        channels = Channels(self.device, 1, rows, width)
        channels.sums(x, x, top[0].mutable_device_data, term=term, scale=self._coeff(width))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        rows, width = self._rows(bottom[0])
        size, options = row_range(width, rows)
        options["defines"] = (("SLOPE", _TERMS[self.param.reduction_param.operation]),)
        x, dy, dx = bottom[0].device_data, top[0].device_diff, bottom[0].mutable_device_diff
        self.launch("reduction_backward", size, rows, width, self._coeff(width), x, dy, dx, **options)
