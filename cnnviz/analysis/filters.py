"""The health of filters: what trained weights reveal, filter by filter and layer by layer.

Thresholds are the constants below; docs/weights.md explains what each finding can and cannot show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnviz.analysis.filter_measures import (
    FilterBank,
    nearest_filters,
    noise_scores,
    row_blocks,
    row_norms,
    spectrum,
)
from cnnviz.analysis.randomness import Randomness, randomness

THRESHOLDS = {
    "noise": 0.8,  # noisy: at least this share of the high frequencies of white noise ...
    "spread": 0.8,  # ... and energy spread over at least this share of the frequencies of white noise
    "fewest_numbers": 16,  # a filter of fewer weights is judged neither noisy nor a duplicate
    "noisy_layer": 0.5,  # a layer with at least this share of noisy filters
    "duplicate": 0.9,  # near-duplicates: cosine of two filters
    "dead": 0.01,  # dead: norm relative to the layer's median
    "outlier": 10.0,  # outlier: norm relative to the layer's median
    "saturated": 0.05,  # saturated: share of a filter's numbers that sit on its extreme values
    "low_rank": 0.1,  # low rank: effective rank relative to the highest possible
}
FILTER_FINDINGS = {
    "not finite": "nan or inf among the weights: training diverged, or the file is damaged",
    "dead": "hardly any weight: the filter outputs little more than its bias",
    "constant": "all weights equal: never trained, or filled with a constant",
    "saturated": "many weights at the filter's extreme values: clipped or coarsely quantised",
    "outlier": "a norm far above those of the layer's other filters",
    "noisy": "weights like white noise: too little training, overfitting or too little weight decay",
    "near-duplicate": "nearly identical to another filter of the layer",
}
LAYER_FINDINGS = {
    "noisy layer": "most filters look like white noise",
    "low rank": "the filters span few directions: a smaller layer would do",
    "as initialised": "weights like random initial ones: untrained, or hardly changed since",
}


@dataclass(frozen=True)
class Finding:
    """Something that stands out in a layer.

    Attributes:
        layer: which one.
        kind: a key of FILTER_FINDINGS or LAYER_FINDINGS.
        filters: the filters concerned, in the order of the file; empty if it is about the layer.
        message: one sentence.
    """

    layer: str
    kind: str
    filters: tuple[int, ...]
    message: str


@dataclass(frozen=True, eq=False)
class LayerHealth:
    """The measures of one layer; arrays have one entry per filter.

    Attributes:
        not_finite: how many numbers of a filter are nan or inf; they count as 0 elsewhere.
        extreme: share of a filter's numbers that equal its highest or lowest one.
        noise, spread: see ``noise_scores``; nan for fully connected layers and tiny windows.
        zeros: share of a filter's numbers that are exactly 0.
        nearest, cosine, overlap: see ``nearest_filters``.
        rank, highest_rank: see ``Spectrum``.
        randomness: how far the layer is from random numbers.
    """

    bank: FilterBank
    norm: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    low: np.ndarray
    high: np.ndarray
    not_finite: np.ndarray
    extreme: np.ndarray
    zeros: np.ndarray
    noise: np.ndarray
    spread: np.ndarray
    nearest: np.ndarray
    cosine: np.ndarray
    overlap: float
    rank: float
    highest_rank: int
    randomness: Randomness
    marks: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return len(self.norm)

    @property
    def total_std(self) -> float:
        """Standard deviation of all weights of the layer."""
        return float(np.sqrt((self.std**2 + self.mean**2).mean() - self.mean.mean() ** 2))

    @property
    def judged(self) -> bool:
        """Whether filters have enough numbers to be judged noisy or not."""
        size = self.bank.filters[0].size
        return (
            self.bank.is_windows
            and size >= THRESHOLDS["fewest_numbers"]
            and bool(np.isfinite(self.noise).any())
        )

    def findings(self) -> Iterator[Finding]:
        """Yields the named findings, those about filters first."""
        for kind, filters in self.marks.items():
            what = f"{len(filters)} of {self.count} filters: {FILTER_FINDINGS[kind]}."
            yield Finding(self.bank.title, kind, filters, what)
        noisy = len(self.marks.get("noisy", ()))
        if self.judged and noisy >= THRESHOLDS["noisy_layer"] * self.count:
            what = f"{noisy} of {self.count} filters are noisy: {LAYER_FINDINGS['noisy layer']}."
            yield Finding(self.bank.title, "noisy layer", (), what)
        if 0 < self.rank < THRESHOLDS["low_rank"] * self.highest_rank:
            what = f"effective rank {self.rank:.1f} of {self.highest_rank}: {LAYER_FINDINGS['low rank']}."
            yield Finding(self.bank.title, "low rank", (), what)
        if self.randomness.is_random:
            strength = f"{self.randomness.strength:.2f} of the one of random numbers"
            what = f"largest singular value {strength}: {LAYER_FINDINGS['as initialised']}."
            yield Finding(self.bank.title, "as initialised", (), what)


_LARGE = 1e15  # 2^22 numbers times its square still are a float32


def layer_health(bank: FilterBank) -> LayerHealth:
    """Measures the filters of one layer and marks what is wrong with them."""
    filters, not_finite = _finite(bank.filters)
    nowhere = np.full(len(filters), np.nan)
    noise, spread = noise_scores(filters) if bank.is_windows else (nowhere, nowhere)
    nearest, cosine, overlap = nearest_filters(filters, bank.group)
    directions = spectrum(filters, bank.group)
    health = LayerHealth(
        bank=bank,
        **_row_measures(filters.reshape(len(filters), -1)),
        not_finite=not_finite,
        noise=noise,
        spread=spread,
        nearest=nearest,
        cosine=cosine,
        overlap=overlap,
        rank=directions.rank,
        highest_rank=directions.highest_rank,
        randomness=randomness(filters, directions),
    )
    for kind, is_so in _faults(health).items():
        if is_so.any():
            health.marks[kind] = tuple(np.flatnonzero(is_so).tolist())
    return health


def _finite(filters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the filters with 0 for nan and inf, and how many of those each had.

    Filters whose sums or squares may leave the range of single precision come in double.
    """
    is_finite = np.isfinite(filters)
    counts = filters[0].size - is_finite.reshape(len(filters), -1).sum(axis=1)
    finite = np.where(is_finite, filters, 0) if counts.any() else filters
    is_huge = max(float(finite.max()), -float(finite.min())) > _LARGE
    return (finite.astype(np.float64) if is_huge else finite), counts


