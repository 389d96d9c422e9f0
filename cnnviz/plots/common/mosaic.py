"""Many small pictures in one grid: filters, feature maps. One mosaic, one image artist, honest scales.

Everything is placed in inches from the figure's upper left corner, so that a caller can stack grids,
colour bars and text without a layout engine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize, to_rgba
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from cnnviz.errors import CnnvizError
from cnnviz.plots.common.theme import Theme, mix

Tiles = Sequence[np.ndarray] | np.ndarray

MOST_PIXELS = 1 << 24  # of a mosaic; larger tiles are averaged down, and the grid's note says so
_SMALLEST_TILE = 28  # mosaic pixels that a tile's longer side takes at least, so that gaps are thin
BAD_COLOR = "#FF00FF"  # of nan and inf: in no colour map of ours, and seen on both grounds
GAP = 0.1  # of a tile's longer side


@dataclass(frozen=True)
class ColorScale:
    """Numbers to colours: ``low`` to ``high`` on a colour map, the not finite in a colour of their own.

    Attributes:
        low, high: the ends; symmetric around 0 on a diverging map.
        cmap: the colour map's name.
        bad: colour of nan and inf.
    """

    low: float
    high: float
    cmap: str
    bad: str

    @property
    def is_signed(self) -> bool:
        return self.low < 0

    def colors(self, values: np.ndarray) -> np.ndarray:
        """Returns (..., 4) bytes for values of any shape."""
        pixels = self.mappable().to_rgba(np.where(np.isfinite(values), values, 0), bytes=True)
        pixels[~np.isfinite(values)] = _bytes(self.bad)
        return pixels

    def mappable(self) -> ScalarMappable:
        """Returns what a colour bar is drawn from."""
        return ScalarMappable(Normalize(self.low, self.high), matplotlib.colormaps[self.cmap])


def color_scale(values: np.ndarray, theme: Theme) -> ColorScale:
    """Returns the scale for ``values``: diverging and symmetric around 0 if any is negative, else from 0."""
    finite = values[np.isfinite(values)]
    high = float(np.abs(finite).max()) if finite.size else 0.0
    high = high if high > 0 else 1.0
    if finite.size and finite.min() < 0:
        return ColorScale(-high, high, theme.diverging, BAD_COLOR)
    return ColorScale(0.0, high, theme.sequential, BAD_COLOR)


def gray_scale(high: float) -> ColorScale:
    """Returns the scale of one channel of coloured tiles: 0 is middle grey, -high black, high full."""
    return ColorScale(-high, high, "gray", BAD_COLOR)


@dataclass(frozen=True)
class Mark:
    """A sign on tiles: a border in ``color`` and a filled ``marker`` of matplotlib; ``label`` explains it."""

    label: str
    color: str
    marker: str


@dataclass(frozen=True)
class TileLayout:
    """Where ``count`` tiles lie in a mosaic, in mosaic pixels.

    Attributes:
        rows, columns: of the grid.
        height, width: of a tile, in its own numbers, before zoom.
        zoom: mosaic pixels per number of a tile.
        gap: pixels around and between tiles.
        strip: pixels above each tile for its label.
    """

    count: int
    rows: int
    columns: int
    height: int
    width: int
    zoom: int
    gap: int
    strip: int

    @property
    def tile_pixels(self) -> tuple[int, int]:
        return self.height * self.zoom, self.width * self.zoom

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the mosaic."""
        height, width = self.tile_pixels
        return (
            self.rows * (height + self.strip + self.gap) + self.gap,
            self.columns * (width + self.gap) + self.gap,
        )

    def corner(self, index: int) -> tuple[int, int]:
        """Returns (top, left) of a tile."""
        height, width = self.tile_pixels
        row, column = divmod(index, self.columns)
        top = self.gap + row * (height + self.strip + self.gap) + self.strip
        return top, self.gap + column * (width + self.gap)

    def height_at(self, width_in: float) -> float:
        """Returns the mosaic's height in inches if it is ``width_in`` wide."""
        height, width = self.size
        return width_in * height / width

    def tile_width_at(self, width_in: float) -> float:
        """Returns a tile's width in inches if the mosaic is ``width_in`` wide."""
        return width_in * self.tile_pixels[1] / self.size[1]


