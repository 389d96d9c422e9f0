"""Eltwise: sum, product or maximum of blobs, element by element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.formats.schema import EltwiseParameter


class Eltwise(Layer):
    """y = sum_i coeff_i x_i, or y = prod_i x_i, or y = max_i x_i

    eltwise_param:
        operation: SUM, PROD or MAX; default SUM.
        coeff: one factor for each bottom, for SUM only; default 1.
        stable_prod_grad: whether the gradient of PROD multiplies the other bottoms (exact at 0) rather
            than divides the top by the bottom (fewer products); default true.

    Equal values of MAX: of the first two bottoms the second gets the gradient, a later bottom only
    if it is greater.

    Bottom: two or more of one shape; or one with a coeff for SUM, which scales it, as in FlowNet's fork.
    Top: of that shape; SUM may work in place.
    Raises: NetError if shapes differ, or coeff is given for PROD or MAX or not for every bottom.
    Source: Caffe's EltwiseLayer, checked against it; one bottom is not checked against its fork.
    """

    type = "Eltwise"
    kind = "arithmetic"
    joins = True
    pointwise = True
    num_bottom = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = self.param.eltwise_param
        self._operation = given.operation
        if len(bottom) == 1 and (self._operation != EltwiseParameter.SUM or not given.coeff):
            self.complain("has 1 bottom blob(s), expected at least 2, or one with a coeff for SUM")
        if given.coeff and self._operation != EltwiseParameter.SUM:
            self.complain("eltwise_param.coeff is for the operation SUM only; remove it")
        if given.coeff and len(given.coeff) != len(bottom):
            self.complain(f"has {len(given.coeff)} coeff for {len(bottom)} bottoms; give one for each")
        if self._operation != EltwiseParameter.SUM:
            refuse_in_place(self.param)
        for index, shape in enumerate(bottom):
            if shape != bottom[0]:
                self.complain(f"bottom {index} is {shape}, bottom 0 is {bottom[0]}; they must be equal")
        self._coeff = list(given.coeff) or [1.0] * len(bottom)
        return [bottom[0]]

    def setup(self) -> None:
        self._workspace = Workspace(self)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        forward = {
            EltwiseParameter.SUM: self._sum,
            EltwiseParameter.PROD: self._product,
            EltwiseParameter.MAX: self._max,
        }
        forward[self._operation]([blob.device_data for blob in bottom], top[0])

    def _sum(self, x: list, top: Blob) -> None:
        count, y = top.count, top.mutable_device_data
        if len(x) == 1:
            self.launch("eltwise_scale", count, count, self._coeff[0], x[0], y)
            return
        self.launch("eltwise_sum", count, count, *self._coeff[:2], x[0], x[1], y)
        for buffer, coeff in zip(x[2:], self._coeff[2:], strict=True):
            self.launch("eltwise_sum", count, count, 1.0, coeff, y, buffer, y)

    def _product(self, x: list, top: Blob) -> None:
        self._multiply(top.count, x, top.mutable_device_data)

    def _multiply(self, count: int, factors: list, result: Any) -> None:
        self.launch("eltwise_prod", count, count, factors[0], factors[1], result)
        for factor in factors[2:]:
            self.launch("eltwise_prod", count, count, result, factor, result)

    def _max(self, x: list, top: Blob) -> None:
        count, y = top.count, top.mutable_device_data
        sources = self._sources(count)
        self.launch("eltwise_max", count, count, 0, x[0], x[1], y, sources)
        for first, buffer in enumerate(x[2:], 1):
            self.launch("eltwise_max", count, count, first, y, buffer, y, sources)

    def _sources(self, count: int) -> Any:
        """For each element of the top the number of the bottom that gave it."""
        return self._workspace.get("sources of the maxima", count, itemsize=4)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        backward = {
            EltwiseParameter.SUM: self._sum_backward,
            EltwiseParameter.PROD: self._product_backward,
            EltwiseParameter.MAX: self._max_backward,
        }
        # From the last, so that in place the gradient of top and bottom 0 is overwritten at the end.
        for index in reversed(range(len(bottom))):
            if propagate_down[index]:
                backward[self._operation](top[0], index, bottom)

    def _sum_backward(self, top: Blob, index: int, bottom: Sequence[Blob]) -> None:
        dx = bottom[index].mutable_device_diff
        self.launch("eltwise_scale", top.count, top.count, self._coeff[index], top.device_diff, dx)

    def _product_backward(self, top: Blob, index: int, bottom: Sequence[Blob]) -> None:
        count, dx = top.count, bottom[index].mutable_device_diff
        if self.param.eltwise_param.stable_prod_grad:
            others = [blob.device_data for i, blob in enumerate(bottom) if i != index]
            self._multiply(count, [top.device_diff, *others], dx)
        else:
            x = bottom[index].device_data
            self.launch("eltwise_divide", count, count, top.device_diff, top.device_data, x, dx)

    def _max_backward(self, top: Blob, index: int, bottom: Sequence[Blob]) -> None:
        dx, sources = bottom[index].mutable_device_diff, self._sources(top.count)
        self.launch("eltwise_max_backward", top.count, top.count, index, sources, top.device_diff, dx)
