"""The table of activation functions as a figure: curve, derivative, formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cnnviz.analysis.activation_functions import ActivationFunction
from cnnviz.plots.common.figure import new_figure, style_axes
from cnnviz.plots.common.theme import Theme, get_theme

_COLUMNS = 4
_LIMIT = 5.0
_STEPS = 801  # odd, so that 0 is one of the points


def activation_functions_figure(functions: Sequence[ActivationFunction], style: str = "light") -> Figure:
    """Returns a figure with one panel per function: f as a line, f' dashed, both over -5 to 5."""
    theme = get_theme(style)
    lines = -(-len(functions) // _COLUMNS)
    height = 3.75 * lines + 1.0
    figure = new_figure(13.5, height, theme)
    panels = figure.subplots(lines, _COLUMNS, squeeze=False).ravel()
    figure.subplots_adjust(
        left=0.035, right=0.985, top=1 - 2.45 / height, bottom=0.35 / height, hspace=1.08, wspace=0.16
    )
    figure.text(
        0.035, 1 - 0.38 / height, "Activation functions", color=theme.text, fontsize=17, weight="bold"
    )
    _legend(figure, theme, 1 - 0.72 / height)
    x = np.linspace(-_LIMIT, _LIMIT, _STEPS)
    for axes, function in zip(panels, functions, strict=False):
        _panel(axes, function, x, theme)
    for axes in panels[len(functions) :]:
        axes.remove()
    return figure


def _legend(figure: Figure, theme: Theme, y: float) -> None:
    styles: tuple = ("-", (0, (4, 2)))
    for left, style, text, color in zip(
        (0.036, 0.100), styles, ("f(x)", "f′(x)"), theme.series, strict=False
    ):
        ends = [left, left + 0.018]
        figure.add_artist(Line2D(ends, [y, y], color=color, linewidth=2, linestyle=style))
        figure.text(left + 0.022, y, text, color=theme.text, fontsize=11, va="center")


def _panel(axes: Axes, function: ActivationFunction, x: np.ndarray, theme: Theme) -> None:
    style_axes(axes, theme, grid=None)
    axes.spines["bottom"].set_visible(False)
    axes.axhline(0, color=theme.grid, linewidth=1.2, zorder=0)
    axes.axvline(0, color=theme.grid, linewidth=1.2, zorder=0)
    y, slope = function.f(x), function.slope(x)
    # A dashed line over a solid one: both stay visible where they coincide.
    width = 0.8 if function.is_random else 2
    axes.plot(x, _broken(y), color=theme.series[0], linewidth=width, label="f")
    axes.plot(x, _broken(slope), color=theme.series[1], linewidth=1.7, linestyle=(0, (4, 2)), label="slope")
    axes.set_xlim(-_LIMIT, _LIMIT)
    axes.set_ylim(*_limits(y, slope))
    axes.tick_params(labelsize=8.5)
    axes.locator_params(axis="y", nbins=5)
    put: dict[str, Any] = {"transform": axes.transAxes, "color": theme.text}
    axes.text(0, 1.69, function.name, fontsize=12, weight="bold", **put)
    axes.text(0, 1.46, f"$f={function.formula}$", fontsize=11.5, va="center", **put)
    axes.text(0, 1.16, f"$f'={function.slope_formula}$", fontsize=11.5, va="center", **put)


def _broken(y: np.ndarray) -> np.ndarray:
    """Breaks a curve where it jumps, so that no line joins the two sides."""
    result = y.astype(float)
    jumps = np.flatnonzero(np.abs(np.diff(y)) > 0.4)
    if jumps.size <= 4:  # a noisy curve jumps all the time
        result[jumps] = np.nan
    return result


def _limits(y: np.ndarray, slope: np.ndarray) -> tuple[float, float]:
    values = np.concatenate([y, slope])
    low = max(float(np.nanmin(values)), -_LIMIT)
    high = min(float(np.nanmax(values)), _LIMIT)
    low, high = min(low, -0.2), max(high, 1.2)
    margin = 0.06 * (high - low)
    return low - margin, high + margin
