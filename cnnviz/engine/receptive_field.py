"""Receptive fields, and what windows, borders and changes of size make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Pair = tuple[float, float]
Sides = Sequence[int]
"""One number for rows and one for columns."""
Place = tuple[Fraction, Fraction]
"""Units of the bottom from one unit of the top to the next, and where the first one lies."""


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

    def through_window(self, extent: Sides, stride: Sides, pad: Sides) -> ReceptiveField:
        """Returns the field after a window of ``extent`` units that begins ``pad`` units before the blob."""
        sides = [
            (
                self.size[i] + (extent[i] - 1) * self.stride[i],
                self.stride[i] * stride[i],
                self.offset[i] + ((extent[i] - 1) / 2 - pad[i]) * self.stride[i],
            )
            for i in (0, 1)
        ]
        return ReceptiveField(*zip(*sides, strict=True))

    def through_transposed_window(self, extent: Sides, stride: Sides, pad: Sides) -> ReceptiveField:
        """Returns the field where each unit gathers from ceil(extent / stride) units.

        Where strides do not divide the extent some see one less; the largest field is given.
        """
        step = [self.stride[i] / stride[i] for i in (0, 1)]
        sides = [
            (
                self.size[i] + (-(-extent[i] // stride[i]) - 1) * self.stride[i],
                step[i],
                self.offset[i] + (pad[i] - (extent[i] - 1) / 2) * step[i],
            )
            for i in (0, 1)
        ]
        return ReceptiveField(*zip(*sides, strict=True))

    def resized(self, places: Sequence[Place], mixes: bool) -> ReceptiveField:
        """Returns the field where units lie at ``places`` of rows and columns.

        ``mixes``: whether units that lie between two of the bottom see both.
        """
        axes = []
        for i, (scale, start) in enumerate(places):
            between = mixes and (scale.denominator > 1 or start.denominator > 1)
            size = self.size[i] + between * self.stride[i]
            step, offset = self.stride[i] * scale, self.offset[i] + start * self.stride[i]
            axes.append((size, float(step), float(offset)))
        return ReceptiveField(*zip(*axes, strict=True))


PIXEL = ReceptiveField((1, 1), (1, 1), (0, 0))

Fields = Sequence[ReceptiveField | None]
"""Of several blobs, None where units see no window that moves evenly, or it is not known."""
Shapes = Sequence[tuple[int, ...] | None]
"""Of several blobs, None where a fault hides them."""


def joined(fields: Fields) -> ReceptiveField | None:
    """Returns the field that covers all of ``fields``, where None counts for nothing.

    None if there are none, or they do not move at the same pace.
    """
    known = [field for field in fields if field is not None]
    if not known or any(field.stride != known[0].stride for field in known):
        return None
    sizes, offsets = [], []
    for axis in (0, 1):
        low = min(f.offset[axis] - (f.size[axis] - 1) / 2 for f in known)
        high = max(f.offset[axis] + (f.size[axis] - 1) / 2 for f in known)
        sizes.append(high - low + 1)
        offsets.append((high + low) / 2)
    return ReceptiveField((sizes[0], sizes[1]), known[0].stride, (offsets[0], offsets[1]))


def is_spatial(axis: int) -> bool:
    """Whether ``axis`` of a blob (N, C, H, W), counted from either end, is that of rows or columns."""
    return axis in (2, 3, -1, -2)


def corners(size: int, out: int) -> Place:
    """Returns where units lie whose first and last lie on those of the bottom."""
    return Fraction(size - 1, out - 1) if out > 1 else Fraction(1), Fraction(0)


def proportional(size: int, out: int, centered: bool) -> Place:
    """Returns where units lie that divide the bottom evenly, measured at their centres or at their starts."""
    scale = Fraction(size, out)
    return scale, (scale - 1) / 2 * centered


def nearest(place: Place) -> Place:
    """Returns the mean place of units that take the value rounded down to a whole one."""
    scale, start = place
    return scale, start - (1 - Fraction(1, scale.denominator)) / 2
