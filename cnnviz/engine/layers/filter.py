"""Filter: the items of a batch that a selector names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.row_gather import RowGather
from cnnviz.errors import NetError


class Filter(Layer):
    """Keeps the items (along axis 0) whose selector is not 0.

    How many these are is known only in forward, which gives the tops their first dimension; before
    it they have the whole batch's. The gradient of an item that was dropped is 0.

    Bottom: one or more blobs of N items, last the selector of shape (N) or (N, 1, ...).
    Top: one for each bottom but the selector, with fewer items, perhaps none.
    Raises: NetError if the numbers of tops and bottoms, or of items, do not match.
    Source: Caffe's FilterLayer.
    """

    type = "Filter"
    keeps_forward = True
    kind = "shape"
    num_bottom = (2, None)
    num_top = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        *blobs, selector = bottom
        if len(self.param.top) != len(blobs):
            raise NetError(f"has {len(self.param.top)} tops for {len(blobs)} bottoms beside the selector")
        if not selector or any(axis != 1 for axis in selector[1:]):
            raise NetError(
                f"the selector is {selector}, expected one number for each item: (N) or (N, 1, ...)"
            )
        for index, shape in enumerate(blobs):
            if shape[:1] != selector[:1]:
                raise NetError(f"bottom {index} is {shape}, the selector {selector}: other numbers of items")
        return list(blobs)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < len(self.param.bottom) - 1

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        chosen = np.flatnonzero(bottom[-1].read_data())
        self._rows = RowGather(self.device, chosen, bottom[-1].shape[0])
        for source, target in zip(bottom[:-1], top, strict=True):
            target.reshape(len(chosen), *source.shape[1:])
            self._rows.gather(source.count_from(1), source.device_data, target.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[-1]:
            raise NetError(
                f"layer {self.name!r} (Filter): the selector has no gradient, but one is asked for."
            )
        for target, source, propagate in zip(bottom[:-1], top, propagate_down, strict=False):
            if propagate:
                width, dx = target.count_from(1), target.mutable_device_diff
                self._rows.scatter(width, source.device_diff, dx, add=False)
