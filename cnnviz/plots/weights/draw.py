"""Pictures of weights: filters of every layer as tiles, with their statistics, histogram and health."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import FilterBank, order_filters
from cnnviz.analysis.filters import FILTER_FINDINGS, LAYER_FINDINGS, LayerHealth, Report
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.filters import FilterOptions
from cnnviz.plots.common.mosaic import (
    GAP,
    ColorScale,
    TileLayout,
    color_scale,
    gray_scale,
    mosaic,
    own_divisors,
    tile_layout,
)
from cnnviz.plots.common.panels import (
    Mark,
    color_bar,
    inch_axes,
    inch_text,
    label_tiles,
    mark_tiles,
    show_mosaic,
)
from cnnviz.plots.common.text import number_label
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.weights.forms import (
    BAR,
    HEADING,
    LINE,
    MARGIN,
    MATRIX_COLUMNS,
    MATRIX_ROWS,
    MOST_CHANNELS,
    SECTION_GAP,
    WIDTH,
    draw_counts,
    draw_heading,
    draw_legend,
    draw_statistics,
    draw_title,
    finding_mark,
    in_color,
    layer_kinds,
    left_out,
    legend_height,
    statistics_lines,
    tile_form,
    title_height,
    weight_histogram,
)
from cnnviz.plots.weights.overview import draw_overview, overview_height, overview_kinds

# Inches.
_LEFT_WIDTH, _SIDE_GAP, _SIDE_WIDTH, _INDENT = 6.4, 0.35, 2.45, 1.15
_GUTTER, _GRID_GUTTER, _BLOCK_GAP = 0.5, 0.32, 0.18
_HISTOGRAM = 0.52
_BAND = 0.45  # the least height of a part that is named
_NUMBER = 0.15  # above a tile, for its number
_SMALLEST = 0.02  # a weight in rows of tiles, where there is room: three pixels at 150 dots per inch
_ROW_GAP = 0.14  # between the tiles of rows, as a share of a tile
_COMMON = 0.5  # findings that more than this share of a layer's filters have are counted, not marked

_ORDER_WORDS = {
    "file": "filters in the order of the file",
    "norm": "filters by norm, largest first",
    "similarity": "filters by similarity",
}
_SCALE_WORDS = {"filter": "each filter on its own scale", "layer": "one scale for each layer"}


def draw_weights(
    chosen: Sequence[LayerHealth], options: FilterOptions, title: str, file: str, report: Report | None = None
) -> Figure:
    """Draws the filters of layers, a section for each.

    A first convolution on three channels is drawn in colour, one tile per filter; so are windows on one
    channel, in the colours of a scale. Deeper convolutions have a row of tiles for each filter, a tile
    for each channel. A fully connected layer is drawn as tiles of the shape it reads if all of them
    fit the limit, otherwise as a matrix, a row for each output; so are recurrent layers and 1 x 1
    convolutions.

    Args:
        chosen: the layers to draw.
        title, file: what the figure is called, and the file's name below.
        report: of all layers: adds its verdict, and an overview where not all of them are drawn.
    """
    theme = get_theme(options.style)
    sections = [_plan(_Section(health, options, theme)) for health in chosen]
    subtitle = [_ORDER_WORDS[options.order], _SCALE_WORDS[options.normalize]]
    if any(s.kind == "color" for s in sections):
        subtitle.append(f"input channels read as {options.channel_order.upper()}")
    lines = [file, report.verdict if report else "", " · ".join(subtitle)]
    overview = report.layers if report and len(chosen) < len(report.layers) else ()
    return _draw_sections(sections, overview, title, lines, theme)


# --- planning -----------------------------------------------------------------------------------


@dataclass
class _Section:
    """One layer of the figure: what is drawn, and how large; sizes in inches.

    Attributes:
        kind: see ``tile_form``.
        filters: (N, C, H, W), or (N, D) for a matrix, in the order of the file.
        numbers: (N,) their numbers in the order of drawing.
        shown: how many filters, and how many channels or columns, are drawn.
        columns: of tiles; for "rows", of blocks of rows.
        tile: a tile's longer side; width and height: of the drawing.
    """

    health: LayerHealth
    options: FilterOptions
    theme: Theme
    kind: str = ""
    filters: np.ndarray = None  # type: ignore[assignment]
    numbers: np.ndarray = None  # type: ignore[assignment]
    shown: tuple[int, int] = (0, 0)
    columns: int = 1
    tile: float = 0.0
    strip: float = 0.0
    width: float = 0.0
    height: float = 0.0

    @property
    def bank(self) -> FilterBank:
        return self.health.bank

    @property
    def total_height(self) -> float:
        side = len(statistics_lines(self.health)) * LINE + 0.1 + _HISTOGRAM + 0.25
        return HEADING + max(self.height + BAR, side)

    @property
    def gutter(self) -> float:
        """The room for numbers left of the drawing."""
        return _GUTTER if self.kind in ("rows", "matrix") else 0.0 if self.strip else _GRID_GUTTER

    @property
    def shown_filters(self) -> np.ndarray:
        """The filters that are drawn, in the order of drawing."""
        return self.filters[self.numbers[: self.shown[0]]]

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of equal parts of the picture, from above; nothing where they are not whole rows."""
        bands = self.bank.bands if self.options.order == "file" and self.kind in ("grid", "matrix") else ()
        is_whole = self.shown[0] == len(self.filters)
        rows = self.columns if self.kind == "grid" else 1
        if not bands or not is_whole or len(self.filters) // len(bands) % rows:
            return ()
        return bands if self.height >= _BAND * len(bands) else ()

    @property
    def marks(self) -> dict[str, tuple[int, ...]]:
        """The findings that are marked: where most filters have one, signs would say nothing."""
        most = _COMMON * len(self.filters)
        found = self.health.marks.items() if self.options.marks else ()
        return {kind: numbers for kind, numbers in found if len(numbers) <= most}


