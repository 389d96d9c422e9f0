"""Pooling windows and the launches over them, for Pooling and SPP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from cnnviz.engine.blob import MAX_COUNT
from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError


class Window(NamedTuple):
    """Planes of ``height`` x ``width`` pooled to ``pooled_h`` x ``pooled_w``; the kernels' arguments.

    ``pad_h`` rows of padding lie before the first row, ``end_h`` after the last one.
    """

    height: int
    width: int
    pooled_h: int
    pooled_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    pad_h: int
    pad_w: int
    end_h: int
    end_w: int

    @property
    def pooled_count(self) -> int:
        return self.pooled_h * self.pooled_w


def pooling_window(
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    pad: tuple[int, int],
    ceil: bool = True,
    end: tuple[int, int] | None = None,
    complain: Callable[[str], None] | None = None,
) -> Window:
    """Returns the window for planes of ``size``; all pairs are (height, width).

    ``end`` is the pad after the plane, by default that before it. ``complain`` is called where a pad is not
    less than its kernel; default: that raises NetError.

    Raises NetError if nothing remains of the plane, or sizes are beyond
    counting.
    """
    end = pad if end is None else end
    reach = [size[i] + pad[i] + end[i] + kernel[i] + stride[i] for i in range(2)]
    if max(reach) > MAX_COUNT:
        raise NetError(f"kernel, stride and pad can span {MAX_COUNT} pixels at most")
    for axis, kernel_size, pad_size in zip(("height", "width"), kernel, pad, strict=True):
        if pad_size >= kernel_size:
            reason = f"pad {pad_size} is not less than the kernel's {axis} {kernel_size}: "
            (complain or _refuse)(reason + "some windows would hold padding alone")
    pooled = [_pooled(size[i], kernel[i], stride[i], pad[i], end[i], ceil, any(pad + end)) for i in range(2)]
    if min(pooled) <= 0:
        raise NetError(
            f"the kernel {kernel[0]}x{kernel[1]} is larger than the bottom's {size[0]}x{size[1]} with its pad"
        )
    return Window(*size, pooled[0], pooled[1], *kernel, *stride, *pad, *end)


def _refuse(reason: str) -> None:
    raise NetError(reason)


def _pooled(size: int, kernel: int, stride: int, pad: int, end: int, ceil: bool, any_pad: bool) -> int:
    steps = size + pad + end - kernel
    pooled = (-(-steps // stride) if ceil else steps // stride) + 1
    # A last window that would begin beyond the plane and its pad at the start is dropped.
    if any_pad and (pooled - 1) * stride >= size + pad:
        pooled -= 1
    return pooled


def _forward(device: Device, kernel: str, planes: int, window: Window, *args: Any) -> None:
    _launch(device, kernel, planes, (window.pooled_w, window.pooled_h), window, *args)


def _backward(device: Device, kernel: str, planes: int, window: Window, *args: Any) -> None:
    _launch(device, kernel, planes, (window.width, window.height), window, *args)


_BY_PLANE = {"max_forward", "ave_forward", "index_backward", "ave_backward"}
"""Kernels that exist in pooling_planes.cl too."""


def _launch(
    device: Device, kernel: str, planes: int, size: tuple[int, int], window: Window, *args: Any
) -> None:
    if device.is_cpu and kernel in _BY_PLANE:
        device.launch("pooling_planes", kernel, (planes,), *window, *args, local_size=(1,))
    else:
        whole, options = row_range(*size, planes)
        device.launch("pooling", kernel, whole, *window, *args, **options)


def max_forward(device: Device, planes: int, window: Window, x: Any, y: Any, index: Any) -> None:
    """Writes maxima to ``y`` and their positions in the plane (-1: none) to the int buffer ``index``."""
    _forward(device, "max_forward", planes, window, x, y, index)


def index_backward(
    device: Device, planes: int, window: Window, index: Any, dy: Any, dx: Any, add: bool = False
) -> None:
    """Gives each dy to the input that ``index`` names; ``add`` keeps what ``dx`` holds."""
    _backward(device, "index_backward", planes, window, index, dy, dx, add)


def ave_forward(
    device: Device, planes: int, window: Window, x: Any, y: Any, padding_counts: bool = True
) -> None:
    """Writes the windows' means to ``y``; ``padding_counts`` says that the divisor counts padding."""
    _forward(device, "ave_forward", planes, window, x, y, padding_counts)


def ave_backward(
    device: Device,
    planes: int,
    window: Window,
    dy: Any,
    dx: Any,
    padding_counts: bool = True,
    add: bool = False,
) -> None:
    """Spreads each dy evenly over its window; ``add`` keeps what ``dx`` holds."""
    _backward(device, "ave_backward", planes, window, dy, dx, padding_counts, add)


def stochastic_sample(
    device: Device, planes: int, window: Window, x: Any, y: Any, index: Any, seed: Any
) -> None:
    """Draws one pixel of each window in proportion to its positive value; ``index`` remembers which."""
    _forward(device, "stochastic_sample", planes, window, x, y, index, seed)


def stochastic_mean(device: Device, planes: int, window: Window, x: Any, y: Any, total: Any) -> None:
    """Writes the mean of each window weighted by its positive values, and the weights' sum."""
    _forward(device, "stochastic_mean", planes, window, x, y, total)


def stochastic_mean_backward(
    device: Device, planes: int, window: Window, x: Any, y: Any, total: Any, dy: Any, dx: Any
) -> None:
    """The gradient of ``stochastic_mean``."""
    _backward(device, "stochastic_mean_backward", planes, window, x, y, total, dy, dx)
