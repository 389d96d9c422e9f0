"""What pictures of weights share: how filters become tiles, words and marks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cnnviz.analysis.filter_measures import FilterBank, row_blocks
from cnnviz.analysis.filters import FILTER_FINDINGS, LAYER_FINDINGS, LayerHealth, median
from cnnviz.analysis.summary import shape_text
from cnnviz.formats.text import printable
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.mosaic import BAD_COLOR
from cnnviz.plots.common.panels import Mark, inch_axes, inch_text, keep_ends_inside
from cnnviz.plots.common.text import fit, number_label, percent, text_width
from cnnviz.plots.common.theme import KIND_COLORS, Theme

MOST_CHANNELS = 64  # of one filter, where not all tiles fit
MATRIX_ROWS, MATRIX_COLUMNS = 600, 1024  # of a matrix that are drawn: about a pixel each

# Inches. Ten are wide enough for letters that can be read on a page that is seven wide.
MARGIN, WIDTH = 0.4, 10.0
HEADING = 0.36  # of a section: from the layer's name to its tiles
BAR = 0.46  # a colour bar and the room above it
SECTION_GAP, LINE = 0.3, 0.16

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
_ROLES = {
    "W_xc": "input to gates",
    "W_xc_static": "static input to gates",
    "W_hc": "hidden state to gates",
    "W_xh": "input to hidden state",
    "W_xh_static": "static input to hidden state",
    "W_hh": "hidden state to itself",
    "W_ho": "hidden state to output",
}


def tile_form(filters: np.ndarray, is_first: bool) -> str:
    """Returns the form of a drawing: "color" or "grid" (a tile a filter), "rows" (a row each) or "matrix"."""
    if filters.ndim != 4 or math.prod(filters.shape[2:]) == 1:
        return "matrix"
    if filters.shape[1] == 3 and is_first:
        return "color"
    return "grid" if filters.shape[1] == 1 else "rows"


def in_color(filters: np.ndarray, channel_order: str) -> np.ndarray:
    """Returns tiles (N, H, W, 3) in red, green and blue of filters (N, 3, H, W)."""
    return filters[:, :: -1 if channel_order == "bgr" else 1].transpose(0, 2, 3, 1)


def left_out(shown: tuple[int, int], filters: np.ndarray, form: str) -> str:
    """Returns in words what is left out if so many filters, and channels or inputs of each, are shown."""
    parts = [f"first {shown[0]} of {len(filters)} filters"] if shown[0] < len(filters) else []
    if form in ("rows", "matrix") and shown[1] < filters.shape[1]:
        what = "channels" if form == "rows" else "inputs"
        parts.append(f"first {shown[1]} of {filters.shape[1]} {what}")
    return ", ".join(parts)


# --- words --------------------------------------------------------------------------------------


def bank_kind(bank: FilterBank) -> str:
    """Returns the kind of layer, a key of KIND_COLORS, also where no file tells its type."""
    return kind_of(bank.type or ("Convolution" if bank.is_windows else "InnerProduct"))


def bank_words(bank: FilterBank) -> str:
    """Returns a layer's type and its filters' number and shape, in words."""
    count = len(bank.filters)
    what = f"{count} filters of {shape_text(bank.filter_shape)}"
    if bank.type == "Embed":
        what = f"{count} vectors of {bank.filters.shape[1]} numbers"
    elif not bank.is_windows:
        rows = f"{len(bank.bands)} × {count // len(bank.bands)}" if bank.bands else f"{count}"
        what = f"{rows} outputs of {bank.filters.shape[1]} inputs"
        what += f" ({shape_text(bank.reads)})" if bank.reads_area else ""
    role = f"{bank.role}, {_ROLES[bank.role]}" if bank.role else ""
    parts = [bank.type or "", role, what, f"group {bank.group}" if bank.group > 1 else ""]
    return " · ".join(part for part in parts if part)


def statistics_lines(health: LayerHealth) -> list[tuple[str, str, str | None]]:
    """Returns what is told of a layer in numbers: lines (label, value, kind of finding or None)."""
    zeros = float(health.zeros.mean())
    lines: list[tuple[str, str, str | None]] = [
        (
            "weights",
            f"{health.bank.filters.size:,}" + (f", {percent(zeros)} zero" if zeros >= 0.005 else ""),
            None,
        ),
        ("mean, std", f"{number_label(float(health.mean.mean()))}, {number_label(health.total_std)}", None),
        ("range", f"{number_label(health.low.min())} to {number_label(health.high.max())}", None),
        ("norm of filters", f"{number_label(health.norm.min())} to {number_label(health.norm.max())}", None),
        ("effective rank", f"{health.rank:.1f} of {health.highest_rank}", None),
    ]
    if np.isfinite(health.noise).any():
        lines.append(("noise", f"{median(health.noise):.2f} (white: 1)", None))
    if math.isfinite(health.randomness.strength):
        lines.append(("strength", f"{health.randomness.strength:.2f} (random: 1)", None))
    lines += [(kind, f"{len(filters)} of {health.count}", kind) for kind, filters in health.marks.items()]
    lines += [(kind, "", kind) for kind in layer_kinds(health)]
    return lines


def layer_kinds(health: LayerHealth) -> list[str]:
    """Returns the kinds of findings about the layer that its filters' findings do not tell already."""
    return [f.kind for f in health.findings() if f.kind in LAYER_FINDINGS and f.kind != "noisy layer"]


def weight_histogram(bank: FilterBank) -> tuple[np.ndarray, np.ndarray]:
    """Returns how often weights occur, and the 62 edges of the bins: around 0, from 0 if none is negative."""
    flat = bank.filters.reshape(len(bank.filters), -1)
    parts = [part[np.isfinite(part)] for part in (flat[rows] for rows in row_blocks(*flat.shape))]
    lowest = min(float(part.min(initial=0)) for part in parts)
    bound = max(-lowest, *(float(part.max(initial=0)) for part in parts)) or 1.0
    low = -bound if lowest < 0 else 0.0
    # In double precision: numbers near the end of float32's range are further apart than that.
    counts = [np.histogram(part.astype(np.float64), bins=61, range=(low, bound))[0] for part in parts]
    return np.sum(counts, axis=0), np.linspace(low, bound, 62)


# --- marks --------------------------------------------------------------------------------------


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


# --- drawing ------------------------------------------------------------------------------------


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
    """Writes the layer's name, type and shape, and what is left out."""
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
