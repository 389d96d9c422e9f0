"""Snapshots of one training compared: how each layer moved, and which snapshot looks further trained."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.analysis.filter_measures import Weights, filter_banks, median
from cnnviz.analysis.filters import LayerHealth
from cnnviz.analysis.layer_drift import LayerDrift, layer_drift
from cnnviz.analysis.report_text import listed, number_text, text_table, to_json
from cnnviz.analysis.training_signs import Sign, training_signs
from cnnviz.engine.graph import Graph
from cnnviz.errors import WeightsError
from cnnviz.formats.text import printable


@dataclass(frozen=True)
class Comparison:
    """Two snapshots, layer by layer; ``skipped`` names layers that are not in both with equal shapes."""

    before: str
    after: str
    layers: tuple[LayerDrift, ...]
    skipped: tuple[str, ...]

    @property
    def signs(self) -> list[Sign]:
        """The signs of training, see ``training_signs``."""
        return training_signs(self.layers)

    @property
    def verdict(self) -> str:
        """One sentence on which snapshot looks further trained."""
        if all(drift.changed == 0 for drift in self.layers):
            return "The snapshots are equal."
        directions = {sign.direction for sign in self.signs} - {0}
        largest = max(drift.relative for drift in self.layers)
        close = f" They are close: no layer moved by more than {largest:.1%}." if largest < 0.1 else ""
        if directions == {1}:
            return f"{self.after} looks further trained than {self.before}.{close}"
        if directions == {-1}:
            return f"{self.before} looks further trained than {self.after}.{close}"
        return f"The weights alone do not show which snapshot is further trained.{close}"

    def to_data(self) -> dict[str, Any]:
        """Returns everything as plain dictionaries, lists and numbers; None for what is not defined."""
        return {
            "before": self.before,
            "after": self.after,
            "verdict": self.verdict,
            "signs": [{"what": sign.what, "direction": sign.direction} for sign in self.signs],
            "skipped": list(self.skipped),
            "layers": [_drift_data(drift) for drift in self.layers],
        }

    def to_json(self) -> str:
        """Returns ``to_data`` as JSON text."""
        return to_json(self.to_data())

    def to_text(self) -> str:
        """Returns a table of the layers, the signs and the verdict, for a terminal."""
        arrows = {1: "+", 0: " ", -1: "-"}
        lines = [
            f"{printable(self.before)} -> {printable(self.after)}",
            "",
            text_table(_HEADINGS, [_drift_cells(drift) for drift in self.layers]),
            "",
            printable(self.verdict),
            *(f"{arrows[sign.direction]} {printable(sign.what)}" for sign in self.signs),
        ]
        if self.skipped:
            names = listed(self.skipped, len(self.skipped))
            lines.append(f"Not compared (their shapes differ, or one file lacks them): {names}")
        return "\n".join([*lines, "", *_READING])


_HEADINGS = ("layer", "drift", "cosine", "changed", "norm", "noise", "smoother", "rank", "overlap", "")
_READING = (
    "drift: |after - before| / |before|. changed: weights that are not exactly equal. norm: of the",
    "layer. noise: median of the filters, smoother: filters whose noise fell. +: suggests that the",
    "second snapshot is further trained, -: the first. These are signs, not proof.",
)


def _layer_norm(health: LayerHealth) -> float:
    return float(np.sqrt((health.norm.astype(np.float64) ** 2).sum()))


def _pair(before: float, after: float, digits: int = 3) -> str:
    return "" if math.isnan(after) else f"{before:.{digits}f} -> {after:.{digits}f}"


def _drift_cells(drift: LayerDrift) -> tuple[str, ...]:
    before, after = drift.before, drift.after
    smoother, known = drift.smoother
    return (
        printable(drift.title),
        f"{drift.relative:.2%}",
        f"{drift.cosine:.4f}",
        f"{drift.changed:.0%}",
        _pair(_layer_norm(before), _layer_norm(after)),
        _pair(median(before.noise), median(after.noise)),
        f"{smoother}/{known}" if known else "",
        _pair(before.rank, after.rank, 1),
        _pair(before.overlap, after.overlap),
        drift.word,
    )


def _drift_data(drift: LayerDrift) -> dict[str, Any]:
    smoother, known = drift.smoother
    sides = {
        name: {
            "norm": _layer_norm(health),
            "median_noise": median(health.noise),
            "noisy": len(health.marks.get("noisy", ())),
            "effective_rank": health.rank,
            "overlap": health.overlap,
        }
        for name, health in (("before", drift.before), ("after", drift.after))
    }
    return {
        "name": drift.after.bank.layer,
        "blob": drift.after.bank.blob,
        "relative_drift": drift.relative,
        "cosine": drift.cosine,
        "changed": drift.changed,
        "word": drift.word,
        "smoother": smoother,
        "scored": known,
        **sides,
        "per_filter": drift.per_filter.tolist(),
    }


def compare_weights(
    before: Weights,
    after: Weights,
    graph: Graph | None = None,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Compares two snapshots of one net.

    Args:
        before, after: for each layer name its blobs, as ``read_weights`` gives them.
        graph: the net, for types and groups.
        names: what the comparison calls the two; the default is their file names.
    Raises: WeightsError if they share no layer of the same shape.
    """
    titles = names or (snapshot_name(before, "before"), snapshot_name(after, "after"))
    old = {bank.title: bank for bank in filter_banks(before, graph)}
    new = {bank.title: bank for bank in filter_banks(after, graph)}
    both = [t for t, bank in new.items() if t in old and old[t].filters.shape == bank.filters.shape]
    if not both:
        raise WeightsError(
            f"{titles[0]} and {titles[1]} share no layer of the same shape: "
            f"the first has {listed([*old]) or 'none'}, the second {listed([*new]) or 'none'}. "
            "Compare snapshots of one net."
        )
    skipped = tuple(t for t in [*new, *(t for t in old if t not in new)] if t not in both)
    return Comparison(*titles, tuple(layer_drift(old[t], new[t]) for t in both), skipped)


