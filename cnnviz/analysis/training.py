"""The numbers behind training charts: which curves a chart shows, and what happened along them."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from cnnviz.errors import CnnvizError, did_you_mean
from cnnviz.formats.log_curves import Curve, Segment, TrainingLog, readable
from cnnviz.formats.log_tables import json_number
from cnnviz.formats.training_log import read_log

QUANTITIES = ("Test accuracy", "Test loss", "Train learning rate", "Train loss")
# Chart types 0 to 7 in Caffe's order: quantity and x axis.
CHARTS = tuple((quantity, x) for quantity in QUANTITIES for x in ("Iters", "Seconds"))

_ACCURACY = re.compile(r"acc|top[-_ ]?\d|\bmap\b|detection_eval|iou|precision|recall|score #0")
_LOSS = re.compile(r"loss|cost|error|entropy|score #1")
# Share of its value that a rate keeps at most where a step, not a smooth policy, lowers it.
_RATE_DROP = 0.7
# Loss of a softmax that gives the label nothing: -log(FLT_MIN), as Caffe's layers cut it off.
SOFTMAX_ZERO = 87.3365
# Points of one run that a picture draws; more change nothing that could be seen.
MOST_POINTS = 20_000
MOST_LEVELS = 4000
# More marks of one kind on a curve would hide it and each other.
MOST_MARKS = 100
MOST_CURVES = 200
MOST_NAMES = 12  # of outputs or logs in a message

warning_log = logging.getLogger("cnnviz")
_reported: set[str] = set()


@dataclass
class Mark:
    """Something worth a sign on a curve: ``kind`` is "rate", "snapshot", "not finite", "diverges",
    "restart" or "best"; ``x`` lies on the chart's x axis.
    """

    kind: str
    x: float
    text: str


@dataclass
class ChartLine:
    """A curve of a chart: one (x, y) pair of arrays for each segment, x never falling inside one.

    ``quantity`` is what the whole chart shows, "Test accuracy" or "Test outputs".
    """

    log: str
    name: str
    segments: list[tuple[np.ndarray, np.ndarray]]
    quantity: str
    marks: list[Mark] = field(default_factory=list)

    @property
    def x(self) -> np.ndarray:
        return _joined([x for x, _ in self.segments])

    @property
    def y(self) -> np.ndarray:
        return _joined([y for _, y in self.segments])

    def thinned(self, limit: int) -> ChartLine:
        """Returns the line with at most about ``limit`` points in each segment; see ``thinned``."""
        return replace(self, segments=[thinned(x, y, limit) for x, y in self.segments])


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def chart_name(chart_type: int, lines: Sequence[ChartLine] = ()) -> str:
    """Returns the name of a chart type, or of its chart with ``lines``: "Test accuracy vs. Iters"."""
    quantity, x_axis = CHARTS[chart_type]
    return f"{lines[0].quantity if lines else quantity} vs. {x_unit(x_axis, lines)[0]}"


def x_unit(x_axis: str, lines: Sequence[ChartLine]) -> tuple[str, float]:
    """Returns what an x axis counts and how many of its numbers that is: hours are 3600 seconds."""
    if x_axis != "Seconds":
        return x_axis, 1.0
    seconds = max((float(line.x[np.isfinite(line.x)].max(initial=0)) for line in lines), default=0.0)
    units = (("Days", 86400.0, 4.0), ("Hours", 3600.0, 3.0), ("Minutes", 60.0, 10.0))
    return next(((name, size) for name, size, least in units if seconds >= least * size), (x_axis, 1.0))


def chart_number(chart_type: int | str) -> int:
    """Returns the number of a chart type given as number, digit or name such as "train-loss".

    Names are the quantity, with dashes; "-seconds" at the end chooses the time axis.

    Raises CnnvizError, listing the types, for anything else.
    """
    names = chart_type_names()
    text = str(chart_type).lower().replace("_", "-")
    if text in names:
        return names.index(text)
    if text.isdigit() and int(text) < len(CHARTS):
        return int(text)
    listing = ", ".join(f"{number} {name}" for number, name in enumerate(names))
    raise CnnvizError(
        f"unknown chart type {str(chart_type)!r}, wanted one of {listing}{did_you_mean(text, names)}"
    )


def chart_type_names() -> list[str]:
    """Returns the names of the chart types in their order: "test-accuracy", "test-accuracy-seconds" ..."""
    return [
        quantity.lower().replace(" ", "-") + ("-seconds" if x == "Seconds" else "") for quantity, x in CHARTS
    ]


def as_logs(logs: TrainingLog | str | os.PathLike | Iterable) -> list[TrainingLog]:
    """Returns ``logs`` (one or several, as paths or TrainingLogs) as TrainingLogs, read where needed."""
    if isinstance(logs, (TrainingLog, str, os.PathLike)):
        logs = [logs]
    read = [log if isinstance(log, TrainingLog) else read_log(log) for log in logs]
    read = [rank for log in read for rank in log.ranks]
    if not read:
        raise CnnvizError("no log to plot, wanted at least one")
    return read


def chart_lines(
    chart_type: int, logs: Sequence[TrainingLog], outputs: Sequence[str] | None = None
) -> list[ChartLine]:
    """Returns the lines of a chart, in the order of ``logs``, then test nets, then outputs.

    An output is an accuracy or a loss by its name; a loss also by the loss weight that Caffe printed
    with it. The train loss is the solver's smoothed one.

    Args:
        chart_type: 0 to 7, see CHARTS.
        outputs: names of net outputs to show instead of those that fit the chart.
    Of very many curves the first MOST_CURVES are returned; a warning says so, and which logs have none.
    Raises: CnnvizError if no log has such a curve; the message says which outputs there are.
    """
    quantity, x_axis = CHARTS[chart_type]
    shown = _shown(quantity, outputs)
    names = log_names(logs)
    chosen = [_chosen_curves(log, quantity, outputs) for log in logs]
    lines: list[ChartLine] = []
    for log, name, curves in zip(logs, names, chosen, strict=True):
        for label, parts in islice(curves.items(), MOST_CURVES - len(lines)):
            segments = [(_x_of(curve, x_axis), _y_of(curve)) for _, curve in parts]
            line = ChartLine(name, label, segments, shown)
            line.marks = _marks(log, line, parts, x_axis, quantity)
            lines.append(line)
    if not lines:
        raise CnnvizError(_nothing_to_plot(quantity, logs, outputs))
    if x_axis == "Seconds" and not any(np.isfinite(line.x).any() for line in lines):
        raise CnnvizError(
            f"{logs[0].path}: its lines have no time stamps, so there is no chart over seconds; "
            f"plot chart type {chart_type - 1} ({chart_name(chart_type - 1)}) instead"
        )
    _report(shown, dict(zip(names, map(len, chosen), strict=True)))
    return lines


def _report(shown: str, curves: dict[str, int]) -> None:
    """Warns of what is not in a chart, once for each: ``curves`` is how many each log has."""
    without = [name for name, count in curves.items() if not count]
    messages = []
    if without:
        messages.append(
            f"{len(without)} of {len(curves)} logs have no {shown.lower()} and are left out: "
            f"{_listing(without)}"
        )
    if (count := sum(curves.values())) > MOST_CURVES:
        messages.append(
            f"the first {MOST_CURVES} of {count:,} curves are shown; "
            "a picture's path that ends in .csv or .json takes all"
        )
    for message in messages:
        if message not in _reported:
            _reported.add(message)
            warning_log.warning("%s", message)


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def lines_json(lines: Sequence[ChartLine]) -> str:
    """Returns the curves of a chart as a JSON list of {log, name, x, y, segments}.

    ``segments`` holds where in x and y each run starts, as a restart may go back; what is not finite is
    "nan", "inf" or "-inf".
    """
    return json.dumps(
        [
            {
                "log": line.log,
                "name": line.name,
                "x": [json_number(float(v)) for v in line.x],
                "y": [json_number(float(v)) for v in line.y],
                "segments": _starts(line),
            }
            for line in lines
        ],
        allow_nan=False,
    )


def lines_csv(lines: Sequence[ChartLine]) -> str:
    """Returns the points of a chart's curves as rows of log, name, segment, x, y."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["log", "name", "segment", "x", "y"])
    for line in lines:
        for number, (x, y) in enumerate(line.segments):
            rows.writerows(
                [line.log, line.name, number, f"{a:.15g}", f"{b:.15g}"] for a, b in zip(x, y, strict=True)
            )
    return text.getvalue()


