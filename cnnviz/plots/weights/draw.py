"""Figures of weights: the filters of each layer as tiles, with their statistics, histogram and health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import weight_histogram
from cnnviz.analysis.filter_report import Report
from cnnviz.analysis.filters import FILTER_FINDINGS, LAYER_FINDINGS, LayerHealth
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.filter_plan import (
    FilterMosaic,
    FilterOptions,
    FilterPlan,
    filter_mosaics,
    plan_filters,
)
from cnnviz.plots.common.filter_words import layer_kinds, statistics_lines
from cnnviz.plots.common.mosaic import ColorScale, TileLayout, color_scale, gray_scale
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
    SECTION_GAP,
    WIDTH,
    draw_counts,
    draw_heading,
    draw_legend,
    draw_statistics,
    draw_title,
    finding_mark,
    inches,
    legend_height,
    mosaic_axes,
    title_height,
    whole_pixels,
)
from cnnviz.plots.weights.overview import draw_overview, overview_height, overview_kinds

# Inches.
_LEFT_WIDTH, _SIDE_GAP, _SIDE_WIDTH, _INDENT = 6.2, 0.35, 2.65, 1.15
_GUTTER, _GRID_GUTTER, _BLOCK_GAP = 0.44, 0.32, 0.12
_HISTOGRAM = 0.52
_BAND = 0.45  # the least height of a part that is named
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

    The figure is as wide and high as ``plan_filters`` asks for, at 150 of its pixels to an inch.

    Args:
        chosen: the layers to draw.
        title, file: what the figure is called, and the file's name below.
        report: of all layers: adds its verdict, and an overview where not all of them are drawn.
    """
    theme = get_theme(options.style)
    sections = [_Section(health, options, theme) for health in chosen]
    subtitle = [_ORDER_WORDS[options.order], _SCALE_WORDS[options.normalize]]
    if any(s.plan.form == "color" for s in sections):
        subtitle.append(f"input channels read as {options.channel_order.upper()}")
    lines = [file, report.verdict if report else "", " · ".join(subtitle)]
    overview = report.layers if report and len(chosen) < len(report.layers) else ()
    return _draw_sections(sections, overview, title, lines, theme)


@dataclass(frozen=True, eq=False)
class _Section:
    """One layer of the figure."""

    health: LayerHealth
    options: FilterOptions
    theme: Theme

    @cached_property
    def plan(self) -> FilterPlan:
        return plan_filters(self.health.bank, self.options)

    @cached_property
    def mosaics(self) -> list[FilterMosaic]:
        return filter_mosaics(self.plan, self.scale, self.options, is_numbered=True)

    @property
    def scale(self) -> ColorScale:
        """The scale of the layer's weights."""
        return color_scale(np.array([self.health.low.min(), self.health.high.max()]))

    @property
    def bar_scale(self) -> ColorScale:
        """The scale that the colour bar explains."""
        shown = self.scale.relative if self.options.normalize == "filter" else self.scale
        return gray_scale(shown.high) if self.plan.form == "color" else shown

    @property
    def height(self) -> float:
        """Inches of the filters."""
        return inches(max(mosaic.size[0] for mosaic in self.mosaics))

    @property
    def total_height(self) -> float:
        side = len(statistics_lines(self.health)) * LINE + 0.1 + _HISTOGRAM + 0.25
        return HEADING + max(self.height + BAR, side)

    @property
    def gutter(self) -> float:
        """Inches left of the filters, for numbers."""
        if self.plan.form in ("rows", "matrix"):
            return _GUTTER
        return 0.0 if self.plan.is_numbered else _GRID_GUTTER

    @property
    def bands(self) -> tuple[str, ...]:
        """The names of equal parts of the filters, from above; none where they are not whole rows."""
        plan, bands = self.plan, self.plan.bank.bands
        if self.options.order != "file" or plan.form not in ("grid", "matrix") or not bands:
            return ()
        is_whole = len(plan.numbers) == len(plan.filters)
        columns = plan.layout.columns if plan.layout else 1
        if not is_whole or len(plan.filters) // len(bands) % columns:
            return ()
        return bands if self.height >= _BAND * len(bands) else ()

    @property
    def marks(self) -> dict[str, tuple[int, ...]]:
        """The findings that are marked: where most filters have one, signs would say nothing."""
        most = _COMMON * self.health.count
        found = self.health.marks.items() if self.options.marks else ()
        return {kind: numbers for kind, numbers in found if len(numbers) <= most}

    @property
    def marked(self) -> dict[Mark, list[int]]:
        """The places (not the numbers) of the filters shown that carry each mark."""
        place = {int(number): i for i, number in enumerate(self.plan.numbers)}
        return {
            finding_mark(kind, self.theme): [place[n] for n in numbers if n in place]
            for kind, numbers in self.marks.items()
        }


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
    figure = new_figure(WIDTH, whole_pixels(height), theme)
    top = draw_title(figure, title, lines, theme)
    if overview:
        draw_overview(figure, overview, {section.health.bank.title for section in sections}, top, theme)
        top += overview_height(overview) + SECTION_GAP
    for section in sections:
        _draw_section(figure, section, top)
        top += section.total_height + SECTION_GAP
    draw_legend(figure, kinds, top, theme)
    if common:
        words = "Findings of more than half of a layer's filters are counted, not marked."
        inch_text(figure, MARGIN, top + legend_height(kinds), words, 9, theme.muted)
    return figure


