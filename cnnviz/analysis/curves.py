"""Curves of training logs: what they measure, and their values as arrays, smoothed and thinned."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from cnnviz.formats.log_curves import Curve

# Points of one run that a figure draws; more change nothing that could be seen.
MAX_POINTS = 20_000
_ACCURACY = re.compile(r"acc|top[-_ ]?\d|\bmap\b|detection_eval|iou|precision|recall|score #0")
_LOSS = re.compile(r"loss|cost|error|entropy|score #1")


def is_accuracy(curve: Curve) -> bool:
    """Whether the output's name is one of an accuracy: accuracy, top-1, mAP, detection_eval, IoU ..."""
    return not is_loss(curve) and bool(_decisive_part(curve.name, _ACCURACY))


def is_loss(curve: Curve) -> bool:
    """Whether the output has a loss weight or a name of one."""
    if curve.is_loss:
        return True
    last = curve.name.lower().rpartition("/")[2]
    return bool(_LOSS.search(last)) or (
        not _ACCURACY.search(last) and bool(_decisive_part(curve.name, _LOSS))
    )


def _decisive_part(name: str, pattern: re.Pattern) -> re.Match | None:
    lowered = name.lower()
    return pattern.search(lowered.rpartition("/")[2]) or pattern.search(lowered)


def x_values(curve: Curve, x_axis: str) -> np.ndarray:
    """Returns the curve's iterations, or the seconds if ``x_axis`` is "Seconds"."""
    x = np.frombuffer(curve.iterations if x_axis == "Iters" else curve.seconds)
    # A log that is followed could not grow while a figure holds its array; long ones are drawn thinned.
    return x if len(x) > MAX_POINTS else x.copy()


def y_values(curve: Curve) -> np.ndarray:
    """Returns the values as 32-bit floats hold them: larger ones are infinite, smaller ones zero."""
    y = np.array(curve.values)
    limits = np.finfo(np.float32)
    y[y > limits.max] = np.inf
    y[y < -limits.max] = -np.inf
    y[(y < limits.smallest_subnormal) & (y > -limits.smallest_subnormal)] = 0.0
    return y


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Returns ``parts`` as one array, without a copy where there is only one."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def moves_in_steps(y: np.ndarray) -> bool:
    """Whether a learning rate keeps its value from one display to the next most of the time."""
    return len(y) > 2 and int(np.count_nonzero(y[1:] == y[:-1])) >= len(y) // 2


def smoothed(y: np.ndarray, weight: float) -> np.ndarray:
    """Returns the exponential moving average of ``y``: s[i] = weight s[i-1] + (1 - weight) y[i].

    The start is corrected for having no past. Values that are not finite stay gaps and are
    omitted from the average.

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
