"""The marks of a training chart: what happened along its curves, as lines and markers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from matplotlib.axes import Axes

from cnnviz.analysis.training import ChartLine
from cnnviz.analysis.training_marks import Mark
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.training.layout import LineStyle, MarkText

KEY = {
    "snapshot": "▲ snapshot",
    "rate": "▼ learning rate lowered",
    "restart": "■ restart",
    "not finite": "✕ nan or inf from here",
    "diverges": "✕ diverges",
    "best": "● test loss rises from here",
}
_MARKERS = {"rate": "v", "restart": "s", "not finite": "X", "diverges": "X", "best": "o"}
_DOTS = {"rate": (0, (1, 2.5)), "restart": (0, (5, 3))}


@dataclass
class DrawnMarks:
    """What is left to write of marks: texts above the axes, and a key of the markers that have none."""

    texts: list[MarkText] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    @property
    def key(self) -> str:
        return "\u2003".join(KEY[kind] for kind in self.kinds)


def draw_marks(axes: Axes, lines: list[ChartLine], styles: list[LineStyle], theme: Theme) -> DrawnMarks:
    """Draws the marks: in a chart of one log with their texts, otherwise as markers explained by the key.

    The snapshots of several logs would hide each other; they are marked for one log alone.
    """
    single = len({line.log for line in lines}) == 1
    drawn = DrawnMarks()
    done: set[tuple[str, str, float]] = set()
    for line, style in zip(lines, styles, strict=True):
        for mark in line.marks:
            place = (line.log, mark.kind, mark.x)
            if place in done or not math.isfinite(mark.x) or (mark.kind == "snapshot" and not single):
                continue
            color = theme.muted if single else style.color
            if mark.kind in ("not finite", "diverges"):
                color = theme.warning
            else:
                done.add(place)
            _draw_mark(axes, line, mark, color, theme, single)
            _note(drawn, mark, color, single)
    return drawn


def _draw_mark(axes: Axes, line: ChartLine, mark: Mark, color: str, theme: Theme, single: bool) -> None:
    if mark.kind == "snapshot":
        axes.plot(
            [mark.x], [0.0], marker="^", markersize=5, color=color, clip_on=False, zorder=4,
            transform=axes.get_xaxis_transform(), linestyle="none", gid="mark-snapshot",
        )  # fmt: skip
    elif single and mark.kind in _DOTS:
        axes.axvline(
            mark.x, color=theme.edge, linewidth=1, linestyle=_DOTS[mark.kind], zorder=1.5,
            gid=f"mark-{mark.kind}",
        )  # fmt: skip
    else:
        _draw_marker(axes, line, mark, color, theme)
    if single and mark.kind == "not finite":
        end = _finite_again(line, mark.x)
        axes.axvspan(mark.x, end, color=theme.warning, alpha=0.1, linewidth=0, zorder=1, gid="not-finite")


def _note(drawn: DrawnMarks, mark: Mark, color: str, single: bool) -> None:
    """Adds the mark's text where there is one log, otherwise its kind to the key, each once."""
    if single and mark.kind != "snapshot":
        if (mark.x, mark.text) not in [text[:2] for text in drawn.texts]:
            drawn.texts.append((mark.x, mark.text, color))
    elif mark.kind not in drawn.kinds:
        drawn.kinds.append(mark.kind)


def _draw_marker(axes: Axes, line: ChartLine, mark: Mark, color: str, theme: Theme) -> None:
    """Draws ``mark`` on the curve, at its last finite point up to the mark, otherwise at its first."""
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