def snapshot_name(weights: Weights, otherwise: str = "weights") -> str:
    """Returns the file name of ``weights``."""
    return Path(getattr(weights, "path", otherwise)).name


def iteration_of(path: str) -> int | None:
    """Returns N of a snapshot's name "..._iter_N.caffemodel", None for other names."""
    found = re.findall(r"_iter_(\d+)", Path(path).name)
    return int(found[-1]) if found else None


def in_order(snapshots: Sequence[Weights]) -> list[Weights]:
    """Returns the snapshots sorted by N of "_iter_N" if all names have it, else as they are."""
    numbers = iterations_of(snapshots)
    if numbers is None:
        return list(snapshots)
    return [snapshots[i] for i in sorted(range(len(numbers)), key=numbers.__getitem__)]


def iterations_of(snapshots: Sequence[Weights]) -> list[int] | None:
    """Returns N of "_iter_N" of each snapshot's file name; None if a name has none or two have the same."""
    numbers = [iteration_of(getattr(weights, "path", "")) for weights in snapshots]
    known = [number for number in numbers if number is not None]
    return known if len(set(known)) == len(numbers) else None


@dataclass(frozen=True)
class SnapshotSeries:
    """Many snapshots of one training, each compared with the one before."""

    names: tuple[str, ...]
    steps: tuple[Comparison, ...]

    def to_data(self) -> dict[str, Any]:
        """Returns the steps as plain dictionaries, lists and numbers."""
        return {"snapshots": list(self.names), "steps": [step.to_data() for step in self.steps]}

    def to_json(self) -> str:
        """Returns ``to_data`` as JSON text."""
        return to_json(self.to_data())

    def to_text(self) -> str:
        """Returns one table: a row for each layer and snapshot, for a terminal."""
        rows = []
        for title in dict.fromkeys(drift.title for step in self.steps for drift in step.layers):
            drifts = [(step, d) for step in self.steps for d in step.layers if d.title == title]
            first = drifts[0]
            rows.append(self._row(title, first[0].before, first[1].before, None))
            rows += [self._row("", step.after, drift.after, drift) for step, drift in drifts]
        headings = ("layer", "drift", "norm", "noise", "noisy", "rank", "overlap", "snapshot")
        verdicts = [printable(step.verdict) for step in self.steps]
        return "\n".join([text_table(headings, rows), "", *verdicts])

    @staticmethod
    def _row(title: str, name: str, health: LayerHealth, drift: LayerDrift | None) -> tuple[str, ...]:
        return (
            printable(title),
            f"{drift.relative:.2%}" if drift else "",
            f"{_layer_norm(health):.3f}",
            number_text(median(health.noise), 3),
            str(len(health.marks.get("noisy", ()))) if health.judged else "",
            f"{health.rank:.1f}",
            number_text(health.overlap, 3),
            printable(name),
        )


def compare_snapshots(
    snapshots: Sequence[Weights], graph: Graph | None = None, names: Sequence[str] | None = None
) -> SnapshotSeries:
    """Compares each of two or more snapshots with the one before.

    Raises WeightsError for fewer than two, or if neighbours share no layer of the same shape.
    """
    if len(snapshots) < 2:
        raise WeightsError(f"{len(snapshots)} snapshot(s) given; expected two or more to compare.")
    titles = list(names or (snapshot_name(w, f"snapshot {i + 1}") for i, w in enumerate(snapshots)))
    steps = [
        compare_weights(snapshots[i], snapshots[i + 1], graph, (titles[i], titles[i + 1]))
        for i in range(len(snapshots) - 1)
    ]
    return SnapshotSeries(tuple(titles), tuple(steps))
