"""What layers share that have one constant for each place along some axes of the bottom."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.device import Device
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.ops.channels import Channels
from cnnviz.errors import NetError


class Span:
    """The axes of bottom 0 along which the constants vary; over the others they are repeated.

    Attributes:
        axis: the first of them.
        shape: their sizes, which is the shape of the constants; () is one constant for all.
    """

    def __init__(self, bottom: Sequence[Shape], axis: int, num_axes: int):
        """Takes num_axes axes of bottom 0 from axis (-1: all), or those that bottom 1 covers."""
        whole = bottom[0]
        if len(bottom) > 1:
            num_axes = len(bottom[1])
        if num_axes < -1:
            raise NetError(f"num_axes is {num_axes}, expected -1 (all from axis) or more")
        self.axis = positive_axis(axis, whole) if num_axes != 0 else 0
        end = len(whole) if num_axes == -1 else self.axis + num_axes
        if end > len(whole):
            raise NetError(f"axis {axis} and {num_axes} more axes reach beyond a bottom of shape {whole}")
        self.shape: Shape = tuple(whole[self.axis : end])
        if len(bottom) > 1 and bottom[1] != self.shape:
            raise NetError(
                f"bottom 1 is {bottom[1]}, bottom 0 of shape {whole} has {self.shape} from axis {self.axis}"
            )

    def channels(self, device: Device, shape: Shape) -> Channels:
        end = self.axis + len(self.shape)
        outer, inner = math.prod(shape[: self.axis]), math.prod(shape[end:])
        if not self.shape:
            outer, inner = 1, outer * inner
        return Channels(device, outer, math.prod(self.shape), inner)