def _row_measures(flat: np.ndarray) -> dict[str, Any]:
    """Returns what is measured of each row, in blocks of rows: a layer may be half a gigabyte."""
    parts = []
    for block in row_blocks(*flat.shape):
        rows = flat[block]
        low, high = rows.min(axis=1), rows.max(axis=1)
        at_low = (rows == low[:, None]) & (low < 0)[:, None]
        at_high = (rows == high[:, None]) & (high > 0)[:, None]
        parts.append(
            {
                "norm": row_norms(rows),
                "mean": rows.mean(axis=1, dtype=np.float64),
                "std": rows.std(axis=1, dtype=np.float64),
                "low": low,
                "high": high,
                "extreme": (at_low | at_high).mean(axis=1),
                "zeros": (rows == 0).mean(axis=1),
            }
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _faults(health: LayerHealth) -> dict[str, np.ndarray]:
    """Returns for each kind of finding which filters it is true of; a dead filter is nothing else."""
    size = health.bank.filters[0].size
    median = float(np.median(health.norm))
    whole = health.not_finite == 0
    dead = whole & (health.norm <= THRESHOLDS["dead"] * median)
    alive = whole & ~dead
    constant = alive & (size > 1) & (health.std <= 1e-6 * np.abs(health.mean))
    varied = alive & ~constant
    is_large = size >= THRESHOLDS["fewest_numbers"]
    is_noise = (health.noise >= THRESHOLDS["noise"]) & (health.spread >= THRESHOLDS["spread"])
    at_extremes = (health.extreme >= THRESHOLDS["saturated"]) & (health.extreme * size >= 3)
    return {
        "not finite": ~whole,
        "dead": dead,
        "constant": constant,
        "saturated": varied & at_extremes,
        "outlier": alive & (health.norm >= THRESHOLDS["outlier"] * median),
        "noisy": varied & is_large & is_noise,
        "near-duplicate": alive & is_large & (health.cosine >= THRESHOLDS["duplicate"]),
    }
