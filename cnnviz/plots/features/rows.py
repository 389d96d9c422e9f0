"""The rows of a figure of features: one layer each, as maps, as bars or as a table."""

from __future__ import annotations

import abc
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnnviz.analysis.features import FeatureMaps
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import style_axes
from cnnviz.plots.common.mosaic import (
    TileLayout,
    block_means,
    color_scale,
    largest,
    mosaic,
    own_divisors,
    tile_layout,
)
from cnnviz.plots.common.panels import color_bar, inch_axes, inch_text, label_tiles, show_mosaic
from cnnviz.plots.common.text import counted, fit, number_label, percent, text_width
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.features.options import FeatureOptions
from cnnviz.plots.features.overlay import Box, blend, draw_box, draw_image, enlarge_nearest, grayscale

WIDTH = 9.6
MARGIN = 0.35
INNER = WIDTH - 2 * MARGIN
_THUMB = 1.15
GRID_LEFT = MARGIN + _THUMB + 0.25
GRID_WIDTH = WIDTH - GRID_LEFT - MARGIN
_HEADING = 0.34
_BELOW = 0.22  # a row and the next one's heading
_BAR = 0.44  # inches of a colour bar with its gap
_SMALLEST_THUMB = 0.62
_LABEL = 0.125  # inches above each tile for its number
_GAP = 0.06  # between tiles, as a share of a tile's longer side: a number stands nearest to its own tile
_LABEL_SIZE = 5.5
_MOST_COLUMNS = 16  # of square tiles
_WIDEST = 800  # columns of a table, and bars, that are drawn one by one; more are joined
_BOX_COLOR = "#C1272D"


def make_row(maps: FeatureMaps, seen: np.ndarray, options: FeatureOptions, theme: Theme) -> FeatureRow:
    """Returns the row of a layer: bars, a table or maps.

    Args:
        seen: the image as the net saw it.
        options: with a limit.
    """
    kind = BarsRow if maps.is_flat else TableRow if maps.is_table else MapsRow
    return kind(maps, seen, options, theme)


class FeatureRow(abc.ABC):
    """One layer: a heading over what ``draw_body`` draws.

    Attributes:
        channels: those that stand for the layer, in the order of drawing; shown: those drawn.
        body: inches below the heading.
    """

    def __init__(self, maps: FeatureMaps, seen: np.ndarray, options: FeatureOptions, theme: Theme):
        self.maps, self.seen, self.options, self.theme = maps, seen, options, theme
        self.channels = self.shown = np.arange(1)
        self.body = 0.0

    @property
    def height(self) -> float:
        return _HEADING + self.body + _BELOW

    def draw(self, figure: Figure, top: float) -> None:
        """Draws the row ``top`` inches below the figure's upper edge."""
        title, facts = self._heading()
        inch_text(figure, MARGIN, top, title, 11, self.theme.text, weight="bold")
        inch_text(figure, WIDTH - MARGIN, top + 0.03, facts, 8.5, self.theme.muted, ha="right")
        height = 1 - (top + 0.24) / figure.get_size_inches()[1]
        ends = [MARGIN / WIDTH, 1 - MARGIN / WIDTH]
        figure.add_artist(Line2D(ends, [height, height], color=self.theme.grid, linewidth=0.8))
        self.draw_body(figure, top + _HEADING)

    @abc.abstractmethod
    def draw_body(self, figure: Figure, top: float) -> None: ...

    def _heading(self) -> tuple[str, str]:
        """Title and facts that fit beside each other."""
        title = printable(short_title(self.maps.layer))
        facts = layer_facts(self.maps, self.shown, bool(self.options.top))
        title_width = text_width(title, 11 / 72, bold=True)
        if title_width + text_width(facts, 8.5 / 72) > INNER - 0.2:  # types in place are omitted first
            facts = facts.replace(self.maps.type, self.maps.type.partition(" + ")[0], 1)
        room = INNER - 0.2 - text_width(facts, 8.5 / 72)
        if room < min(title_width, 3.0):
            room = min(title_width, 3.0)
            facts = fit(facts, INNER - 0.2 - room, 8.5 / 72)
        return fit(title, room, 11 / 72, bold=True), facts


