"""Sums over, and maps with constants for, one axis of a blob: its channels, rows or single numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz.engine.device import Device
from cnnviz.engine.ops.ranges import row_range, vector_rows

_GROUP = 256
"""Most work items that add up one channel together on a GPU; a power of two."""


@dataclass(frozen=True)
class Channels:
    """A blob seen as (outer, dim, inner): ``dim`` channels, each of outer * inner elements."""

    device: Device
    outer: int
    dim: int
    inner: int

    @staticmethod
    def of(device: Device, shape: Sequence[int], axis: int, num_axes: int = 1) -> Channels:
        """Takes ``num_axes`` axes from ``axis`` together as the channels of a blob of ``shape``."""
        end = axis + num_axes
        return Channels(device, math.prod(shape[:axis]), math.prod(shape[axis:end]), math.prod(shape[end:]))

    @property
    def size(self) -> int:
        """Elements of one channel."""
        return self.outer * self.inner

    @property
    def _by_column(self) -> bool:
        return self.inner == 1 and self.dim > 1

    def _reduce(self, kernel: str, *args: Any, defines: tuple[tuple[str, Any], ...] = ()) -> None:
        shape = (self.outer, self.dim, self.inner)
        size: int | tuple[int, ...]
        options: dict[str, Any]
        if self._by_column:
            algorithm, size, options = ("BY_COLUMN", 1), self.dim, {}
        elif self.device.is_cpu:
            algorithm, size, options = ("LANES", 16), (self.dim,), {"local_size": (1,)}
        else:
            (items,) = local_size = self.device.fitting_group((_GROUP,))
            algorithm, size, options = ("LOCAL", items), (self.dim * items,), {"local_size": local_size}
        self.device.launch("channels", kernel, size, *shape, *args, defines=(*defines, algorithm), **options)

    def _map(self, kernel: str, *args: Any, defines: tuple[tuple[str, Any], ...] = ()) -> None:
        shape = (self.outer, self.dim, self.inner)
        size: tuple[int, ...]
        options: dict[str, Any]
        if self._by_column:
            size, options = row_range(self.dim, self.outer)
            defines = (*defines, ("BY_COLUMN", 1))
        elif self.device.is_cpu:
            size, options = vector_rows(self.device, self.outer * self.dim)
            defines = (*defines, ("LANES", 16))
        else:
            size, options = row_range(self.inner, self.dim, self.outer)
        self.device.launch("channels", kernel, size, *shape, *args, defines=defines, **options)

    def moments(self, x: Any, mean: Any, variance: Any) -> None:
        """Writes each channel's mean and (biased) variance."""
        self._reduce("channel_moments", x, mean, variance)

    def sums(
        self,
        a: Any,
        b: Any,
        sums: Any,
        *,
        term: str = "PRODUCT",
        scale: float = 1.0,
        add: bool = False,
    ) -> None:
        """Writes to (or adds to) ``sums`` each channel's scaled sum of a term of a and b.

        Args:
            term: "PLAIN" for a, "ABSOLUTE" for |a|, "PRODUCT" for a b, "PRODUCT_BELOW_ZERO" for a b where
                b <= 0.
        """
        self._reduce("channel_sums", a, b, float(scale), add, sums, defines=(("TERM", term),))

    def affine(self, x: Any, y: Any, *, shift: Any = None, factor: Any = None, bias: Any = None) -> None:
        """Writes (x - shift[c]) factor[c] + bias[c]; what is None is omitted."""
        given = (("HAS_SHIFT", shift), ("HAS_FACTOR", factor), ("HAS_BIAS", bias))
        defines = tuple((name, 1) for name, buffer in given if buffer is not None)
        self._map("channel_affine", x, shift, factor, bias, y, defines=defines)

    def leak(self, a: Any, x: Any, slope: Any, y: Any) -> None:
        """Writes a where x > 0, otherwise a slope[c]."""
        self._map("channel_leak", a, x, slope, y)

    def normalized_sums(self, x: Any, mean: Any, inverse: Any, dy: Any) -> tuple[Any, Any]:
        """Returns work buffers with each channel's sums of dy, and of dy (x - mean[c]) inverse[c]."""
        sum_dy = self.device.scratch(self.dim, "channels sum_dy")
        sum_dyx = self.device.scratch(self.dim, "channels sum_dyx")
        self._reduce("channel_normalized_sums", x, mean, inverse, dy, sum_dy, sum_dyx)
        return sum_dy, sum_dyx

    def normalize_backward(self, x: Any, mean: Any, inverse: Any, dy: Any, dx: Any) -> None:
        """Writes the gradient of y = (x - mean[c]) inverse[c] where mean and inverse depend on x."""
        sum_dy, sum_dyx = self.normalized_sums(x, mean, inverse, dy)
        self._map("channel_normalize_backward", x, mean, inverse, sum_dy, sum_dyx, dy, dx)
