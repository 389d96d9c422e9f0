"""How weights moved between snapshots of one training, and which snapshot looks further trained."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank, Weights, filter_banks, finite, row_blocks, row_norms
from cnnviz.analysis.filters import (
    LayerHealth,
    layer_health,
    listed,
    median,
    number_text,
    text_table,
    to_json,
)
from cnnviz.engine.graph import Graph
from cnnviz.errors import WeightsError
from cnnviz.formats.text import printable

BARELY_MOVED = 0.01  # relative drift below which a layer barely moved
REWRITTEN = 0.5  # cosine below which little is left of a layer
FEW = 2 / 3  # of the rows of a classifier or of the layers must agree for a sign to count


@dataclass(frozen=True, eq=False)
class LayerDrift:
    """What happened to the filters of one layer.

    Attributes:
        relative: |after - before| / |before| over the whole layer (norms are L2).
        cosine: between before and after, over the whole layer.
        changed: share of the weights that are not exactly equal.
        per_filter: (N,) the relative drift of each filter.
    """

    before: LayerHealth
    after: LayerHealth
    relative: float
    cosine: float
    changed: float
    per_filter: np.ndarray

    @property
    def title(self) -> str:
        return self.after.bank.title

    @property
    def word(self) -> str:
        """What it amounts to: "unchanged", "barely moved", "rewritten" or ""."""
        if self.changed == 0:
            return "unchanged"
        if self.relative < BARELY_MOVED:
            return "barely moved"
        return "rewritten" if self.cosine < REWRITTEN else ""

    @property
    def smoother(self) -> tuple[int, int]:
        """How many filters lost noise, of how many that have a noise score."""
        known = np.isfinite(self.before.noise) & np.isfinite(self.after.noise)
        return int((self.after.noise < self.before.noise)[known].sum()), int(known.sum())


@dataclass(frozen=True)
class Sign:
    """One measure by which the later snapshot of a training can be told.

    Attributes:
        what: in words, with both numbers.
        direction: 1 if ``after`` looks further trained by it, -1 if ``before`` does, 0 for neither.
    """

    what: str
    direction: int


@dataclass(frozen=True)
class Comparison:
    """Two snapshots, layer by layer; ``skipped`` names layers that are not in both with equal shapes."""

    before: str
    after: str
    layers: tuple[LayerDrift, ...]
    skipped: tuple[str, ...]

    @property
    def signs(self) -> list[Sign]:
        """The signs of training that can be read here; docs/weights.md says how far to trust them.

        While there is a random start or noise to go, nothing else is asked: what comes first is that filters
        become smooth, and only once they have a structure they go on to differ.
        """
        noise = self._noise_sign()
        first = [sign for sign in (self._start_sign(), noise) if sign and sign.direction]
        if first:
            return first
        if noise:
            return [noise, self._smooth_sign()]
        return [sign for sign in (self._class_sign(), self._rank_sign()) if sign]

    @property
    def _judged(self) -> list[LayerDrift]:
        """The layers whose filters can be called noisy."""
        return [drift for drift in self.layers if drift.after.judged]

    def _start_sign(self) -> Sign | None:
        """Layers stop looking like the random numbers that they started with."""
        judged = [drift for drift in self.layers if drift.after.randomness.is_judged]
        before, after = (sum(h.randomness.is_random for h in side) for side in _sides(judged))
        what = f"layers like random numbers: {before} -> {after} of {len(judged)}"
        return Sign(what, _direction(after - before)) if before != after else None

    def _noise_sign(self) -> Sign | None:
        before, after = (sum(len(h.marks.get("noisy", ())) for h in side) for side in _sides(self._judged))
        if not before and not after:
            return None
        count = sum(drift.after.count for drift in self._judged)
        return Sign(f"noisy filters: {before} -> {after} of {count}", _direction(after - before))

    def _smooth_sign(self) -> Sign:
        """Filters of noise become smoother before the first of them is no noise any more."""
        smoother, known = (sum(counts) for counts in zip(*(d.smoother for d in self._judged), strict=True))
        direction = _majority(smoother, known - smoother, known)
        return Sign(f"{smoother} of {known} filters have become smoother", direction)

    def _class_sign(self) -> Sign | None:
        """In the last fully connected layer the classes' weights part."""
        dense = [drift for drift in self.layers if not drift.after.bank.is_windows]
        if not dense or dense[-1].after.count < 3:
            return None
        last = dense[-1]
        change = last.after.cosine - last.before.cosine
        apart, together = int((change < 0).sum()), int((change > 0).sum())
        direction = _majority(apart, together, last.after.count)
        return Sign(f"{last.title}: {apart} of {last.after.count} outputs less like their nearest", direction)

    def _rank_sign(self) -> Sign | None:
        """Convolutions that have left noise behind go on to differ; noise itself has a high rank."""
        judged = self._judged
        if not judged:
            return None
        change = [drift.after.rank - drift.before.rank for drift in judged]
        up, down = sum(c > 0 for c in change), sum(c < 0 for c in change)
        direction = _majority(up, down, len(judged))
        return Sign(f"effective rank rises in {up} of {len(judged)} convolutions", direction)

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
        return f"The weights alone do not tell which snapshot is further trained.{close}"

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
            lines.append(f"Not compared, for they differ in shape or are in one only: {names}")
        return "\n".join([*lines, "", *_READING])


