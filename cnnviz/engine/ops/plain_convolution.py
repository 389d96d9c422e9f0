"""Convolution of any geometry on any device, as im2col and matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cnnviz.engine.device import Device
from cnnviz.engine.ops.bias import add_bias, add_bias_gradient
from cnnviz.engine.ops.im2col import Im2col, Window
from cnnviz.engine.ops.matrix_product import matrix_product


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
        self._column_count = geometry.channels * window.kernel_count * window.out_count
        # The image is its own column matrix where the window is one pixel that moves by one.
        self._is_pointwise = window.kernel_count == 1 and not window.is_padded and set(window.stride) == {1}
        # Elements of one group's part of weights, column matrix and top.
        self._w_step = geometry.group_output * geometry.depth
        self._column_step = geometry.depth * window.out_count
        self._y_step = geometry.group_output * window.out_count

    def forward(self, x: Any, w: Any, bias: Any | None, y: Any) -> None:
        """Computes y = w * x + bias."""
        g, out_count = self.geometry, self.geometry.window.out_count
        for n in range(g.num):
            column, start = self._column_of(x, n)
            matrix_product(
                self.device,
                *(g.group_output, out_count, g.depth),
                *(w, column, y),
                b_offset=start,
                c_offset=n * g.num_output * out_count,
                batch=g.group,
                a_step=self._w_step,
                b_step=self._column_step,
                c_step=self._y_step,
            )
        if bias is not None:
            add_bias(self.device, g.num, g.num_output, out_count, bias, y)

    def backward_data(self, dy: Any, w: Any, dx: Any) -> None:
        """Overwrites dx with the gradient by x."""
        g, out_count = self.geometry, self.geometry.window.out_count
        for n in range(g.num):
            start = n * g.channels * g.window.in_count
            column, column_start = (dx, start) if self._is_pointwise else (self._work(), 0)
            matrix_product(
                self.device,
                *(g.depth, out_count, g.group_output),
                *(w, dy, column),
                transpose_a=True,
                b_offset=n * g.num_output * out_count,
                c_offset=column_start,
                batch=g.group,
                a_step=self._w_step,
                b_step=self._y_step,
                c_step=self._column_step,
            )
            if not self._is_pointwise:
                self._add_columns(column, dx, n)

    def backward_weights(self, x: Any, dy: Any, dw: Any | None, db: Any | None) -> None:
        """Adds to dw and db the gradients by w and bias; None leaves one out."""
        g, out_count = self.geometry, self.geometry.window.out_count
        if db is not None:
            add_bias_gradient(self.device, g.num, g.num_output, out_count, dy, db)
        for n in range(g.num) if dw is not None else ():
            column, start = self._column_of(x, n)
            matrix_product(
                self.device,
                *(g.group_output, g.depth, out_count),
                *(dy, column, dw),
                transpose_b=True,
                beta=1.0,
                a_offset=n * g.num_output * out_count,
                b_offset=start,
                batch=g.group,
                a_step=self._y_step,
                b_step=self._column_step,
                c_step=self._w_step,
            )

    def _column_of(self, x: Any, n: int) -> tuple[Any, int]:
        """Returns the column matrix of image ``n`` and where it begins."""
        g = self.geometry
        start = n * g.channels * g.window.in_count
        if self._is_pointwise:
            return x, start
        column = self._work()
        self._columns.im2col(g.channels, x, column, start)
        return column, 0

    def _add_columns(self, column: Any, dx: Any, n: int) -> None:
        """Overwrites image ``n`` of dx: each pixel with the sum of what the column matrix has for it."""
        g = self.geometry
        self._columns.col2im(g.channels, column, dx, n * g.channels * g.window.in_count)

    def _work(self) -> Any:
        return self.device.scratch(self._column_count, "columns")
