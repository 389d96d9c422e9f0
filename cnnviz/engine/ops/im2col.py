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
    """

    spatial: Axes
    kernel: Axes
    stride: Axes
    pad: Axes
    dilation: Axes

    @functools.cached_property
    def out_spatial(self) -> Axes:
        """Positions of the window along each axis: floor((H + 2p - (d(k-1)+1)) / s) + 1."""
        return tuple(
            (size + 2 * p - (d * (k - 1) + 1)) // s + 1
            for size, k, s, p, d in zip(
                self.spatial, self.kernel, self.stride, self.pad, self.dilation, strict=True
            )
        )

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
