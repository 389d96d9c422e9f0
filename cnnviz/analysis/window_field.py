"""Receptive fields, and what a window that moves makes of them."""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[float, float]


@dataclass(frozen=True)
class ReceptiveField:
    """The field of one blob's units in (height, width) pixels of the input.

    Unit (i, j) of the blob sees the rows ``offset[0] + i * stride[0] +- (size[0] - 1) / 2`` of the
    input, and its columns likewise; at the borders part of the field lies in the padding.

    Attributes:
        size: rows and columns seen.
        stride: pixels between the fields of neighbouring units.
        offset: the pixel (may be a half) at the centre of the first unit's field.
    """

    size: Pair
    stride: Pair
    offset: Pair

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Returns (top, left, bottom, right) of what unit (row, column) sees; bottom and right excluded."""
        (height, width), (y, x) = self.size, self.offset
        top = y + row * self.stride[0] - (height - 1) / 2
        left = x + column * self.stride[1] - (width - 1) / 2
        return top, left, top + height, left + width

    def moved(self, steps: Pair) -> ReceptiveField:
        """Returns the field of a blob whose first unit is ``steps`` units further on."""
        offset = (self.offset[0] + steps[0] * self.stride[0], self.offset[1] + steps[1] * self.stride[1])
        return ReceptiveField(self.size, self.stride, offset)


PIXEL = ReceptiveField((1, 1), (1, 1), (0, 0))


@dataclass(frozen=True)
class Window:
    """Extent, step and pad before the first unit, in units of the bottom: (height, width)."""

    extent: Pair
    stride: Pair
    pad: Pair


def through_window(field: ReceptiveField, window: Window | None) -> ReceptiveField | None:
    if window is None:
        return None
    sides = [
        (
            field.size[i] + (window.extent[i] - 1) * field.stride[i],
            field.stride[i] * window.stride[i],
            field.offset[i] + ((window.extent[i] - 1) / 2 - window.pad[i]) * field.stride[i],
        )
        for i in (0, 1)
    ]
    return ReceptiveField(*zip(*sides, strict=True))


def through_transposed_window(field: ReceptiveField, window: Window | None) -> ReceptiveField | None:
    """Each unit gathers from ceil(extent / stride) units of the bottom (where strides do not divide
    the extent some see one less; the largest field is given)."""
    if window is None or not all(window.stride):
        return None
    step = [field.stride[i] / window.stride[i] for i in (0, 1)]
    sides = [
        (
            field.size[i] + (-(-window.extent[i] // window.stride[i]) - 1) * field.stride[i],
            step[i],
            field.offset[i] + (window.pad[i] - (window.extent[i] - 1) / 2) * step[i],
        )
        for i in (0, 1)
    ]
    return ReceptiveField(*zip(*sides, strict=True))
