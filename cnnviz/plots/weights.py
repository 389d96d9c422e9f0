"""Pictures of weights: filters of every layer as tiles, with their statistics, histogram and health."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import FilterBank, filter_banks, order_filters
from cnnviz.analysis.filters import FILTER_FINDINGS, LayerHealth, layer_health, median
from cnnviz.analysis.model import AnyModel, AnyWeights, load_graph, load_weights, some_names
from cnnviz.analysis.summary import shape_text
from cnnviz.engine.graph import Graph
from cnnviz.errors import CnnvizError, WeightsError, did_you_mean
from cnnviz.plots._text import fit, text_width
from cnnviz.plots.style import KIND_COLORS, Theme, kind_of, new_figure, save_figure, theme
from cnnviz.plots.tiles import (
    BAD_COLOR,
    GAP,
    ColorScale,
    Mark,
    TileGrid,
    color_bar,
    color_scale,
    gray_scale,
    inch_axes,
    inch_text,
    keep_ends_inside,
    largest,
    number_label,
    tile_grid,
    tile_layout,
)

MOST_LAYERS = 8  # drawn if the caller names none
MOST_TILES = 1024  # of one layer, by default
MOST_CHANNELS = 64  # of one filter, where not all tiles fit
MATRIX_ROWS, MATRIX_COLUMNS = 600, 1024  # of a matrix that are drawn: about a pixel each

# Inches.
MARGIN, _LEFT_WIDTH, _SIDE_GAP, _SIDE_WIDTH = 0.45, 8.6, 0.5, 2.9
_WIDTH = 2 * MARGIN + _LEFT_WIDTH + _SIDE_GAP + _SIDE_WIDTH
_HEADING, _BAR, _SECTION_GAP = 0.42, 0.46, 0.42
_GUTTER, _BLOCK_GAP = 0.5, 0.18
_HISTOGRAM, _LINE = 0.85, 0.17
_NUMBER = 0.15  # above a tile, for its number
_ROW_GAP = 0.14  # between the tiles of rows

_SIGNS = {  # marker, sign in text, index into the theme's series
    "not finite": ("X", "✖", None),
    "dead": ("s", "■", 7),
    "constant": ("P", "✚", 6),
    "saturated": ("D", "◆", 4),
    "outlier": ("^", "▲", 2),
    "noisy": ("o", "●", 1),
    "near-duplicate": ("v", "▼", 0),
}


def plot_weights(
    model: AnyModel,
    weights: AnyWeights,
    path: str | os.PathLike | None = None,
    *,
    layers: Sequence[str] | None = None,
    order: str = "file",
    normalize: str = "filter",
    channel_order: str = "bgr",
    limit: int = MOST_TILES,
    marks: bool = True,
    style: str = "light",
    dpi: float = 150,
) -> Figure:
    """Draws the filters of a net, a section for each layer.

    A first convolution on three channels is drawn in colour, one tile a filter; so are windows on one
    channel, in the colours of a scale. Deeper convolutions have a row of tiles for each filter, a tile
    for each channel. A fully connected layer is drawn as tiles of the shape it reads if all of them
    fit the limit, else as a matrix, a row for each output; so are 1 x 1 convolutions.

    Args:
        model: the net (path of a prototxt, NetDefinition or Graph), or None for what the file tells.
        weights: path of a caffemodel, or blobs by layer name.
        path: where to write the picture; its suffix gives the format.
        layers: names of the layers to draw; by default convolutions and fully connected layers, at
            most MOST_LAYERS of them.
        order: of the filters: "file", "norm" (largest first) or "similarity" (like beside like).
        normalize: "filter": each filter has the whole colour scale; "layer": one scale for the layer.
        channel_order: what the net's three input channels are: "bgr" or "rgb".
        limit: most tiles drawn of one layer; what is left out is said in the picture.
        marks: whether filters with a finding are marked.
        style: "light" or "dark".
        dpi: dots per inch of PNG and JPEG.

    Returns:
        The figure.

    Raises:
        WeightsError: the weights do not fit the net, or hold no filters.
        CnnvizError: an unknown layer, order or other option.
        FileError: a file cannot be read or written.
    """
    check_choice("normalize", normalize, ("filter", "layer"))
    check_choice("channel_order", channel_order, ("bgr", "rgb"))
    if limit < 1:
        raise CnnvizError(f"limit is {limit}, wanted 1 tile or more.")
    look = theme(style)
    source = load_weights(weights)
    graph = load_graph(model, source)
    banks = filter_banks(source, graph)
    chosen = choose_layers(banks, layers, source, graph)
    sections = [
        _plan(_Section(bank, layer_health(bank), look, order, normalize, channel_order, marks), banks, limit)
        for bank in chosen
    ]
    subtitle = [f"{_ORDER_WORDS[order]}; {_SCALE_WORDS[normalize]}"]
    if any(s.kind == "color" for s in sections):
        subtitle.append(f"input channels read as {channel_order.upper()}")
    if layers is None and len(chosen) < len(banks):
        subtitle.append(f"{len(chosen)} of {len(banks)} layers with filters, name others to see them")
    figure = _draw_sections(sections, _title(source, graph), " · ".join(subtitle), look)
    if path is not None:
        save_figure(figure, path, dpi, title=_title(source, graph)[0])
    return figure


_ORDER_WORDS = {
    "file": "filters in the order of the file",
    "norm": "filters by norm, largest first",
    "similarity": "filters by similarity",
}
_SCALE_WORDS = {"filter": "each filter on its own scale", "layer": "one scale for each layer"}


def check_choice(name: str, value: str, known: Sequence[str]) -> None:
    """Raises CnnvizError unless ``value`` is one of ``known``."""
    if value not in known:
        wanted = " or ".join(map(repr, known))
        raise CnnvizError(f"{name} is {value!r}, wanted {wanted}{did_you_mean(str(value), known)}")


def choose_layers(
    banks: Sequence[FilterBank],
    names: Sequence[str] | None,
    weights: Mapping[str, Sequence[np.ndarray]],
    graph: Graph | None,
) -> list[FilterBank]:
    """Returns the layers to draw: those named, else convolutions first, then others, up to MOST_LAYERS.

    Raises: WeightsError if there are no filters; CnnvizError for a layer that is not there or has none.
    """
    origin = getattr(weights, "path", "weights")
    if not banks:
        raise WeightsError(f"{origin}: holds no filters: no layer has a blob of two or more axes.")
    if names is None:
        firsts = sorted(banks, key=lambda bank: (not bank.is_windows, bank.blob))[:MOST_LAYERS]
        return [bank for bank in banks if bank in firsts]
    known = dict.fromkeys(name for bank in banks for name in (bank.title, bank.layer))
    for name in names:
        if name in known:
            continue
        if name in weights or (graph and any(node.name == name for node in graph.layers)):
            raise CnnvizError(
                f"{origin}: layer {name!r} has no filters; layers that have: {some_names(known, 8)}."
            )
        hint = did_you_mean(name, known) or f"; it has {some_names(known, 8)}"
        raise CnnvizError(f"{origin}: no layer {name!r} with weights{hint}")
    return [bank for name in dict.fromkeys(names) for bank in banks if name in (bank.title, bank.layer)]


def _title(weights: Mapping, graph: Graph | None) -> tuple[str, str]:
    """Returns the picture's title and the file's name."""
    name = (graph.name if graph else "") or getattr(weights, "net_name", "")
    return f"Weights of {name}" if name else "Weights", Path(getattr(weights, "path", "")).name


# --- planning -----------------------------------------------------------------------------------


@dataclass
class _Section:
    """One layer of the figure: what is drawn, and how large; sizes in inches.

    Attributes:
        kind: "color" and "grid" (a tile a filter), "rows" (a row a filter) or "matrix".
        filters: (N, C, H, W), or (N, D) for a matrix, in the order of the file.
        numbers: (N,) their numbers in the order of drawing.
        shown: how many filters, and how many channels or columns, are drawn.
        columns: of tiles; for "rows", of blocks of rows.
        tile: a tile's longer side; width and height: of the drawing.
    """

    bank: FilterBank
    health: LayerHealth
    look: Theme
    order: str
    normalize: str
    channel_order: str
    marks: bool
    kind: str = ""
    filters: np.ndarray = None  # type: ignore[assignment]
    numbers: np.ndarray = None  # type: ignore[assignment]
    shown: tuple[int, int] = (0, 0)
    columns: int = 1
    tile: float = 0.0
    strip: float = 0.0
    width: float = 0.0
    height: float = 0.0
    is_first: bool = False

    @property
    def total_height(self) -> float:
        side = len(statistics_lines(self.health)) * _LINE + 0.12 + _HISTOGRAM + 0.3
        return _HEADING + max(self.height + _BAR, side)

    @property
    def shown_filters(self) -> np.ndarray:
        """The filters that are drawn, in the order of drawing."""
        return self.filters[self.numbers[: self.shown[0]]]

    @property
    def note(self) -> str:
        """What is left out, in words."""
        count, inner = self.shown
        parts = []
        if count < len(self.filters):
            parts.append(f"first {count} of {len(self.filters)} filters")
        if self.kind in ("rows", "matrix") and inner < self.filters.shape[1]:
            what = "channels" if self.kind == "rows" else "inputs"
            parts.append(f"first {inner} of {self.filters.shape[1]} {what}")
        return ", ".join(parts)


def _plan(section: _Section, banks: Sequence[FilterBank], limit: int) -> _Section:
    """Decides how a layer is drawn, and how large."""
    bank = section.bank
    first = next((b for b in banks if b.is_windows), None)
    section.is_first = bank is first
    section.numbers = order_filters(bank.filters, section.order)
    filters = bank.filters
    if bank.reads and len(filters) * bank.reads[0] <= limit:
        filters = filters.reshape(len(filters), *bank.reads)
    if filters.ndim == 4 and math.prod(filters.shape[2:]) == 1:
        filters = filters.reshape(filters.shape[:2])
    section.filters = filters
    if filters.ndim == 2:
        return _plan_matrix(section)
    if filters.shape[1] == 3 and section.is_first:
        section.kind = "color"
    else:
        section.kind = "grid" if filters.shape[1] == 1 else "rows"
    return _plan_rows(section, limit) if section.kind == "rows" else _plan_grid(section, limit)


def _plan_grid(section: _Section, limit: int) -> _Section:
    """One tile a filter: as large as the width and a height of about half of it allow."""
    count = min(len(section.filters), limit)
    height, width = section.filters.shape[2:]
    across, down = width / max(height, width), height / max(height, width)  # of a tile's longer side
    tile, most_height = (0.85, 4.3) if section.is_first else (0.55, 3.2)
    while True:
        strip = _NUMBER / (tile * down) if tile * down >= 0.24 and count <= 256 else 0.0
        columns = min(count, max(1, int(_LEFT_WIDTH / (tile * (across + GAP)))))
        rows = math.ceil(count / columns)
        if rows * tile * (down * (1 + strip) + GAP) <= most_height or tile < 0.08:
            break
        tile *= 0.97
    fewest, most = math.ceil(count / rows), int(columns / 0.85)
    even = [n for n in range(fewest, most + 1) if count % n == 0]
    columns = even[0] if even else fewest  # a last row of two tiles looks forgotten
    tile = min(tile, 0.999 * _LEFT_WIDTH / (columns * (across + GAP)))
    section.shown, section.columns, section.tile, section.strip = (count, 1), columns, tile, strip
    layout = tile_layout(count, height, width, columns, strip=strip)
    section.width = tile * across * layout.size[1] / layout.tile_pixels[1]
    section.height = layout.height_at(section.width)
    return section


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
        return min(0.5, room(blocks), 4.2 / (math.ceil(count / blocks) * (down + _ROW_GAP)))

    most = max(1, int(_LEFT_WIDTH / (_GUTTER + _BLOCK_GAP + 0.1 * channels)))
    counts = range(1, min(count, most) + 1)
    best = max(map(tile_for, counts))
    blocks = max(n for n in counts if tile_for(n) >= 0.8 * best)  # more blocks make a lower picture
    tile = max(tile_for(blocks), min(0.1, room(blocks)))
    section.shown, section.columns, section.tile = (count, channels), blocks, tile
    layout = tile_layout(math.ceil(count / blocks) * channels, height, width, channels, gap=_ROW_GAP)
    section.width = tile * across * layout.size[1] / layout.tile_pixels[1]
    section.height = layout.height_at(section.width)
    return section


def _plan_matrix(section: _Section) -> _Section:
    section.kind = "matrix"
    rows = min(section.filters.shape[0], MATRIX_ROWS)
    columns = min(section.filters.shape[1], MATRIX_COLUMNS)
    section.shown = rows, columns
    cell = min(0.2, (_LEFT_WIDTH - _GUTTER) / columns)
    section.width = cell * columns
    # Few long rows would be hairlines: cells need not be square.
    section.height = min(4.2, max(rows * min(cell, 0.045), min(rows * 0.14, 1.6)))
    return section


# --- drawing ------------------------------------------------------------------------------------


def _draw_sections(
    sections: Sequence[_Section], title: tuple[str, str], subtitle: str, look: Theme
) -> Figure:
    kinds = [kind for kind in FILTER_FINDINGS if any(kind in s.health.marks and s.marks for s in sections)]
    top = MARGIN + 0.95
    legend = 0.2 + 0.2 * len(kinds) if kinds else 0.0
    height = top + sum(s.total_height + _SECTION_GAP for s in sections) - _SECTION_GAP + legend + MARGIN
    figure = new_figure(_WIDTH, height, look)
    draw_title(figure, title, subtitle, look, _WIDTH)
    for section in sections:
        _draw_section(figure, section, top)
        top += section.total_height + _SECTION_GAP
    _draw_legend(figure, kinds, top - _SECTION_GAP + 0.2, look)
    return figure


def draw_title(figure: Figure, title: tuple[str, str], subtitle: str, look: Theme, width: float) -> None:
    """Writes the title, the file's name and the modes at the top: 0.95 inches below the margin."""
    room = (width - 2 * MARGIN) * 72
    name = fit(title[0], room, 17, bold=True)
    inch_text(figure, MARGIN, MARGIN - 0.05, name, 17, look.text, weight="bold")
    inch_text(figure, MARGIN, MARGIN + 0.31, fit(title[1], room, 10), 10, look.text)
    top = MARGIN + (0.53 if title[1] else 0.34)
    inch_text(figure, MARGIN, top, fit(subtitle, room, 9), 9, look.muted)


