"""What the interactive page tells of a layer's weights: statistics in words, and a picture of its filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.plots.common.html import data_uri
from cnnviz.plots.common.mosaic import color_scale, mosaic, own_divisors, png, tile_layout
from cnnviz.plots.common.text import percent

MOST_FILTERS = 64


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
    filters = blobs[0][:MOST_FILTERS].astype(np.float32)
    is_color = filters.shape[1] == 3
    tiles = filters[:, ::-1].transpose(0, 2, 3, 1) if is_color else _strongest_channels(filters)
    layout = tile_layout(len(tiles), *tiles.shape[1:3], aspect=1.6)
    scale = None if is_color else color_scale(filters).relative
    pixels = mosaic(tiles, layout, scale, own_divisors(tiles))
    number = (
        f"{len(tiles)} of {len(blobs[0])} filters" if len(tiles) < len(blobs[0]) else f"{len(tiles)} filters"
    )
    shown = "in colour" if is_color or filters.shape[1] == 1 else "the strongest channel of each"
    caption = number if filters.shape[1] == 1 else f"{number}, {shown}"
    return WeightFacts(texts, data_uri(png(pixels)), caption)


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
    best = (np.nan_to_num(filters, posinf=0, neginf=0) ** 2).sum(axis=(2, 3)).argmax(axis=1)
    return filters[np.arange(len(filters)), best]
