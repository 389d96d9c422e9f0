"""A filmstrip: the filters of one layer over many snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import FilterBank, median, order_filters
from cnnviz.analysis.layer_drift import layer_drift
from cnnviz.errors import WeightsError
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure, style_axes
from cnnviz.plots.common.filter_plan import FilterOptions, Space, in_color, row_layout, strongest_channels
from cnnviz.plots.common.mosaic import (
    TileLayout,
    color_scale,
    gray_scale,
    largest,
    mosaic,
)
from cnnviz.plots.common.panels import color_bar, inch_axes, inch_text, show_mosaic
from cnnviz.plots.common.text import fit, text_width
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.weights.forms import (
    BAR,
    HEADING,
    MARGIN,
    PIXELS_PER_INCH,
    WIDTH,
    draw_heading,
    draw_title,
    inches,
    mosaic_axes,
    title_height,
    whole_pixels,
)

_CHART = 1.25  # inches
_NUMBERS = 0.16  # above the columns
_LARGEST_TILE = 84  # pixels


def draw_filmstrip(
    banks: Sequence[FilterBank],
    names: Sequence[str],
    iterations: Sequence[int] | None,
    options: FilterOptions,
) -> Figure:
    """Draws the filters of one layer over many snapshots: a row per snapshot, a column per filter.

    Each filter has one scale over all snapshots, so that growth shows. Of a filter on many channels
    the one with the most energy in the last snapshot stands for it. Below: drift from snapshot to
    snapshot, noise and effective rank.

    Args:
        banks: of the layer, one for each snapshot.
        names: of the snapshots.
        iterations: at which they were taken; None if that is not known.

    Raises: WeightsError if the layer differs between snapshots.
    """
    return _Film(banks, names, iterations, options, get_theme(options.style)).draw()


@dataclass
class _Film:
    banks: Sequence[FilterBank]
    names: Sequence[str]
    iterations: Sequence[int] | None
    options: FilterOptions
    theme: Theme

    def __post_init__(self) -> None:
        last = self.banks[-1]
        for name, bank in zip(self.names, self.banks, strict=True):
            if bank.filters.shape != last.filters.shape:
                raise WeightsError(
                    f"{name}: layer {bank.title!r} is {bank.filters.shape}, in "
                    f"{self.names[-1]} {last.filters.shape}. Give snapshots of one net."
                )
        self.numbers = order_filters(last.filters, self.options.order)[: self.options.limit]
        self.is_color = last.filters.shape[1] == 3 and not last.depth
        self.strongest = strongest_channels(last.filters)[self.numbers]

    @property
    def labels(self) -> list[str]:
        if self.iterations is None:
            return [*self.names]
        return [f"iteration {number:,}" for number in self.iterations]

    def tiles(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the tiles, snapshot by snapshot, and what each is divided by."""
        rows = []
        for bank in self.banks:
            if self.is_color:
                rows.append(in_color(bank.filters[self.numbers], self.options.channel_order))
            else:
                rows.append(bank.filters[self.numbers, self.strongest])
        highest = [max(largest(row[i]) for row in rows) or 1.0 for i in range(len(self.numbers))]
        return np.concatenate(rows), np.tile(highest, len(rows))

    def draw(self) -> Figure:
        bank, theme = self.banks[-1], self.theme
        names = [fit(printable(label), 110, 8.5) for label in self.labels]
        left = MARGIN + max(text_width(name, 8.5) for name in names) / 72 + 0.15
        layout = self._layout(WIDTH - MARGIN - left)
        lines = [f"{self.names[0]} … {self.names[-1]}", self._note()]
        below = inches(layout.size[0]) + BAR + 0.55
        height = MARGIN + title_height(lines) + HEADING + _NUMBERS + below + _CHART + 0.45 + MARGIN
        figure = new_figure(WIDTH, whole_pixels(height), theme)
        top = draw_title(figure, f"{bank.title} over {len(names)} snapshots", lines, theme)
        total, count = len(bank.filters), len(self.numbers)
        omitted = f"first {count} of {total} filters" if count < total else ""
        draw_heading(figure, bank, omitted, theme, top)
        top += HEADING + _NUMBERS
        self._draw_tiles(figure, layout, left, top)
        for row, name in enumerate(names):  # row labels end where the tiles begin
            middle = top + inches(layout.corner(row * count)[0] + layout.tile_pixels[0] / 2)
            inch_text(figure, left - 0.1, middle, name, 8.5, theme.text, ha="right", va="center_baseline")
        self._number_columns(figure, layout, left, top)
        self._draw_charts(figure, top + below)
        return figure

    def _layout(self, width: float) -> TileLayout:
        """The layout of the tiles in ``width`` inches."""
        count, (height, across) = len(self.numbers), self.banks[-1].filters.shape[2:]
        space = Space(width=int(width * PIXELS_PER_INCH), tile=_LARGEST_TILE)
        return row_layout(count * len(self.banks), count, height, across, space)

    def _note(self) -> str:
        note = "each filter on one scale over all snapshots"
        if self.is_color:
            return f"{note} · input channels read as {self.options.channel_order.upper()}"
        if self.banks[-1].filters.shape[1] > 1:
            note += " · of each filter the channel with the most energy at the end"
        return note

    def _draw_tiles(self, figure: Figure, layout: TileLayout, left: float, top: float) -> None:
        """Draws the tiles, and the colour bar below."""
        tiles, divisors = self.tiles()
        scale = None if self.is_color else color_scale(tiles).relative
        show_mosaic(mosaic_axes(figure, left, top, layout.size), mosaic(tiles, layout, scale, divisors))
        label = "weight / largest |weight| of the filter in all snapshots"
        label = f"red, green and blue each: {label}; grey is 0" if self.is_color else label
        bar_top = top + inches(layout.size[0]) + 0.1
        color_bar(figure, left, bar_top, scale or gray_scale(1.0), self.theme, label)

    def _number_columns(self, figure: Figure, layout: TileLayout, left: float, top: float) -> None:
        """Writes filter (and channel) numbers above the columns."""
        is_chosen = not self.is_color and self.banks[-1].filters.shape[1] > 1
        for i, number in enumerate(self.numbers):
            middle = left + inches(layout.corner(i)[1] + layout.tile_pixels[1] / 2)
            text = f"{number}, c{self.strongest[i]}" if is_chosen else str(number)
            inch_text(figure, middle, top - 0.14, text, 6.5, self.theme.muted, ha="center")

    def _draw_charts(self, figure: Figure, top: float) -> None:
        """Draws drift, noise and effective rank against the snapshots."""
        theme = self.theme
        drifts = [layer_drift(a, b) for a, b in zip(self.banks, self.banks[1:], strict=False)]
        healths = [drifts[0].before, *(drift.after for drift in drifts)]
        x = np.array(self.iterations or range(1, len(self.names) + 1), float)
        curves = [
            ("drift since the snapshot before, %", x[1:], [100 * drift.relative for drift in drifts]),
            ("noise, median (1 is white noise)", x, [median(health.noise) for health in healths]),
            (f"effective rank of {healths[0].highest_rank}", x, [health.rank for health in healths]),
        ]
        width = (WIDTH - 2 * MARGIN - 2 * 0.6 - 0.4) / 3
        for i, (title, at, values) in enumerate(curves):
            left = MARGIN + 0.4 + i * (width + 0.6)
            axes = inch_axes(figure, left, top + 0.05, width, _CHART)
            axes.plot(at, values, marker="o", markersize=4.5, color=theme.series[i], linewidth=1.8)
            style_axes(axes, theme)
            axes.tick_params(labelsize=7.5)
            span = x[-1] - x[0]
            axes.set_xlim(x[0] - 0.06 * span, x[-1] + 0.06 * span)
            axes.set_xticks(*_ticks(x))
            finite = [value for value in values if math.isfinite(value)]
            highest = 1.15 * max([*finite, 1e-9])
            axes.set_ylim(0, highest)
            axes.set_yticks([tick for tick in axes.get_yticks() if tick <= highest])
            inch_text(figure, left - 0.25, top - 0.26, title, 8.5, theme.text)
            words = "iteration" if self.iterations else "snapshot"
            inch_text(figure, left + width / 2, top + _CHART + 0.26, words, 8, theme.muted, ha="center")


def _ticks(x: np.ndarray, most: int = 5) -> tuple[list[float], list[str]]:
    """Returns at most ``most`` of the snapshots, first and last among them, and their labels."""
    places = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))
    return [float(x[i]) for i in places], [f"{x[i]:,.0f}" for i in places]
