"""Split: one blob for several readers."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.add import add


class Split(Layer):
    """Every top is the bottom; the bottom's gradient is the sum of the tops'.

    The tops' values are the bottom's own memory: nothing is copied. Nets get these layers by
    themselves wherever a blob has several readers.

    Bottom: x of any shape.
    Top: one or more of the same shape.
    Source: Caffe's SplitLayer.
    """

    type = "Split"
    kind = "shape"
    new_maps = False
    same_order = True
    pointwise = True
    num_top = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        return [bottom[0]] * len(self.param.top)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob in top:
            blob.share_data(bottom[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        if len(top) == 1:
            bottom[0].copy_diff_from(top[0])
            return
        count, total = bottom[0].count, bottom[0].mutable_device_diff
        add(self.device, count, top[0].device_diff, top[1].device_diff, total)
        for blob in top[2:]:
            add(self.device, count, total, blob.device_diff, total)
