"""All layers of a deep net at one glance: noise, rank and strength of each, and where findings are."""

from __future__ import annotations

from collections.abc import Container, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import median
from cnnviz.analysis.filters import FILTER_FINDINGS, LAYER_FINDINGS, LayerHealth
from cnnviz.plots.common.filter_words import bank_kind, layer_kinds
from cnnviz.plots.common.panels import inch_axes, inch_text
from cnnviz.plots.common.text import text_width
from cnnviz.plots.common.theme import KIND_COLORS, Theme
from cnnviz.plots.weights.forms import MARGIN, WIDTH, finding_mark, finding_sign

# Inches.
_LABELS, _STRIP, _STRIP_GAP, _ROW, _FOOT = 1.75, 0.46, 0.16, 0.17, 0.3


def overview_kinds(healths: Sequence[LayerHealth]) -> list[str]:
    """Returns the kinds of findings that any layer has, those about filters first."""
    found = {kind for health in healths for kind in _kinds(health)}
    return [kind for kind in FILTER_FINDINGS | LAYER_FINDINGS if kind in found]


def overview_height(healths: Sequence[LayerHealth]) -> float:
    """Returns the inches that ``draw_overview`` takes."""
    return 0.3 + 3 * (_STRIP + _STRIP_GAP) + _ROW * len(overview_kinds(healths)) + _FOOT


def draw_overview(
    figure: Figure, healths: Sequence[LayerHealth], drawn: Container[str], top: float, theme: Theme
) -> None:
    """Draws a bar for each layer in three strips, a row of signs for each kind of finding below.

    Args:
        drawn: the titles of the layers that are drawn below.
    """
    count = sum(health.bank.title in drawn for health in healths)
    title = f"All {len(healths)} layers"
    inch_text(figure, MARGIN, top, title, 12, theme.text, weight="bold")
    note = f"{count} of {len(healths)} layers with filters are drawn below; choose others by name"
    inch_text(
        figure, MARGIN + text_width(title, 12, bold=True) / 72 + 0.15, top + 0.035, note, 9, theme.muted
    )
    top += 0.3
    strips = (
        ("noise", "1: white noise", [median(health.noise) for health in healths], 0.0, 1.0),
        ("effective rank", "share of the highest", [_rank(health) for health in healths], 0.0, None),
        (
            "strength",
            "1: random weights",
            [health.randomness.strength for health in healths],
            1.0,
            1.0,
        ),
    )
    colors = [KIND_COLORS[bank_kind(health.bank)] for health in healths]
    for name, meaning, values, base, reference in strips:
        inch_text(figure, MARGIN, top + 0.06, name, 8.5, theme.text)
        inch_text(figure, MARGIN, top + 0.22, meaning, 7.5, theme.muted)
        axes = _strip_axes(figure, top, _STRIP, len(healths), theme)
        _draw_bars(axes, np.array(values), colors, base, reference, theme, name)
        top += _STRIP + _STRIP_GAP
    for kind in overview_kinds(healths):
        layers = [i for i, health in enumerate(healths) if kind in _kinds(health)]
        mark = finding_mark(kind, theme)
        inch_text(
            figure, MARGIN, top - 0.06, f"{finding_sign(kind)} {kind} in {len(layers)}", 8.5, mark.color
        )
        axes = _strip_axes(figure, top - 0.04, _ROW - 0.04, len(healths), theme)
        axes.set_axis_off()
        axes.scatter(
            layers, [0] * len(layers), s=14, marker=mark.marker, color=mark.color, gid=f"layers {kind}"
        )
        top += _ROW
    axes = _strip_axes(figure, top - 0.04, 0.1, len(healths), theme)
    axes.set_axis_off()
    places = [i for i, health in enumerate(healths) if health.bank.title in drawn]
    axes.scatter(places, [0] * len(places), s=16, marker="^", color=theme.text, gid="drawn", clip_on=False)
    words = "layers in the order of the file; ▲ drawn below"
    inch_text(figure, MARGIN + _LABELS, top + 0.08, words, 7.5, theme.muted)


def _kinds(health: LayerHealth) -> list[str]:
    return [*health.marks, *layer_kinds(health)]


def _rank(health: LayerHealth) -> float:
    return health.rank / health.highest_rank


def _strip_axes(figure: Figure, top: float, height: float, count: int, theme: Theme) -> Axes:
    axes = inch_axes(figure, MARGIN + _LABELS, top, WIDTH - 2 * MARGIN - _LABELS, height)
    axes.set_xlim(-0.7, count - 0.3)
    axes.set_facecolor(theme.panel)
    axes.set(xticks=[], yticks=[])
    return axes


def _draw_bars(
    axes: Axes,
    values: np.ndarray,
    colors: Sequence[str],
    base: float,
    reference: float | None,
    theme: Theme,
    name: str,
) -> None:
    """Draws bars from ``base``, a line at ``reference``, and the highest number at the axis' end."""
    known = np.flatnonzero(np.isfinite(values)).tolist()
    highest = float(values[known].max()) if len(known) else 1.0
    ends = (
        [0.0, max(1.0, highest)]
        if base == 0
        else [min(0.8, float(values[known].min(initial=1))), max(1.25, highest)]
    )
    if base:
        axes.set_yscale("log")
        axes.minorticks_off()
    axes.set_ylim(ends[0], ends[1] * (1.06 if base else 1.04))
    width = axes.get_position().width * WIDTH * 72 / len(values)
    axes.vlines(
        known,
        base,
        values[known],
        colors=[colors[i] for i in known],
        linewidth=max(0.6, 0.72 * width),
        gid=name,
    )
    if reference is not None:
        axes.axhline(reference, color=theme.edge, linewidth=0.7)
    ticks = [0.0, 1.0] if base == 0 else [1.0, ends[1]]
    axes.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.tick_params(axis="y", colors=theme.muted, labelsize=7, length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)