def _draw_section(figure: Figure, section: _Section, top: float) -> None:
    draw_heading(figure, section.bank, section.note, section.look, top, _WIDTH - 2 * MARGIN)
    draw = {"color": _draw_grid, "grid": _draw_grid, "rows": _draw_rows, "matrix": _draw_matrix}
    scale = draw[section.kind](figure, section, top + _HEADING)
    bar_top = top + _HEADING + section.height + 0.1
    left = MARGIN + (_GUTTER if section.kind in ("rows", "matrix") else 0)
    color_bar(figure, left, bar_top, scale, section.look, _bar_label(section))
    _draw_side(figure, section, top + _HEADING)


def draw_heading(figure: Figure, bank: FilterBank, note: str, look: Theme, top: float, width: float) -> None:
    """Writes the layer's name, type and shape, and what is left out."""
    chip = inch_axes(figure, MARGIN, top + 0.03, 0.13, 0.13)
    chip.set_facecolor(KIND_COLORS[bank_kind(bank)])
    chip.set(xticks=[], yticks=[])
    for spine in chip.spines.values():
        spine.set_visible(False)
    name = fit(bank.title, 4.5 * 72, 12, bold=True)
    inch_text(figure, MARGIN + 0.21, top, name, 12, look.text, weight="bold")
    left = MARGIN + 0.36 + text_width(name, 12, bold=True) / 72
    room = (width + MARGIN - left) * 72
    words = " · ".join(part for part in (bank_words(bank), note) if part)
    inch_text(figure, left, top + 0.035, fit(words, room, 9), 9, look.muted)


