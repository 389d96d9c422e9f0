"""Reshape: the same elements under another shape."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layers._shape import SameElements, refuse_in_place
from cnnviz.errors import NetError


class Reshape(SameElements):
    """Puts the dimensions of reshape_param.shape in place of num_axes axes of the bottom from axis.

    reshape_param:
        shape: dim values; 0 copies the bottom's at the same place, -1 (once) is what remains.
        axis: first axis that is replaced; -1 means after the last; default 0.
        num_axes: how many are replaced; -1 means all from axis; default -1.

    Bottom: one of any shape.
    Top: the same elements.
    Raises: NetError if the number of elements differs, more than one dim is -1, or in place.
    Source: Caffe's ReshapeLayer.
    """

    type = "Reshape"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape = bottom[0]
        start, end = self._replaced(shape)
        top = [*shape[:start], *self._dims(shape, start), *shape[end:]]
        if top.count(-1) > 1:
            raise NetError("reshape_param.shape has several -1; at most one can be inferred")
        if -1 in top:
            known = -math.prod(top)
            if known == 0 or math.prod(shape) % known:
                raise NetError(f"a bottom of shape {shape} cannot be divided into {known} equal parts for -1")
            top[top.index(-1)] = math.prod(shape) // known
        if math.prod(top) != math.prod(shape):
            raise NetError(
                f"shape {tuple(top)} has {math.prod(top)} elements, the bottom {shape} has {math.prod(shape)}"
            )
        return [tuple(top)]

    def _replaced(self, shape: Shape) -> tuple[int, int]:
        given = self.param.reshape_param
        start = given.axis if given.axis >= 0 else len(shape) + given.axis + 1
        if not 0 <= start <= len(shape):
            raise NetError(f"reshape_param.axis {given.axis} is out of range for a bottom of shape {shape}")
        if given.num_axes < -1:
            raise NetError(f"reshape_param.num_axes is {given.num_axes}, expected -1 (all) or more")
        end = len(shape) if given.num_axes == -1 else start + given.num_axes
        if end > len(shape):
            raise NetError(f"reshape_param: axis + num_axes is {end}, the bottom {shape} has fewer axes")
        return start, end

    def _dims(self, shape: Shape, start: int) -> list[int]:
        dims = []
        for i, dim in enumerate(self.param.reshape_param.shape.dim):
            if dim < -1:
                raise NetError(f"reshape_param.shape has the dim {dim}; expected -1, 0 or more")
            if dim == 0 and start + i >= len(shape):
                raise NetError(f"dim {i} is 0 (copy), but the bottom {shape} has no axis {start + i}")
            dims.append(shape[start + i] if dim == 0 else dim)
        return dims