class MapsRow(FeatureRow):
    """Maps as tiles; beside them, on the image, the receptive field of the layer's strongest unit."""

    def __init__(self, maps: FeatureMaps, seen: np.ndarray, options: FeatureOptions, theme: Theme):
        super().__init__(maps, seen, options, theme)
        self.values = maps.tiles
        count, limit = len(self.values), options.limit or len(self.values)
        self.channels = maps.top_channels(options.top, options.by) if options.top else np.arange(count)
        self.shown = self.channels[:limit] if options.top else evenly_spaced(count, limit)
        height, width = self._tile_sides()
        self.columns = _column_count(len(self.shown), limit, width / height)
        self.gap = _GAP * min(1, 2 * height / width)  # of tiles much wider than high a smaller share
        self.scale = color_scale(self.values[self.channels])
        self.layout = self._layout()
        self.grid_height = self.layout.height_at(GRID_WIDTH)
        self.box = self._field_on_image()
        height, width = seen.shape[:2]
        room = min(_THUMB, max(self.grid_height, _SMALLEST_THUMB))
        self.thumb_scale = min(room / height, _THUMB / width)
        thumb = height * self.thumb_scale if self.box else 0.0
        bar = _BAR if options.normalize == "layer" else 0.0
        self.body = max(self.grid_height + bar, thumb)

    def _tile_sides(self) -> tuple[int, ...]:
        return self.seen.shape[:2] if self.options.overlay else self.values.shape[1:]

    def _layout(self, count: int = 0) -> TileLayout:
        """The tiles' places; fewer tiles than columns leave the rest of the row empty, for one size."""
        height, width = self._tile_sides()
        count = count or max(len(self.shown), self.columns)
        plain = tile_layout(count, height, width, columns=self.columns, gap=self.gap)
        tile = plain.tile_width_at(GRID_WIDTH) * height / width
        return tile_layout(count, height, width, columns=self.columns, strip=_LABEL / tile, gap=self.gap)

    def _field_on_image(self) -> Box | None:
        """The strongest unit's receptive field (left, top, right, bottom); None if unknown or all of it."""
        unit = strongest_unit(self.values)
        if self.maps.field is None or self.maps.values.ndim != 3 or unit is None:
            return None
        upper, left, lower, right = self.maps.field.box(*unit)
        height, width = self.seen.shape[:2]
        # Part of a field may lie in the padding.
        box = max(left, 0.0), max(upper, 0.0), min(right, float(width)), min(lower, float(height))
        return None if box == (0, 0, width, height) else box

    def draw_body(self, figure: Figure, top: float) -> None:
        if self.box is not None:
            height, width = (side * self.thumb_scale for side in self.seen.shape[:2])
            axes = draw_image(figure, self.seen, MARGIN, top, width, height, self.theme)
            draw_box(axes, self.box, _BOX_COLOR, 1.3)
        self._draw_tiles(figure, top)
        if self.options.normalize == "layer":
            inset = GRID_WIDTH * self.layout.gap / self.layout.size[1]
            below = top + self.grid_height + 0.08
            color_bar(figure, GRID_LEFT + inset, below, self.scale, self.theme, "activation")

    def _draw_tiles(self, figure: Figure, top: float) -> None:
        rows = -(-len(self.shown) // self.columns)
        columns = min(self.columns, len(self.shown))
        size = self._layout(rows * columns).size
        width = GRID_WIDTH * size[1] / self.layout.size[1]
        axes = inch_axes(figure, GRID_LEFT, top, width, width * size[0] / size[1])
        layout = replace(self.layout, count=len(self.shown), rows=rows, columns=columns)
        maps = self.values[self.shown]
        if self.options.overlay:
            pixels = mosaic(self._overlays(maps), layout)
        elif self.options.normalize == "layer":
            pixels = mosaic(maps, layout, self.scale)
        else:
            pixels = mosaic(maps, layout, color_scale(maps).relative, own_divisors(maps))
        show_mosaic(axes, pixels)
        label_tiles(axes, layout, [str(channel) for channel in self.shown], _LABEL_SIZE, self.theme)

    def _overlays(self, maps: np.ndarray) -> list[np.ndarray]:
        """Each map enlarged and laid over the image, as bytes (H, W, 3)."""
        image = grayscale(self.seen)
        tiles = []
        for values in maps:
            finite = np.where(np.isfinite(values), values, 0)
            is_common = self.options.normalize == "layer"
            high = self.scale.high if is_common else max(largest(values), 1e-30)
            tiles.append(blend(image, enlarge_nearest(finite / high, image.shape[:2]), self.scale))
        return tiles


class BarsRow(FeatureRow):
    """A fully connected layer: a bar for each value; of very many, of each few the smallest and largest."""

    def __init__(self, maps: FeatureMaps, seen: np.ndarray, options: FeatureOptions, theme: Theme):
        super().__init__(maps, seen, options, theme)
        self.body = 0.9 + 0.06

    def draw_body(self, figure: Figure, top: float) -> None:
        values, theme = self.maps.values, self.theme
        axes = inch_axes(figure, GRID_LEFT, top + 0.06, GRID_WIDTH, 0.75)
        style_axes(axes, theme, "y")
        shown = np.where(np.isfinite(values), values, np.nan)
        where, low, high = _ends(shown)
        axes.vlines(where, low, high, color=theme.accent, linewidth=max(0.4, min(8, 360 / len(values))))
        axes.set_xlim(-0.5 - 0.01 * len(values), len(values) - 0.5 + 0.01 * len(values))
        axes.axhline(0, color=theme.edge, linewidth=0.6)
        _small_ticks(axes, theme)


def _ends(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places and ends of the bars for ``values``: from 0 each, or one for a block of many."""
    block = -(-len(values) // _WIDEST)
    starts = np.arange(0, len(values), block)
    if block == 1:
        return starts, np.zeros(len(values)), values
    low = np.fmin.reduceat(values, starts)
    high = np.fmax.reduceat(values, starts)
    return starts + (block - 1) / 2, np.fmin(low, 0), np.fmax(high, 0)


class TableRow(FeatureRow):
    """Rows and columns as colours: time steps by channels, or the longer side of a table along the page."""

    def __init__(self, maps: FeatureMaps, seen: np.ndarray, options: FeatureOptions, theme: Theme):
        super().__init__(maps, seen, options, theme)
        table = maps.values.reshape(-1, maps.values.shape[-1])
        is_upright = maps.is_sequence or table.shape[0] > table.shape[1]
        self.table = table.T if is_upright else table
        self.plot_height = float(np.clip(0.06 * len(self.table), 0.2, 1.8))
        self.names = 0.17 if maps.is_sequence else 0.0
        self.body = self.plot_height + 0.22 + self.names + _BAR

    def draw_body(self, figure: Figure, top: float) -> None:
        rows, columns = self.table.shape
        axes = inch_axes(figure, GRID_LEFT, top, GRID_WIDTH, self.plot_height)
        scale = color_scale(self.table)
        block = -(-columns // _WIDEST)
        extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
        pixels = scale.colors(block_means(self.table, 1, block))
        axes.imshow(pixels, extent=extent, aspect="auto", interpolation="nearest")
        style_axes(axes, self.theme, None)
        _small_ticks(axes, self.theme)
        note = f"values of {counted(rows, 'row')} and {counted(columns, 'column')}"
        if self.maps.is_sequence:
            axes.set_xlabel("time step", fontsize=8, color=self.theme.muted, labelpad=1)
            axes.set_ylabel("channel", fontsize=8, color=self.theme.muted)
            note = "activation"
        note += f"; each column averages {block}" if block > 1 else ""
        below = top + self.plot_height + 0.24 + self.names
        color_bar(figure, GRID_LEFT, below, scale, self.theme, note)


def evenly_spaced(total: int, limit: int) -> np.ndarray:
    """Returns at most ``limit`` of the integers from 0 to ``total`` - 1, evenly spaced, from 0."""
    count = min(total, limit)
    return np.arange(count) * total // count


def _column_count(shown: int, limit: int, aspect: float) -> int:
    """As many columns as make a wide grid of full rows; fewer for tiles much wider than high."""
    aspect = max(aspect / 2, 1)
    most = max(4, round(_MOST_COLUMNS / aspect))
    least = most // 2
    if limit < most:
        return max(least, limit)
    if limit <= 2 * most:
        return most

    def cost(columns: int) -> float:
        empty = -shown % columns / (shown + -shown % columns)
        return empty + 0.5 * abs(np.log(columns / np.sqrt(4 * shown / aspect)))

    return min(range(least, most + 1), key=cost)


def _small_ticks(axes: Axes, theme: Theme) -> None:
    axes.tick_params(labelsize=7.5, colors=theme.muted)
    steps = [1, 2, 2.5, 5, 10]
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1, steps=steps))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=bool(axes.images), min_n_ticks=1, steps=steps))


def strongest_unit(maps: np.ndarray) -> tuple[int, int] | None:
    """Returns (row, column) of the largest finite value of (N, H, W), or None if there is none."""
    flat = np.where(np.isfinite(maps), maps, -np.inf)
    place = int(flat.argmax())
    if not np.isfinite(flat.flat[place]):
        return None
    _, row, column = np.unravel_index(place, maps.shape)
    return int(row), int(column)


def short_title(layer: str) -> str:
    """Returns the names of a layer and of those in place after it, these without the prefix they share with
    it: "conv1 + conv1/bn" becomes "conv1 + bn"."""
    first, *rest = layer.split(" + ")
    folder = first[: first.rfind("/") + 1]
    names = [first]
    for name in rest:
        start = next((p for p in (f"{first}/", f"{first}_", folder) if p and name.startswith(p)), "")
        names.append(name[len(start) :] or name)
    return " + ".join(names)


def layer_facts(maps: FeatureMaps, shown: np.ndarray, is_top: bool = False) -> str:
    """Returns a layer's type, number and size of maps, receptive field, range, zeros and non-finite values.

    Args:
        shown: the channels that are drawn; is_top: whether they are the most active ones.
    """
    values = maps.values
    facts = [maps.type]
    if maps.is_flat:
        facts += [f"{len(values)} values", _largest_values(values)]
    elif maps.is_sequence:
        facts.append(f"{counted(values.shape[0], 'time step')} × {counted(values.shape[1], 'channel')}")
    elif maps.is_table:
        facts.append(" × ".join(map(str, values.shape)))
    else:
        facts += _map_facts(maps, len(shown), is_top)
    zeros = float((values == 0).mean())
    if zeros > 0.01:
        facts.append(f"{percent(zeros)} zeros")
    if not np.isfinite(values).all():
        facts.append("non-finite values" + ("" if maps.is_flat else " in magenta"))
    return " · ".join(facts)


def _map_facts(maps: FeatureMaps, shown: int, is_top: bool) -> list[str]:
    total, height, width = maps.tiles.shape
    count = f"{total} maps" if is_top or shown == total else f"{shown} of {total} maps"
    if is_top:
        count = f"{shown} most active of {count}" if shown < total else f"{count}, most active first,"
    if maps.values.ndim == 4:
        count += f" ({counted(maps.values.shape[0], 'channel')} × {counted(maps.values.shape[1], 'slice')})"
    facts = [f"{count} of {height} × {width}"]
    finite = maps.values[np.isfinite(maps.values)]
    if finite.size:
        facts.append(f"{number_label(float(finite.min()))} to {number_label(float(finite.max()))}")
    if maps.field is not None:
        facts.append("receptive field {:g} × {:g}".format(*maps.field.size))
    return facts


def _largest_values(values: np.ndarray) -> str:
    """The indices of the three largest values."""
    best = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:3]
    return "largest: " + ", ".join(map(str, best))
