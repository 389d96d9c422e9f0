"""What figures are put together from: axes and texts placed in inches, mosaics, colour bars.

Everything is placed in inches from the figure's upper left corner, so that a caller can stack mosaics,
colour bars and text without a layout engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from cnnviz.plots.common.mosaic import ColorScale, TileLayout
from cnnviz.plots.common.text import number_label
from cnnviz.plots.common.theme import Theme


def inch_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Adds axes at ``left`` and ``top`` inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    return figure.add_axes(
        (left / whole_width, 1 - (top + height) / whole_height, width / whole_width, height / whole_height)
    )


def inch_text(figure: Figure, left: float, top: float, text: str, size: float, color: str, **more) -> None:
    """Writes ``text`` with its upper left corner at inches from the figure's upper left corner."""
    whole_width, whole_height = figure.get_size_inches()
    plain: dict[str, Any] = {"va": "top", "ha": "left", "parse_math": False}  # a dollar sign in a name is one
    more = plain | more
    figure.text(left / whole_width, 1 - top / whole_height, text, size=size, color=color, **more)


def color_bar(
    figure: Figure, left: float, top: float, scale: ColorScale, theme: Theme, label: str, width: float = 2.2
) -> Axes:
    """Draws a thin horizontal colour bar with its ends (and 0) written under it and ``label`` at its right.

    It takes 0.32 inches from ``top`` downwards.
    """
    axes = inch_axes(figure, left, top, width, 0.1)
    steps = np.linspace(scale.low, scale.high, 256)
    axes.imshow(scale.colors(steps)[None], extent=(scale.low, scale.high, 0, 1), aspect="auto")
    ticks = [scale.low, 0, scale.high] if scale.is_signed else [scale.low, scale.high]
    axes.set_xticks(ticks, [number_label(tick) for tick in ticks])
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=theme.muted, labelsize=7.5, length=2, width=0.6, pad=1.5)
    keep_ends_inside(axes)
    for spine in axes.spines.values():
        spine.set_color(theme.edge)
        spine.set_linewidth(0.6)
    inch_text(figure, left + width + 0.22, top - 0.02, label, 8, theme.muted)
    return axes


def keep_ends_inside(axes: Axes) -> None:
    """Aligns the first and last label of the x axis so that they do not stick out at the sides."""
    labels = axes.get_xticklabels()
    labels[0].set_horizontalalignment("left")
    labels[-1].set_horizontalalignment("right")


def show_mosaic(axes: Axes, pixels: np.ndarray) -> AxesImage:
    """Fills ``axes`` with the (height, width, 4) bytes of a mosaic; give the axes the mosaic's shape.

    The axes' data coordinates are the mosaic's pixels.
    """
    bottom, right = pixels.shape[:2]
    image = axes.imshow(pixels, extent=(0, right, bottom, 0), interpolation="antialiased", aspect="auto")
    axes.set_axis_off()
    return image


@dataclass(frozen=True)
class Mark:
    """A sign on tiles: a border in ``color`` and a filled ``marker`` of matplotlib; ``label`` explains it."""

    label: str
    color: str
    marker: str


def label_tiles(axes: Axes, layout: TileLayout, labels: Sequence[str], size: float, theme: Theme) -> None:
    """Writes a text above each tile, into the layout's strip, in ``size`` points."""
    for i, label in enumerate(labels):
        top, left = layout.corner(i)
        axes.text(
            left,
            top - layout.gap - layout.strip * 0.14,
            label,
            size=size,
            color=theme.muted,
            va="baseline",
            parse_math=False,
        )


def mark_tiles(axes: Axes, layout: TileLayout, marks: Mapping[Mark, Iterable[int]]) -> None:
    """Draws a border around marked tiles, in the colour of a tile's first mark, and signs in a corner.

    Args:
        marks: for each mark the tiles that carry it; other numbers are ignored.
    """
    side = min(layout.tile_pixels)
    points = _points_per_pixel(axes, layout)
    size, line = min(7.0, max(3.0, 0.22 * side * points)), min(1.6, max(0.8, 0.05 * side * points))
    signs: dict[int, int] = {}  # of each tile, so far
    for mark, indices in marks.items():
        marked = sorted(i for i in set(indices) if i < layout.count)
        _draw_borders(axes, layout, mark, [i for i in marked if i not in signs], line)
        corners = [_sign_place(layout, i, 0.75 * size / points, signs.get(i, 0)) for i in marked]
        axes.scatter(
            [x for x, _ in corners], [y for _, y in corners], s=size**2, marker=mark.marker,
            facecolors=mark.color, edgecolors="white", linewidths=0.5, gid=f"sign {mark.label}", zorder=3,
        )  # fmt: skip
        signs |= {i: signs.get(i, 0) + 1 for i in marked}
    axes.set_xlim(0, layout.size[1])
    axes.set_ylim(layout.size[0], 0)


def _draw_borders(axes: Axes, layout: TileLayout, mark: Mark, tiles: Iterable[int], line: float) -> None:
    height, width = layout.tile_pixels
    borders = [Rectangle(layout.corner(i)[::-1], width, height) for i in tiles]
    axes.add_collection(
        PatchCollection(
            borders, facecolor="none", edgecolor=mark.color, linewidth=line, gid=f"border {mark.label}"
        )
    )


def _sign_place(layout: TileLayout, tile: int, step: float, before: int) -> tuple[float, float]:
    """Returns (x, y) of a sign in a tile's upper right corner, left of those ``before`` it."""
    top, left = layout.corner(tile)
    return left + layout.tile_pixels[1] - step * (1 + 1.6 * before), top + step


def _points_per_pixel(axes: Axes, layout: TileLayout) -> float:
    box = axes.get_position()
    return float(box.width * axes.figure.get_size_inches()[0] * 72 / layout.size[1])  # type: ignore[union-attr]
