"""Crop: a box cut out of a blob, of the size of another."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, positive_axis
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.views import box, gather, scatter
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Crop(Layer):
    """Cuts bottom 0 to the size of bottom 1 along the axes from axis on.

    crop_param:
        axis: first axis that is cut; negative counts from the end; default 2.
        offset: where the box begins, in elements: one for all cut axes, or one for each; default 0.

    Bottom: the blob to cut, and one whose sizes are taken (its values are not used).
    Top: bottom 0's sizes before axis, bottom 1's from it.
    Raises: NetError if the box does not lie inside bottom 0, or the number of offsets is wrong.
    Source: Caffe's CropLayer.
    """

    type = "Crop"
    kind = "shape"
    size_bottom = 1
    num_bottom = (2, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        whole, target = bottom
        given = self.param.crop_param
        start = positive_axis(given.axis, whole)
        if len(target) != len(whole):
            raise NetError(f"bottoms are {whole} and {target}; they must have the same number of axes")
        cut = len(whole) - start
        offsets = list(given.offset) or [0]
        if len(offsets) not in (1, cut):
            raise NetError(
                f"crop_param has {len(offsets)} offsets for {cut} cut axes; give one, or one for each"
            )
        self._offsets = [0] * start + (offsets * cut if len(offsets) == 1 else offsets)
        top = (*whole[:start], *target[start:])
        for axis in range(start, len(whole)):
            if self._offsets[axis] + top[axis] > whole[axis]:
                raise NetError(
                    f"{top[axis]} elements from {self._offsets[axis]} on reach beyond axis {axis} "
                    f"of bottom 0, which is {whole}"
                )
        return [top]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """A crop moves the first unit by its offsets."""
        given = self.param.crop_param
        axis, offsets = given.axis % 4, list(given.offset) or [0]
        if fields[0] is None or (bottom[0] is not None and len(bottom[0]) != 4):
            return None
        if len(offsets) not in (1, 4 - axis):
            return None
        before = [0] * axis + (offsets * (4 - axis) if len(offsets) == 1 else offsets)
        return fields[0].moved((before[2], before[3]))

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        view = box(bottom[0].shape, top[0].shape, self._offsets)
        gather(self.device, view, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        for blob, propagate in zip(bottom, propagate_down, strict=True):
            if propagate:
                blob.clear_diff()
        if propagate_down[0]:
            view = box(bottom[0].shape, top[0].shape, self._offsets)
            scatter(self.device, view, top[0].device_diff, bottom[0].mutable_device_diff)
