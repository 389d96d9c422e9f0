"""Training charts: Caffe's eight chart types, drawn from one or several logs.

A chart is laid out from the texts that it really has: the labels stand beside the ends of their lines,
so that no legend ever lies over a curve, and the margins grow until every text fits.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from cnnviz.analysis.training import (
    CHARTS,
    ChartLine,
    Mark,
    as_logs,
    chart_lines,
    chart_name,
    chart_number,
    smoothed,
)
from cnnviz.errors import CnnvizError
from cnnviz.formats.files import write_text
from cnnviz.formats.log_curves import TrainingLog, readable
from cnnviz.plots.style import Theme, fit_fonts, new_figure, save_figure, style_axes, theme

WIDTH_IN, HEIGHT_IN = 8.0, 4.5
# More lines than this are named in a legend below, not at their ends.
MOST_END_LABELS = 12
MOST_LEGEND_ENTRIES = 24
LONGEST_LABEL = 26
# Losses that span more than this factor are shown on a logarithmic axis.
LOG_AXIS_FROM = 50.0
_STYLES = ("-", "--", "-.", ":")
_SIGNS = {
    "snapshot": "▲ snapshot",
    "rate": "▼ learning rate lowered",
    "restart": "● restart",
    "not finite": "✕ no number from here",
    "diverges": "✕ diverges",
    "best": "● test loss rises from here",
}
_MARKERS = {"rate": "v", "restart": "o", "not finite": "X", "diverges": "X", "best": "o"}


@dataclass
class _MarkTexts:
    """Texts of marks that stand above the axes as (x in data, text, colour), and the key of the signs."""

    texts: list[tuple[float, str, str]]
    key: str


@dataclass
class _Look:
    """How one line is drawn."""

    color: str
    style: Any
    label: str


def plot_training_log(
    chart_type: int | str,
    logs: TrainingLog | str | os.PathLike | Iterable,
    path: str | os.PathLike | None = None,
    *,
    style: str = "light",
    smooth: float = 0.0,
    log_scale: bool | None = None,
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
    figure = draw_chart(number, lines, theme(style), smooth, log_scale, heading)
    if path is not None:
        if Path(path).suffix.lower() in (".html", ".htm"):
            from cnnviz.plots.training_html import training_page

            write_text(path, training_page(number, lines, smooth, log_scale, heading))
        else:
            save_figure(figure, path, dpi, title=heading)
    return figure


def draw_chart(
    number: int,
    lines: list[ChartLine],
    look: Theme,
    smooth: float,
    log_scale: bool | None,
    heading: str,
) -> Figure:
    """Draws ``lines`` of chart type ``number``; see plot_training_log for the other arguments.

    Parts carry their meaning as gid ("series-0", "label-0", "mark-snapshot") for those who read the
    figure or its SVG.
    """
    quantity, x_axis = CHARTS[number]
    figure = new_figure(WIDTH_IN, HEIGHT_IN, look)
    axes = figure.add_axes((0.1, 0.2, 0.7, 0.6))
    style_axes(axes, look)
    looks = _looks(lines, look)
    longest = max(_span(line) for line in lines)
    for i, line in enumerate(lines):
        steps = quantity == "Train learning rate" and _moves_in_steps(line.y)
        dotted = (len(line.x) <= 40 and _span(line) > 0.25 * longest) or len(line.x) == 1
        _draw_line(axes, line, looks[i], i, smooth, steps, dotted)
    _scale(axes, lines, quantity, x_axis, log_scale)
    axes.set_xlabel(_x_label(axes, x_axis), fontsize=10.5, color=look.muted)
    axes.set_ylabel(lines[0].quantity, fontsize=10.5, color=look.muted)
    single = len({line.log for line in lines}) == 1
    marks = _draw_marks(axes, lines, looks, look, single)
    _lay_out(figure, axes, lines, looks, look, marks, (heading, _subtitle(lines, smooth)))
    return figure


def _looks(lines: list[ChartLine], look: Theme) -> list[_Look]:
    """Colours go by log where there are several, else by output; line styles tell the rest apart."""
    logs = list(dict.fromkeys(line.log for line in lines))
    labels = _labels(lines, logs, list(dict.fromkeys(line.name for line in lines)))
    looks: list[_Look] = []
    drawn = dict.fromkeys(logs, 0)
    for line, label in zip(lines, labels, strict=True):
        color, dash = logs.index(line.log), drawn[line.log]
        drawn[line.log] += 1
        if len(logs) == 1:
            color, dash = dash, 0
        turn = dash + color // len(look.series)
        looks.append(_Look(look.series[color % len(look.series)], _STYLES[turn % len(_STYLES)], label))
    return looks


def _labels(lines: list[ChartLine], logs: list[str], names: list[str]) -> list[str]:
    short_logs = dict(zip(logs, _short(logs), strict=True))
    short_names = dict(zip(names, _short(names), strict=True))
    if len(logs) == 1:
        return [short_names[line.name] for line in lines]
    alone = {log for log in logs if sum(line.log == log for line in lines) == 1}
    return [
        short_logs[line.log] if line.log in alone else f"{short_logs[line.log]}: {short_names[line.name]}"
        for line in lines
    ]


def _short(names: list[str]) -> list[str]:
    """Shortens names so that what tells them apart stays: a long common start goes, then the middle."""
    if max(map(len, names)) > LONGEST_LABEL and len(names) > 1:
        cut = _common_start(names)
        names = ["…" + name[cut:] for name in names] if cut > 8 else names
    short = [_without_middle(name) for name in names]
    for text in {text for text in short if short.count(text) > 1}:
        alike = [i for i, other in enumerate(short) if other == text]
        cut = _common_start([names[i] for i in alike])
        for i in alike:
            short[i] = _without_middle("…" + names[i][cut:])
    return short


def _common_start(names: list[str]) -> int:
    """Returns the length of what all names start with, up to its last sign that parts words."""
    alike = [len(set(letters)) == 1 for letters in zip(*names, strict=False)]
    common = names[0][: [*alike, False].index(False)]
    return max(common.rfind(sign) + 1 for sign in "/_-. ")


def _without_middle(name: str) -> str:
    half = LONGEST_LABEL // 2
    return name if len(name) <= LONGEST_LABEL else f"{name[: half - 1]}…{name[-half:]}"


def _span(line: ChartLine) -> float:
    x = line.x[np.isfinite(line.x)]
    return float(x.max() - x.min()) if len(x) else 0.0


def _draw_line(
    axes: Axes, line: ChartLine, how: _Look, i: int, smooth: float, steps: bool, dotted: bool
) -> None:
    for position, (x, values) in enumerate(line.segments):
        y = np.where(np.isfinite(values), values, np.nan)
        later = [other[0] for other, _ in line.segments[position + 1 :] if len(other)]
        redone = x > min(later) if later else np.zeros(len(x), bool)
        style: dict[str, Any] = {
            "color": how.color,
            "linestyle": how.style,
            "gid": f"series-{i}",
            "zorder": 3,
        }
        style["drawstyle"] = "steps-post" if steps else "default"
        if smooth:
            axes.plot(x, y, **style | {"linestyle": "-"}, linewidth=1, alpha=0.3)
            y = smoothed(values, smooth)
        single = _lone_points(y)
        dots: dict = {"marker": "o", "markersize": 4, "markevery": slice(None) if dotted else single.tolist()}
        if not dotted and not len(single):
            dots = {}
        # What a restart did again is drawn, but steps back behind what replaced it.
        kept = np.where(redone, np.nan, y)
        axes.plot(x, kept, **style, **dots, linewidth=2.2 if smooth else 1.8, solid_joinstyle="round")
        if redone.any():
            joined = redone.copy()
            joined[max(0, int(np.flatnonzero(redone)[0]) - 1)] = True
            axes.plot(x, np.where(joined, y, np.nan), **style, linewidth=1.2, alpha=0.45)


def _moves_in_steps(y: np.ndarray) -> bool:
    """Whether a learning rate keeps its value from one display to the next most of the time."""
    return len(y) > 2 and int(np.count_nonzero(y[1:] == y[:-1])) >= len(y) // 2


def _lone_points(y: np.ndarray) -> np.ndarray:
    """Returns the indices of finite numbers with no finite neighbour, which no line would show."""
    finite = np.concatenate([[False], np.isfinite(y), [False]])
    return np.flatnonzero(finite[1:-1] & ~finite[:-2] & ~finite[2:])


def _scale(axes: Axes, lines: list[ChartLine], quantity: str, x_axis: str, log_scale: bool | None) -> None:
    y = np.concatenate([line.y for line in lines])
    y = y[np.isfinite(y)]
    positive = y[y > 0]
    if log_scale is None:
        log_scale = quantity != "Test accuracy" and len(positive) == len(y) > 2 and _wants_log_axis(y)
    if log_scale and len(positive):
        _scale_log(axes, positive)
    else:
        low, high = _padded(y, 0.06)
        if len(y) and quantity == "Test accuracy" and y.min() >= 0:
            low, high = max(low, -0.01), min(high, 1.02) if y.max() <= 1 else high
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    x = np.concatenate([line.x for line in lines] + [[mark.x for mark in line.marks] for line in lines])
    x = x[np.isfinite(x)]
    axes.set_xlim(*_padded(x, 0.015))
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=x_axis == "Iters"))
    if len(x) and x.min() == x.max():  # a single point: no number beside it means anything
        axes.xaxis.set_major_locator(FixedLocator([x[0]]))
    last = axes.get_xlim()[1]
    unit, sign = (1e6, "M") if last >= 2e6 else (1e3, "k") if last >= 1e4 else (1, "")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / unit:.6g}{sign if v else ''}"))


def _scale_log(axes: Axes, positive: np.ndarray) -> None:
    low, high = _padded(np.log10(positive), 0.06)
    axes.set_ylim(10**low, 10**high)
    axes.set_yscale("log", nonpositive="mask")
    subs = (1.0,) if high - low > 3.3 else (1.0, 2.0, 5.0) if high - low > 1.1 else tuple(range(1, 10))
    axes.yaxis.set_major_locator(LogLocator(subs=subs, numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Returns limits a ``share`` wider than ``values`` on either side, never empty."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    # Closer numbers than this have no ticks that differ.
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        wide = 0.05 * max(abs(low), abs(high)) or 0.5
        return low - wide, high + wide
    return low - share * (high - low), high + share * (high - low)


def _wants_log_axis(y: np.ndarray) -> bool:
    """Whether positive ``y`` span so much that a linear axis would press most of them onto its bottom."""
    low, high = float(y.min()), float(y.max())
    crowded = high > 5 * low and float(np.median(y)) - low < 0.06 * (high - low)
    return crowded or high > LOG_AXIS_FROM * low


def _x_label(axes: Axes, x_axis: str) -> str:
    last = axes.get_xlim()[1]
    if x_axis == "Seconds" and last > 600:
        ticks = [tick for tick in axes.get_xticks() if 0 < tick <= last]
        tick = int(ticks[-1]) if ticks else int(last)
        hours, minutes = divmod(tick // 60, 60)
        span = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {tick % 60:02d} s"
        return f"Seconds  ({tick:,} s = {span})"
    return x_axis


def _subtitle(lines: list[ChartLine], smooth: float) -> str:
    logs = list(dict.fromkeys(line.log for line in lines))
    parts = [logs[0] if len(logs) == 1 else f"{len(logs)} logs"]
    best = {"Test accuracy": "highest", "Test loss": "lowest", "Train loss": "lowest"}
    if len(lines) == 1 and (word := best.get(lines[0].quantity)):
        y = lines[0].y
        if np.isfinite(y).any():
            best_of = np.nanmax if word == "highest" else np.nanmin
            parts.append(f"{word} {best_of(y[np.isfinite(y)]):.4g}")
    if smooth:
        parts.append(f"smoothed by {smooth:g}")
    return " · ".join(parts)


def _draw_marks(
    axes: Axes, lines: list[ChartLine], looks: list[_Look], look: Theme, single: bool
) -> _MarkTexts:
    """Draws the marks: in a chart of one log with their texts, else as signs explained by the key."""
    texts: list[tuple[float, str, str]] = []
    key: list[str] = []
    done: set[tuple[str, str, float]] = set()
    for line, how in zip(lines, looks, strict=True):
        for mark in line.marks:
            place = (line.log, mark.kind, mark.x)
            if place in done or not math.isfinite(mark.x):
                continue
            bad = mark.kind in ("not finite", "diverges")
            if not bad:
                done.add(place)
            color = look.warning if bad else look.muted if single else how.color
            if mark.kind == "snapshot":
                axes.plot(
                    [mark.x], [0.0], marker="^", markersize=5, color=color, clip_on=False, zorder=4,
                    transform=axes.get_xaxis_transform(), linestyle="none", gid="mark-snapshot",
                )  # fmt: skip
            elif single and mark.kind in ("rate", "restart"):
                dots = (0, (1, 2.5)) if mark.kind == "rate" else (0, (5, 3))
                axes.axvline(mark.x, color=look.edge, linewidth=1, linestyle=dots, zorder=1.5,
                             gid=f"mark-{mark.kind}")  # fmt: skip
            else:
                _draw_sign(axes, line, mark, color, look)
            if single and mark.kind == "not finite":
                axes.axvspan(mark.x, _finite_again(line, mark.x), color=look.warning, alpha=0.1, linewidth=0,
                             zorder=1, gid="not-finite")  # fmt: skip
            if single and mark.kind != "snapshot":
                if (mark.x, mark.text) not in [text[:2] for text in texts]:
                    texts.append((mark.x, mark.text, color))
            elif _SIGNS[mark.kind] not in key:
                key.append(_SIGNS[mark.kind])
    return _MarkTexts(texts, "\u2003".join(key))


def _draw_sign(axes: Axes, line: ChartLine, mark: Mark, color: str, look: Theme) -> None:
    """Draws the sign of ``mark`` on the curve, at its last finite point up to the mark."""
    keep = np.flatnonzero(np.isfinite(line.y) & (line.x <= mark.x))
    middle = float(np.mean(axes.get_ylim()))
    x, y = (line.x[keep[-1]], line.y[keep[-1]]) if len(keep) else (mark.x, middle)
    axes.plot(
        [x], [y], marker=_MARKERS[mark.kind], markersize=8, color=color, markeredgecolor=look.background,
        markeredgewidth=1, linestyle="none", zorder=5, gid=f"mark-{mark.kind.replace(' ', '-')}",
    )  # fmt: skip


def _finite_again(line: ChartLine, start: float) -> float:
    """Returns where the curve has a number again after ``start``, or where it ends."""
    keep = np.flatnonzero(np.isfinite(line.y) & (line.x > start))
    return float(line.x[keep[0]] if len(keep) else np.nanmax(line.x))


def _lay_out(
    figure: Figure,
    axes: Axes,
    lines: list[ChartLine],
    looks: list[_Look],
    look: Theme,
    marks: _MarkTexts,
    headings: tuple[str, str],
) -> None:
    """Places axes, headings and labels in inches, from the sizes of the texts themselves."""
    at_ends = 1 < len(lines) <= MOST_END_LABELS
    labels = _end_labels(figure, lines, looks) if at_ends else []
    fit_fonts(figure)
    right = 0.3 + max((_size(label)[0] + 0.15 for label in labels), default=0.0)
    left = 0.56 + max(_size(tick)[0] for tick in axes.get_yticklabels())
    room = WIDTH_IN - left - right
    key_height = 0.26 if marks.key else 0.0
    legend_height = _legend(figure, looks, look, left) if len(lines) > MOST_END_LABELS else 0.0
    low, high = axes.get_xlim()
    wanted = [(left + room * (x - low) / (high - low), text, color) for x, text, color in marks.texts]
    above, rows = _rows_above(figure, wanted, left, left + room + (0.0 if labels else 0.15))
    bottom, top = 0.58 + key_height + legend_height, 0.84 + 0.2 * rows
    height = HEIGHT_IN + 0.2 * rows + legend_height
    figure.set_size_inches(WIDTH_IN, height)
    axes.set_position((left / WIDTH_IN, bottom / height, room / WIDTH_IN, (height - bottom - top) / height))
    axes.yaxis.set_label_coords((0.22 - left) / room, 0.5)
    for text, x_in, row in above:
        text.set_position((x_in / WIDTH_IN, 1 - (top - 0.1 - 0.2 * row) / height))
    title = _write(figure, headings[0], 0.2, 1 - 0.38 / height, 14, look.text, weight="bold", gid="title")
    _shorten(title, WIDTH_IN - 0.4)
    subtitle = _write(figure, headings[1], 0.2, 1 - 0.61 / height, 10, look.muted, gid="subtitle")
    _shorten(subtitle, WIDTH_IN - 0.4)
    if marks.key:
        _write(figure, marks.key, left, 0.13 / height, 9, look.muted, gid="key")
    if legend_height:
        figure.legends[0].set_bbox_to_anchor((left / WIDTH_IN, (0.05 + key_height) / height))
    _place_end_labels(figure, axes, lines, labels)
    fit_fonts(figure)


def _write(figure: Figure, text: str, x_in: float, y: float, size: float, color: str, **style: Any) -> Text:
    # Names from files may hold dollar signs; they are no formulas.
    return figure.text(x_in / WIDTH_IN, y, text, fontsize=size, color=color, parse_math=False, **style)


def _shorten(text: Text, width_in: float) -> None:
    """Takes letters from the start of ``text`` until it is at most ``width_in`` inches wide."""
    words = text.get_text()
    while _size(text)[0] > width_in and len(words) > 8:
        words = words[4:]
        text.set_text("…" + words)


def _size(text: Text) -> tuple[float, float]:
    """Returns width and height of ``text`` in inches."""
    figure = text.get_figure(root=True)
    assert isinstance(figure, Figure)
    box = text.get_window_extent(figure.canvas.get_renderer())  # type: ignore[attr-defined]
    return box.width / figure.dpi, box.height / figure.dpi


def _end_labels(figure: Figure, lines: list[ChartLine], looks: list[_Look]) -> list[Text]:
    labels = []
    for i, (line, how) in enumerate(zip(lines, looks, strict=True)):
        finite = line.y[np.isfinite(line.y)]
        value = f"{finite[-1]:.4g}" if len(finite) else "nan"
        if len(how.label) + len(value) <= 16:
            text = f"{how.label}\u2002{value}"
        else:
            text = f"{how.label}\n{value}" if len(lines) <= 6 else how.label
        label = _write(figure, text, 0, 0, 10, how.color, va="center", gid=f"label-{i}")
        label.set_linespacing(1.15)
        labels.append(label)
    return labels


def _place_end_labels(figure: Figure, axes: Axes, lines: list[ChartLine], labels: list[Text]) -> None:
    """Puts each label right of the axes at the height of its line's end, pushed apart where they collide."""
    if not labels:
        return
    box = axes.get_window_extent()
    ends = [_end_of(axes, line) for line in lines[: len(labels)]]
    order = sorted(range(len(labels)), key=lambda i: -ends[i][1])
    heights = [(_size(label)[1] + 0.05) * figure.dpi for label in labels]
    places = _spread([ends[i][1] for i in order], [heights[i] for i in order], box.y0, box.y1)
    width, height = figure.bbox.width, figure.bbox.height
    for i, y in zip(order, places, strict=True):
        x = box.x1 + 0.15 * figure.dpi
        labels[i].set_position((x / width, y / height))
        if abs(ends[i][1] - y) > 3 or ends[i][0] < box.x1 - 12:
            leader = Line2D(
                [ends[i][0] / width, (x - 4) / width], [ends[i][1] / height, y / height], linewidth=0.8,
                linestyle=(0, (1, 2)), color=labels[i].get_color(), alpha=0.55, gid=f"leader-{i}",
            )  # fmt: skip
            figure.add_artist(leader)


