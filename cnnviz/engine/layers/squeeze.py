"""Squeeze, ExpandDims and ExpandDimsND: axes of one element removed or inserted."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._shape import SameElements, refuse_in_place
from cnnviz.errors import NetError


class Squeeze(SameElements):
    """Removes axes of size 1.

    squeeze_param:
        axis: those to remove; negative counts from the end; default: all of size 1.

    Bottom: one of any shape.
    Top: the same elements.
    Raises: NetError if a named axis is not of size 1, or in place.
    Source: Synopsys' fork of Caffe; checked against it.
    """

    type = "Squeeze"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape = bottom[0]
        axes = {positive_axis(axis, shape) for axis in self.param.squeeze_param.axis}
        for axis in axes:
            if shape[axis] != 1:
                raise NetError(f"axis {axis} of the bottom {shape} has {shape[axis]} elements, not 1")
        gone = axes or {axis for axis, size in enumerate(shape) if size == 1}
        return [tuple(size for axis, size in enumerate(shape) if axis not in gone)]


class ExpandDims(SameElements):
    """Inserts an axis of size 1.

    expand_dims_param:
        axis: its place in the top; negative counts from the end; default 0.

    Bottom: one of any shape.
    Top: the same elements, one axis more.
    Raises: NetError if the top would have no such axis, or in place.
    Source: forks of Caffe, for nets converted from elsewhere; not checked against an original.
    """

    type = "ExpandDims"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape = bottom[0]
        axis = positive_axis(self.param.expand_dims_param.axis, (*shape, 1))
        return [(*shape[:axis], 1, *shape[axis:])]


class ExpandDimsND(SameElements):
    """Inserts axes of size 1.

    expand_dims_nd_param:
        axis: for each the axis of the bottom before which it is inserted, in ascending order; the number of
            axes inserts it after all, and so does -1, -2 before the last one, and so on.

    Bottom: one of any shape.
    Top: the same elements, as many axes more as are given.
    Raises: NetError if the bottom has no such place, the places do not rise, or in place.
    Source: Synopsys' fork of Caffe; checked against it for places of 0 and more.
    """

    type = "ExpandDimsND"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, given = bottom[0], list(self.param.expand_dims_nd_param.axis)
        places = [axis if axis >= 0 else axis + len(shape) + 1 for axis in given]
        if any(not 0 <= place <= len(shape) for place in places) or places != sorted(places):
            raise NetError(f"axes {given} are not rising places in a bottom of shape {shape}")
        top = list(shape)
        for count, place in enumerate(places):
            top.insert(place + count, 1)
        return [tuple(top)]