def bank_words(bank: FilterBank) -> str:
    """Returns a layer's type and its filters' number and shape, in words."""
    what = f"{len(bank.filters)} filters of {shape_text(bank.filters.shape[1:])}"
    if not bank.is_windows:
        what = f"{bank.filters.shape[0]} outputs of {bank.filters.shape[1]} inputs"
        what += f" ({shape_text(bank.reads)})" if bank.reads else ""
    parts = [bank.type or "", what, f"group {bank.group}" if bank.group > 1 else ""]
    return " · ".join(part for part in parts if part)


def _bar_label(section: _Section) -> str:
    if section.kind == "color":
        own = "largest |weight| of its filter" if section.normalize == "filter" else ""
        return f"red, green and blue each: weight{' / ' + own if own else ''}; grey is 0"
    return "weight / largest |weight| of its filter" if section.normalize == "filter" else "weight"


def _divisors(section: _Section) -> np.ndarray | None:
    """What each filter shown is divided by; None for one scale."""
    if section.normalize == "layer":
        return None
    return np.array([largest(one) for one in section.shown_filters])


def _layer_scale(section: _Section) -> ColorScale:
    """The scale of values, or of values divided by the filter's largest."""
    scale = color_scale(section.bank.filters, section.look)
    if section.normalize == "layer":
        return scale
    return ColorScale(-1.0 if scale.is_signed else 0.0, 1.0, scale.cmap, scale.bad)