def _explained(sections: Sequence[_Section], overview: Sequence[LayerHealth]) -> list[str]:
    """Returns the kinds of findings that the legend explains."""
    found = {kind for section in sections if section.options.marks for kind in section.health.marks}
    found |= {kind for section in sections for kind in layer_kinds(section.health)}
    found.update(overview_kinds(overview))
    return [kind for kind in FILTER_FINDINGS | LAYER_FINDINGS if kind in found]


def _draw_section(figure: Figure, section: _Section, top: float) -> None:
    draw_heading(figure, section.plan.bank, section.plan.omitted, section.theme, top)
    top += HEADING
    left = MARGIN + section.gutter
    for mosaic in section.mosaics:
        axes = mosaic_axes(figure, left, top, mosaic.size)
        _draw_filters(axes, section, mosaic)
        left += inches(mosaic.size[1]) + _GUTTER + _BLOCK_GAP
    bar_left, bar_top = MARGIN + section.gutter, top + section.height + 0.1
    color_bar(figure, bar_left, bar_top, section.bar_scale, section.theme, _bar_label(section), width=1.9)
    _draw_side(figure, section, top)


def _draw_side(figure: Figure, section: _Section, top: float) -> None:
    """Writes the statistics and draws the histogram, right of the filters."""
    theme, left = section.theme, MARGIN + _LEFT_WIDTH + _SIDE_GAP
    top = draw_statistics(figure, left, top, statistics_lines(section.health), _INDENT, theme)
    axes = inch_axes(figure, left, top + 0.1, _SIDE_WIDTH, _HISTOGRAM)
    counts, edges = weight_histogram(section.health.bank)
    ends = [edges[0], 0, edges[-1]] if edges[0] < 0 else [edges[0], edges[-1]]
    draw_counts(axes, counts, edges, section.health.bank, {end: number_label(end) for end in ends}, theme)
    axes.axvline(0, color=theme.edge, linewidth=0.8)


def _bar_label(section: _Section) -> str:
    is_own = section.options.normalize == "filter"
    label = "weight / largest |weight| of its filter" if is_own else "weight"
    return f"red, green and blue each: {label}; grey is 0" if section.plan.form == "color" else label


