"""How the filters of one layer moved between two snapshots."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank, finite, row_blocks, row_norms
from cnnviz.analysis.filters import LayerHealth, layer_health

BARELY_MOVED = 0.01  # relative drift below which a layer barely moved
REWRITTEN = 0.5  # cosine below which little is left of a layer


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
