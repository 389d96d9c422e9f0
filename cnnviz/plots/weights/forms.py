"""What figures of weights share: sizes, marks of findings, titles, headings and statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import FilterBank
from cnnviz.analysis.filters import FILTER_FINDINGS, LAYER_FINDINGS
from cnnviz.formats.text import printable
from cnnviz.plots.common.filter_words import bank_kind, bank_words
from cnnviz.plots.common.mosaic import BAD_COLOR
from cnnviz.plots.common.panels import Mark, inch_axes, inch_text, keep_ends_inside
from cnnviz.plots.common.text import fit, text_width
from cnnviz.plots.common.theme import KIND_COLORS, Theme

# Inches. At a width of ten, text can be read on a page that is seven wide.
MARGIN, WIDTH = 0.4, 10.0
HEADING = 0.36  # of a section: from the layer's name to its tiles
BAR = 0.46  # a colour bar and the room above it
SECTION_GAP, LINE = 0.3, 0.16
PIXELS_PER_INCH = 150  # of mosaics; at the default resolution a pixel of theirs is one of the figure

_SIGNS = {  # marker, sign in text, index into the theme's series
    "not finite": ("X", "✖", None),
    "dead": ("s", "■", 7),
    "constant": ("P", "✚", 6),
    "saturated": ("D", "◆", 4),
    "outlier": ("^", "▲", 2),
    "noisy": ("o", "●", 1),
    "near-duplicate": ("v", "▼", 0),
    "low rank": ("|", "▮", 3),
    "as initialised": ("|", "▮", 5),
}


def finding_mark(kind: str, theme: Theme) -> Mark:
    """Returns the mark of a kind of finding."""
    marker, _, series = _SIGNS[kind]
    return Mark(kind, BAD_COLOR if series is None else theme.series[series], marker)


def finding_sign(kind: str) -> str:
    """Returns the sign that stands for a kind of finding in text."""
    return _SIGNS[kind][1]


def legend_height(kinds: Sequence[str]) -> float:
    """Returns the inches that ``draw_legend`` takes."""
    return 0.2 * len(kinds)


def draw_legend(figure: Figure, kinds: Sequence[str], top: float, theme: Theme) -> None:
    """Explains the signs of findings, a line for each kind."""
    meanings = FILTER_FINDINGS | LAYER_FINDINGS
    room = (WIDTH - 2 * MARGIN - 0.2) * 72
    for kind in kinds:
        inch_text(figure, MARGIN, top, finding_sign(kind), 9, finding_mark(kind, theme).color)
        inch_text(figure, MARGIN + 0.2, top, fit(f"{kind}: {meanings[kind]}", room, 9), 9, theme.muted)
        top += 0.2


def inches(pixels: float) -> float:
    """Returns how much of a figure shows so many pixels of a mosaic."""
    return pixels / PIXELS_PER_INCH


def whole_pixels(size: float) -> float:
    """Returns ``size`` in inches rounded up, so that mosaics lie on whole pixels."""
    return math.ceil(round(size * PIXELS_PER_INCH, 6)) / PIXELS_PER_INCH


def mosaic_axes(figure: Figure, left: float, top: float, size: tuple[int, int]) -> Axes:
    """Adds axes for a mosaic of (height, width) pixels near ``left`` and ``top`` inches, on whole pixels."""
    height, width = map(inches, size)
    return inch_axes(figure, whole_pixels(left), whole_pixels(top), width, height)


def title_height(lines: Sequence[str]) -> float:
    """Returns the inches from the margin to what follows ``draw_title``."""
    return 0.5 + 0.21 * sum(map(bool, lines))


def draw_title(figure: Figure, title: str, lines: Sequence[str], theme: Theme) -> float:
    """Writes the title and the lines that are not empty below it; returns where the next thing begins."""
    room = (WIDTH - 2 * MARGIN) * 72
    inch_text(
        figure,
        MARGIN,
        MARGIN - 0.05,
        fit(printable(title), room, 17, bold=True),
        17,
        theme.text,
        weight="bold",
    )
    top = MARGIN + 0.33
    for i, line in enumerate(filter(None, lines)):
        inch_text(figure, MARGIN, top, fit(printable(line), room, 9.5), 9.5, theme.muted if i else theme.text)
        top += 0.21
    return MARGIN + title_height(lines)


def draw_heading(figure: Figure, bank: FilterBank, note: str, theme: Theme, top: float) -> None:
    """Writes the layer's name, type and shape, and what is omitted."""
    chip = inch_axes(figure, MARGIN, top + 0.03, 0.13, 0.13)
    chip.set_facecolor(KIND_COLORS[bank_kind(bank)])
    chip.set(xticks=[], yticks=[])
    for spine in chip.spines.values():
        spine.set_visible(False)
    name = fit(printable(bank.title), 3.6 * 72, 12, bold=True)
    inch_text(figure, MARGIN + 0.21, top, name, 12, theme.text, weight="bold")
    left = MARGIN + 0.36 + text_width(name, 12, bold=True) / 72
    words = fit(" · ".join(filter(None, [bank_words(bank), note])), (WIDTH - MARGIN - left) * 72, 9)
    inch_text(figure, left, top + 0.035, words, 9, theme.muted)


def draw_counts(
    axes: Axes,
    counts: np.ndarray,
    edges: np.ndarray,
    bank: FilterBank,
    labels: Mapping[float, str],
    theme: Theme,
) -> None:
    """Draws a histogram in the colour of the layer's kind, with ``labels`` at some places below it."""
    axes.stairs(counts, edges, fill=True, color=KIND_COLORS[bank_kind(bank)], gid="histogram")
    axes.set_facecolor(theme.panel)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, max(1, counts.max()) * 1.08)
    axes.set_xticks(list(labels), list(labels.values()))
    axes.set_yticks([])
    axes.tick_params(axis="x", colors=theme.muted, labelsize=7.5, length=2, width=0.6, pad=2)
    keep_ends_inside(axes)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.edge)


def draw_statistics(
    figure: Figure,
    left: float,
    top: float,
    lines: Sequence[tuple[str, str, str | None]],
    indent: float,
    theme: Theme,
) -> float:
    """Writes lines (label, value, kind of finding or None), values after ``indent``; returns the end."""
    for label, value, kind in lines:
        sign = "" if kind is None else f"{finding_sign(kind)} "
        color = theme.muted if kind is None else finding_mark(kind, theme).color
        inch_text(figure, left, top, sign + label, 8.5, color)
        inch_text(figure, left + indent, top, value, 8.5, theme.text)
        top += LINE
    return top
