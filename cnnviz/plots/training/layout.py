"""Where the texts of a training chart stand: labels at the ends of lines, a legend, marks, headings.

Everything is placed in inches from the sizes of the texts themselves, so that none lies over another or over
a curve, and none leaves the figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from cnnviz.analysis.training import ChartLine
from cnnviz.plots.common.figure import fit_fonts, font_families, quiet_about_characters
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.training.axes import number_text

WIDTH_IN, HEIGHT_IN = 8.0, 4.5
# More lines than this are named in a legend below, not at their ends; see named_at_ends.
MOST_END_LABELS, FEW_END_LABELS = 12, 4
MOST_LEGEND_ENTRIES = 24
# Characters of a label, at the end of a line and in the legend.
LONGEST_LABEL, LONGEST_ENTRY = 26, 32
_STYLES = ("-", "--", "-.", ":")


# x in data, text, colour.
MarkText = tuple[float, str, str]


@dataclass
class LineStyle:
    """How one line is drawn, and its label."""

    color: str
    dashes: Any
    label: str


@dataclass
class Words:
    """The texts around the axes: above them the title, the subtitle and the marks' texts, below a key."""

    title: str
    subtitle: str
    marks: list[MarkText]
    key: str


def named_at_ends(axes: Axes, lines: Sequence[ChartLine]) -> bool:
    """Whether labels at the ends of lines are clearer than a legend: lines are few, or end at the right."""
    if not 1 < len(lines) <= MOST_END_LABELS:
        return False
    low, high = axes.get_xlim()
    early = sum(end_in_data(line)[0] < low + 0.8 * (high - low) for line in lines)
    return len(lines) <= FEW_END_LABELS or early <= len(lines) // 2


def end_in_data(line: ChartLine) -> tuple[float, float]:
    """Returns the last point of ``line`` that is finite, (nan, nan) if none is."""
    keep = np.flatnonzero(np.isfinite(line.y) & np.isfinite(line.x))
    return (float(line.x[keep[-1]]), float(line.y[keep[-1]])) if len(keep) else (math.nan, math.nan)


def line_styles(lines: list[ChartLine], theme: Theme, at_ends: bool) -> list[LineStyle]:
    """Colours go by log where there are several, otherwise by output; dashes distinguish the rest."""
    logs = list(dict.fromkeys(line.log for line in lines))
    labels = _labels(lines, LONGEST_LABEL if at_ends else LONGEST_ENTRY)
    styles: list[LineStyle] = []
    drawn = dict.fromkeys(logs, 0)
    for line, label in zip(lines, labels, strict=True):
        color, dash = logs.index(line.log), drawn[line.log]
        drawn[line.log] += 1
        if len(logs) == 1:
            color, dash = dash, 0
        turn = dash + color // len(theme.series)
        styles.append(LineStyle(theme.series[color % len(theme.series)], _STYLES[turn % len(_STYLES)], label))
    return styles


def _labels(lines: list[ChartLine], longest: int) -> list[str]:
    logs, names = (
        list(dict.fromkeys(texts)) for texts in zip(*((line.log, line.name) for line in lines), strict=True)
    )
    short_logs = dict(zip(logs, _short(logs, longest), strict=True))
    short_names = dict(zip(names, _short(names, longest), strict=True))
    if len(logs) == 1:
        return [short_names[line.name] for line in lines]
    alone = {log for log in logs if sum(line.log == log for line in lines) == 1}
    return [
        short_logs[line.log] if line.log in alone else f"{short_logs[line.log]}: {short_names[line.name]}"
        for line in lines
    ]


def _short(names: list[str], longest: int) -> list[str]:
    """Shortens names but keeps where they differ: omits a long common start, then the middle."""
    if max(map(len, names)) > longest and len(names) > 1:
        cut = common_start(names)
        names = ["…" + name[cut:] for name in names] if cut > 8 else names
    short = [_without_middle(name, longest) for name in names]
    for text in {text for text in short if short.count(text) > 1}:
        alike = [i for i, other in enumerate(short) if other == text]
        cut = common_start([names[i] for i in alike])
        for i in alike:
            short[i] = _without_middle("…" + names[i][cut:], longest)
    return short


