"""Pad and CropCenter: borders put around a blob or cut from it."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import Rearrangement, refuse_in_place
from cnnviz.engine.ops.views import box, gather, scatter
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Pad(Layer):
    """Puts a border of one value around the bottom.

    pad_param:
        paddings: for each axis the number of elements before and the number after.
        constant_values: the value; default 0.

    Bottom: one of any shape.
    Top: longer by the paddings.
    Raises: NetError if there are not two paddings for each axis.
    Source: Synopsys' fork of Caffe, which has no gradient; checked against it.
    """

    type = "Pad"
    kind = "shape"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, paddings = bottom[0], list(self.param.pad_param.paddings)
        if len(paddings) != 2 * len(shape):
            raise NetError(f"pad_param has {len(paddings)} paddings, expected {2 * len(shape)} for {shape}")
        self._before = paddings[::2]
        return [tuple(a + size + b for a, size, b in zip(self._before, shape, paddings[1::2], strict=True))]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        before = self.param.pad_param.paddings[::2]
        return fields[0].moved((-before[2], -before[3])) if fields[0] and len(before) == 4 else None

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].fill_data(self.param.pad_param.constant_values)
        view = box(top[0].shape, bottom[0].shape, self._before)
        scatter(self.device, view, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            view = box(top[0].shape, bottom[0].shape, self._before)
            gather(self.device, view, top[0].device_diff, bottom[0].mutable_device_diff)


class CropCenter(Rearrangement):
    """Cuts the same number of elements from both ends of each axis.

    crop_center_param:
        crop_size: for each axis the number cut from either end; missing ones are 0.

    Bottom: one of any shape.
    Top: shorter by twice the crop sizes; what is cut off gets the gradient 0.
    Raises: NetError if nothing is left of an axis, or there are more crop sizes than axes.
    Source: lltcggie's fork of Caffe, for waifu2x; checked against it.
    """

    type = "CropCenter"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, cut = bottom[0], list(self.param.crop_center_param.crop_size)
        if len(cut) > len(shape):
            raise NetError(f"crop_center_param has {len(cut)} crop sizes for a bottom of shape {shape}")
        cut += [0] * (len(shape) - len(cut))
        top = tuple(size - 2 * c for size, c in zip(shape, cut, strict=True))
        if any(size < 1 for size in top):
            raise NetError(f"crop sizes {cut} leave nothing of a bottom of shape {shape}")
        self.view = box(shape, top, cut)
        return [top]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        cut = [*self.param.crop_center_param.crop_size, 0, 0, 0, 0]
        return fields[0].moved((cut[2], cut[3])) if fields[0] else None

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            bottom[0].clear_diff()
        super().backward(top, propagate_down, bottom)