def _starts(line: ChartLine) -> list[int]:
    lengths = [len(x) for x, _ in line.segments]
    return [sum(lengths[:i]) for i in range(len(lengths))]


def log_names(logs: Sequence[TrainingLog]) -> list[str]:
    """Returns a short name for each log: the file's, with as many folders as it takes to tell them apart."""
    names = stems = [log.name for log in logs]
    for depth in range(1, 6):
        if len(set(names)) == len(names):
            break
        parents = [[p for p in Path(log.path).parts[:-1] if p != os.sep][-depth:] for log in logs]
        names = ["/".join([*folders, stem]) for folders, stem in zip(parents, stems, strict=True)]
    else:
        names = stems
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def moves_in_steps(y: np.ndarray) -> bool:
    """Whether a learning rate keeps its value from one display to the next most of the time."""
    return len(y) > 2 and int(np.count_nonzero(y[1:] == y[:-1])) >= len(y) // 2


def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """Returns the exponential moving average of ``y``: s[i] = weight s[i-1] + (1 - weight) y[i].

    The start is corrected for having no past. Numbers that are not finite stay gaps and are left out of
    the average.

    Args:
        weight: 0 (nothing is smoothed) up to, but below, 1.
    """
    result = np.full(len(y), np.nan)
    average, total = 0.0, 0.0
    for i, value in enumerate(y):
        if math.isfinite(value):
            average = weight * average + (1 - weight) * value
            total = weight * total + (1 - weight)
            result[i] = average / total
    return result


