"""Training charts: Caffe's eight chart types, drawn from one or several logs.

The axes are scaled first (_training_axes.py), then lines and marks are drawn, then all texts find their
places (_training_layout.py).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.training import (
    CHARTS,
    MOST_POINTS,
    ChartLine,
    Mark,
    as_logs,
    chart_lines,
    chart_name,
    chart_number,
    moves_in_steps,
    smoothed,
    x_unit,
)
from cnnviz.errors import CnnvizError
from cnnviz.formats.files import write_text
from cnnviz.formats.log_curves import TrainingLog, readable
from cnnviz.plots.common.figure import new_figure, save_figure, style_axes
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.training.axes import Points, count_hidden, number_text, outside, scale_x, scale_y
from cnnviz.plots.training.layout import (
    HEIGHT_IN,
    LONGEST_LABEL,
    WIDTH_IN,
    Look,
    MarkTexts,
    common_start,
    lay_out,
    line_looks,
    named_at_ends,
)

_SIGNS = {
    "snapshot": "▲ snapshot",
    "rate": "▼ learning rate lowered",
    "restart": "■ restart",
    "not finite": "✕ no number from here",
    "diverges": "✕ diverges",
    "best": "● test loss rises from here",
}
_MARKERS = {"rate": "v", "restart": "s", "not finite": "X", "diverges": "X", "best": "o"}
_WIDTH, _SMOOTH_WIDTH = 1.8, 2.2
# Lines that go up and down this many times the height of the axes get thinner; the last as thin as can be.
_NOISE = 25.0, 125.0


def plot_training_log(
    chart_type: int | str,
    logs: TrainingLog | str | os.PathLike | Iterable,
    path: str | os.PathLike | None = None,
    *,
    style: str = "light",
    smooth: float = 0.0,
    log_scale: bool | None = None,
    full_range: bool = False,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
    dpi: float = 150,
) -> Figure:
    """Draws a chart of training logs and, where ``path`` is given, writes it there.

    Args:
        chart_type: 0 Test accuracy vs. Iters, 1 vs. Seconds, 2 Test loss vs. Iters, 3 vs. Seconds,
            4 Train learning rate vs. Iters, 5 vs. Seconds, 6 Train loss vs. Iters, 7 vs. Seconds;
            or a name such as "train-loss" or "test-accuracy-seconds".
        logs: one or several, as paths or as TrainingLogs from read_log.
        path: picture to write, its format by suffix; ".html" writes an interactive page.
        style: "light" or "dark".
        smooth: weight of the past in an exponential moving average, 0 (none) up to below 1; the curve as
            it is stays visible behind.
        log_scale: logarithmic y axis; None takes it for losses and rates that span a factor of 50.
        full_range: show all points; else a few that are so far from all others that these would make a flat
            line lie outside, with a sign at the edge and their number in the subtitle.
        outputs: names of net outputs to show instead of those that fit the chart type.
        title: heading; None takes the chart type's name.
        dpi: dots per inch of pixel formats; the figure is 8 by 4.5 inches or a little higher.
    Raises: CnnvizError for an unknown chart type or nothing to plot, FileError for a log that cannot be
        read or a path that cannot be written.
    """
    number = chart_number(chart_type)
    if not 0 <= smooth < 1:
        raise CnnvizError(f"smooth is {smooth:g}, wanted 0 (none) up to, but below, 1")
    read = as_logs(logs)
    lines = chart_lines(number, read, outputs)
    heading = readable(title) if title is not None else chart_name(number, lines)
    view: dict[str, Any] = {"smooth": smooth, "log_scale": log_scale, "full_range": full_range}
    figure = draw_chart(number, lines, get_theme(style), heading, **view)
    if path is not None:
        if Path(path).suffix.lower() in (".html", ".htm"):
            from cnnviz.plots.training.to_html import training_page

            write_text(path, training_page(number, lines, heading, **view))
        else:
            save_figure(figure, path, dpi, title=heading)
    return figure


def draw_chart(
    number: int,
    lines: list[ChartLine],
    theme: Theme,
    heading: str,
    *,
    smooth: float = 0.0,
    log_scale: bool | None = None,
    full_range: bool = False,
    most_points: int = MOST_POINTS,
) -> Figure:
    """Draws ``lines`` of chart type ``number``; see plot_training_log for the other arguments.

    Of each run about ``most_points`` are drawn, with every peak and gap; what is said counts all.
    Parts carry their meaning as gid ("series-0", "label-0", "mark-snapshot") for those who read the
    figure or its SVG.
    """
    x_axis = CHARTS[number][1]
    whole, lines = lines, [line.thinned(most_points) for line in lines]
    drawn = [_smoothed(line, smooth).thinned(most_points) for line in whole] if smooth else lines
    figure = new_figure(WIDTH_IN, HEIGHT_IN, theme)
    axes = figure.add_axes((0.1, 0.2, 0.7, 0.6))
    style_axes(axes, theme)
    scale_x(axes, lines, x_axis)
    scale_y(axes, lines, log_scale, full_range)
    axes.set_xlabel(x_unit(x_axis, lines)[0], fontsize=10.5, color=theme.muted)
    axes.set_ylabel(lines[0].quantity, fontsize=10.5, color=theme.muted)
    at_ends = named_at_ends(axes, lines)
    looks = line_looks(lines, theme, at_ends)
    longest = max(_span(line) for line in lines)
    for i, line in enumerate(lines):
        dotted = (len(line.x) <= 40 and _span(line) > 0.25 * longest) or len(line.x) == 1
        _draw_line(axes, drawn[i], line if smooth else None, looks[i], i, dotted)
    marks = _draw_marks(axes, drawn, looks, theme)
    _draw_edges(axes, outside(axes, lines), looks)
    notes = [*_edge_texts(outside(axes, whole), whole, x_axis), *_hidden_text(count_hidden(axes, whole))]
    subtitle = " · ".join([*_subtitle(lines, x_axis, smooth), *notes])
    lay_out(figure, axes, drawn, looks, theme, marks, (heading, subtitle), at_ends)
    return figure


def _smoothed(line: ChartLine, weight: float) -> ChartLine:
    return replace(line, segments=[(x, smoothed(y, weight)) for x, y in line.segments])


def _span(line: ChartLine) -> float:
    x = line.x[np.isfinite(line.x)]
    return float(x.max() - x.min()) if len(x) else 0.0


def _draw_line(
    axes: Axes, line: ChartLine, behind: ChartLine | None, how: Look, i: int, dotted: bool
) -> None:
    """Draws ``line``; where it is a smoothed one, ``behind`` is the curve as it was, which stays visible."""
    steps = line.quantity == "Train learning rate" and moves_in_steps(line.y)
    noise = 0.0 if behind is not None else _noise(axes, line)
    for position, (x, values) in enumerate(line.segments):
        y = np.where(np.isfinite(values), values, np.nan)
        later = [other[0] for other, _ in line.segments[position + 1 :] if len(other)]
        redone = x > min(later) if later else np.zeros(len(x), bool)
        style: dict[str, Any] = {
            "color": how.color,
            "linestyle": how.style,
            "gid": f"series-{i}",
            "zorder": 3 - 0.5 * noise,  # so that smooth lines lie over noisy ones
            "drawstyle": "steps-post" if steps else "default",
        }
        if behind is not None:
            axes.plot(*behind.segments[position], **style | {"linestyle": "-"}, linewidth=1, alpha=0.3)
        single = _lone_points(y)
        dots: dict = {"marker": "o", "markersize": 4, "markevery": slice(None) if dotted else single.tolist()}
        if not dotted and not len(single):
            dots = {}
        # What a restart did again is drawn, but steps back behind what replaced it.
        kept = np.where(redone, np.nan, y)
        axes.plot(
            x,
            kept,
            **style,
            **dots,
            linewidth=_SMOOTH_WIDTH if behind is not None else _WIDTH - noise,
            solid_joinstyle="round",
        )
        if redone.any():
            joined = redone.copy()
            joined[max(0, int(np.flatnonzero(redone)[0]) - 1)] = True
            axes.plot(x, np.where(joined, y, np.nan), **style, linewidth=1.2, alpha=0.45)


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
    """Returns the indices of finite numbers with no finite neighbour, which no line would show."""
    finite = np.concatenate([[False], np.isfinite(y), [False]])
    return np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])


def _subtitle(lines: list[ChartLine], x_axis: str, smooth: float) -> list[str]:
    """Returns which logs are shown, the best value of a single curve, and the smoothing."""
    logs = list(dict.fromkeys(line.log for line in lines))
    parts = [logs[0] if len(logs) == 1 else f"{len(logs)} logs"]
    if len(logs) > 1 and max(map(len, logs)) > LONGEST_LABEL and (cut := common_start(logs)) > 8:
        parts = [f"{len(logs)} logs {logs[0][:cut]}…"]
    if len(lines) == 1:
        parts += _best(lines[0], x_axis)
    if smooth:
        parts.append(f"smoothed by {smooth:g}")
    return parts


def _best(line: ChartLine, x_axis: str) -> list[str]:
    finite = np.flatnonzero(np.isfinite(line.y))
    if not len(finite):
        return []
    y = line.y[finite]
    if len(y) > 1 and y.min() == y.max():
        return [f"always {number_text(float(y[0]))}"]
    words = {"Test accuracy": "highest ", "Test loss": "lowest ", "Train loss": "lowest "}
    if len(y) > 1 and line.quantity not in words:
        return []
    word = words[line.quantity] if len(y) > 1 else ""
    best = finite[y.argmax() if word == "highest " else y.argmin()]
    return [f"{word}{_point_text(line, float(line.x[best]), float(line.y[best]), x_axis)}"]


def _point_text(line: ChartLine, x: float, y: float, x_axis: str) -> str:
    """Words for a point: "0.41 at 4600", "0.41 at 1.28 hours"."""
    name, unit = x_unit(x_axis, [line])
    value = number_text(y)
    if not math.isfinite(x):
        return value
    return (
        f"{value} at {x:.0f}" if x_axis == "Iters" else f"{value} at {round(x / unit, 3):.3g} {name.lower()}"
    )


def _draw_edges(axes: Axes, far: dict[str, list[Points]], looks: list[Look]) -> None:
    """Draws a sign at the edge for each point beyond the axes."""
    for side, height, marker in (("above", 0.985, "^"), ("below", 0.015, "v")):
        for i, x, _ in far[side]:
            axes.plot(
                x, np.full(len(x), height), marker=marker, markersize=6, color=looks[i].color,
                fillstyle="none", zorder=4,
                transform=axes.get_xaxis_transform(), linestyle="none", gid=f"mark-{side}",
            )  # fmt: skip


def _points_text(count: int) -> str:
    return "1 point" if count == 1 else f"{count:,} points"


def _hidden_text(count: int) -> list[str]:
    return [f"{_points_text(count)} at or below 0 not shown"] if count else []


def _edge_texts(far: dict[str, list[Points]], lines: list[ChartLine], x_axis: str) -> list[str]:
    texts = []
    for side, word, extreme in (("above", "up to", np.argmax), ("below", "down to", np.argmin)):
        if far[side]:
            ends = [(i, x[extreme(y)], y[extreme(y)]) for i, x, y in far[side]]
            i, x, y = ends[int(extreme([end[2] for end in ends]))]
            count = sum(len(points[1]) for points in far[side])
            way = "" if count == 1 else f"{word} "
            texts.append(f"{_points_text(count)} {side}: {way}{_point_text(lines[i], x, y, x_axis)}")
    return texts


def _draw_marks(axes: Axes, lines: list[ChartLine], looks: list[Look], theme: Theme) -> MarkTexts:
    """Draws the marks: in a chart of one log with their texts, else as signs explained by the key.

    The snapshots of several logs would hide each other; they are marked for one log alone.
    """
    single = len({line.log for line in lines}) == 1
    texts: list[tuple[float, str, str]] = []
    key: list[str] = []
    done: set[tuple[str, str, float]] = set()
    for line, how in zip(lines, looks, strict=True):
        for mark in line.marks:
            place = (line.log, mark.kind, mark.x)
            if place in done or not math.isfinite(mark.x) or (mark.kind == "snapshot" and not single):
                continue
            bad = mark.kind in ("not finite", "diverges")
            if not bad:
                done.add(place)
            color = theme.warning if bad else theme.muted if single else how.color
            if mark.kind == "snapshot":
                axes.plot(
                    [mark.x], [0.0], marker="^", markersize=5, color=color, clip_on=False, zorder=4,
                    transform=axes.get_xaxis_transform(), linestyle="none", gid="mark-snapshot",
                )  # fmt: skip
            elif single and mark.kind in ("rate", "restart"):
                dots = (0, (1, 2.5)) if mark.kind == "rate" else (0, (5, 3))
                axes.axvline(mark.x, color=theme.edge, linewidth=1, linestyle=dots, zorder=1.5,
                             gid=f"mark-{mark.kind}")  # fmt: skip
            else:
                _draw_sign(axes, line, mark, color, theme)
            if single and mark.kind == "not finite":
                axes.axvspan(mark.x, _finite_again(line, mark.x), color=theme.warning, alpha=0.1, linewidth=0,
                             zorder=1, gid="not-finite")  # fmt: skip
            if single and mark.kind != "snapshot":
                if (mark.x, mark.text) not in [text[:2] for text in texts]:
                    texts.append((mark.x, mark.text, color))
            elif _SIGNS[mark.kind] not in key:
                key.append(_SIGNS[mark.kind])
    return MarkTexts(texts, "\u2003".join(key))


def _draw_sign(axes: Axes, line: ChartLine, mark: Mark, color: str, theme: Theme) -> None:
    """Draws the sign of ``mark`` on the curve, at its last finite point up to the mark, else at its first."""
    finite = np.flatnonzero(np.isfinite(line.y))
    before = finite[line.x[finite] <= mark.x]
    at = before[-1:] if len(before) else finite[:1]
    x, y = (line.x[at[0]], line.y[at[0]]) if len(at) else (mark.x, float(np.mean(axes.get_ylim())))
    axes.plot(
        [x], [y], marker=_MARKERS[mark.kind], markersize=8, color=color, markeredgecolor=theme.background,
        markeredgewidth=1, linestyle="none", zorder=5, gid=f"mark-{mark.kind.replace(' ', '-')}",
    )  # fmt: skip


def _finite_again(line: ChartLine, start: float) -> float:
    """Returns where the curve has a number again after ``start``, or where it ends."""
    keep = np.flatnonzero(np.isfinite(line.y) & (line.x > start))
    return float(line.x[keep[0]] if len(keep) else np.nanmax(line.x))
