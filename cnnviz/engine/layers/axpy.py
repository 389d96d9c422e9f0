"""Axpy: a factor for each channel, and a sum, in one."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.add import add
from cnnviz.engine.ops.channels import Channels
from cnnviz.errors import NetError


class Axpy(Layer):
    """y[n, c, ...] = a[n, c] x[n, c, ...] + z[n, c, ...]

    Bottom: a (N, C) or (N, C, 1, 1); x (N, C, ...); z of x's shape.
    Top: of x's shape.
    Raises: NetError if the shapes do not fit.
    Source: Hu et al. 2018 (SENet's fork of Caffe).
    Checked: against SENet's fork.
    """

    type = "Axpy"
    kind = "arithmetic"
    joins = True
    pointwise = True
    num_bottom = (3, 3)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        a, x, z = bottom
        if len(x) < 2 or a[:2] != x[:2] or any(size != 1 for size in a[2:]):
            raise NetError(f"bottom 0 is {a}, expected one factor for each channel of bottom 1, which is {x}")
        if z != x:
            raise NetError(f"bottom 2 is {z}, bottom 1 is {x}; they must be equal")
        return [x]

    def _channels(self, bottom: Sequence[Blob]) -> Channels:
        return Channels.of(self.device, bottom[1].shape, 0, 2)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        a, x, z = (blob.device_data for blob in bottom)
        y = top[0].mutable_device_data
        self._channels(bottom).affine(x, y, factor=a)
        add(self.device, top[0].count, y, z, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels, dy = self._channels(bottom), top[0].device_diff
        if propagate_down[0]:
            channels.sums(dy, bottom[1].device_data, bottom[0].mutable_device_diff)
        if propagate_down[1]:
            channels.affine(dy, bottom[1].mutable_device_diff, factor=bottom[0].device_data)
        if propagate_down[2]:
            bottom[2].copy_diff_from(top[0])
