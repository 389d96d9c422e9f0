"""Flatten: several axes made one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._shape import SameElements, refuse_in_place
from cnnviz.errors import NetError


class Flatten(SameElements):
    """Joins the axes from axis to end_axis.

    flatten_param:
        axis: first axis to join; negative counts from the end; default 1.
        end_axis: last axis to join (included); default -1.

    Bottom: one of any shape, e.g. (N, C, H, W).
    Top: the same elements, e.g. (N, C H W).
    Raises: NetError if end_axis lies before axis, or in place.
    Source: Caffe's FlattenLayer.
    """

    type = "Flatten"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, given = bottom[0], self.param.flatten_param
        start, end = positive_axis(given.axis, shape), positive_axis(given.end_axis, shape)
        if end < start:
            raise NetError(f"flatten_param: end_axis {given.end_axis} lies before axis {given.axis}")
        return [(*shape[:start], math.prod(shape[start : end + 1]), *shape[end + 1 :])]
