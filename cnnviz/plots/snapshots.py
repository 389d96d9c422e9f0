"""Pictures of weights in motion: the difference of two snapshots, and a film strip over many."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.drift import (
    Comparison,
    LayerDrift,
    compare_weights,
    in_order,
    iterations_of,
    layer_drift,
    snapshot_name,
)
from cnnviz.analysis.filter_measures import FilterBank, filter_banks, order_filters
from cnnviz.analysis.filters import median
from cnnviz.analysis.model import AnyModel, AnyWeights, load_graph, load_weights
from cnnviz.errors import CnnvizError, WeightsError
from cnnviz.plots._text import fit, text_width, wrap
from cnnviz.plots.style import KIND_COLORS, Theme, kind_of, new_figure, save_figure, style_axes, theme
from cnnviz.plots.tiles import (
    ColorScale,
    color_bar,
    color_scale,
    gray_scale,
    inch_axes,
    inch_text,
    keep_ends_inside,
    largest,
    tile_grid,
    tile_layout,
)
from cnnviz.plots.weights import (
    MARGIN,
    MATRIX_COLUMNS,
    MATRIX_ROWS,
    MOST_CHANNELS,
    MOST_TILES,
    check_choice,
    choose_layers,
    draw_heading,
    draw_title,
)

MOST_FILTERS = 20  # columns of a film strip
_MATRIX_SHARE = 0.99  # of a matrix's weights within the colour scale

# Inches.
_WIDTH, _PANEL, _PANEL_GAP, _SIDE = 12.9, 2.86, 0.24, 2.5
_TOP, _HEADING, _BAR, _SECTION_GAP, _LINE = 0.95, 0.64, 0.46, 0.4, 0.17
_ROW_LABEL, _CHART = 1.25, 1.5
# An inch of a panel shows so many cells of a matrix; what would fall between pixels is left out and said.
_PIXELS = 150


@dataclass(frozen=True, eq=False)
class _Tiles:
    """How the filters of a layer become tiles: the same way for each snapshot.

    Attributes:
        kind: "color", "grid", "rows" or "matrix".
        numbers: of the filters shown, in order; channels: how many of each are shown.
        columns: of the grid of tiles.
        step: of the channels, -1 where BGR is turned; of the columns of a matrix.
    """

    kind: str
    numbers: np.ndarray
    channels: int
    columns: int | None
    step: int
    note: str

    def of(self, filters: np.ndarray) -> np.ndarray:
        """Returns the tiles (M, H, W) or (M, H, W, 3) of ``filters`` (N, C, H, W) or (N, D)."""
        shown = filters[self.numbers]
        if self.kind == "matrix":
            return shown.reshape(len(shown), -1)[None, :, : self.channels : self.step]
        if self.kind == "color":
            return shown[:, :: self.step].transpose(0, 2, 3, 1)
        return shown[:, : self.channels].reshape(-1, *shown.shape[2:])


def _tiles_for(bank: FilterBank, is_first: bool, order: str, channel_order: str, limit: int) -> _Tiles:
    filters = bank.filters
    numbers = order_filters(filters, order)
    count, inner = filters.shape[:2]
    step = -1 if channel_order == "bgr" else 1
    if not bank.is_windows or math.prod(filters.shape[2:]) == 1:
        kind, shown, channels = "matrix", min(count, MATRIX_ROWS), min(inner, MATRIX_COLUMNS)
    elif inner == 1 or (inner == 3 and is_first):
        kind, shown, channels = "grid" if inner == 1 else "color", min(count, limit), inner
    else:
        kind, channels = "rows", inner if count * inner <= limit else min(inner, MOST_CHANNELS, limit)
        shown = min(count, max(1, limit // channels))
    parts = [f"first {shown} of {count} filters"] if shown < count else []
    what = "inputs" if kind == "matrix" else "channels"
    parts += [f"first {channels} of {inner} {what}"] if channels < inner else []
    numbers = numbers[:shown]
    if kind == "matrix":
        height = _matrix_height(shown, channels) * _PIXELS
        skip, step = math.ceil(shown / height), math.ceil(channels / (_PANEL * _PIXELS))
        parts += [f"one of {skip}×{step} cells"] if skip * step > 1 else []
        numbers = numbers[::skip]
    columns = {"rows": channels, "matrix": 1}.get(kind)
    return _Tiles(kind, numbers, channels, columns, step, ", ".join(parts))


def _matrix_height(rows: int, columns: int) -> float:
    """Returns the inches of a panel that shows a matrix."""
    return min(2.4, max(_PANEL * rows / columns, min(rows * 0.14, 1.4)))


def plot_weight_difference(
    before: AnyWeights,
    after: AnyWeights,
    path: str | os.PathLike | None = None,
    *,
    model: AnyModel = None,
    layers: Sequence[str] | None = None,
    order: str = "file",
    channel_order: str = "bgr",
    limit: int = MOST_TILES,
    style: str = "light",
    dpi: float = 150,
) -> Figure:
    """Draws two snapshots of a net and their difference side by side, layer by layer, with the drift.

    Both snapshots of a layer have one scale, the difference has its own. The filters stand in the
    order of the second snapshot.

    Args:
        before, after: paths of caffemodels, or blobs by layer name.
        path: where to write the picture; its suffix gives the format.
        model: the net: path of a prototxt, NetDefinition, Graph, or None.
        layers, order, channel_order, limit, style, dpi: as for ``plot_weights``.

    Raises:
        WeightsError: the snapshots share no layer of the same shape, or do not fit the net.
        CnnvizError: an unknown layer or option.
    """
    check_choice("channel_order", channel_order, ("bgr", "rgb"))
    look = theme(style)
    old, new = load_weights(before), load_weights(after)
    graph = load_graph(model, new)
    if model is not None:
        load_graph(graph, old)
    comparison = compare_weights(old, new, graph)
    drifts = {drift.title: drift for drift in comparison.layers}
    banks = filter_banks(new, graph)
    chosen = [bank for bank in choose_layers(banks, layers, new, graph) if bank.title in drifts]
    if not chosen:
        raise WeightsError(
            f"{comparison.before} and {comparison.after}: the layers asked for differ in shape or are in "
            f"one of them only; layers in both: {', '.join(drifts)}."
        )
    first = next((bank for bank in banks if bank.is_windows), None)
    sections = [
        _Difference(drifts[b.title], _tiles_for(b, b is first, order, channel_order, limit), look)
        for b in chosen
    ]
    figure = _draw_differences(sections, comparison, look)
    if path is not None:
        save_figure(figure, path, dpi, title=f"{comparison.after} - {comparison.before}")
    return figure


@dataclass
class _Difference:
    """One layer of the figure."""

    drift: LayerDrift
    tiles: _Tiles
    look: Theme

    @property
    def panel_size(self) -> tuple[float, float]:
        """(width, height) in inches: narrower where tall stacks of rows would not fit a page."""
        sample = self.tiles.of(self.drift.after.bank.filters)
        count, height, width = sample.shape[:3]
        if self.tiles.kind == "matrix":
            return _PANEL, _matrix_height(height, width)
        layout = tile_layout(count, height, width, self.tiles.columns)
        panel = min(_PANEL, 4.5 * _PANEL / layout.height_at(_PANEL))
        return panel, layout.height_at(panel)

    @property
    def height(self) -> float:
        return _HEADING + max(self.panel_size[1] + _BAR, len(_drift_lines(self.drift)) * _LINE + 1.15)


def _draw_differences(sections: Sequence[_Difference], comparison: Comparison, look: Theme) -> Figure:
    chart = max(0.22 * len(comparison.layers) + 0.75, 1.5)
    top = MARGIN + _TOP
    height = top + chart + sum(s.height + _SECTION_GAP for s in sections) - _SECTION_GAP + MARGIN
    figure = new_figure(_WIDTH, height, look)
    names = f"{comparison.before} → {comparison.after}"
    skipped = f" · not compared: {', '.join(comparison.skipped)}" if comparison.skipped else ""
    drawn = f" · {len(sections)} of {len(comparison.layers)} layers drawn"
    note = comparison.verdict + (drawn if len(sections) < len(comparison.layers) else "") + skipped
    draw_title(figure, ("Weights in motion", names), note, look, _WIDTH)
    _draw_drift_chart(figure, comparison, top, look)
    top += chart
    for section in sections:
        _draw_difference(figure, section, top)
        top += section.height + _SECTION_GAP
    return figure


def _draw_drift_chart(figure: Figure, comparison: Comparison, top: float, look: Theme) -> None:
    """Draws a bar for each layer: how far it moved, relative to its length before."""
    names = [fit(drift.title, 150, 8.5) for drift in comparison.layers]
    label_width = max(text_width(name, 8.5) for name in names) / 72 + 0.1
    axes = inch_axes(
        figure, MARGIN + label_width, top + 0.22, 7.5 - label_width, 0.22 * len(comparison.layers)
    )
    values = [100 * drift.relative if math.isfinite(drift.relative) else 0 for drift in comparison.layers]
    kinds = [_kind_color(drift.after.bank) for drift in comparison.layers]
    rows = np.arange(len(values))
    axes.barh(rows, values, height=0.62, color=kinds)
    style_axes(axes, look, grid="x")
    axes.set_yticks(rows, names)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max([*values, 1e-9]) * 1.12)
    axes.tick_params(axis="y", labelsize=8.5)
    axes.tick_params(axis="x", labelsize=7.5)
    for row, drift in enumerate(comparison.layers):
        text = f" {drift.relative:.1%}" if math.isfinite(drift.relative) else " from zero"
        axes.text(values[row], row, text, va="center_baseline", size=7.5, color=look.text)
    inch_text(figure, MARGIN, top, "Drift of each layer: |after − before| / |before|, in %", 9, look.muted)
    left = MARGIN + 8.3
    inch_text(figure, left, top, "Signs of training", 9, look.muted)
    words = {1: "the second looks later", 0: "no sign", -1: "the first looks later"}
    top += 0.05
    for sign in comparison.signs:
        color = look.text if sign.direction else look.muted
        what = sign.what.replace("->", "→")
        for line in wrap(f"{what}: {words[sign.direction]}", (_WIDTH - MARGIN - left) * 72, 8):
            top += 0.16
            inch_text(figure, left, top, line, 8, color)
        top += 0.03


def _kind_color(bank: FilterBank) -> str:
    return KIND_COLORS[kind_of(bank.type or ("Convolution" if bank.is_windows else "InnerProduct"))]


def _draw_difference(figure: Figure, section: _Difference, top: float) -> None:
    look, drift, tiles = section.look, section.drift, section.tiles
    draw_heading(figure, drift.after.bank, tiles.note, look, top, _WIDTH - 2 * MARGIN)
    before, after = tiles.of(drift.before.bank.filters), tiles.of(drift.after.bank.filters)
    common = _scale(np.concatenate([before.ravel(), after.ravel()]), tiles.kind, look)
    moved = _scale(np.subtract(after, before).ravel(), tiles.kind, look, is_signed=True)
    panels = (("before", before, common), ("after", after, common), ("after − before", after - before, moved))
    for i, (name, values, scale) in enumerate(panels):
        left = MARGIN + i * (_PANEL + _PANEL_GAP)
        inch_text(figure, left, top + 0.36, name, 9, look.text)
        width, height = section.panel_size
        axes = inch_axes(figure, left, top + _HEADING, width, height)
        _draw_panel(axes, values, tiles, scale, look)
        if i != 1:
            label = "weight" if i == 0 else "change"
            label = f"R, G, B each: {label}" if tiles.kind == "color" else label
            label += f" ({1 - _MATRIX_SHARE:.0%} beyond)" if tiles.kind == "matrix" else ""
            color_bar(figure, left, top + _HEADING + height + 0.1, scale, look, label, width=1.6)
    _draw_drift_side(figure, drift, top + _HEADING, look)


def _draw_panel(axes, values: np.ndarray, tiles: _Tiles, scale: ColorScale, look: Theme) -> None:
    if tiles.kind == "matrix":
        axes.imshow(scale.colors(values[0]), aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_color(look.edge)
            spine.set_linewidth(0.6)
        return
    divisors = np.full(len(values), scale.high) if tiles.kind == "color" else None
    tile_grid(
        axes,
        values,
        look,
        normalize="all" if divisors is None else divisors,
        scale=None if tiles.kind == "color" else scale,
        columns=tiles.columns,
    )


def _scale(values: np.ndarray, kind: str, look: Theme, is_signed: bool = False) -> ColorScale:
    if kind == "color":
        return gray_scale(largest(values) or 1.0)
    if kind == "matrix":  # a few large weights would leave the many in a matrix without colour
        bound = np.quantile(np.abs(values[np.isfinite(values)]), _MATRIX_SHARE) if values.size else 0
        values = np.clip(values, -bound, bound) if bound > 0 else values
    scale = color_scale(values, look)
    return ColorScale(-scale.high, scale.high, look.diverging, scale.bad) if is_signed else scale


def _drift_lines(drift: LayerDrift) -> list[tuple[str, str]]:
    before, after = drift.before, drift.after
    lines = [
        ("drift", f"{drift.relative:.2%}" + (f", {drift.word}" if drift.word else "")),
        ("cosine", f"{drift.cosine:.4f}"),
        ("changed", f"{drift.changed:.0%} of the weights"),
        ("effective rank", f"{before.rank:.1f} → {after.rank:.1f} of {after.highest_rank}"),
    ]
    smoother, known = drift.smoother
    if known:
        lines.append(("noise", f"{median(before.noise):.3f} → {median(after.noise):.3f}"))
        lines.append(("smoother", f"{smoother} of {known} filters"))
    if after.judged:
        noisy = [len(health.marks.get("noisy", ())) for health in (before, after)]
        lines.append(("noisy", f"{noisy[0]} → {noisy[1]} of {after.count}"))
    return lines


def _draw_drift_side(figure: Figure, drift: LayerDrift, top: float, look: Theme) -> None:
    left = _WIDTH - MARGIN - _SIDE
    for label, value in _drift_lines(drift):
        inch_text(figure, left, top, label, 8.5, look.muted)
        inch_text(figure, left + 1.05, top, value, 8.5, look.text)
        top += _LINE
    axes = inch_axes(figure, left, top + 0.28, _SIDE, 0.6)
    shares = drift.per_filter[np.isfinite(drift.per_filter)]
    bound = max(float(shares.max()) if shares.size else 0.0, 1e-9)
    counts, edges = np.histogram(shares, bins=24, range=(0, bound))
    axes.stairs(counts, edges, fill=True, color=_kind_color(drift.after.bank), gid="drift histogram")
    axes.set_facecolor(look.panel)
    axes.set_xlim(0, bound)
    axes.set_xticks([0, bound], ["0", f"{bound:.1%}"])
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=look.muted, labelsize=7.5, length=2, width=0.6, pad=2)
    keep_ends_inside(axes)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(look.edge)
    inch_text(figure, left, top + 0.1, "drift of the filters", 7.5, look.muted)


# --- film strip ---------------------------------------------------------------------------------


def plot_weight_filmstrip(
    snapshots: Sequence[AnyWeights],
    path: str | os.PathLike | None = None,
    *,
    layer: str | None = None,
    model: AnyModel = None,
    order: str = "file",
    channel_order: str = "bgr",
    limit: int = MOST_FILTERS,
    style: str = "light",
    dpi: float = 150,
) -> Figure:
    """Draws the filters of one layer over many snapshots: a row for each snapshot, a column a filter.

    Each filter has one scale over all snapshots, so that growth shows. Of a filter on many channels
    the one with the most energy in the last snapshot stands for it. Below: drift from snapshot to
    snapshot, noise and effective rank. Snapshots are sorted by N of "_iter_N" if all names have it.

    Args:
        snapshots: two or more paths of caffemodels, or blobs by layer name.
        layer: the name of a convolution; by default the first.
        model: the net, or None.
        order: of the filters in the last snapshot: "file", "norm" or "similarity".
        limit: most filters shown; what is left out is said.
        path, channel_order, style, dpi: as for ``plot_weights``.

    Raises:
        WeightsError: fewer than two snapshots, or the layer differs between them.
        CnnvizError: an unknown layer or option, or a layer without windows.
    """
    check_choice("channel_order", channel_order, ("bgr", "rgb"))
    look = theme(style)
    loaded = in_order([load_weights(weights) for weights in snapshots])
    if len(loaded) < 2:
        raise WeightsError(f"{len(loaded)} snapshot(s) given, wanted two or more for a film strip.")
    banks = [_layer_of(weights, layer, model) for weights in loaded]
    film = _Film(loaded, banks, order, channel_order, limit, look)
    figure = film.draw()
    if path is not None:
        save_figure(figure, path, dpi, title=f"{banks[-1].title} over {len(banks)} snapshots")
    return figure


def _layer_of(weights: Mapping, layer: str | None, model: AnyModel) -> FilterBank:
    graph = load_graph(model, weights)
    banks = filter_banks(weights, graph)
    windows = [bank for bank in banks if bank.is_windows]
    if layer is not None:
        chosen = choose_layers(banks, [layer], weights, graph)
        if not chosen[0].is_windows:
            names = ", ".join(bank.title for bank in windows)
            raise CnnvizError(f"layer {layer!r} has no windows to show as a film; layers that have: {names}.")
        return chosen[0]
    if not windows:
        raise WeightsError(f"{snapshot_name(weights)}: has no convolution to show as a film.")
    return windows[0]


@dataclass
class _Film:
    snapshots: Sequence[Mapping]
    banks: Sequence[FilterBank]
    order: str
    channel_order: str
    limit: int
    look: Theme

    def __post_init__(self) -> None:
        last = self.banks[-1]
        for weights, bank in zip(self.snapshots, self.banks, strict=True):
            if bank.filters.shape != last.filters.shape:
                raise WeightsError(
                    f"{snapshot_name(weights)}: layer {bank.title!r} is {bank.filters.shape}, in "
                    f"{snapshot_name(self.snapshots[-1])} {last.filters.shape}. Give snapshots of one net."
                )
        self.numbers = order_filters(last.filters, self.order)[: max(1, self.limit)]
        self.is_color = last.filters.shape[1] == 3
        finite = np.where(np.isfinite(last.filters), last.filters, 0)
        self.strongest = (finite**2).sum(axis=(2, 3)).argmax(axis=1)[self.numbers]

    @property
    def labels(self) -> list[str]:
        numbers = iterations_of(self.snapshots)
        if numbers is None:
            return [snapshot_name(weights, f"snapshot {i + 1}") for i, weights in enumerate(self.snapshots)]
        return [f"iteration {number:,}" for number in numbers]

    def tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the tiles, snapshot by snapshot, and what each is divided by."""
        rows = []
        for bank in self.banks:
            if self.is_color:
                step = -1 if self.channel_order == "bgr" else 1
                rows.append(bank.filters[self.numbers, ::step].transpose(0, 2, 3, 1))
            else:
                rows.append(bank.filters[self.numbers, self.strongest])
        highest = [max(largest(row[i]) for row in rows) for i in range(len(self.numbers))]
        return np.concatenate(rows), np.tile(highest, len(rows))

    def draw(self) -> Figure:
        look, bank = self.look, self.banks[-1]
        tiles, divisors = self.tiles()
        columns = len(self.numbers)
        layout = tile_layout(len(tiles), tiles.shape[1], tiles.shape[2], columns)
        # Row labels end where the tiles begin.
        names = [fit(label, 130, 8.5) for label in self.labels]
        gutter = max(text_width(name, 8.5) for name in names) / 72 + 0.15
        width = min(_WIDTH - 2 * MARGIN - gutter, 0.75 * columns)
        grid_height = layout.height_at(width)
        top = MARGIN + _TOP
        height = top + _HEADING + grid_height + _BAR + 0.6 + _CHART + 0.5 + MARGIN
        figure = new_figure(_WIDTH, height, look)
        note = "each filter on one scale over all snapshots"
        if self.is_color:
            note += f" · input channels read as {self.channel_order.upper()}"
        elif bank.filters.shape[1] > 1:
            note += " · of each filter the channel with the most energy at the end"
        files = f"{snapshot_name(self.snapshots[0])} … {snapshot_name(self.snapshots[-1])}"
        draw_title(figure, (f"{bank.title} over {len(names)} snapshots", files), note, look, _WIDTH)
        left_out = len(bank.filters) - columns
        draw_heading(
            figure, bank, f"first {columns} of {len(bank.filters)} filters" if left_out else "", look, top,
            _WIDTH - 2 * MARGIN,
        )  # fmt: skip
        top += _HEADING
        left = MARGIN + gutter
        axes = inch_axes(figure, left, top, width, grid_height)
        grid = tile_grid(axes, tiles, look, normalize=divisors, columns=columns)
        for row, name in enumerate(names):
            y = grid.layout.corner(row * columns)[0] + grid.layout.tile_pixels[0] / 2
            inch = top + y / grid.layout.size[0] * grid_height
            inch_text(figure, left - 0.1, inch, name, 8.5, look.text, ha="right", va="center_baseline")
        self._number_columns(figure, grid, left, top, width)
        scale = grid.scale or gray_scale(1.0)
        label = "weight / largest |weight| of the filter in all snapshots"
        label = f"red, green and blue each: {label}; grey is 0" if self.is_color else label
        color_bar(figure, left, top + grid_height + 0.1, scale, look, label)
        self._draw_charts(figure, top + grid_height + _BAR + 0.6)
        return figure

    def _number_columns(self, figure: Figure, grid, left: float, top: float, width: float) -> None:
        """Writes filter (and channel) numbers above the columns."""
        is_chosen = not self.is_color and self.banks[-1].filters.shape[1] > 1
        for i, number in enumerate(self.numbers):
            x = grid.layout.corner(i)[1] + grid.layout.tile_pixels[1] / 2
            text = f"{number}, c{self.strongest[i]}" if is_chosen else str(number)
            inch = left + x / grid.layout.size[1] * width
            inch_text(figure, inch, top - 0.14, text, 6.5, self.look.muted, ha="center")

    def _draw_charts(self, figure: Figure, top: float) -> None:
        """Draws drift, noise and effective rank against the snapshots."""
        look = self.look
        drifts = [layer_drift(a, b) for a, b in zip(self.banks, self.banks[1:], strict=False)]
        healths = [drifts[0].before, *(drift.after for drift in drifts)]
        numbers = iterations_of(self.snapshots)
        x = np.array(numbers or range(1, len(self.snapshots) + 1), float)
        curves = [
            ("drift since the snapshot before, %", x[1:], [100 * drift.relative for drift in drifts]),
            ("noise, median (1 is white noise)", x, [median(health.noise) for health in healths]),
            (f"effective rank of {healths[0].highest_rank}", x, [health.rank for health in healths]),
        ]
        width = (_WIDTH - 2 * MARGIN - 2 * 0.75 - 0.4) / 3
        for i, (title, at, values) in enumerate(curves):
            left = MARGIN + 0.4 + i * (width + 0.75)
            axes = inch_axes(figure, left, top + 0.05, width, _CHART)
            axes.plot(at, values, marker="o", markersize=4.5, color=look.series[i], linewidth=1.8)
            style_axes(axes, look)
            axes.tick_params(labelsize=7.5)
            span = x[-1] - x[0]
            axes.set_xlim(x[0] - 0.06 * span, x[-1] + 0.06 * span)
            axes.set_xticks(*_ticks(x))
            finite = [value for value in values if math.isfinite(value)]
            axes.set_ylim(0, 1.15 * max([*finite, 1e-9]))
            inch_text(figure, left - 0.25, top - 0.36, title, 8.5, look.text)
        words = "iteration" if numbers else "snapshot"
        inch_text(figure, MARGIN + 0.4, top + _CHART + 0.3, words, 8, look.muted)


def _ticks(x: np.ndarray, most: int = 5) -> tuple[list[float], list[str]]:
    """Returns at most ``most`` of the snapshots, first and last among them, and their labels."""
    places = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))
    return [float(x[i]) for i in places], [f"{x[i]:,.0f}" for i in places]
