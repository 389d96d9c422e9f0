"""Concat: blobs joined along an axis."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.layers._shape import merged_axis, refuse_in_place
from cnnviz.engine.ops.views import box, gather, scatter
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, is_spatial, joined


class Concat(Layer):
    """Joins the bottoms along one axis.

    concat_param:
        axis: to join along; negative counts from the end; default 1.
        concat_dim: the old name of axis, not negative.

    Bottom: one or more, of one shape except along the axis.
    Top: the sum of their sizes along the axis.
    Raises: NetError if another axis differs, or axis and concat_dim are both given.
    Source: Caffe's ConcatLayer.
    """

    type = "Concat"
    kind = "shape"
    joins = True
    pointwise = True
    num_bottom = (1, None)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        self._axis = positive_axis(self._given_axis(), bottom[0])
        return [merged_axis(bottom, self._axis)]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """Along rows or columns, units of one place would see different ones."""
        return None if is_spatial(self._given_axis()) else joined(fields)

    def _given_axis(self) -> int:
        given = self.param.concat_param
        if given.HasField("axis") and given.HasField("concat_dim"):
            self.complain("concat_param has axis and concat_dim; give axis only")
        return given.concat_dim if given.HasField("concat_dim") else given.axis

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob, view in self._parts(bottom, top[0]):
            scatter(self.device, view, blob.device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for (blob, view), propagate in zip(self._parts(bottom, top[0]), propagate_down, strict=True):
            if propagate:
                gather(self.device, view, top[0].device_diff, blob.mutable_device_diff)

    def _parts(self, bottom: Sequence[Blob], top: Blob) -> list:
        offsets = [0] * len(top.shape)
        parts = []
        for blob in bottom:
            parts.append((blob, box(top.shape, blob.shape, offsets)))
            offsets[self._axis] += blob.shape[self._axis]
        return parts
