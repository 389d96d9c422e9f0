"""Training logs for other programs: JSON and CSV of everything, and the table of Caffe's parse_log.py."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence

from cnnviz.formats.log_curves import TrainingLog


def logs_json(logs: Sequence[TrainingLog]) -> str:
    """Returns everything in ``logs`` as a JSON list; what is not finite is "nan", "inf" or "-inf"."""
    return json.dumps([_content(log) for log in logs], allow_nan=False)


def _content(log: TrainingLog) -> dict:
    curves = [
        {
            "segment": segment,
            "phase": phase,
            "net": net,
            "name": curve.name,
            "iterations": [json_number(v) for v in curve.iterations],
            "seconds": [json_number(v) for v in curve.seconds],
            "values": [json_number(v) for v in curve.values],
        }
        for segment, phase, net, curve in log.all_curves()
    ]
    events = [
        {
            "segment": number,
            "kind": event.kind,
            "iteration": event.iteration,
            "seconds": json_number(event.seconds),
            "text": event.text,
        }
        for number, segment in enumerate(log.segments)
        for event in segment.events
    ]
    return {"log": log.title, "lines": log.lines, "curves": curves, "events": events}


def logs_csv(logs: Sequence[TrainingLog]) -> str:
    """Returns every number of ``logs`` as a row: log, segment, phase, net, name, iteration, seconds, value.

    The smoothed loss is phase "solver", name "loss"; the learning rate is phase "solver", name "lr";
    events are phase "event" with their kind as name and their text as value.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["log", "segment", "phase", "net", "name", "iteration", "seconds", "value"])
    for log in logs:
        for segment, phase, net, curve in log.all_curves():
            head = [log.title, segment, phase, "" if net is None else net, curve.name]
            for numbers in zip(curve.iterations, curve.seconds, curve.values, strict=True):
                rows.writerow([*head, *(f"{number:.15g}" for number in numbers)])
        for number, part in enumerate(log.segments):
            for event in part.events:
                place = [f"{event.iteration:.15g}", f"{event.seconds:.15g}"]
                rows.writerow([log.title, number, "event", "", event.kind, *place, event.text])
    return text.getvalue()


def json_number(value: float) -> float | str:
    """Returns ``value`` as JSON can hold it: values that are not finite become "nan", "inf", "-inf"."""
    return value if math.isfinite(value) else str(value)


def table_csv(rows: Iterable[dict[str, float]]) -> str:
    """Returns ``rows`` of TrainingLog.table as parse_log.py writes them (lines end with CR LF)."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
