"""The values of training charts: which curves a chart shows, and what happened along them."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from cnnviz.analysis.curves import is_accuracy, is_loss, joined, thinned, x_values, y_values
from cnnviz.analysis.training_marks import Mark, find_marks
from cnnviz.errors import CnnvizError, did_you_mean
from cnnviz.formats.log_curves import Curve, Segment, TrainingLog, readable
from cnnviz.formats.log_tables import json_number

QUANTITIES = ("Test accuracy", "Test loss", "Train learning rate", "Train loss")
# Chart types 0 to 7 in Caffe's order: quantity and x axis.
CHARTS = tuple((quantity, x) for quantity in QUANTITIES for x in ("Iters", "Seconds"))

MAX_CURVES = 200
_MAX_NAMES = 12  # of outputs or logs in a message

warning_log = logging.getLogger("cnnviz")
_reported: set[str] = set()


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
        return joined([x for x, _ in self.segments])

    @property
    def y(self) -> np.ndarray:
        return joined([y for _, y in self.segments])

    def thinned(self, limit: int) -> ChartLine:
        """Returns the line with at most about ``limit`` points in each segment; see ``thinned``."""
        return replace(self, segments=[thinned(x, y, limit) for x, y in self.segments])


def chart_name(chart_type: int, lines: Sequence[ChartLine] = ()) -> str:
    """Returns the name of a chart type, or of its chart with ``lines``: "Test accuracy vs. Iters"."""
    quantity, x_axis = CHARTS[chart_type]
    return f"{lines[0].quantity if lines else quantity} vs. {x_unit(x_axis, lines)[0]}"


def x_unit(x_axis: str, lines: Sequence[ChartLine]) -> tuple[str, float]:
    """Returns the unit that an x axis shows, and its size in the axis' own unit: hours are 3600 seconds."""
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
        f"unknown chart type {str(chart_type)!r}, expected one of {listing}{did_you_mean(text, names) or '.'}"
    )


def chart_type_names() -> list[str]:
    """Returns the names of the chart types in their order: "test-accuracy", "test-accuracy-seconds" ..."""
    return [
        quantity.lower().replace(" ", "-") + ("-seconds" if x == "Seconds" else "") for quantity, x in CHARTS
    ]


def chart_lines(
    chart_type: int, logs: Sequence[TrainingLog], outputs: Sequence[str] | None = None
) -> list[ChartLine]:
    """Returns the lines of a chart, in the order of ``logs``, then test nets, then outputs.

    An output is an accuracy or a loss by its name; a loss also by the loss weight that Caffe printed
    with it. The train loss is the solver's smoothed one.

    Args:
        chart_type: 0 to 7, see CHARTS.
        outputs: names of net outputs to show instead of those that fit the chart.
    Of very many curves the first MAX_CURVES are returned; a warning reports it, and the logs that have none.
    Raises: CnnvizError if no log has such a curve; the message lists the outputs there are.
    """
    quantity, x_axis = CHARTS[chart_type]
    shown = _shown(quantity, outputs)
    names = log_names(logs)
    chosen = [_chosen_curves(log, quantity, outputs) for log in logs]
    lines: list[ChartLine] = []
    for log, name, curves in zip(logs, names, chosen, strict=True):
        for label, parts in islice(curves.items(), MAX_CURVES - len(lines)):
            segments = [(x_values(curve, x_axis), y_values(curve)) for _, curve in parts]
            line = ChartLine(name, label, segments, shown)
            line.marks = find_marks(log, segments, parts, quantity, x_axis)
            lines.append(line)
    if not lines:
        raise CnnvizError(_nothing_to_plot(quantity, logs, outputs))
    if x_axis == "Seconds" and not any(np.isfinite(line.x).any() for line in lines):
        raise CnnvizError(
            f"{logs[0].path}: its lines have no time stamps, so there is no chart over seconds; "
            f"plot chart type {chart_type - 1} ({chart_name(chart_type - 1)}) instead."
        )
    _report(shown, dict(zip(names, map(len, chosen), strict=True)))
    return lines


def _report(shown: str, curves: dict[str, int]) -> None:
    """Warns of what is not in a chart, once for each: ``curves`` is how many each log has."""
    without = [name for name, count in curves.items() if not count]
    messages = []
    if without:
        messages.append(
            f"{len(without)} of {len(curves)} logs have no {shown.lower()} and are omitted: "
            f"{_listing(without)}"
        )
    if (count := sum(curves.values())) > MAX_CURVES:
        messages.append(
            f"the first {MAX_CURVES} of {count:,} curves are shown; a .csv or .json file takes all of them"
        )
    for message in messages:
        if message not in _reported:
            _reported.add(message)
            warning_log.warning("%s", message)


def _listing(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES:,} more" if len(names) > _MAX_NAMES else ""
    return ", ".join(names[:_MAX_NAMES]) + more


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
    """Returns a short name for each log: the file's, with as many folders as make the names differ."""
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
        return f"{place}: no {phase} output {missing!r}: {there}{did_you_mean(missing, names) or '.'}"
    if quantity == "Train learning rate":
        there, names = "no learning rate was printed", []
    way_out = "; name one with --output" if names else ""
    others = [
        name
        for other, name in zip(QUANTITIES, chart_type_names()[::2], strict=True)
        if any(_chosen_curves(log, other, None) for log in logs)
    ]
    charts = f"; there are values for {', '.join(others)}" if others else ", nor anything else"
    return f"{place}: nothing to plot as {quantity.lower()}: {there}{way_out}{charts}."
