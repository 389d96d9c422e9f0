"""Figures of two snapshots: before, after and their difference, layer by layer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.comparison import Comparison
from cnnviz.analysis.filter_measures import median
from cnnviz.analysis.layer_drift import LayerDrift
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure, style_axes
from cnnviz.plots.common.filter_plan import FilterOptions, FilterPlan, Space, plan_filters
from cnnviz.plots.common.filter_words import bank_kind
from cnnviz.plots.common.mosaic import (
    DIVERGING,
    ColorScale,
    color_scale,
    gray_scale,
    largest,
    mosaic,
)
from cnnviz.plots.common.panels import color_bar, inch_axes, inch_text, show_mosaic
from cnnviz.plots.common.text import fit, text_width, wrap
from cnnviz.plots.common.theme import KIND_COLORS, Theme, get_theme
from cnnviz.plots.weights.forms import (
    BAR,
    HEADING,
    LINE,
    MARGIN,
    SECTION_GAP,
    WIDTH,
    draw_counts,
    draw_heading,
    draw_statistics,
    draw_title,
    inches,
    mosaic_axes,
    title_height,
    whole_pixels,
)

_MATRIX_SHARE = 0.99  # of a matrix's weights within the colour scale

# Inches.
_PANEL, _PANEL_GAP, _SIDE, _INDENT = 2.1, 0.2, 2.15, 0.85
_NAMES = 0.24  # of the panels
_CHART, _CHART_ROW, _SIGNS = 5.9, 0.22, 3.0
_MOST_BARS = 16
_SPACE = Space(width=315, height=525, channels=16, blocks=1, matrix=285)  # pixels of a panel


def draw_comparison(
    comparison: Comparison, chosen: Sequence[LayerDrift], options: FilterOptions, net: str = ""
) -> Figure:
    """Draws the ``chosen`` layers of two snapshots and their difference side by side, and the drift of all.

    Both snapshots of a layer have one scale, the difference has its own.

    Args:
        net: the net's name.
    """
    theme = get_theme(options.style)
    sections = [
        _Difference(drift, plan_filters(drift.after.bank, options, _SPACE), options, theme)
        for drift in chosen
    ]
    return _draw_differences(sections, comparison, net, theme)


@dataclass(frozen=True, eq=False)
class _Difference:
    """One layer of the figure; each snapshot is shown by the same plan."""

    drift: LayerDrift
    plan: FilterPlan
    options: FilterOptions
    theme: Theme

    def tiles(self, filters: np.ndarray) -> np.ndarray:
        return self.plan.tiles(filters, self.plan.blocks[0], self.options.channel_order)

    @property
    def height(self) -> float:
        side = len(_drift_lines(self.drift)) * LINE + 1.0
        return HEADING + max(_NAMES + inches(self.plan.size[0]) + BAR, side)


def _draw_differences(
    sections: Sequence[_Difference], comparison: Comparison, net: str, theme: Theme
) -> Figure:
    drawn = f"{len(sections)} of {len(comparison.layers)} layers drawn"
    notes = [
        drawn if len(sections) < len(comparison.layers) else "",
        f"not compared: {', '.join(comparison.skipped)}" if comparison.skipped else "",
    ]
    names = f"{comparison.before} → {comparison.after}"
    lines = [names, comparison.verdict, " · ".join(filter(None, notes))]
    bars = _widest_moved(comparison, {section.drift.title for section in sections})
    chart = max(_CHART_ROW * len(bars) + 0.6, 1.3)
    height = MARGIN + title_height(lines) + chart + MARGIN
    height += sum(section.height + SECTION_GAP for section in sections)
    figure = new_figure(WIDTH, whole_pixels(height), theme)
    top = draw_title(figure, f"{net}: two snapshots" if net else "Two snapshots", lines, theme)
    _draw_drift_chart(figure, bars, len(comparison.layers), top, theme)
    _draw_signs(figure, comparison, top, theme)
    top += chart + SECTION_GAP
    for section in sections:
        _draw_difference(figure, section, top)
        top += section.height + SECTION_GAP
    return figure


def _widest_moved(comparison: Comparison, drawn: set[str]) -> list[LayerDrift]:
    """Returns the layers that have a bar: all, or of many those drawn and those that moved most."""
    if len(comparison.layers) <= _MOST_BARS:
        return list(comparison.layers)
    by_drift = sorted(comparison.layers, key=lambda drift: (drift.title not in drawn, -drift.relative))
    kept = by_drift[:_MOST_BARS]
    return [drift for drift in comparison.layers if drift in kept]


def _draw_drift_chart(
    figure: Figure, drifts: Sequence[LayerDrift], total: int, top: float, theme: Theme
) -> None:
    """Draws a bar for each layer: how far it moved, relative to its length before."""
    names = [fit(printable(drift.title), 130, 8.5) for drift in drifts]
    label_width = max(text_width(name, 8.5) for name in names) / 72 + 0.1
    left, room = MARGIN + label_width, _CHART - label_width
    axes = inch_axes(figure, left, top + 0.22, room, _CHART_ROW * len(drifts))
    values = [100 * drift.relative if math.isfinite(drift.relative) else 0 for drift in drifts]
    rows = np.arange(len(values))
    axes.barh(rows, values, height=0.62, color=[KIND_COLORS[bank_kind(d.after.bank)] for d in drifts])
    style_axes(axes, theme, grid="x")
    axes.set_yticks(rows, names, parse_math=False)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, max([*values, 1e-9]) * 1.15)
    axes.tick_params(axis="y", labelsize=8.5)
    axes.tick_params(axis="x", labelsize=7.5)
    for row, drift in enumerate(drifts):
        text = f" {drift.relative:.1%}" if math.isfinite(drift.relative) else " from zero"
        axes.text(values[row], row, text, va="center_baseline", size=7.5, color=theme.text)
    some = f" (of {total} layers those drawn and those that moved most)" if len(drifts) < total else ""
    words = fit(f"Drift |after − before| / |before| in %{some}", _CHART * 72, 9)
    inch_text(figure, MARGIN, top, words, 9, theme.muted)


def _draw_signs(figure: Figure, comparison: Comparison, top: float, theme: Theme) -> None:
    """Writes the signs by which the later snapshot is recognised."""
    left = WIDTH - MARGIN - _SIGNS
    inch_text(figure, left, top, "Signs of training", 9, theme.muted)
    words = {1: "the second looks later", 0: "no sign", -1: "the first looks later"}
    top += 0.08
    for sign in comparison.signs:
        color = theme.text if sign.direction else theme.muted
        what = printable(sign.what).replace("->", "→")
        for line in wrap(f"{what}: {words[sign.direction]}", _SIGNS * 72, 8.5):
            top += LINE
            inch_text(figure, left, top, line, 8.5, color)
        top += 0.05


def _draw_difference(figure: Figure, section: _Difference, top: float) -> None:
    theme, drift, plan = section.theme, section.drift, section.plan
    draw_heading(figure, drift.after.bank, plan.omitted, theme, top)
    top += HEADING
    before, after = section.tiles(drift.before.bank.filters), section.tiles(drift.after.bank.filters)
    common = _scale(np.concatenate([before.ravel(), after.ravel()]), plan.form)
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite has a colour
        change = np.subtract(after, before)
    moved = _scale(change.ravel(), plan.form, is_signed=True)
    panels = (("before", before, common), ("after", after, common), ("after − before", change, moved))
    for i, (name, values, scale) in enumerate(panels):
        left = MARGIN + i * (_PANEL + _PANEL_GAP)
        inch_text(figure, left, top, name, 9, theme.text)
        _draw_panel(mosaic_axes(figure, left, top + _NAMES, plan.size), values, plan, scale, theme)
        if i != 1:
            labels = {"color": "R, G, B each", "matrix": f"{1 - _MATRIX_SHARE:.0%} is beyond"}
            label = labels.get(plan.form, "weight" if i == 0 else "change")
            bar_top = top + _NAMES + inches(plan.size[0]) + 0.1
            color_bar(figure, left, bar_top, scale, theme, label, width=1.1)
    _draw_drift_side(figure, drift, top, theme)


def _draw_panel(axes: Axes, values: np.ndarray, plan: FilterPlan, scale: ColorScale, theme: Theme) -> None:
    if plan.layout is None:
        axes.imshow(scale.colors(values[0]), aspect="auto", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_color(theme.edge)
            spine.set_linewidth(0.6)
    elif plan.form == "color":
        show_mosaic(axes, mosaic(values, plan.layout, divisors=np.full(len(values), scale.high)))
    else:
        show_mosaic(axes, mosaic(values, plan.layout, scale))


def _scale(values: np.ndarray, form: str, is_signed: bool = False) -> ColorScale:
    if form == "color":
        return gray_scale(largest(values) or 1.0)
    if form == "matrix":  # a few large weights would take the colour from all others
        bound = np.quantile(np.abs(values[np.isfinite(values)]), _MATRIX_SHARE) if values.size else 0
        values = np.clip(values, -bound, bound) if bound > 0 else values
    scale = color_scale(values)
    return ColorScale(-scale.high, scale.high, DIVERGING) if is_signed else scale


def _drift_lines(drift: LayerDrift) -> list[tuple[str, str, None]]:
    before, after = drift.before, drift.after
    lines = [
        ("drift", f"{drift.relative:.2%}" + (f", {drift.word}" if drift.word else "")),
        ("cosine", f"{drift.cosine:.4f}"),
        ("changed", f"{drift.changed:.0%}"),
        ("rank", f"{before.rank:.1f} → {after.rank:.1f} of {after.highest_rank}"),
    ]
    smoother, known = drift.smoother
    if known:
        lines.append(("noise", f"{median(before.noise):.3f} → {median(after.noise):.3f}"))
        lines.append(("smoother", f"{smoother} of {known} filters"))
    if math.isfinite(after.randomness.strength):
        strengths = [health.randomness.strength for health in (before, after)]
        lines.append(("strength", f"{strengths[0]:.2f} → {strengths[1]:.2f}"))
    if after.judged:
        noisy = [len(health.marks.get("noisy", ())) for health in (before, after)]
        lines.append(("noisy", f"{noisy[0]} → {noisy[1]} of {after.count}"))
    return [(label, value, None) for label, value in lines]


def _draw_drift_side(figure: Figure, drift: LayerDrift, top: float, theme: Theme) -> None:
    left = WIDTH - MARGIN - _SIDE
    top = draw_statistics(figure, left, top, _drift_lines(drift), _INDENT, theme)
    inch_text(figure, left, top + 0.08, "drift of the filters", 7.5, theme.muted)
    axes = inch_axes(figure, left, top + 0.26, _SIDE, 0.5)
    shares = drift.per_filter[np.isfinite(drift.per_filter)]
    bound = max(float(shares.max()) if shares.size else 0.0, 1e-9)
    counts, edges = np.histogram(shares, bins=24, range=(0, bound))
    draw_counts(axes, counts, edges, drift.after.bank, {0: "0", bound: f"{bound:.1%}"}, theme)