def tile_layout(
    count: int,
    height: int,
    width: int,
    columns: int | None = None,
    aspect: float = 1.0,
    strip: float = 0.0,
    gap: float = GAP,
) -> TileLayout:
    """Lays out ``count`` tiles of ``height`` by ``width`` numbers.

    Args:
        columns: of the grid; by default as many as make it about ``aspect`` times as wide as high, and full.
        strip: room above each tile for a label, as a share of the tile's height.
        gap: between tiles, as a share of a tile's longer side.
    Raises: CnnvizError if there is nothing to lay out.
    """
    if min(count, height, width) < 1:
        raise CnnvizError(f"{count} tiles of {height} x {width} make no picture; give at least one number.")
    columns = columns or _columns(count, math.sqrt(count * aspect * height * (1 + strip) / width))
    columns = min(max(1, columns), count)
    rows = math.ceil(count / columns)
    zoom = max(1, math.ceil(_SMALLEST_TILE / max(height, width)))
    while zoom > 1 and rows * columns * height * width * zoom**2 > MOST_PIXELS:
        zoom -= 1
    gap_pixels = max(1, round(gap * zoom * max(height, width)))
    return TileLayout(count, rows, columns, height, width, zoom, gap_pixels, round(strip * height * zoom))


def _columns(count: int, wanted: float) -> int:
    """Returns a number of columns near ``wanted``, one that fills all rows if there is one not far off."""
    near = range(math.ceil(0.7 * wanted), math.floor(1.45 * wanted) + 1)
    even = [n for n in near if n > 0 and count % n == 0]
    return min(even, key=lambda n: (abs(math.log(n / wanted)), -n)) if even else round(wanted)


@dataclass(frozen=True, eq=False)
class TileGrid:
    """A drawn grid.

    Attributes:
        scale: colours to numbers: of the values themselves, or of value / divisor of the tile.
        divisors: (N,) what each tile was divided by; None if the scale is common.
        total: tiles there were, of which ``layout.count`` are drawn.
        note: what is not shown as it is, in words; "" if all is shown.
    """

    axes: Axes
    image: AxesImage
    layout: TileLayout
    scale: ColorScale | None
    divisors: np.ndarray | None
    total: int
    note: str


def tile_grid(
    axes: Axes,
    tiles: Tiles,
    theme: Theme,
    *,
    normalize: str | np.ndarray = "tile",
    scale: ColorScale | None = None,
    columns: int | None = None,
    limit: int | None = None,
    labels: Sequence[str] | None = None,
    label_size: float = 6.0,
    strip: float = 0.0,
    gap: float = GAP,
    marks: Mapping[Mark, Iterable[int]] | None = None,
    noun: str = "tiles",
) -> TileGrid:
    """Draws tiles as one mosaic that fills ``axes``; give the axes the mosaic's shape (``inch_axes``).

    Args:
        tiles: (N, H, W) numbers, or (N, H, W, 3) colours: bytes as they are, floats with 0 as middle
            grey, divided as ``normalize`` says.
        normalize: "tile": each divided by its largest absolute value; "all": one scale for all;
            an array (N,): each divided by its entry.
        scale: the common scale for "all"; by default made from the tiles shown.
        columns: of the grid; by default near square.
        limit: most tiles drawn; the rest is left out and ``note`` says so.
        labels: a text for each tile, written into the ``strip`` (share of the tile's height) above it,
            in ``label_size`` points.
        marks: for each mark the tiles that carry it; the first mark of a tile gives the border.
        gap: between tiles, as a share of a tile's longer side.
        noun: what the note calls the tiles.
    """
    total = len(tiles)
    shown = tiles[: min(total, limit or total)]
    height, width, *colors = np.shape(shown[0]) if len(shown) else (0, 0)
    layout = tile_layout(len(shown), height, width, columns, strip=strip, gap=gap)
    divisors = _divisors(shown, normalize)
    if scale is None and not colors:
        scale = _scale_for(shown, divisors, theme)
    block = _averaged_block(layout)
    if block > 1:
        height, width = math.ceil(height / block), math.ceil(width / block)
        layout = tile_layout(len(shown), height, width, layout.columns, strip=strip, gap=gap)
    mosaic = _mosaic(shown, layout, divisors, scale, block, theme)
    bottom, right = layout.size
    image = axes.imshow(mosaic, extent=(0, right, bottom, 0), interpolation="antialiased", aspect="auto")
    axes.set_axis_off()
    if labels is not None:
        _draw_labels(axes, layout, labels, label_size, theme)
    _draw_marks(axes, layout, marks or {}, theme)
    note = [f"first {len(shown)} of {total} {noun}"] if total > len(shown) else []
    note += [f"each pixel averages {block} x {block} values"] if block > 1 else []
    return TileGrid(axes, image, layout, scale, divisors, total, "; ".join(note))


