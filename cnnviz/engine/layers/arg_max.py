"""ArgMax: the positions, or the values, of the largest elements."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, axis_sizes, positive_axis
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class ArgMax(Layer):
    """y[k] = position of the k-th largest element; of equal ones the later comes first

    argmax_param:
        top_k: how many; default 1.
        out_max_val: give the values too (without axis), or instead (with axis); default false.
        axis: the axis along which to look; default: each item as a whole.

    Bottom: x (N, ...).
    Top: without axis (N, 1, top_k), with out_max_val (N, 2, top_k): positions, then values; further axes
        of length 1 for a bottom with more than three. With axis the bottom's shape, where that axis has
        length top_k.
    Raises: NetError if top_k is greater than the number of elements looked at.
    Source: Caffe's ArgMaxLayer. There is no gradient.
    """

    type = "ArgMax"
    kind = "shape"
    has_backward = False

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x, options = bottom[0], self.param.argmax_param
        if options.HasField("axis"):
            axis = positive_axis(options.axis, x)
            self.sizes = axis_sizes(axis, x)
            top = (*x[:axis], options.top_k, *x[axis + 1 :])
        elif not x:
            raise NetError("expects a bottom with at least one axis")
        else:
            self.sizes = x[0], math.prod(x[1:]), 1
            top = (x[0], 2 if options.out_max_val else 1, options.top_k) + (1,) * (len(x) - 3)
        if not 1 <= options.top_k <= self.sizes[1]:
            self.complain(f"top_k is {options.top_k}, expected 1 to {self.sizes[1]}, the number of elements")
        return [top]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        options = self.param.argmax_param
        return fields[0] if options.HasField("axis") and options.axis in (1, -3) else None

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        options, (outer, dim, inner) = self.param.argmax_param, self.sizes
        target = top[0].mutable_device_data
        ranks = options.top_k * inner
        if not options.HasField("axis") and options.out_max_val:
            # Of each item first the positions, then the values.
            steps, targets = (2 * ranks, inner, ranks), (target, target)
        else:
            steps, targets = (ranks, inner, 0), (None, target) if options.out_max_val else (target, None)
        size, work = row_range(inner, outer)
        args = (outer, dim, inner, options.top_k, *steps, bottom[0].device_data, *targets)
        self.launch("arg_max", size, *args, **work)
