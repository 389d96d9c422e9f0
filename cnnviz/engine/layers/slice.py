"""Slice: a blob cut along an axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.views import View, box, gather, scatter
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, is_spatial
from cnnviz.errors import NetError


class Slice(Layer):
    """Cuts the bottom along one axis.

    slice_param:
        axis: to cut along; negative counts from the end; default 1.
        slice_point: where each top after the first begins; default: equal parts.
        slice_dim: the old name of axis, not negative.

    Bottom: one of any shape.
    Top: one for each part, of the bottom's shape except along the axis.
    Raises: NetError if the parts are empty, or not equal where no slice_point is given.
    Source: Caffe's SliceLayer.
    """

    type = "Slice"
    kind = "shape"
    new_maps = False
    pointwise = True
    num_top = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        shape = bottom[0]
        refuse_in_place(self.param)
        self._axis = axis = positive_axis(self._given_axis(), shape)
        self._edges = [0, *self._points(shape[axis]), shape[axis]]
        return [(*shape[:axis], end - start, *shape[axis + 1 :]) for start, end in pairwise(self._edges)]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """Along rows or columns, units of one place would see different ones."""
        return None if is_spatial(self._given_axis()) else fields[0]

    def _given_axis(self) -> int:
        given = self.param.slice_param
        if given.HasField("axis") and given.HasField("slice_dim"):
            self.complain("slice_param has axis and slice_dim; give axis only")
        return given.slice_dim if given.HasField("slice_dim") else given.axis

    def _points(self, size: int) -> list[int]:
        points, tops = list(self.param.slice_param.slice_point), len(self.param.top)
        if not points:
            if size % tops:
                raise NetError(f"{tops} tops do not divide the {size} elements of axis {self._axis} evenly")
            return [i * size // tops for i in range(1, tops)]
        if len(points) != tops - 1:
            raise NetError(f"has {len(points)} slice_point for {tops} tops; expected one less than tops")
        if any(end <= start for start, end in pairwise([0, *points, size])):
            raise NetError(f"slice_point {points} must grow and lie inside axis {self._axis} of size {size}")
        return points

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob, view in self._parts(bottom[0], top):
            gather(self.device, view, bottom[0].device_data, blob.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        for blob, view in self._parts(bottom[0], top):
            scatter(self.device, view, blob.device_diff, bottom[0].mutable_device_diff)

    def _parts(self, bottom: Blob, top: Sequence[Blob]) -> Iterator[tuple[Blob, View]]:
        for start, blob in zip(self._edges, top, strict=False):
            offsets = [0] * len(bottom.shape)
            offsets[self._axis] = start
            yield blob, box(bottom.shape, blob.shape, offsets)
