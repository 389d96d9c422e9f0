"""Convolution of any geometry on any device, as im2col and matrix products."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cnnviz.engine.blob import MAX_COUNT
from cnnviz.engine.device import Device
from cnnviz.engine.ops.bias import add_bias, add_bias_gradient
from cnnviz.engine.ops.im2col import Im2col, Window
from cnnviz.engine.ops.matrix_product import Matrix, matrix_product


@dataclass(frozen=True)
class Geometry:
    """What a convolution looks like.

    Attributes:
        num: images.
        channels: of the bottom.
        window: image size, kernel, stride, pad, dilation per spatial axis.
        group: parts into which the channels of bottom and top are cut.
        num_output: channels of the top.
    """

    num: int
    channels: int
    window: Window
    group: int
    num_output: int

    @property
    def group_channels(self) -> int:
        return self.channels // self.group

    @property
    def group_output(self) -> int:
        return self.num_output // self.group

    @property
    def depth(self) -> int:
        """Products summed in one element of the top."""
        return self.group_channels * self.window.kernel_count


@dataclass(frozen=True)
class _Part:
    """``groups`` groups from ``group`` on, of each the ``channels`` channels from ``channel`` on."""

    geometry: Geometry
    group: int
    groups: int
    channel: int
    channels: int

    @property
    def depth(self) -> int:
        """Rows of one group's column matrix."""
        return self.channels * self.geometry.window.kernel_count

    @property
    def plane(self) -> int:
        """The first plane of the bottom's image."""
        return self.group * self.geometry.group_channels + self.channel

    @property
    def planes(self) -> int:
        return self.groups * self.channels

    @property
    def w_offset(self) -> int:
        """Where its weights begin."""
        g = self.geometry
        return self.group * g.group_output * g.depth + self.channel * g.window.kernel_count


class PlainConvolution:
    """Forward and both gradients of one convolution.

    Shapes: x, dx (num, channels, *spatial); w, dw (num_output, channels/group, *kernel); bias, db
    (num_output); y, dy (num, num_output, *out_spatial).
    """

    def __init__(self, device: Device, geometry: Geometry):
        self.device = device
        self.geometry = geometry
        window = geometry.window
        self._columns = Im2col(device, window)
        # The image is its own column matrix where the window is one pixel that moves by one.
        self._is_pointwise = window.kernel_count == 1 and not window.is_padded and set(window.stride) == {1}
        # Elements of one group's part of weights and top.
        self._w_step = geometry.group_output * geometry.depth
        self._y_step = geometry.group_output * window.out_count

    def forward(self, x: Any, w: Any, bias: Any | None, y: Any) -> None:
        """Computes y = w * x + bias."""
        g, out_count = self.geometry, self.geometry.window.out_count
        for n, part in self._each_part():
            column = self._column_of(x, n, part)
            matrix_product(
                self.device,
                (g.group_output, out_count, part.depth),
                self._weights_of(w, part),
                column,
                self._part_of(y, n, part),
                beta=1.0 if part.channel else 0.0,
                batch=part.groups,
            )
        if bias is not None:
            add_bias(self.device, g.num, g.num_output, out_count, bias, y)

    def backward_data(self, dy: Any, w: Any, dx: Any) -> None:
        """Overwrites dx with the gradient by x."""
        g, out_count = self.geometry, self.geometry.window.out_count
        for n, part in self._each_part():
            column = self._columns_in(dx, n, part) if self._is_pointwise else self._work(part)
            matrix_product(
                self.device,
                (part.depth, out_count, g.group_output),
                self._weights_of(w, part, transposed=True),
                self._part_of(dy, n, part),
                column,
                batch=part.groups,
            )
            if not self._is_pointwise:
                self._add_columns(column.buffer, dx, n * g.channels + part.plane, part.planes)

    def backward_weights(self, x: Any, dy: Any, dw: Any | None, db: Any | None) -> None:
        """Adds to dw and db the gradients by w and bias; None omits one."""
        g, out_count = self.geometry, self.geometry.window.out_count
        if db is not None:
            add_bias_gradient(self.device, g.num, g.num_output, out_count, dy, db)
        for n, part in self._each_part() if dw is not None else ():
            column = self._column_of(x, n, part)
            matrix_product(
                self.device,
                (g.group_output, part.depth, out_count),
                self._part_of(dy, n, part),
                column._replace(transposed=True),
                self._weights_of(dw, part),
                beta=1.0,
                batch=part.groups,
            )

    def _each_part(self) -> Iterator[tuple[int, _Part]]:
        """Gives each image with each part of its channels whose column matrix fits the device."""
        return ((n, part) for n in range(self.geometry.num) for part in self._parts)

    @functools.cached_property
    def _parts(self) -> list[_Part]:
        g, window = self.geometry, self.geometry.window
        limit = min(self.device.piece_limit // self.device.dtype.itemsize, MAX_COUNT)
        fitting = max(1, limit // max(1, window.kernel_count * window.out_count))
        if self._is_pointwise or g.channels <= fitting:
            return [_Part(g, 0, g.group, 0, g.group_channels)]
        return [
            _Part(g, group, 1, first, min(fitting, g.group_channels - first))
            for group in range(g.group)
            for first in range(0, g.group_channels, fitting)
        ]

    # Each of these gives the matrix of the first group of a part; the others follow by its step.

    def _weights_of(self, w: Any, part: _Part, transposed: bool = False) -> Matrix:
        """The filters' values (group_output, depth) for the channels of ``part``."""
        return Matrix(w, part.w_offset, self.geometry.depth, self._w_step, transposed)

    def _part_of(self, y: Any, n: int, part: _Part) -> Matrix:
        """Image ``n`` of the top (group_output, out_count)."""
        start = n * self.geometry.num_output * self.geometry.window.out_count + part.group * self._y_step
        return Matrix(y, start, step=self._y_step)

    def _columns_in(self, x: Any, n: int, part: _Part) -> Matrix:
        """Image ``n`` of the bottom as its own column matrix (depth, out_count)."""
        g = self.geometry
        start = (n * g.channels + part.plane) * g.window.in_count
        return Matrix(x, start, step=part.depth * g.window.out_count)

    def _column_of(self, x: Any, n: int, part: _Part) -> Matrix:
        """The column matrix (depth, out_count) of a part of image ``n``."""
        image = self._columns_in(x, n, part)
        if self._is_pointwise:
            return image
        column = self._work(part)
        self._columns.im2col(part.planes, x, column.buffer, image.offset)
        return column

    def _add_columns(self, column: Any, dx: Any, plane: int, planes: int) -> None:
        """Overwrites planes of dx: each pixel with the sum of what the column matrix has for it."""
        self._columns.col2im(planes, column, dx, plane * self.geometry.window.in_count)

    def _work(self, part: _Part) -> Matrix:
        step = part.depth * self.geometry.window.out_count
        return Matrix(self.device.scratch(part.groups * step, "columns"), step=step)
