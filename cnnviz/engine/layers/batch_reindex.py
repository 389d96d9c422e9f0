"""BatchReindex: items of a batch chosen, repeated and ordered by index."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.row_gather import RowGather
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class BatchReindex(Layer):
    """Item i of the top is item indices[i] of bottom 0.

    Bottom: a blob of N items, and M indices of shape (M), each from 0 to N - 1.
    Top: M items; an item's gradient is the sum over the places that it was copied to.
    Raises: NetError if bottom 1 has several axes, in forward if an index is out of range.
    Source: Caffe's BatchReindexLayer.
    """

    type = "BatchReindex"
    keeps_forward = True
    kind = "shape"
    num_bottom = (2, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        if len(bottom[1]) != 1:
            raise NetError(f"the indices are {bottom[1]}, expected one axis")
        if not bottom[0]:
            raise NetError("bottom 0 has no axes, so it has no items")
        return [(*bottom[1], *bottom[0][1:])]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return fields[0]

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        try:
            self._rows = RowGather(self.device, bottom[1].read_data(), bottom[0].shape[0])
        except NetError as error:
            raise NetError(f"layer {self.name!r} (BatchReindex): {error}.") from None
        self._rows.gather(bottom[0].count_from(1), bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[1]:
            raise NetError(f"layer {self.name!r} (BatchReindex): the indices have no gradient.")
        if propagate_down[0]:
            width, dx = bottom[0].count_from(1), bottom[0].mutable_device_diff
            self._rows.scatter(width, top[0].device_diff, dx, add=False)
