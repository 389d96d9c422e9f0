"""Convolution with 3 x 3 windows by Winograd's F(4 x 4, 3 x 3), for wide layers on processors.

A quarter of the products of the plain algorithm, for some more additions: float32 results differ from it by
a few times 1e-6 of the largest. ``kernels/winograd.cl`` has the formulas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.engine.ops.fast_convolution import FastConvolution, launch_spread
from cnnviz.engine.ops.matrix_product import product_of_panels
from cnnviz.engine.ops.plain_convolution import Geometry
from cnnviz.engine.ops.register_tile import tile_of

_CHUNK = 1 << 21
"""Elements of transformed tiles that are worked on at a time, so that they stay in the cache."""

_LEAST_TILES = 256
"""Tiles worked on at a time at least: all transformed weights are read for them."""


def suits(device: Device, geometry: Geometry) -> bool:
    """Whether this algorithm is right for ``geometry`` and saves time."""
    g, w = geometry, geometry.window
    fits = w.kernel == (3, 3) and w.stride == (1, 1) and w.dilation == (1, 1) and g.group == 1
    if not (device.is_cpu and fits and device.dtype == np.float32 and min(g.channels, g.num_output) >= 32):
        return False
    cols = tile_of(device).cols
    tiles = g.num * math.prod(-(-size // 4) for size in w.out_spatial)
    tiles = -(-tiles // cols) * cols
    # In multiplications: what the transformed weights and tiles cost in memory is worth about 55 and 800.
    mine = 36 * g.channels * g.num_output * (tiles + 55) + 800 * (g.channels + g.num_output) * tiles
    return mine < 0.8 * g.num * w.out_count * g.num_output * g.depth


class WinogradConvolution(FastConvolution):
    """Forward and backward_data by Winograd's algorithm; the weights' gradient as in FastConvolution."""

    def forward(self, x: Any, w: Any, bias: Any | None, y: Any) -> None:
        g = self.geometry
        _Pass(self.device, g, pad=g.window.pad).run(x, w, (g.depth, 9, False), bias, y)

    def backward_data(self, dy: Any, w: Any, dx: Any) -> None:
        back, g = self._back.geometry, self.geometry
        _Pass(self.device, back, pad=back.window.pad).run(dy, w, (9, g.depth, True), None, dx)


class _Pass:
    """One convolution from ``channels`` planes to ``num_output``."""

    def __init__(self, device: Device, geometry: Geometry, pad: tuple[int, ...]):
        self.device = device
        self.geometry = geometry
        self.pad = pad
        self.tile = tile_of(device)
        self.tile_rows, self.tile_cols = (-(-size // 4) for size in geometry.window.out_spatial)
        self.plane = 16 * (self.tile_rows + 1) * (self.tile_cols + 1)

    def run(self, x: Any, w: Any, layout: tuple[int, int, bool], bias: Any | None, y: Any) -> None:
        """Computes y; ``layout``: steps from filter to filter and channel to channel of w, turned or not."""
        g = self.geometry
        u = self._weights(w, layout)
        spread = self._spread(x)
        rows = g.num * self.tile_rows
        elements = 36 * (g.channels + g.num_output)
        step = max(1, max(_CHUNK // elements, _LEAST_TILES) // self.tile_cols)
        for first in range(0, rows, step):
            self._rows(first, min(first + step, rows), spread, u, bias, y)

    def _weights(self, w: Any, layout: tuple[int, int, bool]) -> Any:
        g = self.geometry
        u = self.device.scratch(36 * g.num_output * g.channels, "transformed weights")
        size, group = (g.channels, g.num_output), (math.gcd(g.channels, 256), 1)
        self._launch("winograd_weights", size, group, *layout, w, u)
        return u

    def _spread(self, x: Any) -> Any:
        g, planes = self.geometry, self.geometry.num * self.geometry.channels
        slack = 2 * self.tile.lanes
        spread = self.device.scratch(planes * self.plane + slack, "spread image")
        phase = (self.tile_rows + 1, self.tile_cols + 1)
        sizes = (*g.window.spatial, 4, 4, *self.pad, *phase, 4, self.plane, slack)
        launch_spread(self.device, planes, 4, sizes, x, spread)
        return spread

    def _rows(self, first: int, last: int, x: Any, u: Any, bias: Any | None, y: Any) -> None:
        """Makes the tile rows from ``first`` to before ``last``."""
        g, device = self.geometry, self.device
        panels = -(-(last - first) * self.tile_cols // self.tile.cols)
        count = panels * self.tile.cols
        v = device.scratch(36 * g.channels * count, "transformed bottom")
        m = device.scratch(36 * g.num_output * count + self.tile.lanes, "transformed top")
        rows = (first, last, self.tile_rows, self.tile_cols)
        source = (g.channels * self.plane, self.plane, self.tile_cols + 1, x)
        self._launch("winograd_bottom", (g.channels, 1), (1, 1), *rows, panels, *source, v)
        product_of_panels(device, (g.num_output, count, g.channels), u, v, m, 36)
        sizes = (count, *g.window.out_spatial)
        self._launch("winograd_top", (g.num_output, 1), (1, 1), *rows, *sizes, m, bias, y)

    def _launch(self, kernel: str, size: tuple[int, int], group: tuple[int, int], *args: Any) -> None:
        self.device.launch("winograd", kernel, size, *args, local_size=group, defines=self.tile.defines)
