"""Convolution over two spatial axes for processors with vector units.

The image is first spread: padded, and cut into one image per phase of the stride, so that what one tap
of the window sees along a row of the top lies without gaps. From there on every stride is 1, and padding
and dilation are in the table of taps alone. ``kernels/convolution.cl`` has the rest.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.engine.ops.bias import add_bias_gradient
from cnnviz.engine.ops.im2col import Window
from cnnviz.engine.ops.matrix_product import packed
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution
from cnnviz.engine.ops.ranges import worker_count
from cnnviz.engine.ops.register_tile import tile_of
from cnnviz.engine.programs import Defines

_MANY_FILTERS = 96
"""Filters of a group from which the weights' gradient is made by panels."""

_PANEL_PIXELS = 2048
"""Pixels of a panel of taps: 256 KB of floats, which stay in a core's cache."""

_FILTERS = 4
"""A_LINES of register_tile.h, but 1 where a group has no more."""


def suits(device: Device, geometry: Geometry) -> bool:
    """Whether this algorithm is for ``geometry``: a CPU, one or two spatial axes, enough pixels."""
    pixels = geometry.num * geometry.window.out_count
    return device.is_cpu and len(geometry.window.spatial) <= 2 and pixels >= tile_of(device).lanes // 2


class _Spread:
    """The image as the kernels expect it, and where the taps find their pixels in it.

    Attributes:
        rows, cols: size of one phase's image.
        plane: elements of one channel.
        slack: zeros after the last channel, so that whole vectors can be read.
    """

    def __init__(self, device: Device, geometry: Geometry, turned: bool):
        self.device = device
        self.window = w = geometry.window
        self.planes = geometry.num * geometry.channels
        spans = w.extent
        self.phases = tuple(min(s, span) for s, span in zip(w.stride, spans, strict=True))
        self.rows, self.cols = (
            -(-((out - 1) * s + span) // s)
            for out, s, span in zip(w.out_spatial, w.stride, spans, strict=True)
        )
        self.plane = math.prod(self.phases) * self.rows * self.cols
        self.is_plain = self.phases == (1, 1) and not w.is_padded and (self.rows, self.cols) == w.spatial
        # Rows read past the last are DEEP - 1 of convolve_planes, or one and a vector of weight_gradient.
        self.slack = 4 * self.cols + 2 * tile_of(device).lanes
        taps = self._taps(geometry.group_channels, turned)
        self.last_tap = int(taps.max())
        self.taps = device.upload(taps, "taps")

    def _taps(self, channels: int, turned: bool) -> np.ndarray:
        """Offsets of the taps (c, kh, kw) of one group in the spread image; (c, -kh, -kw) if ``turned``."""
        w = self.window
        reach_h, reach_w = (np.arange(k) * d for k, d in zip(w.kernel, w.dilation, strict=True))
        phase = (reach_h % w.stride[0] * self.phases[1])[:, None] + reach_w % w.stride[1]
        inside = (reach_h // w.stride[0] * self.cols)[:, None] + reach_w // w.stride[1]
        tap = (phase * (self.rows * self.cols) + inside).ravel()
        tap = tap[::-1] if turned else tap
        return (np.arange(channels)[:, None] * self.plane + tap).ravel().astype(np.int32)

    def make(self, x: Any) -> tuple[Any, int]:
        """Returns the spread image and its length in elements."""
        count = self.planes * self.plane + self.slack
        spread = self.device.scratch(count, "spread image")
        w = self.window
        sizes = (*w.spatial, *w.stride, *w.pad, self.rows, self.cols, self.phases[1], self.plane, self.slack)
        launch_spread(self.device, self.planes, self.phases[0], sizes, x, spread)
        return spread, count

    def take(self, x: Any) -> tuple[Any, int]:
        """Returns x itself where nothing has to be spread, otherwise the spread image."""
        return (x, self.planes * self.plane) if self.is_plain else self.make(x)


def launch_spread(
    device: Device, planes: int, phases_h: int, sizes: tuple[int, ...], x: Any, spread: Any
) -> None:
    """Copies ``planes`` planes of x; ``sizes`` are the kernel's arguments from height to slack."""
    size, args = (min(planes, worker_count(device)), phases_h), (planes, *sizes, x, spread)
    defines = tile_of(device).defines
    device.launch("convolution", "spread", size, *args, local_size=(1, 1), defines=defines)


class FastConvolution(PlainConvolution):
    """Convolution over one or two spatial axes on a CPU, to the interface of PlainConvolution.

    Args:
        turned: whether the filters are turned by 180 degrees, as backward_data needs them.
    """

    def __init__(self, device: Device, geometry: Geometry, turned: bool = False):
        super().__init__(device, geometry)
        self._turned = turned
        self._flat = _with_two_axes(geometry)
        self._tile = tile_of(device)
        self._is_depthwise = geometry.group_channels == geometry.group_output == 1

    @functools.cached_property
    def _spread(self) -> _Spread:
        return _Spread(self.device, self._flat, self._turned)

    @functools.cached_property
    def _back(self) -> FastConvolution:
        """The convolution of dy with turned filters that gives dx, for stride 1."""
        g, w = self._flat, self._flat.window
        pad, end = (
            tuple(extent - 1 - p for extent, p in zip(w.extent, pads, strict=True)) for pads in (w.pad, w.end)
        )
        window = Window(w.out_spatial, w.kernel, w.stride, pad, w.dilation, end)
        back = Geometry(g.num, g.num_output, window, g.group, g.channels)
        return FastConvolution(self.device, back, turned=True)

    def forward(self, x: Any, w: Any, bias: Any | None, y: Any) -> None:
        if self._is_depthwise:
            self._convolve_planes(x, w, bias, y)
            return
        g, rows = self.geometry, self._tile.rows
        if g.group_output < rows:  # a tile needs so many, be they zero
            panels = packed(self.device, "weights", (g.group_output, g.depth), rows, w, g.group)
            weights = (panels, *self._panel_layout())
        else:
            weights = (w, g.group_output * g.depth, g.depth, g.depth, 1, g.group_output - rows)
        self._convolve(x, weights, bias, y)

    def _panel_layout(self) -> tuple[int, ...]:
        """The kernel's arguments after packed weights: elements per group, filter, row, tap; no last tile."""
        g, rows = self.geometry, self._tile.rows
        return -(-g.group_output // rows) * rows * g.depth, g.depth, 1, rows, g.group_output

    def backward_data(self, dy: Any, w: Any, dx: Any) -> None:
        if set(self._flat.window.stride) != {1}:
            if self._is_depthwise:
                self._paint(self.geometry.num * self.geometry.channels, dy, w, dx, 0)
            else:
                super().backward_data(dy, w, dx)
        elif self._is_depthwise:
            self._back._convolve_planes(dy, w, None, dx)
        else:
            self._back._convolve(dy, (self._exchanged(w), *self._back._panel_layout()), None, dx)

    def _exchanged(self, w: Any) -> Any:
        """Returns the weights with bottom and top exchanged, in panels."""
        g, rows = self.geometry, self._tile.rows
        panel_count = -(-g.group_channels // rows)
        depth = g.group_output * g.window.kernel_count
        panels = self.device.scratch(g.group * panel_count * rows * depth, "packed weights")
        sizes = (g.group_channels, g.group_output, g.window.kernel_count)
        self._launch("pack_exchanged", (panel_count, g.group), *sizes, w, panels)
        return panels

    def _add_columns(self, column: Any, dx: Any, plane: int, planes: int) -> None:
        self._paint(planes, column, None, dx, plane)

    def _paint(self, planes: int, source: Any, w: Any | None, dx: Any, plane_offset: int) -> None:
        window = self._flat.window
        moves = (*window.kernel, *window.stride, *window.pad, *window.dilation)
        sizes = (*window.spatial, *moves, *window.out_spatial, self.geometry.channels)
        self._launch("paint", (planes,), *sizes, source, w, dx, plane_offset)

    def backward_weights(self, x: Any, dy: Any, dw: Any | None, db: Any | None) -> None:
        g, window = self.geometry, self._flat.window
        if db is not None:
            add_bias_gradient(self.device, g.num, g.num_output, window.out_count, dy, db)
        if dw is None:
            return
        # Copying a panel of taps pays with many filters; adding up lanes only with many pixels.
        if g.group_output >= _MANY_FILTERS or (
            g.group_output >= 2 * self._tile.rows and window.out_count <= 64
        ):
            self._weights_by_panels(x, dy, dw)
        else:
            self._weights_by_lanes(x, dy, dw)

    def _weights_by_panels(self, x: Any, dy: Any, dw: Any) -> None:
        g, window, spread, tile = self.geometry, self._flat.window, self._spread, self._tile
        image, _ = spread.take(x)
        parts, workers = self._cut(-(-g.depth // tile.cols))
        block = min(g.num, max(1, _PANEL_PIXELS // window.out_count))
        work = self.device.scratch(g.group * workers * block * window.out_count * tile.cols, "tap panels")
        sizes = (g.depth, g.num, block, *window.out_spatial, g.group_output, parts)
        source = (image, g.channels * spread.plane, g.group_channels * spread.plane, spread.cols)
        size = (workers, g.group)
        self._launch("weight_gradient_panels", size, *sizes, *source, spread.taps, dy, dw, work)

    def _weights_by_lanes(self, x: Any, dy: Any, dw: Any) -> None:
        g, window, spread = self.geometry, self._flat.window, self._spread
        filters = _FILTERS if g.group_output > 1 else 1
        # Rows of dy get the width of the spread image's, with zeros after.
        length = -(-window.out_spatial[0] * spread.cols // self._tile.lanes) * self._tile.lanes
        planes = g.num * g.num_output
        wide = self.device.scratch(planes * length, "wide gradient")
        height, width = window.out_spatial
        sizes = (height, width, 1, 1, 0, 0, height, spread.cols, 1, length, 0)
        launch_spread(self.device, planes, 1, sizes, dy, wide)
        image, _ = spread.make(x)
        size = (-(-g.depth // (self._tile.rows - 2)), -(-g.group_output // filters), g.group)
        source = (image, g.channels * spread.plane, g.group_channels * spread.plane, spread.taps)
        args = (g.depth, g.num, g.group_output, length, *source, wide, length, dw)
        self._launch("weight_gradient", size, *args, defines=(("A_LINES", filters),))

    def _convolve(self, x: Any, weights: tuple[Any, ...], bias: Any | None, y: Any) -> None:
        g, window, spread, tile = self.geometry, self._flat.window, self._spread, self._tile
        image, count = spread.take(x)
        parts, workers = self._cut(-(-g.num * window.out_count // tile.cols))
        work = self.device.scratch(g.group * workers * (g.depth * tile.cols + tile.lanes), "pixel panels")
        sizes = (g.depth, g.num, window.out_count, window.out_spatial[1], g.group_output, parts)
        source = (image, count, g.channels * spread.plane, g.group_channels * spread.plane, spread.cols)
        taps = (spread.taps, spread.last_tap)
        self._launch("convolve", (workers, g.group), *sizes, *source, *taps, *weights, bias, y, work)

    def _cut(self, panels: int) -> tuple[int, int]:
        """Returns parts of the filters, so that few panels still feed all cores, and work items."""
        g = self.geometry
        tiles = -(-g.group_output // self._tile.rows)
        needed = -(-4 * self.device.info.units // (panels * g.group))
        parts = max(1, min(needed, tiles // 4))
        return parts, min(panels * parts, -(-worker_count(self.device) // g.group))

    def _convolve_planes(self, x: Any, w: Any, bias: Any | None, y: Any) -> None:
        g, window, spread = self.geometry, self._flat.window, self._spread
        image, _ = spread.make(x)
        sizes = (g.channels, window.kernel_count, *window.out_spatial)
        source = (image, spread.plane, spread.cols, spread.taps)
        self._launch("convolve_planes", (g.num * g.channels,), *sizes, *source, w, bias, y)

    def _launch(self, kernel: str, size: tuple[int, ...], *args: Any, defines: Defines = ()) -> None:
        """Launches a kernel whose work items are groups of their own."""
        single, defines = (1,) * len(size), (*self._tile.defines, *defines)
        self.device.launch("convolution", kernel, size, *args, local_size=single, defines=defines)


def _with_two_axes(geometry: Geometry) -> Geometry:
    """Returns the geometry with an axis of one pixel in front if it has but one."""
    w = geometry.window
    if len(w.spatial) == 2:
        return geometry
    window = Window(
        spatial=(1, *w.spatial),
        kernel=(1, *w.kernel),
        stride=(1, *w.stride),
        pad=(0, *w.pad),
        dilation=(1, *w.dilation),
        end=(0, *w.end),
    )
    return dataclasses.replace(geometry, window=window)
