"""A film strip: the filters of one layer over many snapshots."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.drift import layer_drift
from cnnviz.analysis.filter_measures import FilterBank, order_filters
from cnnviz.analysis.filters import median
from cnnviz.errors import WeightsError
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure, style_axes
from cnnviz.plots.common.filters import FilterOptions
from cnnviz.plots.common.mosaic import (
    TileLayout,
    color_scale,
    gray_scale,
    largest,
    mosaic,
    tile_layout,
)
from cnnviz.plots.common.panels import color_bar, inch_axes, inch_text, show_mosaic
from cnnviz.plots.common.text import fit, text_width
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.weights.forms import (
    BAR,
    HEADING,
    MARGIN,
    WIDTH,
    draw_heading,
    draw_title,
    in_color,
    left_out,
    title_height,
)

_CHART = 1.25  # inches
_NUMBERS = 0.16  # above the columns


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
        finite = np.where(np.isfinite(last.filters), last.filters, 0).astype(np.float64)
        self.strongest = (finite**2).sum(axis=(2, 3)).argmax(axis=1)[self.numbers]

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
        theme, bank = self.theme, self.banks[-1]
        tiles, divisors = self.tiles()
        columns = len(self.numbers)
        layout = tile_layout(len(tiles), tiles.shape[1], tiles.shape[2], columns)
        # Row labels end where the tiles begin.
        names = [fit(printable(label), 110, 8.5) for label in self.labels]
        gutter = max(text_width(name, 8.5) for name in names) / 72 + 0.15
        width = min(WIDTH - 2 * MARGIN - gutter, 0.6 * columns)
        grid_height = layout.height_at(width)
        note = "each filter on one scale over all snapshots"
        if self.is_color:
            note += f" · input channels read as {self.options.channel_order.upper()}"
        elif bank.filters.shape[1] > 1:
            note += " · of each filter the channel with the most energy at the end"
        files = f"{self.names[0]} … {self.names[-1]}"
        lines = [files, note]
        below = grid_height + BAR + 0.55
        height = MARGIN + title_height(lines) + HEADING + _NUMBERS + below + _CHART + 0.45 + MARGIN
        figure = new_figure(WIDTH, height, theme)
        top = draw_title(figure, f"{bank.title} over {len(names)} snapshots", lines, theme)
        form = "color" if self.is_color else "grid"
        draw_heading(figure, bank, left_out((columns, 0), bank.filters, form), theme, top)
        top += HEADING + _NUMBERS
        left = MARGIN + gutter
        axes = inch_axes(figure, left, top, width, grid_height)
        scale = None if self.is_color else color_scale(tiles).relative
        show_mosaic(axes, mosaic(tiles, layout, scale, divisors))
        for row, name in enumerate(names):
            y = layout.corner(row * columns)[0] + layout.tile_pixels[0] / 2
            inch = top + y / layout.size[0] * grid_height
            inch_text(figure, left - 0.1, inch, name, 8.5, theme.text, ha="right", va="center_baseline")
        self._number_columns(figure, layout, left, top, width)
        label = "weight / largest |weight| of the filter in all snapshots"
        label = f"red, green and blue each: {label}; grey is 0" if self.is_color else label
        color_bar(figure, left, top + grid_height + 0.1, scale or gray_scale(1.0), theme, label)
        self._draw_charts(figure, top + below)
        return figure

    def _number_columns(
        self, figure: Figure, layout: TileLayout, left: float, top: float, width: float
    ) -> None:
        """Writes filter (and channel) numbers above the columns."""
        is_chosen = not self.is_color and self.banks[-1].filters.shape[1] > 1
        for i, number in enumerate(self.numbers):
            x = layout.corner(i)[1] + layout.tile_pixels[1] / 2
            text = f"{number}, c{self.strongest[i]}" if is_chosen else str(number)
            inch = left + x / layout.size[1] * width
            inch_text(figure, inch, top - 0.14, text, 6.5, self.theme.muted, ha="center")

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