def thinned(x: np.ndarray, y: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns at most about ``limit`` of the points, with every peak, dip and gap kept in its place.

    The points are cut into runs; of each its lowest, its highest and its first non-finite one stay.
    """
    if len(x) <= limit:
        return x, y
    keep: set[int] = {0, len(x) - 1}
    ends = np.linspace(0, len(x), max(1, limit // 3) + 1).astype(int).tolist()
    for first, last in pairwise(ends):
        run = y[first:last]
        finite = np.flatnonzero(np.isfinite(run))
        if len(finite):
            keep |= {first + int(finite[run[finite].argmin()]), first + int(finite[run[finite].argmax()])}
        if len(finite) < len(run):
            keep.add(first + int(np.isfinite(run).argmin()))
    kept = np.array(sorted(keep))
    return x[kept], y[kept]


def is_accuracy(curve: Curve) -> bool:
    """Whether the output's name speaks of accuracy: accuracy, top-1, mAP, detection_eval, IoU ..."""
    return not is_loss(curve) and bool(_telling_part(curve.name, _ACCURACY))


def is_loss(curve: Curve) -> bool:
    """Whether the output has a loss weight or a name that speaks of loss."""
    if curve.is_loss:
        return True
    last = curve.name.lower().rpartition("/")[2]
    return bool(_LOSS.search(last)) or (not _ACCURACY.search(last) and bool(_telling_part(curve.name, _LOSS)))


def _telling_part(name: str, pattern: re.Pattern) -> re.Match | None:
    lowered = name.lower()
    return pattern.search(lowered.rpartition("/")[2]) or pattern.search(lowered)


def _chosen_curves(
    log: TrainingLog, quantity: str, outputs: Sequence[str] | None
) -> dict[str, list[tuple[int, Curve]]]:
    """Returns label -> [(segment number, curve)] for what the chart shows of ``log``."""
    chosen: dict[str, list[tuple[int, Curve]]] = {}
    nets = log.test_nets()
    for number, segment in enumerate(log.segments):
        for net, curve in _candidates(segment, quantity, outputs):
            label = curve.name if net is None or len(nets) < 2 else f"{curve.name} (test net #{net})"
            chosen.setdefault(label, []).append((number, curve))
    return chosen


def _shown(quantity: str, outputs: Sequence[str] | None) -> str:
    """Returns what a chart of ``quantity`` shows if ``outputs`` are chosen."""
    if outputs is None or quantity == "Train learning rate":
        return quantity
    phase = quantity.partition(" ")[0]
    return f"{phase} {readable(outputs[0])}" if len(outputs) == 1 else f"{phase} outputs"


def _candidates(
    segment: Segment, quantity: str, outputs: Sequence[str] | None
) -> list[tuple[int | None, Curve]]:
    if quantity == "Train learning rate":
        return [(None, segment.rate)] if len(segment.rate) else []
    if quantity == "Train loss":
        if outputs is None and len(segment.loss):
            return [(None, segment.loss)]
        curves: list[tuple[int | None, Curve]] = [(None, c) for c in segment.train.curves.values()]
        fits = is_loss
    else:
        curves = [(n, c) for n, test in sorted(segment.tests.items()) for c in test.outputs.curves.values()]
        fits = is_loss if quantity == "Test loss" else is_accuracy
    if outputs is not None:
        return [
            (net, curve) for net, curve in curves if curve.name in outputs or _stem(curve.name) in outputs
        ]
    fitting = [(net, curve) for net, curve in curves if fits(curve) and "(solver " not in curve.name]
    if not fitting and quantity == "Test loss":
        fitting = [(net, test.loss) for net, test in sorted(segment.tests.items()) if len(test.loss)]
    return fitting


def _stem(name: str) -> str:
    """The name without the element number, so that "per_class" chooses all of "per_class[0]" ..."""
    return re.sub(r"\[\d+\]$", "", name)


def _nothing_to_plot(quantity: str, logs: Sequence[TrainingLog], outputs: Sequence[str] | None) -> str:
    phase = "train" if quantity.startswith("Train") else "test"
    names = sorted({c.name for log in logs for _, p, _, c in log.all_curves() if p == phase})
    there = f"the {phase} outputs are {_listing(names)}" if names else f"no {phase} output was printed"
    place = logs[0].path if len(logs) == 1 else f"{len(logs)} logs"
    if outputs is not None:
        missing = outputs[0] if outputs else ""
        return f"{place}: no {phase} output {missing!r}: {there}{did_you_mean(missing, names)}"
    if quantity == "Train learning rate":
        there, names = "no learning rate was printed", []
    way_out = "; name one with --output" if names else ""
    others = [
        name
        for other, name in zip(QUANTITIES, chart_type_names()[::2], strict=True)
        if any(_chosen_curves(log, other, None) for log in logs)
    ]
    charts = f"; there are numbers for {', '.join(others)}" if others else ", nor anything else"
    return f"{place}: nothing to plot as {quantity.lower()}: {there}{way_out}{charts}"


def _x_of(curve: Curve, x_axis: str) -> np.ndarray:
    x = np.frombuffer(curve.iterations if x_axis == "Iters" else curve.seconds)
    # A log that is followed could not grow while a figure holds its array; long ones are drawn thinned.
    return x if len(x) > MOST_POINTS else x.copy()


def _y_of(curve: Curve) -> np.ndarray:
    """The values as 32-bit floats can have them: larger ones are infinite, smaller ones zero."""
    y = np.array(curve.values)
    limits = np.finfo(np.float32)
    y[y > limits.max] = np.inf
    y[y < -limits.max] = -np.inf
    y[(y < limits.smallest_subnormal) & (y > -limits.smallest_subnormal)] = 0.0
    return y


def _marks(
    log: TrainingLog, line: ChartLine, parts: list[tuple[int, Curve]], x_axis: str, quantity: str
) -> list[Mark]:
    marks: list[Mark] = []
    for position, (number, _) in enumerate(parts):
        segment = log.segments[number]
        x, _ = line.segments[position]
        if position and len(x):
            text = _restart_text(log.segments[parts[position - 1][0]], segment)
            marks.append(Mark("restart", float(x[0]), text))
        if quantity != "Train learning rate":
            marks += _rate_marks(segment.rate, x_axis)
        for event in segment.events:
            if event.kind == "snapshot":
                at = event.iteration if x_axis == "Iters" else event.seconds
                marks.append(Mark("snapshot", at, f"snapshot {event.iteration:.0f}"))
        marks += _gap_marks(*line.segments[position])
    if quantity.endswith("loss") and all(is_loss(curve) for _, curve in parts):
        marks += _divergence(line)
        marks += _parting(log, x_axis)
    return _few(marks)


def _few(marks: list[Mark]) -> list[Mark]:
    """Returns at most MOST_MARKS of each kind, the last of which tells how many there are."""
    kinds: dict[str, list[Mark]] = {}
    for mark in marks:
        kinds.setdefault(mark.kind, []).append(mark)
    for found in kinds.values():
        if len(found) > MOST_MARKS:
            last = found[MOST_MARKS - 1]
            text = f"{last.text} (and {len(found) - MOST_MARKS:,} more)"
            found[MOST_MARKS - 1 :] = [replace(last, text=text)]
    return [mark for found in kinds.values() for mark in found]


def _rate_marks(rate: Curve, x_axis: str) -> list[Mark]:
    """Marks the steps of a learning rate: it falls, held before or after, and glides on neither side."""
    x, y = _x_of(rate, x_axis), np.frombuffer(rate.values)
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


def _divergence(line: ChartLine) -> list[Mark]:
    """Marks where a loss left the level it started from, upward and for good, or came to SOFTMAX_ZERO.

    Levels are medians over a twentieth of the curve: single numbers of small batches tell nothing.
    """
    x, y = line.x, line.y
    ends = np.flatnonzero((y > SOFTMAX_ZERO - 1e-4) & (y < SOFTMAX_ZERO + 1e-4))
    if len(ends):
        return [Mark("diverges", float(x[ends[0]]), f"diverges: {SOFTMAX_ZERO:g} is −log(FLT_MIN)")]
    keep = np.isfinite(y)
    if np.count_nonzero(keep) < 5:
        return []
    x, y = _levelled(*((x, y) if keep.all() else (x[keep], y[keep])))
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


def _levelled(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns at most MOST_LEVELS points: the first, then medians of neighbours."""
    step = -(-len(y) // MOST_LEVELS)
    if step == 1:
        return x, y
    whole = 1 + (len(y) - 1) // step * step
    medians = np.median(y[1:whole].reshape(-1, step), axis=1)
    return np.append(x[0], x[1:whole:step]), np.append(y[0], medians)


def _parting(log: TrainingLog, x_axis: str) -> list[Mark]:
    """Marks where the test loss turns upward while the train loss goes on falling, if it clearly does.

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