def _end_of(axes: Axes, line: ChartLine) -> tuple[float, float]:
    """Returns where the last finite point of ``line`` is drawn, in pixels, held inside the axes."""
    box = axes.get_window_extent()
    keep = np.flatnonzero(np.isfinite(line.y) & np.isfinite(line.x))
    if not len(keep):
        return box.x1, (box.y0 + box.y1) / 2
    x, y = axes.transData.transform((line.x[keep[-1]], line.y[keep[-1]]))
    return float(x), float(np.clip(y, box.y0, box.y1)) if math.isfinite(y) else box.y0


def _spread(wanted: list[float], heights: list[float], low: float, high: float) -> list[float]:
    """Returns centres near ``wanted`` (falling) for boxes of ``heights`` that do not overlap."""
    places: list[float] = []
    ceiling = high + 2
    for y, height in zip(wanted, heights, strict=True):
        places.append(min(y, ceiling - height / 2))
        ceiling = places[-1] - height / 2
    floor = low - 2
    for i in reversed(range(len(places))):
        places[i] = max(places[i], floor + heights[i] / 2)
        floor = places[i] + heights[i] / 2
    return places


def _rows_above(
    figure: Figure, wanted: list[tuple[float, str, str]], left: float, right: float
) -> tuple[list[tuple[Text, float, int]], int]:
    """Returns (text, x in inches, row) for the texts above the axes, in up to three rows, and the rows.

    A text that finds no room is left out; its line or sign stays.
    """
    taken = [left - 0.3] * 3
    placed = []
    for x, words, color in sorted(wanted):
        text = _write(figure, words, 0, 0, 9, color, ha="center", gid="mark-text")
        half = _size(text)[0] / 2
        x = max(min(x, right - half), left - 0.3 + half)
        row = next((row for row in range(3) if taken[row] <= x - half), None)
        if row is None:
            text.remove()
            continue
        taken[row] = x + half + 0.12
        placed.append((text, x, row))
    return placed, max((row + 1 for _, _, row in placed), default=0)


def _legend(figure: Figure, looks: list[_Look], look: Theme, left: float) -> float:
    """Adds a legend below the axes, in columns; returns its height in inches."""
    shown = looks[:MOST_LEGEND_ENTRIES]
    names = [how.label for how in shown]
    if len(looks) > len(shown):
        names[-1] = f"and {len(looks) - len(shown) + 1} more"
    handles = [Line2D([], [], color=how.color, linestyle=how.style, linewidth=2) for how in shown]
    widest = max(_size(text)[0] for text in [_probe(figure, name) for name in names])
    columns = max(1, min(len(names), int((WIDTH_IN - left) / (widest + 0.62))))
    legend = figure.legend(
        handles, ["x"] * len(names), loc="lower left", ncols=columns, frameon=False, fontsize=9,
        labelcolor=look.text, handlelength=1.8, borderpad=0, borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    return math.ceil(len(names) / columns) * 0.19 + 0.1


def _probe(figure: Figure, name: str) -> Text:
    """A text that is only measured."""
    text = _write(figure, name, 0, 0, 9, "black")
    text.remove()
    text.set_figure(figure)
    return text
