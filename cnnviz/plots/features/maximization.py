"""What activates a channel: patches of images, and inputs made to maximize it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.maximization import MaximizedInput
from cnnviz.analysis.top_images import TopImages
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.mosaic import mosaic, tile_layout
from cnnviz.plots.common.panels import inch_axes, inch_text, label_tiles, show_mosaic
from cnnviz.plots.common.text import fit, number_label, wrap
from cnnviz.plots.common.theme import Theme

_WIDEST = 9.6
_NARROWEST = 5.0  # room for the heading
_MARGIN = 0.35
_INNER = _WIDEST - 2 * _MARGIN
_HEAD = 0.9
_STRIP = 0.13  # inches above each tile for its number
_GAP = 0.05  # of a tile's side
_LABEL_SIZE = 6.0
_SIDE = 112  # pixels of a tile's longer side at least, so that the lines around tiles are thin
_NAMES = 0.95  # inches left of the patches for the channels' names


@dataclass(frozen=True)
class _Sheet:
    """What a figure shows: tiles below a heading.

    Attributes:
        tiles: uint8 (N, H, W, 3); labels: above each; columns: of them.
        tile: width of one, left: of the first one's left edge, in inches.
        label_size: in points.
    """

    title: str
    facts: str
    tiles: np.ndarray
    labels: Sequence[str]
    columns: int
    tile: float
    left: float = _MARGIN
    label_size: float = _LABEL_SIZE


def top_images_figure(found: TopImages, *, theme: Theme) -> Figure:
    """Draws for each channel a row of the patches that activate it most, with the activations above them."""
    columns = max(len(row) for row in found.patches)
    patches = [patch for row in found.patches for patch in row]
    sheet = _Sheet(
        f"Top images of {found.layer}",
        _top_facts(found),
        np.stack([patch.pixels for patch in patches]),
        [number_label(patch.value) for patch in patches],
        columns,
        min(0.95, (_INNER - _NAMES) / (1.1 * columns)),
        _MARGIN + _NAMES,
    )
    figure, step = _draw(sheet, theme)
    for k, channel in enumerate(found.channels):
        top = _HEAD + (k + 0.5) * step
        inch_text(figure, _MARGIN, top, f"channel {channel}", 8.5, theme.text, va="center")
    return figure


def _top_facts(found: TopImages) -> str:
    field = "the whole image" if found.size is None else "{:g} × {:g} pixels".format(*found.size)
    facts = f"Best of {found.images} images; receptive field: {field}"
    if found.total > len(found.channels):
        facts += f"; {len(found.channels)} of {found.total} channels"
    return f"{facts}. Above each patch: its activation."


def maximization_figure(found: Sequence[MaximizedInput], *, theme: Theme) -> Figure:
    """Draws inputs that were made to maximize channels or classes, with the activations above them."""
    columns = 1 if len(found) == 1 else min(len(found), 4 if len(found) <= 8 else 6)
    tile = min(3.0, _INNER / (1.1 * columns))
    images = [one.image for one in found]
    tiles = np.stack([image if image.ndim == 3 else np.repeat(image[..., None], 3, 2) for image in images])
    labels = [fit(f"{printable(one.label)}: {number_label(one.after)}", tile, 7 / 72) for one in found]
    layer = found[0].layer
    title = f"Inputs that maximize {f'channels of {printable(layer)}' if layer else 'classes'}"
    value = "mean activation" if layer else "score"
    facts = f"Above each input: the {value} that it reaches. Contrast is stretched."
    return _draw(_Sheet(title, facts, tiles, labels, columns, tile, label_size=7.0), theme)[0]


def _draw(sheet: _Sheet, theme: Theme) -> tuple[Figure, float]:
    """Returns the figure, and the inches from row to row of tiles."""
    zoom = -(-_SIDE // max(sheet.tiles.shape[1:3]))
    tiles = sheet.tiles.repeat(zoom, axis=1).repeat(zoom, axis=2)
    height, width = tiles.shape[1:3]
    strip = _STRIP * sheet.label_size / _LABEL_SIZE / (sheet.tile * height / width)
    layout = tile_layout(len(tiles), height, width, sheet.columns, strip=strip, gap=_GAP)
    across = sheet.tile * layout.size[1] / layout.tile_pixels[1]
    down = layout.height_at(across)
    left = sheet.left - across * layout.gap / layout.size[1]  # the first tile, not its gap, begins there
    page = max(_NARROWEST, left + across + _MARGIN)
    inner = page - 2 * _MARGIN
    figure = new_figure(page, _HEAD + down + 0.2, theme)
    heading = fit(printable(sheet.title), inner, 14 / 72, bold=True)
    inch_text(figure, _MARGIN, 0.2, heading, 14, theme.text, weight="bold")
    for k, line in enumerate(wrap(sheet.facts, inner, 9 / 72, max_lines=2, after=" ")):
        inch_text(figure, _MARGIN, 0.5 + 0.16 * k, line, 9, theme.muted)
    axes = inch_axes(figure, left, _HEAD, across, down)
    show_mosaic(axes, mosaic(tiles, layout))
    label_tiles(axes, layout, sheet.labels, sheet.label_size, theme)
    return figure, down / layout.rows
