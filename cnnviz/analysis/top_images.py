"""The images that activate the channels of a layer most."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.preprocessing import load_input
from cnnviz.errors import CnnvizError
from cnnviz.formats.images import resize_image

PATCH = 64  # pixels of a crop's side
_OUTSIDE = 127  # grey where a receptive field reaches into the padding


@dataclass(frozen=True)
class Patch:
    """The part of an image that activates a channel.

    Attributes:
        value: the channel's largest activation on the image.
        path: the image's file.
        unit: (row, column) of the map, (0, 0) for fully connected layers.
        pixels: its receptive field, uint8 (PATCH, PATCH, 3), as the net saw it.
    """

    value: float
    path: str
    unit: tuple[int, int]
    pixels: np.ndarray


@dataclass(frozen=True)
class TopImages:
    """The best patches of each channel.

    Attributes:
        layer: its name; size: (rows, columns) of a unit's receptive field, or None for the whole image.
        channels: their numbers; patches: for each the best, greatest first; total: channels of the layer.
        images: how many images were compared.
    """

    layer: str
    size: tuple[float, float] | None
    channels: list[int]
    patches: list[list[Patch]]
    total: int
    images: int


def top_images(
    inspector: Inspector,
    layer: str,
    paths: Sequence[str],
    count: int = 9,
    channels: Sequence[int] | None = None,
    limit: int = 32,
    track: Callable[[Iterable[str]], Iterable[str]] = iter,
) -> TopImages:
    """Finds the ``count`` images that activate each channel most, one patch of each image.

    Images are read one at a time, twice: once to compare, once (the winners) to cut out.

    Args:
        inspector: the net.
        layer: its name.
        paths: files.
        channels: default: the first ``limit``.
        track: wraps the images to show progress.

    Raises:
        NetError: unknown layer. CnnvizError: a channel that the layer lacks. FileError: not an image.
    """
    last = inspector.net.layer_index(layer)
    field = inspector.fields[last]
    blob = inspector.net.graph.layers[last].tops[0]
    best: list[list[tuple[float, str, tuple[int, int]]]] = []
    chosen: list[int] = []
    total = 0
    for path in track(paths):
        inspector.show(load_input(path))
        inspector.net.run_forward(0, last)
        values = inspector.reader.by_item(blob, inspector.net.blobs[blob].read_data())[0]
        maps = values.reshape(len(values), -1)
        if not best:
            total = len(maps)
            chosen = _checked(channels, total, layer, limit)
            best = [[] for _ in chosen]
        for ranking, channel in zip(best, chosen, strict=True):
            place = int(np.nan_to_num(maps[channel], nan=-np.inf).argmax())
            unit = divmod(place, values.shape[2]) if values.ndim == 3 else (0, 0)
            ranking.append((float(maps[channel, place]), path, unit))
            ranking.sort(key=lambda entry: -entry[0])
            del ranking[count:]
    patches = _cut_out(inspector, best, field)
    size = field.size if field is not None else None
    return TopImages(layer, size, chosen, patches, total, len(paths))


def _checked(channels: Sequence[int] | None, total: int, layer: str, limit: int) -> list[int]:
    if channels is None:
        return list(range(min(total, limit)))
    for channel in channels:
        if not 0 <= channel < total:
            raise CnnvizError(f"Channel {channel} is out of range: layer {layer!r} has {total} channels.")
    return list(channels)


def _cut_out(inspector: Inspector, best, field) -> list[list[Patch]]:
    """Reads every winner once more and cuts out the receptive fields of its units."""
    places_of: dict[str, list[tuple[int, int]]] = {}
    for row, ranking in enumerate(best):
        for column, (_, path, _) in enumerate(ranking):
            places_of.setdefault(path, []).append((row, column))
    found: dict[tuple[int, int], Patch] = {}
    for path, places in places_of.items():
        seen = inspector.show(load_input(path))
        for row, column in places:
            value, _, unit = best[row][column]
            box = (0.0, 0.0, *seen.shape[:2]) if field is None else field.box(*unit)
            found[row, column] = Patch(value, path, unit, _crop(seen, box))
    return [[found[row, k] for k in range(len(ranking))] for row, ranking in enumerate(best)]


def _crop(seen: np.ndarray, box: tuple[float, float, float, float]) -> np.ndarray:
    """A box of an image, PATCH pixels high and wide; what lies outside the image is grey."""
    top, left, bottom, right = (int(np.floor(v + 0.5)) for v in box)
    height, width = seen.shape[:2]
    image = seen if seen.ndim == 3 else np.repeat(seen[..., None], 3, axis=2)
    # A field may be far larger than the image: only a margin of the image's own size is kept.
    top, left = max(top, -height), max(left, -width)
    bottom, right = min(bottom, 2 * height), min(right, 2 * width)
    patch = np.full((bottom - top, right - left, 3), _OUTSIDE, np.uint8)
    inner = image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    patch[max(-top, 0) :, max(-left, 0) :][: inner.shape[0], : inner.shape[1]] = inner
    if max(patch.shape[:2]) < PATCH // 2:  # few pixels stay sharp squares
        zoom = PATCH // max(patch.shape[:2])
        patch = patch.repeat(zoom, axis=0).repeat(zoom, axis=1)
    return resize_image(patch, PATCH, PATCH)
