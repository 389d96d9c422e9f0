"""UpsampleDarknet: every pixel repeated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.engine.layers._resizing import Resizing
from cnnviz.engine.receptive_field import Place, nearest, proportional
from cnnviz.errors import NetError


class UpsampleDarknet(Resizing):
    """y[i, j] = x[i // stride, j // stride]: every pixel repeated

    upsample_darknet_param:
        stride: number of copies in each direction; default 1.

    Bottom: x (N, C, H, W).
    Top: y (N, C, stride H, stride W).
    Raises: NetError for a stride below 1.
    Source: Darknet's upsample layer (YOLOv3); Synopsys' fork of Caffe. Checked against that fork.
    """

    type = "UpsampleDarknet"
    mixes = False

    def out_size(self, axis: int, size: int, shapes: Sequence[Shape]) -> int:
        stride = self.param.upsample_darknet_param.stride
        if stride < 1:
            raise NetError(f"stride is {stride}; give at least 1")
        return size * stride

    def place(self, axis: int, size: int, out: int) -> Place:
        return nearest(proportional(size, out, False))

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        return np.arange(out) // self.param.upsample_darknet_param.stride
