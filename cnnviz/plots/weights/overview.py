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
    _write_heading(figure, healths, drawn, top, theme)
    top += 0.3
    strips = (
        ("noise", "1: white noise", [median(health.noise) for health in healths]),
        ("effective rank", "share of the highest", [_rank(health) for health in healths]),
        ("strength", "1: random weights", [health.randomness.strength for health in healths]),
    )
    colors = [KIND_COLORS[bank_kind(health.bank)] for health in healths]
    for name, meaning, values in strips:
        inch_text(figure, MARGIN, top + 0.06, name, 8.5, theme.text)
        inch_text(figure, MARGIN, top + 0.22, meaning, 7.5, theme.muted)
        axes = _strip_axes(figure, top, _STRIP, len(healths), theme)
        _draw_bars(axes, name, np.array(values), colors, theme)
        top += _STRIP + _STRIP_GAP
    for kind in overview_kinds(healths):
        _draw_finding(figure, kind, healths, top, theme)
        top += _ROW
    axes = _strip_axes(figure, top - 0.04, 0.1, len(healths), theme)
    axes.set_axis_off()
    places = [i for i, health in enumerate(healths) if health.bank.title in drawn]
    axes.scatter(places, [0] * len(places), s=16, marker="^", color=theme.text, gid="drawn", clip_on=False)
    words = "layers in the order of the file; ▲ drawn below"
    inch_text(figure, MARGIN + _LABELS, top + 0.08, words, 7.5, theme.muted)


def _write_heading(
    figure: Figure, healths: Sequence[LayerHealth], drawn: Container[str], top: float, theme: Theme
) -> None:
    count = sum(health.bank.title in drawn for health in healths)
    title = f"All {len(healths)} layers"
    inch_text(figure, MARGIN, top, title, 12, theme.text, weight="bold")
    note = f"{count} of {len(healths)} layers with filters are drawn below; choose others by name"
    left = MARGIN + text_width(title, 12, bold=True) / 72 + 0.15
    inch_text(figure, left, top + 0.035, note, 9, theme.muted)


def _draw_finding(
    figure: Figure, kind: str, healths: Sequence[LayerHealth], top: float, theme: Theme
) -> None:
    """Draws a sign for each layer that has a kind of finding."""
    layers = [i for i, health in enumerate(healths) if kind in _kinds(health)]
    mark = finding_mark(kind, theme)
    words = f"{finding_sign(kind)} {kind} in {len(layers)}"
    inch_text(figure, MARGIN, top - 0.06, words, 8.5, mark.color)
    axes = _strip_axes(figure, top - 0.04, _ROW - 0.04, len(healths), theme)
    axes.set_axis_off()
    zeros = [0] * len(layers)
    axes.scatter(layers, zeros, s=14, marker=mark.marker, color=mark.color, gid=f"layers {kind}")


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


def _draw_bars(axes: Axes, name: str, values: np.ndarray, colors: Sequence[str], theme: Theme) -> None:
    """Draws a bar for each finite value: from 0, or the strength from 1 on a logarithmic axis."""
    known = np.flatnonzero(np.isfinite(values)).tolist()
    base, ticks = _prepare_axis(axes, name, values[known])
    width = axes.get_position().width * WIDTH * 72 / len(values)
    bars = [colors[i] for i in known]
    axes.vlines(known, base, values[known], colors=bars, linewidth=max(0.6, 0.72 * width), gid=name)
    if name in ("noise", "strength"):  # 1 is what random weights have
        axes.axhline(1.0, color=theme.edge, linewidth=0.7)
    axes.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.tick_params(axis="y", colors=theme.muted, labelsize=7, length=0, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _prepare_axis(axes: Axes, name: str, values: np.ndarray) -> tuple[float, list[float]]:
    """Sets the range of the axis; returns where bars begin, and the ticks."""
    highest = float(values.max()) if len(values) else 1.0
    if name != "strength":
        axes.set_ylim(0.0, max(1.0, highest) * 1.04)
        return 0.0, [0.0, 1.0]
    axes.set_yscale("log")
    axes.minorticks_off()
    high = max(1.25, highest)
    axes.set_ylim(min(0.8, float(values.min(initial=1))), high * 1.06)
    return 1.0, [1.0, high]
