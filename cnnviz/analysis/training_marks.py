"""What happened along a training curve: steps of the rate, snapshots, restarts, divergence, overfitting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnnviz.analysis.curves import is_loss, joined, x_values
from cnnviz.formats.log_curves import Curve, Segment, TrainingLog

# Share of its value that a rate keeps at most where a step, not a smooth policy, lowers it.
_RATE_DROP = 0.7
# Loss of a softmax that gives the label nothing: -log(FLT_MIN), as Caffe's layers cut it off.
SOFTMAX_ZERO = 87.3365
_MAX_LEVELS = 4000
# More marks of one kind on a curve would hide it and each other.
MAX_MARKS = 100


@dataclass
class Mark:
    """Something worth a marker on a curve: ``kind`` is "rate", "snapshot", "not finite", "diverges",
    "restart" or "best"; ``x`` lies on the chart's x axis.
    """

    kind: str
    x: float
    text: str


def find_marks(
    log: TrainingLog,
    lines: Sequence[tuple[np.ndarray, np.ndarray]],
    parts: Sequence[tuple[int, Curve]],
    quantity: str,
    x_axis: str,
) -> list[Mark]:
    """Returns what happened along a curve of ``log``, at most MAX_MARKS of each kind.

    Args:
        lines: (x, y) of each of ``parts``, the segments' numbers and curves.
        quantity, x_axis: of the chart, see CHARTS.
    """
    marks: list[Mark] = []
    for position, (number, _) in enumerate(parts):
        segment = log.segments[number]
        x, y = lines[position]
        if position and len(x):
            text = _restart_text(log.segments[parts[position - 1][0]], segment)
            marks.append(Mark("restart", float(x[0]), text))
        if quantity != "Train learning rate":
            marks += _rate_marks(segment.rate, x_axis)
        marks += _snapshot_marks(segment, x_axis)
        marks += _gap_marks(x, y)
    if quantity.endswith("loss") and all(is_loss(curve) for _, curve in parts):
        marks += _divergence(joined([x for x, _ in lines]), joined([y for _, y in lines]))
        marks += _overfitting(log, x_axis)
    return _limited(marks)


def _snapshot_marks(segment: Segment, x_axis: str) -> list[Mark]:
    return [
        Mark(
            "snapshot",
            event.iteration if x_axis == "Iters" else event.seconds,
            f"snapshot {event.iteration:.0f}",
        )
        for event in segment.events
        if event.kind == "snapshot"
    ]


def _limited(marks: list[Mark]) -> list[Mark]:
    """Returns at most MAX_MARKS of each kind, the last of which says how many there are."""
    kinds: dict[str, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark.kind, []).append(mark)
    for found in kinds.values():
        if len(found) > MAX_MARKS:
            last = found[MAX_MARKS - 1]
            text = f"{last.text} (and {len(found) - MAX_MARKS:,} more)"
            found[MAX_MARKS - 1 :] = [replace(last, text=text)]
    return [mark for found in kinds.values() for mark in found]


def _rate_marks(rate: Curve, x_axis: str) -> list[Mark]:
    """Marks the steps of a learning rate: it falls, held before or after, and glides on neither side."""
    x, y = x_values(rate, x_axis), np.frombuffer(rate.values)
    before, after = y[:-1], y[1:]
    stays = np.abs(after - before) <= 1e-3 * np.abs(before)
    falls = ~stays & _is_rate_drop(before, after)
    edges = np.flatnonzero(np.diff(falls, prepend=False, append=False)).reshape(-1, 2)
    marks: list[Mark] = []
    for first, last in edges.tolist():
        beside = {*stays[max(first - 1, 0) : first].tolist(), *stays[last : last + 1].tolist()}
        if beside == {True}:
            steps = range(first, last)
            marks += [Mark("rate", float(x[i + 1]), f"lr {y[i]:g} → {y[i + 1]:g}") for i in steps]
    return marks


def _is_rate_drop(before: Any, after: Any) -> Any:
    """Whether a rate falls as a step does; of arrays for each element."""
    return (after > 0) & (after <= _RATE_DROP * before)


def _restart_text(before: Segment, after: Segment) -> str:
    if len(before.rate) and len(after.rate) and _is_rate_drop(before.rate.values[-1], after.rate.values[0]):
        return f"restart, lr {before.rate.values[-1]:g} → {after.rate.values[0]:g}"
    return "restart"


def _gap_marks(x: np.ndarray, y: np.ndarray) -> list[Mark]:
    """Marks where a curve stops being finite."""
    gone = ~np.isfinite(y)
    starts = np.flatnonzero(np.diff(gone, prepend=False) & gone).tolist()
    return [
        Mark("not finite", float(x[i]), f"{y[i]:g}".replace("-nan", "nan") + " from here") for i in starts
    ]


def _divergence(x: np.ndarray, y: np.ndarray) -> list[Mark]:
    """Marks where a loss left the level it started from, upward and for good, or came to SOFTMAX_ZERO.

    Levels are medians over a twentieth of the curve: single values of small batches mean nothing.
    """
    ends = np.flatnonzero((y > SOFTMAX_ZERO - 1e-4) & (y < SOFTMAX_ZERO + 1e-4))
    if len(ends):
        return [Mark("diverges", float(x[ends[0]]), f"diverges: {SOFTMAX_ZERO:g} is −log(FLT_MIN)")]
    keep = np.isfinite(y)
    if np.count_nonzero(keep) < 5:
        return []
    x, y = _leveled(*((x, y) if keep.all() else (x[keep], y[keep])))
    half = max(1, len(y) // 40)
    windows = sliding_window_view(np.pad(y, half, mode="reflect"), 2 * half + 1)
    levels = np.median(windows, axis=1)
    start, end = max(y[0], levels[0]), np.median(y[-max(3, len(y) // 10) :])
    # A jump that has no level before it; from less than that a first number may just have been lucky.
    if y[0] > 0.1 and min(levels.min(), y[1:].min()) > 10 * y[0]:
        return [Mark("diverges", float(x[1]), "diverges")]
    if not (end > 3 * max(levels.min(), 1e-12) and end > 1.5 * start):
        return []
    first = int(np.flatnonzero(levels > 1.5 * start)[0])
    return [Mark("diverges", float(x[first]), "diverges")]


def _leveled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns at most _MAX_LEVELS points: the first, then medians of neighbours."""
    step = -(-len(y) // _MAX_LEVELS)
    if step == 1:
        return x, y
    whole = 1 + (len(y) - 1) // step * step
    medians = np.median(y[1:whole].reshape(-1, step), axis=1)
    return np.append(x[0], x[1:whole:step]), np.append(y[0], medians)


def _overfitting(log: TrainingLog, x_axis: str) -> list[Mark]:
    """Marks where the test loss turns upward while the train loss continues to fall, if it clearly does.

    Clearly: at least 5 tests after the lowest, their median above it by a tenth of what the test loss had
    fallen (and by 3 % of its value), and the train loss still falling over the same stretch.
    """
    segment = log.segments[-1]
    tests = [c for t in segment.tests.values() for c in t.outputs.curves.values() if is_loss(c)]
    if len(log.segments) > 1 or len(tests) != 1 or len(tests[0]) < 8 or len(segment.loss) < 16:
        return []
    y = np.array(tests[0].values)
    if not np.isfinite(y).all():
        return []
    low = int(y.argmin())
    later = y[low + 1 :]
    rise = np.median(later[-5:]) - y[low] if len(later) >= 5 else 0.0
    fall = np.median(y[: max(1, low // 2)]) - y[low]
    if not rise > max(0.1 * fall, 0.03 * abs(y[low])):
        return []
    turn = tests[0].iterations[low]
    after = np.array(segment.loss.values)[np.array(segment.loss.iterations) >= turn]
    quarter = len(after) // 4
    if quarter < 2 or not np.median(after[-quarter:]) < 0.95 * np.median(after[:quarter]):
        return []
    at = turn if x_axis == "Iters" else tests[0].seconds[low]
    return [Mark("best", float(at), "test loss rises from here")]