def _plan(section: _Section) -> _Section:
    """Decides how a layer is drawn, and how large."""
    bank, limit = section.bank, section.options.limit
    section.numbers = order_filters(bank.filters, section.options.order)
    filters = bank.filters
    if bank.reads and bank.reads_area and len(filters) * bank.reads[0] <= limit:
        filters = filters.reshape(len(filters), *bank.reads)
    section.kind = tile_form(filters, bank.is_first)
    section.filters = filters.reshape(len(filters), -1) if section.kind == "matrix" else filters
    plan = {"color": _plan_grid, "grid": _plan_grid, "rows": _plan_rows, "matrix": _plan_matrix}
    return plan[section.kind](section, limit)


def _plan_grid(section: _Section, limit: int) -> _Section:
    """One tile a filter: as large as the width and a height of about half of it allow."""
    count = min(len(section.filters), limit)
    height, width = section.filters.shape[2:]
    across, down = width / max(height, width), height / max(height, width)  # of a tile's longer side
    tile, most_height = (0.66, 3.3) if section.bank.is_first else (0.46, 2.6)
    while True:
        strip = _NUMBER / (tile * down) if tile * down >= 0.24 and count <= 256 else 0.0
        room = _LEFT_WIDTH - (0 if strip else _GRID_GUTTER)
        columns = min(count, max(1, int(room / (tile * (across + GAP)))))
        rows = math.ceil(count / columns)
        if rows * tile * (down * (1 + strip) + GAP) <= most_height or tile < 0.08:
            break
        tile *= 0.97
    columns = _filled_columns(columns, count, rows, count // max(1, len(section.bank.bands)))
    tile = min(tile, 0.999 * room / (columns * (across + GAP)))
    section.shown, section.columns, section.tile, section.strip = (count, 1), columns, tile, strip
    layout = tile_layout(count, height, width, columns, strip=strip)
    section.width = tile * across * layout.size[1] / layout.tile_pixels[1]
    section.height = layout.height_at(section.width)
    return section


def _filled_columns(columns: int, count: int, rows: int, unit: int) -> int:
    """Returns a number of columns near the given one that ``unit`` tiles (a part of all) fill evenly."""
    most = int(columns / 0.75)  # smaller tiles are a low price for full rows
    if unit < count:  # a band is whole rows, if that does not make the grid much narrower
        widest = max(n for n in range(1, most + 1) if unit % n == 0)
        return widest if 2 * widest >= columns else columns
    fewest = math.ceil(count / rows)
    even = [n for n in range(fewest, most + 1) if count % n == 0]
    return even[0] if even else fewest  # a last row of two tiles looks forgotten


def _plan_rows(section: _Section, limit: int) -> _Section:
    """A row a filter, the rows in blocks side by side so that tiles are as large as may be."""
    count, channels, height, width = section.filters.shape
    if count * channels > limit:
        channels = min(channels, MOST_CHANNELS, limit)
        count = min(count, max(1, limit // channels))
    across, down = width / max(height, width), height / max(height, width)

    def room(blocks: int) -> float:
        """The width of a tile's longer side if ``blocks`` fill the whole width."""
        free = _LEFT_WIDTH - blocks * _GUTTER - (blocks - 1) * _BLOCK_GAP
        return free / (blocks * channels * (across + _ROW_GAP))

    def tile_for(blocks: int) -> float:
        return min(0.42, room(blocks), 2.4 / (math.ceil(count / blocks) * (down + _ROW_GAP)))

    smallest = min(0.1, _SMALLEST * max(height, width))
    most = max(1, int(_LEFT_WIDTH / (_GUTTER + _BLOCK_GAP + smallest * channels)))
    counts = range(1, min(count, most) + 1)
    best = max(map(tile_for, counts))
    blocks = max(n for n in counts if tile_for(n) >= 0.8 * best)  # more blocks make a lower picture
    tile = max(tile_for(blocks), min(smallest, room(blocks)))
    section.shown, section.columns, section.tile = (count, channels), blocks, tile
    layout = tile_layout(math.ceil(count / blocks) * channels, height, width, channels, gap=_ROW_GAP)
    section.width = tile * across * layout.size[1] / layout.tile_pixels[1]
    section.height = layout.height_at(section.width)
    return section


def _plan_matrix(section: _Section, limit: int) -> _Section:
    rows = min(section.filters.shape[0], MATRIX_ROWS)
    columns = min(section.filters.shape[1], MATRIX_COLUMNS)
    section.shown = rows, columns
    cell = min(0.2, (_LEFT_WIDTH - _GUTTER) / columns)
    section.width = cell * columns
    # Few long rows would be hairlines: cells need not be square.
    least = max(min(rows * 0.14, 1.4), _BAND * len(section.bank.bands))
    section.height = min(2.6, max(rows * min(cell, 0.045), least))
    return section


# --- drawing ------------------------------------------------------------------------------------


def _draw_sections(
    sections: Sequence[_Section],
    overview: Sequence[LayerHealth],
    title: str,
    lines: Sequence[str],
    theme: Theme,
) -> Figure:
    kinds = _explained(sections, overview)
    common = any(
        len(section.marks) < len(section.health.marks) for section in sections if section.options.marks
    )
    legend = legend_height(kinds) + 0.2 * common
    height = MARGIN + title_height(lines) + (overview_height(overview) + SECTION_GAP if overview else 0)
    height += sum(section.total_height + SECTION_GAP for section in sections) + legend + MARGIN
    figure = new_figure(WIDTH, height, theme)
    top = draw_title(figure, title, lines, theme)
    if overview:
        draw_overview(figure, overview, {section.bank.title for section in sections}, top, theme)
        top += overview_height(overview) + SECTION_GAP
    for section in sections:
        _draw_section(figure, section, top)
        top += section.total_height + SECTION_GAP
    draw_legend(figure, kinds, top, theme)
    if common:
        words = "What more than half of a layer's filters have is counted, not marked."
        inch_text(figure, MARGIN, top + legend_height(kinds), words, 9, theme.muted)
    return figure


def _explained(sections: Sequence[_Section], overview: Sequence[LayerHealth]) -> list[str]:
    """Returns the kinds of findings that the legend explains."""
    found = {kind for section in sections if section.options.marks for kind in section.health.marks}
    found |= {kind for section in sections for kind in layer_kinds(section.health)}
    found.update(overview_kinds(overview))
    return [kind for kind in FILTER_FINDINGS | LAYER_FINDINGS if kind in found]


def _draw_section(figure: Figure, section: _Section, top: float) -> None:
    draw_heading(
        figure, section.bank, left_out(section.shown, section.filters, section.kind), section.theme, top
    )
    draw = {"color": _draw_grid, "grid": _draw_grid, "rows": _draw_rows, "matrix": _draw_matrix}
    scale = draw[section.kind](figure, section, top + HEADING)
    bar_top = top + HEADING + section.height + 0.1
    color_bar(figure, MARGIN + section.gutter, bar_top, scale, section.theme, _bar_label(section), width=1.9)
    _draw_side(figure, section, top + HEADING)


def _draw_side(figure: Figure, section: _Section, top: float) -> None:
    """Writes the statistics and draws the histogram, right of the filters."""
    theme, left = section.theme, MARGIN + _LEFT_WIDTH + _SIDE_GAP
    top = draw_statistics(figure, left, top, statistics_lines(section.health), _INDENT, theme)
    axes = inch_axes(figure, left, top + 0.1, _SIDE_WIDTH, _HISTOGRAM)
    counts, edges = weight_histogram(section.bank)
    ends = [edges[0], 0, edges[-1]] if edges[0] < 0 else [edges[0], edges[-1]]
    draw_counts(axes, counts, edges, section.bank, {end: number_label(end) for end in ends}, theme)
    axes.axvline(0, color=theme.edge, linewidth=0.8)


def _bar_label(section: _Section) -> str:
    if section.kind == "color":
        own = "largest |weight| of its filter" if section.options.normalize == "filter" else ""
        return f"red, green and blue each: weight{' / ' + own if own else ''}; grey is 0"
    return "weight / largest |weight| of its filter" if section.options.normalize == "filter" else "weight"


def _divisors(section: _Section) -> np.ndarray | None:
    """What each filter shown is divided by; None for one scale."""
    if section.options.normalize == "layer":
        return None
    return own_divisors(section.shown_filters)


def _layer_scale(section: _Section) -> ColorScale:
    """The scale of values, or of values divided by the filter's largest."""
    ends = np.array([section.health.low.min(), section.health.high.max()])
    scale = color_scale(ends)
    return scale if section.options.normalize == "layer" else scale.relative


def _marked(section: _Section, shown: int) -> dict[Mark, list[int]]:
    """Returns the places (not the numbers) of the filters shown that carry each mark."""
    place = {int(number): i for i, number in enumerate(section.numbers[:shown])}
    return {
        finding_mark(kind, section.theme): [place[n] for n in numbers if n in place]
        for kind, numbers in section.marks.items()
    }


def _draw_grid(figure: Figure, section: _Section, top: float) -> ColorScale:
    count = section.shown[0]
    axes = inch_axes(figure, MARGIN + section.gutter, top, section.width, section.height)
    divisors, scale = _divisors(section), _layer_scale(section)
    if section.kind == "color":
        shown_scale = gray_scale(scale.high)
        tiles = in_color(section.shown_filters, section.options.channel_order)
        divisors = divisors if divisors is not None else np.full(count, scale.high)
    else:
        shown_scale, tiles = scale, section.shown_filters[:, 0]
    layout = tile_layout(count, tiles.shape[1], tiles.shape[2], section.columns, strip=section.strip)
    show_mosaic(axes, mosaic(tiles, layout, None if section.kind == "color" else scale, divisors))
    mark_tiles(axes, layout, _marked(section, count))
    if section.strip:
        numbers = [str(number) for number in section.numbers[:count]]
        label_tiles(axes, layout, numbers, 6.0, section.theme)
    else:  # then each row has the number of its first tile
        _label_rows(axes, section, layout, range(0, count, section.columns), {})
    _name_bands(axes, section)
    return shown_scale


def _name_bands(axes: Axes, section: _Section) -> None:
    """Writes the names of the bands at the right, and in a matrix draws lines between them."""
    width = axes.get_position().width * WIDTH * 72
    for i, name in enumerate(section.bands):
        axes.text(
            1 + 6 / width, 1 - (i + 0.5) / len(section.bands), name, transform=axes.transAxes, rotation=270,
            size=7.5, color=section.theme.muted, ha="left", va="center", gid=f"band {name}",
        )  # fmt: skip
        if i and section.kind == "matrix":
            axes.axhline(
                i * len(section.filters) / len(section.bands), color=section.theme.text, linewidth=0.9
            )


def _draw_rows(figure: Figure, section: _Section, top: float) -> ColorScale:
    count, channels = section.shown
    divisors, scale, filters = _divisors(section), _layer_scale(section), section.shown_filters
    per_block = math.ceil(count / section.columns)
    places = _marked(section, count)
    for block, start in enumerate(range(0, count, per_block)):
        stop = min(count, start + per_block)
        tiles = filters[start:stop, :channels].reshape(-1, *filters.shape[2:])
        left = MARGIN + _GUTTER + block * (section.width + _GUTTER + _BLOCK_GAP)
        layout = tile_layout(len(tiles), tiles.shape[1], tiles.shape[2], channels, gap=_ROW_GAP)
        axes = inch_axes(figure, left, top, section.width, layout.height_at(section.width))
        own = None if divisors is None else divisors[start:stop].repeat(channels)
        show_mosaic(axes, mosaic(tiles, layout, scale, own))
        _label_rows(axes, section, layout, range(start, stop), places)
    return scale


def _label_rows(
    axes: Axes, section: _Section, layout: TileLayout, rows: range, places: Mapping[Mark, Sequence[int]]
) -> None:
    """Writes the number of each row's (first) filter left of it, with its signs."""
    height = layout.tile_pixels[0]
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]  # type: ignore[union-attr]
    points = inches * 72 * height / layout.size[0]
    tops = [layout.corner(i * layout.columns)[0] for i in range(len(rows))]
    centers = [1 - (top + height / 2) / layout.size[0] for top in tops]
    _write_numbers(axes, section, rows, centers, points, places)


def _write_numbers(
    axes: Axes,
    section: _Section,
    rows: range,
    centers: Sequence[float],
    points: float,
    places: Mapping[Mark, Sequence[int]],
) -> None:
    """Writes numbers and signs at heights ``centers`` (shares of the axes); ``points``: a row's height."""
    width = axes.get_position().width * axes.figure.get_size_inches()[0] * 72  # type: ignore[union-attr]
    mark_of: dict[int, list[Mark]] = {}
    for mark, marked in places.items():
        for row in marked:
            mark_of.setdefault(row, []).append(mark)
    # Where rows are lower than letters only some carry their numbers; signs are never left out.
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n * points >= 6.6)
    for place, (row, center) in enumerate(zip(rows, centers, strict=True)):
        found = mark_of.get(row, [])
        if place % every == 0:
            axes.text(
                -4 / width,
                center,
                str(section.numbers[row]),
                transform=axes.transAxes,
                size=min(7.0, max(5.5, points * 0.8)),
                color=section.theme.muted,
                ha="right",
                va="center_baseline",
                gid=f"filter {section.numbers[row]}",
            )
        for i, mark in enumerate(found[:2]):
            axes.plot(
                [-(23 + 6 * i) / width],
                [center],
                transform=axes.transAxes,
                marker=mark.marker,
                color=mark.color,
                markersize=min(5.0, max(3.5, points * 0.8)),
                markeredgewidth=0,
                clip_on=False,
                gid=f"sign {mark.label}",
            )


def _draw_matrix(figure: Figure, section: _Section, top: float) -> ColorScale:
    rows, columns = section.shown
    scale, divisors = _layer_scale(section), _divisors(section)
    values = section.shown_filters[:, :columns]
    if divisors is not None:
        values = values / np.where(divisors > 0, divisors, 1)[:, None]
    axes = inch_axes(figure, MARGIN + _GUTTER, top, section.width, section.height)
    # Averaging pixels would turn noise into nothing: where cells are finer than pixels, some are shown.
    axes.imshow(scale.colors(values), extent=(0, columns, rows, 0), aspect="auto", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(section.theme.edge)
        spine.set_linewidth(0.6)
    centers = [1 - (row + 0.5) / rows for row in range(rows)]
    _write_numbers(axes, section, range(rows), centers, section.height * 72 / rows, _marked(section, rows))
    _name_bands(axes, section)
    return scale
