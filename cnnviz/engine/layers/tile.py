"""Tile: copies of a blob, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.views import View, gather
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes, is_spatial
from cnnviz.errors import NetError


class Tile(Layer):
    """Repeats the bottom along an axis.

    tile_param:
        axis: to repeat along; negative counts from the end; default 1.
        tiles: number of copies, at least 1.

    Bottom: one of any shape.
    Top: tiles times as long along the axis; its gradient is summed over the copies.
    Raises: NetError if tiles is not positive.
    Source: Caffe's TileLayer.
    """

    type = "Tile"
    kind = "shape"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, given = bottom[0], self.param.tile_param
        self._axis = axis = positive_axis(given.axis, shape)
        if given.tiles < 1:
            raise NetError(f"tile_param.tiles is {given.tiles}, expected at least 1")
        return [(*shape[:axis], shape[axis] * given.tiles, *shape[axis + 1 :])]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return None if is_spatial(self.param.tile_param.axis) else fields[0]

    def _sizes(self, bottom: Blob) -> tuple[int, int, int]:
        """Returns (outer, tiles, inner): the top's shape if bottom is (outer, inner)."""
        outer = math.prod(bottom.shape[: self._axis])
        return outer, self.param.tile_param.tiles, math.prod(bottom.shape[self._axis :])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        sizes = self._sizes(bottom[0])
        view = View.of(sizes, (sizes[2], 0, 1))
        gather(self.device, view, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        outer, tiles, inner = self._sizes(bottom[0])
        size, options = row_range(inner, outer)
        dx = bottom[0].mutable_device_diff
        self.launch("tile_backward", size, outer, tiles, inner, top[0].device_diff, dx, **options)
