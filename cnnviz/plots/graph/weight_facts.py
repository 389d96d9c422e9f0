"""What the interactive page tells of a layer's weights: statistics in words, and a picture of its filters."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnnviz.plots.common.text import percent

MOST_FILTERS = 64
# The map of all our pictures of weights, RdBu, from the largest negative weight over 0 to the largest.
DIVERGING = np.array(
    [
        [5, 48, 97], [33, 102, 172], [67, 147, 195], [146, 197, 222], [209, 229, 240], [247, 247, 247],
        [253, 219, 199], [244, 165, 130], [214, 96, 77], [178, 24, 43], [103, 0, 31],
    ]
)  # fmt: skip


@dataclass(frozen=True)
class WeightFacts:
    """Statistics of each parameter blob, and the filters as a PNG with what it shows; "" without one."""

    texts: tuple[str, ...]
    picture: str = ""
    caption: str = ""


def weight_facts(blobs: Sequence[np.ndarray], has_filters: bool) -> WeightFacts:
    """Returns what to tell of the parameter blobs of one layer.

    The picture has one tile for each of the first 64 filters of a convolution: in colour where they read
    three channels (the first taken as blue, grey is 0), else the channel with the most energy, red where
    positive and blue where negative.

    Args:
        has_filters: whether the first blob is that of a convolution; files of 2014 give all blobs four axes.
    """
    texts = tuple(_statistics(blob) for blob in blobs)
    if not (has_filters and blobs and blobs[0].ndim == 4) or max(blobs[0].shape[2:]) < 2 or not blobs[0].size:
        return WeightFacts(texts)
    filters = np.nan_to_num(blobs[0][:MOST_FILTERS].astype(np.float32), posinf=0, neginf=0)
    is_color = filters.shape[1] == 3
    tiles = filters[:, ::-1].transpose(0, 2, 3, 1) if is_color else _strongest_channels(filters)[..., None]
    number = (
        f"{len(tiles)} of {len(blobs[0])} filters" if len(tiles) < len(blobs[0]) else f"{len(tiles)} filters"
    )
    shown = "in colour" if is_color or filters.shape[1] == 1 else "the strongest channel of each"
    caption = number if filters.shape[1] == 1 else f"{number}, {shown}"
    return WeightFacts(texts, _png(_mosaic(tiles)), caption)


def _statistics(blob: np.ndarray) -> str:
    shape = "×".join(map(str, blob.shape)) or "scalar"
    values = blob[np.isfinite(blob)].astype(np.float64)
    broken = blob.size - values.size
    parts = [shape]
    if values.size:
        parts.append(f"mean {values.mean():.3g}, deviation {values.std():.3g}")
        parts.append(f"from {values.min():.3g} to {values.max():.3g}")
        zeros = np.count_nonzero(values == 0) / values.size
        parts += [f"{percent(zeros)} zeros"] if zeros >= 0.01 else []
    parts += [f"{broken} not finite"] if broken else []
    return ", ".join(parts)


def _strongest_channels(filters: np.ndarray) -> np.ndarray:
    """Returns (filters, height, width): of each filter the channel with the greatest sum of squares."""
    best = (filters**2).sum(axis=(2, 3)).argmax(axis=1)
    return filters[np.arange(len(filters)), best]


def _mosaic(tiles: np.ndarray) -> np.ndarray:
    """Returns tiles (number, height, width, channels) as one RGBA picture, a clear pixel between tiles."""
    number, height, width, _ = tiles.shape
    columns = math.ceil(math.sqrt(number * height / width * 1.6))
    rows = math.ceil(number / columns)
    largest = np.abs(tiles).max(axis=(1, 2, 3), keepdims=True)
    pixels = _colors(tiles / np.where(largest > 0, largest, 1))
    picture = np.zeros((rows * (height + 1) - 1, columns * (width + 1) - 1, 4), np.uint8)
    for i, tile in enumerate(pixels):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        picture[top : top + height, left : left + width, :3] = tile
        picture[top : top + height, left : left + width, 3] = 255
    return picture


def _colors(values: np.ndarray) -> np.ndarray:
    """Returns weights from -1 to 1 as bytes: three channels as red, green and blue, one by the map."""
    if values.shape[-1] == 3:
        return np.rint(127.5 + 127.5 * values).astype(np.uint8)
    places = np.linspace(-1, 1, len(DIVERGING))
    channels = [np.interp(values[..., 0], places, anchors) for anchors in DIVERGING.T]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _png(picture: np.ndarray) -> str:
    """Returns ``picture`` as the address of an image that is inside its own address."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