def _divisors(tiles: Tiles, normalize: str | np.ndarray) -> np.ndarray | None:
    if isinstance(normalize, np.ndarray):
        divisors = normalize[: len(tiles)].astype(np.float64)
    elif normalize == "tile":
        divisors = np.array([largest(tile) for tile in tiles])
    elif normalize == "all":
        return None
    else:
        raise CnnvizError(f"unknown normalization {normalize!r}, wanted 'tile', 'all' or an array.")
    return np.where(divisors > 0, divisors, 1.0)


def largest(values: np.ndarray) -> float:
    """Returns the largest absolute value among the finite ones, 0 if there is none."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max()) if finite.size else 0.0


def _scale_for(tiles: Tiles, divisors: np.ndarray | None, theme: Theme) -> ColorScale:
    ends = [
        (np.min(tile, where=np.isfinite(tile), initial=0), np.max(tile, where=np.isfinite(tile), initial=0))
        for tile in tiles
    ]
    scale = color_scale(np.array(ends, np.float64), theme)
    if divisors is None:
        return scale
    return ColorScale(-1.0 if scale.is_signed else 0.0, 1.0, scale.cmap, scale.bad)


def _averaged_block(layout: TileLayout) -> int:
    """Returns the side of the blocks that are averaged so that the mosaic stays within MOST_PIXELS."""
    return max(1, math.ceil(math.sqrt(math.prod(layout.size) / (1.3 * MOST_PIXELS))))


def _averaged(tile: np.ndarray, block: int) -> np.ndarray:
    if block == 1:
        return tile
    rows, columns = (np.arange(0, side, block) for side in tile.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(tile.astype(np.float64), rows, axis=0), columns, axis=1)
    counts = np.outer(np.diff([*rows, tile.shape[0]]), np.diff([*columns, tile.shape[1]]))
    return sums / counts.reshape(counts.shape + (1,) * (tile.ndim - 2))


def _mosaic(
    tiles: Tiles,
    layout: TileLayout,
    divisors: np.ndarray | None,
    scale: ColorScale | None,
    block: int,
    theme: Theme,
) -> np.ndarray:
    """Returns the (height, width, 4) bytes of all tiles on the theme's ground."""
    mosaic = np.empty((*layout.size, 4), np.uint8)
    mosaic[:] = _bytes(theme.background)
    height, width = layout.tile_pixels
    edge, frame = max(1, layout.gap // 3), _bytes(_frame_color(scale, theme))
    common = 1.0 if divisors is not None or scale is not None else max(largest(tile) for tile in tiles) or 1.0
    for i, tile in enumerate(tiles):
        values = _averaged(np.asarray(tile), block)
        if scale is None:
            pixels = _color_pixels(values, divisors[i] if divisors is not None else common, tile.dtype, theme)
        else:
            pixels = scale.colors(values if divisors is None else values / divisors[i])
        top, left = layout.corner(i)
        pixels = pixels.repeat(layout.zoom, axis=0).repeat(layout.zoom, axis=1)
        mosaic[top - edge : top + height + edge, left - edge : left + width + edge] = frame
        mosaic[top : top + height, left : left + width] = pixels
    return mosaic


def _frame_color(scale: ColorScale | None, theme: Theme) -> str:
    """The ground, but a quiet grey where a tile of zeros would be lost on it."""
    zero_is_white = scale is not None and scale.is_signed
    return (
        mix(theme.background, theme.edge, 0.5)
        if zero_is_white and theme.name == "light"
        else theme.background
    )


def _bytes(color: str) -> np.ndarray:
    return np.round(np.multiply(to_rgba(color), 255)).astype(np.uint8)


def _color_pixels(values: np.ndarray, divisor: float, dtype: np.dtype, theme: Theme) -> np.ndarray:
    pixels = np.full((*values.shape[:2], 4), 255, np.uint8)
    if dtype == np.uint8:
        pixels[..., :3] = np.round(values)
        return pixels
    is_finite = np.isfinite(values).all(axis=-1)
    shares = np.where(is_finite[..., None], values, 0) / (2 * divisor) + 0.5
    pixels[..., :3] = np.round(255 * np.clip(shares, 0, 1))
    pixels[~is_finite] = _bytes(BAD_COLOR)
    return pixels


def _draw_labels(axes: Axes, layout: TileLayout, labels: Sequence[str], size: float, theme: Theme) -> None:
    for i, label in enumerate(labels[: layout.count]):
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


def _draw_marks(axes: Axes, layout: TileLayout, marks: Mapping[Mark, Iterable[int]], theme: Theme) -> None:
    """Draws a border for the first mark of a tile, and the signs side by side in its corner."""
    height, width = layout.tile_pixels
    points = _points_per_pixel(axes, layout)
    size = min(7.0, max(3.0, 0.22 * min(height, width) * points))
    taken: dict[int, int] = {}
    for mark, indices in marks.items():
        mine = sorted(i for i in set(indices) if i < layout.count)
        borders = [
            Rectangle((layout.corner(i)[1], layout.corner(i)[0]), width, height)
            for i in mine
            if i not in taken
        ]
        line = min(1.6, max(0.8, 0.05 * min(height, width) * points))
        axes.add_collection(
            PatchCollection(
                borders, facecolor="none", edgecolor=mark.color, linewidth=line, gid=f"border {mark.label}"
            )
        )
        x, y = [], []
        for i in mine:
            top, left = layout.corner(i)
            step = 0.75 * size / points
            x.append(left + width - step - 1.6 * step * taken.get(i, 0))
            y.append(top + step)
            taken[i] = taken.get(i, 0) + 1
        axes.scatter(
            x,
            y,
            s=size**2,
            marker=mark.marker,
            facecolors=mark.color,
            edgecolors="white",
            linewidths=0.5,
            gid=f"sign {mark.label}",
            zorder=3,
        )
    axes.set_xlim(0, layout.size[1])
    axes.set_ylim(layout.size[0], 0)


def _points_per_pixel(axes: Axes, layout: TileLayout) -> float:
    box = axes.get_position()
    return float(box.width * axes.figure.get_size_inches()[0] * 72 / layout.size[1])  # type: ignore[union-attr]


def mark_handles(marks: Iterable[Mark]) -> list[Line2D]:
    """Returns what a legend needs to explain marks."""
    return [
        Line2D([], [], linestyle="none", marker=mark.marker, color=mark.color, markersize=6, label=mark.label)
        for mark in marks
    ]


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


def number_label(value: float) -> str:
    """Returns ``value`` in three digits with a true minus sign, e.g. "−0.0123"; up to a million "12,345"."""
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")
