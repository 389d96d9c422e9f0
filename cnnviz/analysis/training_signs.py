"""Which of two snapshots looks further trained, by signs that can be read from weights alone.

docs/weights.md says how far to trust them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.analysis.filters import LayerHealth
from cnnviz.analysis.layer_drift import LayerDrift

FEW = 2 / 3  # of the rows of a classifier or of the layers must agree for a sign to count


@dataclass(frozen=True)
class Sign:
    """One measure by which the later snapshot of a training can be recognised.

    Attributes:
        what: in words, with both values.
        direction: 1 if the second snapshot looks further trained by it, -1 if the first does, 0 for neither.
    """

    what: str
    direction: int


def training_signs(layers: Sequence[LayerDrift]) -> list[Sign]:
    """Returns the signs of training in the layers of two snapshots.

    As long as layers look random or filters noisy, nothing else is asked: filters become smooth first, and
    only once they have a structure they go on to differ.
    """
    judged = [drift for drift in layers if drift.after.judged]  # those whose filters can be called noisy
    noise = _noise_sign(judged)
    first = [sign for sign in (_start_sign(layers), noise) if sign and sign.direction]
    if first:
        return first
    if noise:
        return [noise, _smooth_sign(judged)]
    return [sign for sign in (_class_sign(layers), _rank_sign(judged)) if sign]


def _start_sign(layers: Sequence[LayerDrift]) -> Sign | None:
    """Layers stop looking like the random numbers that they started with."""
    judged = [drift for drift in layers if drift.after.randomness.is_judged]
    before, after = (sum(h.randomness.is_random for h in side) for side in _sides(judged))
    what = f"layers like random numbers: {before} -> {after} of {len(judged)}"
    return Sign(what, _direction(after - before)) if before != after else None


def _noise_sign(judged: Sequence[LayerDrift]) -> Sign | None:
    before, after = (sum(len(h.marks.get("noisy", ())) for h in side) for side in _sides(judged))
    if not before and not after:
        return None
    count = sum(drift.after.count for drift in judged)
    return Sign(f"noisy filters: {before} -> {after} of {count}", _direction(after - before))


def _smooth_sign(judged: Sequence[LayerDrift]) -> Sign:
    """Filters of noise become smoother before the first of them is no noise any more."""
    smoother, known = (sum(counts) for counts in zip(*(d.smoother for d in judged), strict=True))
    direction = _majority(smoother, known - smoother, known)
    return Sign(f"{smoother} of {known} filters have become smoother", direction)


def _class_sign(layers: Sequence[LayerDrift]) -> Sign | None:
    """In the last fully connected layer the classes' weights part."""
    dense = [drift for drift in layers if not drift.after.bank.is_windows]
    if not dense or dense[-1].after.count < 3:
        return None
    last = dense[-1]
    change = last.after.cosine - last.before.cosine
    apart, together = int((change < 0).sum()), int((change > 0).sum())
    direction = _majority(apart, together, last.after.count)
    return Sign(f"{last.title}: {apart} of {last.after.count} outputs less like their nearest", direction)


def _rank_sign(judged: Sequence[LayerDrift]) -> Sign | None:
    """Convolutions that are past noise go on to differ; noise itself has a high rank."""
    if not judged:
        return None
    change = [drift.after.rank - drift.before.rank for drift in judged]
    up, down = sum(c > 0 for c in change), sum(c < 0 for c in change)
    direction = _majority(up, down, len(judged))
    return Sign(f"effective rank rises in {up} of {len(judged)} convolutions", direction)


def _sides(drifts: Sequence[LayerDrift]) -> tuple[list[LayerHealth], list[LayerHealth]]:
    return [drift.before for drift in drifts], [drift.after for drift in drifts]


def _direction(change: float) -> int:
    """A fall suggests that the second snapshot is further trained."""
    return (change < 0) - (change > 0)


def _majority(ahead: int, against: int, count: int) -> int:
    return (ahead >= FEW * count) - (against >= FEW * count)
