"""What the subtitle of a training chart says: the logs, the best value, the smoothing, points not shown."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes

from cnnviz.analysis.training import ChartLine, x_unit
from cnnviz.plots.training.axes import Points, count_hidden, number_text, outside
from cnnviz.plots.training.layout import LONGEST_LABEL, common_start
from cnnviz.plots.training.options import ChartOptions


def subtitle(axes: Axes, shown: list[ChartLine], whole: list[ChartLine], options: ChartOptions) -> str:
    """Returns the subtitle of the chart in ``axes``: which logs, the best value of a single curve, and more.

    Args:
        shown: the lines of ``whole`` with fewer points; what is counted are the points of ``whole``.
    """
    parts = _names(shown)
    if len(shown) == 1:
        parts += _best(shown[0], options.x_axis)
    if options.smooth:
        parts.append(f"smoothing {options.smooth:g}")
    parts += _edge_texts(outside(axes, whole), whole, options.x_axis)
    return " · ".join([*parts, *_hidden_text(count_hidden(axes, whole))])


def _names(lines: list[ChartLine]) -> list[str]:
    logs = list(dict.fromkeys(line.log for line in lines))
    if len(logs) == 1:
        return logs
    if max(map(len, logs)) > LONGEST_LABEL and (cut := common_start(logs)) > 8:
        return [f"{len(logs)} logs {logs[0][:cut]}…"]
    return [f"{len(logs)} logs"]


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
            direction = "" if count == 1 else f"{word} "
            texts.append(f"{_points_text(count)} {side}: {direction}{_point_text(lines[i], x, y, x_axis)}")
    return texts
