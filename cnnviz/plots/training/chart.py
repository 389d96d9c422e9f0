"""Training charts: Caffe's eight chart types, drawn from one or several logs.

The axes are scaled first (axes.py), then lines and marks are drawn (marks.py), then all texts find their
places (layout.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.curves import moves_in_steps, smoothed
from cnnviz.analysis.training import ChartLine, x_unit
from cnnviz.plots.common.figure import new_figure, style_axes
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.training.axes import Points, outside, scale_x, scale_y
from cnnviz.plots.training.layout import (
    HEIGHT_IN,
    WIDTH_IN,
    LineStyle,
    Words,
    lay_out,
    line_styles,
    named_at_ends,
)
from cnnviz.plots.training.marks import draw_marks
from cnnviz.plots.training.options import ChartOptions
from cnnviz.plots.training.words import subtitle

_WIDTH, _SMOOTH_WIDTH = 1.8, 2.2
# Lines that go up and down this many times the height of the axes get thinner; the last as thin as can be.
_NOISE = 25.0, 125.0


def draw_chart(lines: list[ChartLine], options: ChartOptions) -> Figure:
    """Draws ``lines`` of one chart.

    Of each run about ``options.max_points`` are drawn, with every peak and gap; the subtitle counts all.
    Parts carry their meaning as gid ("series-0", "label-0", "mark-snapshot") for those who read the
    figure or its SVG.
    """
    theme, x_axis = get_theme(options.style), options.x_axis
    whole, lines = lines, [line.thinned(options.max_points) for line in lines]
    drawn = (
        [_smoothed(line, options.smooth).thinned(options.max_points) for line in whole]
        if options.smooth
        else lines
    )
    figure = new_figure(WIDTH_IN, HEIGHT_IN, theme)
    axes = figure.add_axes((0.1, 0.2, 0.7, 0.6))
    style_axes(axes, theme)
    scale_x(axes, lines, x_axis)
    scale_y(axes, lines, options)
    axes.set_xlabel(x_unit(x_axis, lines)[0], fontsize=10.5, color=theme.muted)
    axes.set_ylabel(lines[0].quantity, fontsize=10.5, color=theme.muted)
    at_ends = named_at_ends(axes, lines)
    styles = line_styles(lines, theme, at_ends)
    longest = max(_span(line) for line in lines)
    for i, line in enumerate(lines):
        dotted = (len(line.x) <= 40 and _span(line) > 0.25 * longest) or len(line.x) == 1
        _draw_line(axes, drawn[i], line if options.smooth else None, styles[i], i, dotted)
    marks = draw_marks(axes, drawn, styles, theme)
    _draw_edges(axes, outside(axes, lines), styles)
    words = Words(options.heading(whole), subtitle(axes, lines, whole, options), marks.texts, marks.key)
    lay_out(figure, axes, drawn, styles, theme, words, at_ends)
    return figure


def _smoothed(line: ChartLine, weight: float) -> ChartLine:
    return replace(line, segments=[(x, smoothed(y, weight)) for x, y in line.segments])


def _span(line: ChartLine) -> float:
    x = line.x[np.isfinite(line.x)]
    return float(x.max() - x.min()) if len(x) else 0.0


def _draw_line(
    axes: Axes, line: ChartLine, original: ChartLine | None, style: LineStyle, i: int, dotted: bool
) -> None:
    """Draws ``line``; if it is smoothed, ``original`` is the curve as it was, drawn faintly."""
    steps = line.quantity == "Train learning rate" and moves_in_steps(line.y)
    noise = 0.0 if original is not None else _noise(axes, line)
    width = _SMOOTH_WIDTH if original is not None else _WIDTH - noise
    look: dict[str, Any] = {
        "color": style.color,
        "linestyle": style.dashes,
        "gid": f"series-{i}",
        "zorder": 3 - 0.5 * noise,  # so that smooth lines lie over noisy ones
        "drawstyle": "steps-post" if steps else "default",
    }
    for position, (x, values) in enumerate(line.segments):
        y = np.where(np.isfinite(values), values, np.nan)
        if original is not None:
            axes.plot(*original.segments[position], **look | {"linestyle": "-"}, linewidth=1, alpha=0.3)
        repeated = _repeated(line, position)
        once = np.where(repeated, np.nan, y)
        axes.plot(x, once, **look, **_dots(y, dotted), linewidth=width, solid_joinstyle="round")
        if repeated.any():  # drawn faintly below what replaced it
            repeated[max(0, int(np.flatnonzero(repeated)[0]) - 1)] = True  # so that the two parts meet
            axes.plot(x, np.where(repeated, y, np.nan), **look, linewidth=1.2, alpha=0.45)


def _repeated(line: ChartLine, position: int) -> np.ndarray:
    """Returns which points of a segment a later one repeated, as a restart does."""
    x = line.segments[position][0]
    later = [other[0] for other, _ in line.segments[position + 1 :] if len(other)]
    return x > min(later) if later else np.zeros(len(x), bool)


def _dots(y: np.ndarray, dotted: bool) -> dict[str, Any]:
    """Returns the markers of a line: at all of its points if ``dotted``, otherwise at lone ones."""
    single = _lone_points(y)
    if not dotted and not len(single):
        return {}
    return {"marker": "o", "markersize": 4, "markevery": slice(None) if dotted else single.tolist()}


def _noise(axes: Axes, line: ChartLine) -> float:
    """Returns from 0 (smooth) to 1 how much of its part of the axes ``line`` fills by going up and down."""
    low, high = axes.get_ylim()
    y = line.y[np.isfinite(line.y)]
    if axes.get_yscale() == "log":
        low, high, y = math.log10(low), math.log10(high), np.log10(y[y > 0])
    path = float(np.abs(np.diff(np.clip(y, low, high))).sum()) / (high - low)
    left, right = axes.get_xlim()
    path /= max(_span(line) / (right - left), 0.02)
    return min(max((path - _NOISE[0]) / (_NOISE[1] - _NOISE[0]), 0.0), 1.0)


def _lone_points(y: np.ndarray) -> np.ndarray:
    """Returns the indices of finite values with no finite neighbour, which no line would show."""
    finite = np.concatenate([[False], np.isfinite(y), [False]])
    return np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])


def _draw_edges(axes: Axes, far: dict[str, list[Points]], styles: list[LineStyle]) -> None:
    """Draws a marker at the edge for each point beyond the axes."""
    for side, height, marker in (("above", 0.985, "^"), ("below", 0.015, "v")):
        for i, x, _ in far[side]:
            axes.plot(
                x, np.full(len(x), height), marker=marker, markersize=6, color=styles[i].color,
                fillstyle="none", zorder=4,
                transform=axes.get_xaxis_transform(), linestyle="none", gid=f"mark-{side}",
            )  # fmt: skip