def _draw_filters(axes: Axes, section: _Section, mosaic: FilterMosaic) -> None:
    """Shows a block of filters with their numbers, marks and the names of their parts."""
    layout, plan = mosaic.layout, section.plan
    if layout is None:
        _draw_matrix(axes, section, mosaic)
        return
    show_mosaic(axes, mosaic.pixels)
    if plan.form == "rows":
        _label_rows(axes, section, layout, mosaic.places, section.marked)
        return
    mark_tiles(axes, layout, section.marked)
    if plan.is_numbered:
        label_tiles(axes, layout, [str(number) for number in plan.numbers], 6.0, section.theme)
    else:  # then each row has the number of its first tile
        _label_rows(axes, section, layout, range(0, layout.count, layout.columns), {})
    _name_bands(axes, section)


def _draw_matrix(axes: Axes, section: _Section, mosaic: FilterMosaic) -> None:
    rows, columns = mosaic.pixels.shape[:2]
    axes.imshow(mosaic.pixels, extent=(0, columns, rows, 0), aspect="auto", interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_color(section.theme.edge)
        spine.set_linewidth(0.6)
    centers = [1 - (row + 0.5) / rows for row in range(rows)]
    _write_numbers(axes, section, range(rows), centers, section.height * 72 / rows, section.marked)
    _name_bands(axes, section)


def _name_bands(axes: Axes, section: _Section) -> None:
    """Writes the names of the bands at the right, and in a matrix draws lines between them."""
    width = _width_in_points(axes)
    for i, name in enumerate(section.bands):
        axes.text(
            1 + 6 / width, 1 - (i + 0.5) / len(section.bands), name, transform=axes.transAxes, rotation=270,
            size=7.5, color=section.theme.muted, ha="left", va="center", gid=f"band {name}",
        )  # fmt: skip
        if i and section.plan.form == "matrix":
            axes.axhline(
                i * section.plan.filters.shape[0] / len(section.bands),
                color=section.theme.text,
                linewidth=0.9,
            )


def _label_rows(
    axes: Axes, section: _Section, layout: TileLayout, rows: range, places: Mapping[Mark, Sequence[int]]
) -> None:
    """Writes the number of each row's (first) filter left of it, with its signs."""
    height = layout.tile_pixels[0]
    tops = [layout.corner(i * layout.columns)[0] for i in range(len(rows))]
    centers = [1 - (top + height / 2) / layout.size[0] for top in tops]
    _write_numbers(axes, section, rows, centers, inches(height) * 72, places)


def _write_numbers(
    axes: Axes,
    section: _Section,
    rows: range,
    centers: Sequence[float],
    points: float,
    places: Mapping[Mark, Sequence[int]],
) -> None:
    """Writes numbers and signs at heights ``centers`` (shares of the axes); ``points``: a row's height."""
    # Where rows are lower than text only some carry their numbers; signs are never omitted.
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if n * points >= 6.6)
    for row, center in list(zip(rows, centers, strict=True))[::every]:
        _write_number(axes, section, row, center, min(7.0, max(5.5, points * 0.8)))
    found: dict[int, list[Mark]] = {}
    for mark, marked in places.items():
        for row in marked:
            found.setdefault(row, []).append(mark)
    for row, center in zip(rows, centers, strict=True):
        for i, mark in enumerate(found.get(row, [])[:2]):
            _draw_sign(axes, mark, 23 + 6 * i, center, min(5.0, max(3.5, points * 0.8)))


def _write_number(axes: Axes, section: _Section, row: int, center: float, size: float) -> None:
    number = section.plan.numbers[row]
    axes.text(
        -4 / _width_in_points(axes), center, str(number), transform=axes.transAxes, size=size,
        color=section.theme.muted, ha="right", va="center_baseline", gid=f"filter {number}",
    )  # fmt: skip


def _draw_sign(axes: Axes, mark: Mark, distance: float, center: float, size: float) -> None:
    """Draws a mark's sign ``distance`` points left of the axes."""
    axes.plot(
        [-distance / _width_in_points(axes)], [center], transform=axes.transAxes, marker=mark.marker,
        color=mark.color, markersize=size, markeredgewidth=0, clip_on=False, gid=f"sign {mark.label}",
    )  # fmt: skip


def _width_in_points(axes: Axes) -> float:
    return axes.get_position().width * WIDTH * 72
