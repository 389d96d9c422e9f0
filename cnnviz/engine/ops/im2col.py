"""Windows of images as matrix columns (im2col) and back (col2im), in any number of spatial axes."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnviz.engine.device import Device

Axes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """How a window moves over the spatial axes; every tuple has one entry per axis, in pixels.

    Attributes:
        spatial: the image's size.
        kernel, stride, pad, dilation: Caffe's parameters.
        end: the pad after the image, where it is not that before it.
    """

    spatial: Axes
    kernel: Axes
    stride: Axes
    pad: Axes
    dilation: Axes
    end: Axes = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", self.end or self.pad)

    @functools.cached_property
    def out_spatial(self) -> Axes:
        """Positions of the window along each axis: floor((H + pads - (d(k-1)+1)) / s) + 1."""
        return tuple(
            (size + before + after - extent) // s + 1
            for size, before, after, extent, s in zip(
                self.spatial, self.pad, self.end, self.extent, self.stride, strict=True
            )
        )

    @property
    def extent(self) -> Axes:
        """What the window covers, with the gaps of dilation: d(k-1)+1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    @property
    def is_padded(self) -> bool:
        return any(self.pad + self.end)

    @functools.cached_property
    def in_count(self) -> int:
        """Pixels of the image."""
        return math.prod(self.spatial)

    @functools.cached_property
    def kernel_count(self) -> int:
        """Pixels of the window."""
        return math.prod(self.kernel)

    @functools.cached_property
    def out_count(self) -> int:
        """Positions of the window."""
        return math.prod(self.out_spatial)


def same_pads(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Returns the pads before and after an axis by TensorFlow's rule SAME: ceil(size / stride) windows."""
    both = max(kernel - (size % stride or stride), 0)
    return both // 2, both - both // 2


class Im2col:
    """im2col and col2im of one window on one device."""

    def __init__(self, device: Device, window: Window):
        self.device = device
        self.window = window
        rows = zip(
            window.spatial,
            window.kernel,
            window.stride,
            window.pad,
            window.dilation,
            window.out_spatial,
            strict=True,
        )
        self._axes = device.upload(np.array(list(rows), np.int32), "window")
        self._defines = (("AXES", len(window.spatial)),)

    def im2col(self, planes: int, x: Any, col: Any, x_offset: int = 0) -> None:
        """Writes col (planes * kernel_count, out_count) from ``planes`` planes of x.

        Planes are images times channels; a plane's rows of col follow each other.
        """
        count = planes * self.window.kernel_count * self.window.out_count
        self.device.launch(
            "im2col", "im2col", count, count, self._axes, x, x_offset, col, defines=self._defines
        )

    def col2im(self, planes: int, col: Any, dx: Any, dx_offset: int = 0) -> None:
        """Overwrites ``planes`` planes of dx with the sums of what im2col would spread."""
        count = planes * self.window.in_count
        self.device.launch(
            "im2col", "col2im", count, count, self._axes, col, dx, dx_offset, defines=self._defines
        )