def _marked(section: _Section, shown: int) -> dict[Mark, list[int]]:
    """Returns the places (not the numbers) of the filters shown that carry each mark."""
    if not section.marks:
        return {}
    place = {int(number): i for i, number in enumerate(section.numbers[:shown])}
    return {
        finding_mark(kind, section.look): [place[n] for n in section.health.marks[kind] if n in place]
        for kind in FILTER_FINDINGS
        if kind in section.health.marks
    }


def finding_mark(kind: str, look: Theme) -> Mark:
    """Returns the mark of a finding about filters."""
    marker, _, series = _SIGNS[kind]
    return Mark(kind, BAD_COLOR if series is None else look.series[series], marker)


def _draw_grid(figure: Figure, section: _Section, top: float) -> ColorScale:
    count = section.shown[0]
    axes = inch_axes(figure, MARGIN, top, section.width, section.height)
    divisors = _divisors(section)
    numbers = [str(n) for n in section.numbers[:count]] if section.strip else None
    if section.kind == "color":
        step = -1 if section.channel_order == "bgr" else 1
        tiles = section.shown_filters[:, ::step].transpose(0, 2, 3, 1)
        scale = None
        shown_scale = gray_scale(1.0 if divisors is not None else largest(section.bank.filters) or 1.0)
        divisors = divisors if divisors is not None else np.full(count, shown_scale.high)
    else:
        tiles = section.shown_filters[:, 0]
        scale = shown_scale = _layer_scale(section)
    tile_grid(
        axes,
        tiles,
        section.look,
        normalize="all" if divisors is None else divisors,
        scale=scale,
        columns=section.columns,
        labels=numbers,
        strip=section.strip,
        marks=_marked(section, count),
    )
    return shown_scale


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
        grid = tile_grid(
            axes,
            tiles,
            section.look,
            normalize="all" if divisors is None else divisors[start:stop].repeat(channels),
            scale=scale,
            columns=channels,
            gap=_ROW_GAP,
        )
        _label_rows(axes, section, grid, range(start, stop), places)
    return scale


