"""Permute: the axes in another order."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layers._shape import Rearrangement, refuse_in_place
from cnnviz.engine.ops.views import permuted
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Permute(Rearrangement):
    """y has as axis i the axis order[i] of x, e.g. (N, C, H, W) becomes (N, H, W, C) by order 0 2 3 1

    permute_param:
        order: each axis of the bottom once; axes not named follow in their order; default: none moves.

    Bottom: x of any shape.
    Top: the same elements, in the order of the permuted axes.
    Raises: NetError if order names an axis twice or one that the bottom lacks.
    Source: Liu et al. 2016 (SSD's fork of Caffe).
    Checked: against SSD's fork.
    """

    type = "Permute"
    follows = True
    new_maps = False
    moves_axes = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, order = bottom[0], list(self.param.permute_param.order)
        if len(set(order)) != len(order) or any(axis >= len(shape) for axis in order):
            raise NetError(f"permute_param.order is {order}, expected each axis of {shape} at most once")
        order += [axis for axis in range(len(shape)) if axis not in order]
        self.view = permuted(shape, order)
        return [tuple(shape[axis] for axis in order)]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        order = list(self.param.permute_param.order)
        order += [axis for axis in range(4) if axis not in order]
        return fields[0] if order[2:] == [2, 3] else None
