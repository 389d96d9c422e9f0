"""What layers share that move elements without changing them."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.views import View, gather, scatter
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


def refuse_in_place(param: LayerParameter) -> None:
    """Raises NetError if a top of a layer that cannot work in place is one of its bottoms."""
    for blob in param.top:
        if blob in param.bottom:
            raise NetError(f"cannot work in place on {blob!r}; give the top a name of its own")


class SameElements(Layer):
    """Base of layers whose top holds the bottom's elements in the same order under another shape."""

    kind = "shape"
    follows = True
    same_order = True
    moves_axes = True
    new_maps = False

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """Where rows and columns stay what they are, each unit sees what it saw."""
        before, after = bottom[0], top[0]
        kept = before is not None and after is not None and len(before) == 4 and before[2:] == after[2:]
        return fields[0] if kept else None

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        # A copy, although the memory could be shared: a later layer may work in place on the top.
        top[0].copy_data_from(bottom[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            bottom[0].copy_diff_from(top[0])


class Rearrangement(Layer):
    """Base of layers whose top is a permutation of the bottom: element i of the top is that of ``view``."""

    kind = "shape"
    view: View

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        gather(self.device, self.view, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            scatter(self.device, self.view, top[0].device_diff, bottom[0].mutable_device_diff)


def merged_axis(shapes: Sequence[Shape], axis: int) -> Shape:
    """Returns the shape of blobs joined along ``axis``.

    Raises NetError if they differ in another axis.
    """
    first = shapes[0]
    for index, shape in enumerate(shapes):
        if len(shape) != len(first) or any(
            a != b for i, (a, b) in enumerate(zip(first, shape, strict=True)) if i != axis
        ):
            raise NetError(
                f"bottom {index} is {shape}, bottom 0 is {first}; they may differ along axis {axis} only"
            )
    return (*first[:axis], sum(shape[axis] for shape in shapes), *first[axis + 1 :])