def _label_rows(
    axes: Axes, section: _Section, grid: TileGrid, rows: range, places: Mapping[Mark, Sequence[int]]
) -> None:
    """Writes each filter's number left of its row, in its mark's colour and with its sign."""
    height = grid.layout.tile_pixels[0]
    inches = axes.get_position().height * axes.figure.get_size_inches()[1]  # type: ignore[union-attr]
    points = inches * 72 * height / grid.layout.size[0]
    centers = [
        1
        - (grid.layout.corner((row - rows.start) * grid.layout.columns)[0] + height / 2) / grid.layout.size[0]
        for row in rows
    ]
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
    for row, center in zip(rows, centers, strict=True):
        found = mark_of.get(row, [])
        if row % every == 0:
            axes.text(
                -4 / width,
                center,
                str(section.numbers[row]),
                transform=axes.transAxes,
                size=min(7.0, max(5.5, points * 0.8)),
                color=section.look.muted,
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
        spine.set_color(section.look.edge)
        spine.set_linewidth(0.6)
    centers = [1 - (row + 0.5) / rows for row in range(rows)]
    _write_numbers(axes, section, range(rows), centers, section.height * 72 / rows, _marked(section, rows))
    return scale


def statistics_lines(health: LayerHealth) -> list[tuple[str, str, str | None]]:
    """Returns what is told of a layer in numbers: lines (label, value, kind of finding or None)."""
    bank = health.bank
    lines: list[tuple[str, str, str | None]] = [
        (
            "weights",
            f"{bank.filters.size:,}"
            + (f", {health.zeros.mean():.0%} zero" if health.zeros.mean() >= 0.005 else ""),
            None,
        ),
        ("mean, std", f"{number_label(float(health.mean.mean()))}, {number_label(health.total_std)}", None),
        ("range", f"{number_label(health.low.min())} to {number_label(health.high.max())}", None),
        ("norm of filters", f"{number_label(health.norm.min())} to {number_label(health.norm.max())}", None),
        ("effective rank", f"{health.rank:.1f} of {health.highest_rank}", None),
    ]
    if np.isfinite(health.noise).any():
        lines.append(("noise", f"{median(health.noise):.2f} (1 is white noise)", None))
    for kind, filters in health.marks.items():
        lines.append((kind, f"{len(filters)} of {health.count}", kind))
    return lines


def _draw_side(figure: Figure, section: _Section, top: float) -> None:
    """Writes the statistics and draws the histogram, right of the filters."""
    look, left = section.look, MARGIN + _LEFT_WIDTH + _SIDE_GAP
    for label, value, kind in statistics_lines(section.health):
        color = look.muted
        if kind is not None:
            color = finding_mark(kind, look).color
            label = f"{_SIGNS[kind][1]} {label}"
        inch_text(figure, left, top, label, 8.5, color)
        inch_text(figure, left + 1.18, top, value, 8.5, look.text)
        top += _LINE
    axes = inch_axes(figure, left, top + 0.12, _SIDE_WIDTH, _HISTOGRAM)
    draw_histogram(axes, section.bank, look)


def draw_histogram(axes: Axes, bank: FilterBank, look: Theme) -> None:
    """Draws how often each weight occurs, with the ends and 0 written below."""
    counts, edges = weight_histogram(bank)
    low, bound = float(edges[0]), float(edges[-1])
    axes.stairs(counts, edges, fill=True, color=KIND_COLORS[bank_kind(bank)], gid="histogram")
    axes.axvline(0, color=look.edge, linewidth=0.8)
    axes.set_facecolor(look.panel)
    axes.set_xlim(low, bound)
    axes.set_ylim(0, max(1, counts.max()) * 1.08)
    ticks = [low, 0, bound] if low < 0 else [low, bound]
    axes.set_xticks(ticks, [number_label(tick) for tick in ticks])
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=look.muted, labelsize=7.5, length=2, width=0.6, pad=2)
    keep_ends_inside(axes)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(look.edge)


def weight_histogram(bank: FilterBank) -> tuple[np.ndarray, np.ndarray]:
    """Returns how often weights occur, and the 62 edges of the bins: around 0, from 0 if none is negative."""
    values = bank.filters[np.isfinite(bank.filters)]
    bound = largest(values) or 1.0
    low = -bound if values.size and values.min() < 0 else 0.0
    return np.histogram(values, bins=61, range=(low, bound))


def bank_kind(bank: FilterBank) -> str:
    """Returns the kind of layer, a key of KIND_COLORS, also where no file tells its type."""
    return kind_of(bank.type or ("Convolution" if bank.is_windows else "InnerProduct"))


def _draw_legend(figure: Figure, kinds: Sequence[str], top: float, look: Theme) -> None:
    room = (_WIDTH - 2 * MARGIN - 0.2) * 72
    for kind in kinds:
        inch_text(figure, MARGIN, top, _SIGNS[kind][1], 9, finding_mark(kind, look).color)
        inch_text(figure, MARGIN + 0.2, top, fit(f"{kind}: {FILTER_FINDINGS[kind]}", room, 9), 9, look.muted)
        top += 0.2
