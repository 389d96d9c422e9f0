"""Arrays that go into a net as they are: signals, volumes, spectra, images of many channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.errors import CnnvizError
from cnnviz.formats.blob_proto import to_float32
from cnnviz.formats.npy import read_npy

_CURVES = 4  # channels of a signal that are drawn as curves; more are rows of grey
_CURVE_HEIGHT, _WIDEST = 48, 600  # pixels


@dataclass(frozen=True)
class InputArray:
    """Values for an input, with any number of axes; no mean and no scale is applied to them."""

    values: np.ndarray

    def shape_like(self, shape: Shape) -> Shape | None:
        """Returns the shape of an input for one item of this array: the batch size and channels of
        ``shape``, followed by this array's sides; None if the axes or channels differ."""
        own = self.values.shape
        if self._fits(shape):
            return shape
        if own[:1] == (1,) and len(own) == len(shape):
            own = own[1:]
        elif len(own) == len(shape) - 2 and shape[1] == 1:
            own = (1, *own)
        if len(own) != len(shape) - 1 or not self.values.size or (len(own) > 1 and own[0] != shape[1]):
            return None
        return (shape[0], *own)

    def _fits(self, shape: Shape) -> bool:
        sides = _without_ones(self.values.shape)
        return sides in (_without_ones(shape), _without_ones(shape[1:]))

    def fitted(self, shape: Shape, name: str) -> np.ndarray:
        """Returns the values in the shape of input ``name``; axes of 1 may be missing or additional.

        Raises CnnvizError if they do not fit.
        """
        values = np.asarray(self.values, np.float32)
        if self._fits(shape):
            return np.broadcast_to(values.reshape(_fitting(values, shape)), shape)
        raise CnnvizError(
            f"The array is {values.shape}; input {name!r} expects {tuple(shape[1:])}, or {tuple(shape)} with "
            "the batch axis. Give one item of that shape, or change the shape of the input in the prototxt."
        )


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(side for side in shape if side != 1)


def _fitting(values: np.ndarray, shape: Shape) -> tuple[int, ...]:
    whole = values.size == int(np.prod(shape))
    return tuple(shape) if whole else (1, *shape[1:])


def read_array(path: str) -> InputArray:
    """Reads an .npy file of any number of axes.

    Raises FileError if it holds no array of numbers.
    """
    return InputArray(to_float32(read_npy(path)))


def image_of(item: np.ndarray, channel_order: str) -> np.ndarray:
    """Returns an image of one item, uint8 (H, W) or (H, W, 3), from its smallest value to its largest.

    Volumes (C, D, H, W) show the slice in the middle, and numbers of channels other than 3 their mean;
    signals (C, L) are curves, or rows of grey for more than a few channels.
    """
    item = np.nan_to_num(item.astype(np.float64), posinf=0, neginf=0)
    while item.ndim > 3:
        item = item[:, item.shape[1] // 2]
    if item.ndim < 3:
        return _signal(item.reshape(-1, item.shape[-1]))
    if len(item) == 3:
        return _bytes(item[:: -1 if channel_order == "bgr" else 1].transpose(1, 2, 0))
    return _bytes(item.mean(axis=0))


def _bytes(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    return np.rint((values - low) / (high - low or 1) * 255).astype(np.uint8)


def _signal(rows: np.ndarray) -> np.ndarray:
    """Curves, light on dark, one below the other; many rows as grey."""
    rows = rows[:, :: -(-rows.shape[1] // _WIDEST)]
    if len(rows) > _CURVES:
        return _bytes(rows)
    wide = max(1, 96 // rows.shape[1])
    return np.concatenate([_curve(row.repeat(wide)) for row in rows])


def _curve(row: np.ndarray) -> np.ndarray:
    heights = (_CURVE_HEIGHT - 1) * (1 - _bytes(row) / 255.0)
    before = np.concatenate([heights[:1], heights[:-1]])
    places = np.arange(_CURVE_HEIGHT)[:, None]
    low, high = np.minimum(heights, before), np.maximum(heights, before)
    return np.where((places >= np.floor(low)) & (places <= np.ceil(high)), 255, 0).astype(np.uint8)