def common_start(names: list[str]) -> int:
    """Returns the length of what all names start with, up to the last separator of words in it."""
    alike = [len(set(letters)) == 1 for letters in zip(*names, strict=False)]
    common = names[0][: [*alike, False].index(False)]
    return max(common.rfind(separator) + 1 for separator in "/_-. ")


def _without_middle(name: str, longest: int) -> str:
    half = longest // 2
    return name if len(name) <= longest else f"{name[: half - 1]}…{name[-half:]}"


def lay_out(
    figure: Figure,
    axes: Axes,
    lines: list[ChartLine],
    styles: list[LineStyle],
    theme: Theme,
    words: Words,
    at_ends: bool,
) -> None:
    """Places the axes, ``words`` around them, and labels at the ends of lines or a legend."""
    labels = _end_labels(figure, lines, styles) if at_ends else []
    fit_fonts(figure)
    right = 0.3 + max((_size(label)[0] + 0.15 for label in labels), default=0.0)
    left = 0.56 + max((_size(tick)[0] for tick in axes.get_yticklabels()), default=0.0)
    width = WIDTH_IN - left - right
    key = _write(figure, words.key, left, 0, 9, theme.muted, va="center", gid="key") if words.key else None
    beside = key is not None and _size(key)[0] + 0.2 < (width - _size(axes.xaxis.label)[0]) / 2
    key_height = 0.26 if key is not None and not beside else 0.0
    legend_height = _legend(figure, lines, styles, theme) if len(lines) > 1 and not at_ends else 0.0
    low, high = axes.get_xlim()
    targets = [(left + width * (x - low) / (high - low), text, color) for x, text, color in words.marks]
    above, rows = _rows_above(figure, targets, left, left + width + (0.0 if labels else 0.15))
    bottom, top = 0.6 + key_height + legend_height, 0.84 + 0.2 * rows
    height = HEIGHT_IN + 0.2 * rows + legend_height
    figure.set_size_inches(WIDTH_IN, height)
    plot_height = height - bottom - top
    axes.set_position((left / WIDTH_IN, bottom / height, width / WIDTH_IN, plot_height / height))
    axes.yaxis.set_label_coords((0.22 - left) / width, 0.5)
    axes.xaxis.label.set_verticalalignment("center")
    axes.xaxis.set_label_coords(0.5, -0.41 / plot_height)
    for text, x_in, row in above:
        text.set_position((x_in / WIDTH_IN, 1 - (top - 0.1 - 0.2 * row) / height))
    _write_headings(figure, words, theme)
    if key is not None:
        aligned = 0.2 if legend_height and not beside else left
        key.set_position((aligned / WIDTH_IN, (bottom - 0.41 if beside else 0.18) / height))
    if legend_height:
        figure.legends[0].set_bbox_to_anchor((0.2 / WIDTH_IN, (0.08 + key_height) / height))
    _place_end_labels(figure, axes, lines, labels)
    fit_fonts(figure)


def _write_headings(figure: Figure, words: Words, theme: Theme) -> None:
    height = figure.get_figheight()
    title = _write(figure, words.title, 0.2, 1 - 0.38 / height, 14, theme.text, weight="bold", gid="title")
    _shorten(title, WIDTH_IN - 0.4)
    subtitle = _write(figure, words.subtitle, 0.2, 1 - 0.61 / height, 10, theme.muted, gid="subtitle")
    _shorten(subtitle, WIDTH_IN - 0.4, at_start=True)  # what follows the name is short


def _write(figure: Figure, text: str, x_in: float, y: float, size: float, color: str, **style: Any) -> Text:
    # Names from files may hold dollar signs; these are not formulas.
    written = figure.text(x_in / WIDTH_IN, y, text, fontsize=size, color=color, parse_math=False, **style)
    if not text.isascii():  # at once, as it is going to be measured
        written.set_fontfamily([*font_families(frozenset(text)), "sans-serif"])
    return written


def _shorten(text: Text, width_in: float, at_start: bool = False) -> None:
    """Takes characters from ``text`` until it is at most ``width_in`` inches wide."""
    words = text.get_text()
    while _size(text)[0] > width_in and len(words) > 8:
        words = words[4:] if at_start else words[:-4]
        text.set_text("…" + words if at_start else words.rstrip() + "…")