_HEADINGS = ("layer", "drift", "cosine", "changed", "norm", "noise", "smoother", "rank", "overlap", "")
_READING = (
    "drift: |after - before| / |before|. changed: weights that are not exactly equal. norm: of the",
    "layer. noise: median of the filters, smoother: filters whose noise fell. +: speaks for the second",
    "snapshot being further trained, -: for the first. These are signs, not proof.",
)


def _sides(drifts: Sequence[LayerDrift]) -> tuple[list[LayerHealth], list[LayerHealth]]:
    return [drift.before for drift in drifts], [drift.after for drift in drifts]


def _direction(change: float) -> int:
    """A fall speaks for the second snapshot."""
    return (change < 0) - (change > 0)


def _majority(ahead: int, against: int, count: int) -> int:
    return (ahead >= FEW * count) - (against >= FEW * count)


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


def layer_drift(before: FilterBank, after: FilterBank) -> LayerDrift:
    """Measures how one layer moved; nan and inf count as 0."""
    count = len(after.filters)
    old, new = before.filters.reshape(count, -1), after.filters.reshape(count, -1)
    moved, lengths, new_lengths = np.empty(count), np.empty(count), np.empty(count)
    product, changed = 0.0, 0
    for rows in row_blocks(*new.shape):  # a layer may be half a gigabyte
        a, b = finite(old[rows]), finite(new[rows])
        moved[rows], lengths[rows], new_lengths[rows] = map(
            row_norms, (np.subtract(b, a, dtype=np.float64), a, b)
        )
        product += float(np.einsum("ij,ij->i", a, b, dtype=np.float64).sum())
        changed += int((a != b).sum())
    norms = _length(lengths) * _length(new_lengths)
    with np.errstate(divide="ignore", invalid="ignore"):
        per_filter = np.where(moved > 0, moved / lengths, 0)
    return LayerDrift(
        before=layer_health(before),
        after=layer_health(after),
        relative=_length(moved) / _length(lengths) if lengths.any() else math.inf if moved.any() else 0.0,
        cosine=product / norms if norms else math.nan,
        changed=changed / new.size,
        per_filter=per_filter,
    )


def _length(parts: np.ndarray) -> float:
    return float(np.sqrt((parts.astype(np.float64) ** 2).sum()))


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
        raise WeightsError(f"{len(snapshots)} snapshot(s) given, wanted two or more to compare.")
    titles = list(names or (snapshot_name(w, f"snapshot {i + 1}") for i, w in enumerate(snapshots)))
    steps = [
        compare_weights(snapshots[i], snapshots[i + 1], graph, (titles[i], titles[i + 1]))
        for i in range(len(snapshots) - 1)
    ]
    return SnapshotSeries(tuple(titles), tuple(steps))