def _size(text: Text) -> tuple[float, float]:
    """Returns width and height of ``text`` in inches."""
    figure = text.get_figure(root=True)
    assert isinstance(figure, Figure)
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    with quiet_about_characters():
        box = text.get_window_extent(renderer)
    return box.width / figure.dpi, box.height / figure.dpi


def _end_labels(figure: Figure, lines: list[ChartLine], styles: list[LineStyle]) -> list[Text]:
    """Adds names and last values, in one form for all: side by side, otherwise one below the other if few."""
    values = [_last_value(line) for line in lines]
    beside = all(len(style.label) + len(value) <= 22 for style, value in zip(styles, values, strict=True))
    between = "\u2002" if beside else "\n"
    labels = []
    for i, (style, value) in enumerate(zip(styles, values, strict=True)):
        text = f"{style.label}{between}{value}" if beside or len(lines) <= 6 else style.label
        label = _write(figure, text, 0, 0, 10, style.color, va="center", gid=f"label-{i}")
        label.set_linespacing(1.15)
        labels.append(label)
    return labels


def _last_value(line: ChartLine) -> str:
    return number_text(float(line.y[-1])) if len(line.y) else ""


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
    end = end_in_data(line)
    if math.isnan(end[0]):
        return box.x1, (box.y0 + box.y1) / 2
    x, y = axes.transData.transform(end)
    return float(x), float(np.clip(y, box.y0, box.y1)) if math.isfinite(y) else box.y0


def _spread(targets: list[float], heights: list[float], low: float, high: float) -> list[float]:
    """Returns centres near ``targets`` (falling) for boxes of ``heights`` that do not overlap."""
    places: list[float] = []
    ceiling = high + 2
    for y, height in zip(targets, heights, strict=True):
        places.append(min(y, ceiling - height / 2))
        ceiling = places[-1] - height / 2
    floor = low - 2
    for i in reversed(range(len(places))):
        places[i] = max(places[i], floor + heights[i] / 2)
        floor = places[i] + heights[i] / 2
    return places


def _rows_above(
    figure: Figure, targets: list[tuple[float, str, str]], left: float, right: float
) -> tuple[list[tuple[Text, float, int]], int]:
    """Returns (text, x in inches, row) for the texts above the axes, in up to three rows, and the rows.

    A text for which there is no space is omitted; its line or marker stays.
    """
    taken = [left - 0.3] * 3
    placed = []
    for x, words, color in sorted(targets):
        text = _write(figure, words, 0, 0, 9, color, ha="center", gid="mark-text")
        half = _size(text)[0] / 2
        x = max(min(x, right - half), left - 0.3 + half)
        row = next((row for row in range(3) if taken[row] <= x - half + 1e-6), None)
        if row is None:
            text.remove()
            continue
        taken[row] = x + half + 0.12
        placed.append((text, x, row))
    return placed, max((row + 1 for _, _, row in placed), default=0)


def _legend(figure: Figure, lines: list[ChartLine], styles: list[LineStyle], theme: Theme) -> float:
    """Adds a legend below the axes, in columns; returns its height in inches."""
    shown = styles[:MOST_LEGEND_ENTRIES]
    names = [f"{style.label}\u2002{_last_value(line)}" for style, line in zip(shown, lines, strict=False)]
    if len(styles) > len(shown):
        names[-1] = f"and {len(styles) - len(shown) + 1} more"
    handles = [Line2D([], [], color=style.color, linestyle=style.dashes, linewidth=2) for style in shown]
    widest = max(_size(text)[0] for text in [_probe(figure, name) for name in names])
    columns = max(1, min(len(names), int((WIDTH_IN - 0.4) / (widest + 0.62))))
    legend = figure.legend(
        handles, ["x"] * len(names), loc="lower left", ncols=columns, frameon=False, fontsize=9,
        labelcolor=theme.text, handlelength=1.8, borderpad=0, borderaxespad=0, labelspacing=0.35,
    )  # fmt: skip
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_parse_math(False)
        text.set_text(name)
    return math.ceil(len(names) / columns) * 0.19 + 0.14


def _probe(figure: Figure, name: str) -> Text:
    """A text that is only measured."""
    text = _write(figure, name, 0, 0, 9, "black")
    text.remove()
    text.set_figure(figure)
    return text
