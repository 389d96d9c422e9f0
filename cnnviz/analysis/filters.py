"""The health of filters: what the numbers of trained weights tell, filter by filter and layer by layer.

Thresholds are the constants below; docs/weights.md explains what each finding can and cannot tell.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnviz.analysis.filter_measures import (
    FilterBank,
    Weights,
    filter_banks,
    nearest_filters,
    noise_scores,
    row_blocks,
    row_norms,
    spectrum,
)
from cnnviz.analysis.randomness import FEWEST, NARROWEST, Randomness, randomness
from cnnviz.analysis.summary import shape_text, text_cells
from cnnviz.engine.graph import Graph
from cnnviz.formats.text import json_for_terminals, printable

THRESHOLDS = {
    "noise": 0.8,  # noisy: at least this share of the high frequencies of white noise ...
    "spread": 0.8,  # ... and energy spread over at least this share of the frequencies of white noise
    "fewest_numbers": 16,  # a filter of fewer numbers is judged neither noisy nor a duplicate
    "noisy_layer": 0.5,  # a layer with at least this share of noisy filters
    "duplicate": 0.9,  # near-duplicates: cosine of two filters
    "dead": 0.01,  # dead: norm relative to the layer's median
    "outlier": 10.0,  # outlier: norm relative to the layer's median
    "saturated": 0.05,  # saturated: share of a filter's numbers that sit on its extreme values
    "low_rank": 0.1,  # low rank: effective rank relative to the highest possible
}
MOST_NAMED = 4  # layers in a sentence
FILTER_FINDINGS = {
    "not finite": "holds nan or inf: the training diverged, or the file is damaged",
    "dead": "hardly any weight: the filter answers nothing but its bias",
    "constant": "all weights equal: never trained, or filled with a constant",
    "saturated": "many weights at the filter's extreme values: clipped or coarsely quantised",
    "outlier": "a norm far above the other filters' of the layer",
    "noisy": "cannot be told from white noise: too little training, overfitting or too little weight decay",
    "near-duplicate": "nearly the same as another filter of the layer",
}
LAYER_FINDINGS = {
    "noisy layer": "most filters look like white noise",
    "low rank": "the filters span few directions: fewer would do",
    "as initialised": "cannot be told from a filler's random numbers: untrained, or hardly moved since",
}


@dataclass(frozen=True)
class Finding:
    """Something that a layer's numbers say in words.

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
        randomness: whether the layer can be told from random numbers.
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


# --- report -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """The health of all layers of a file.

    Attributes:
        path: the file, or "weights".
        net: the net's name, or "".
        layers: one entry per blob that holds filters, in the order of the file.
        broken: (layer, blob index, count) of other blobs (biases, statistics) with nan or inf.
    """

    path: str
    net: str
    layers: tuple[LayerHealth, ...]
    broken: tuple[tuple[str, int, int], ...]

    @property
    def findings(self) -> list[Finding]:
        found = [finding for layer in self.layers for finding in layer.findings()]
        for layer, blob, count in self.broken:
            what = f"blob {blob} holds {count} nan or inf: {FILTER_FINDINGS['not finite'].split(': ')[1]}."
            found.append(Finding(layer, "not finite", (), what))
        return found

    @property
    def noisy(self) -> tuple[int, int]:
        """How many filters are noisy, of how many that can be judged."""
        judged = [layer for layer in self.layers if layer.judged]
        return sum(len(s.marks.get("noisy", ())) for s in judged), sum(s.count for s in judged)

    @property
    def verdict(self) -> str:
        """One sentence on whether the net has been trained, as far as one file tells."""
        judged = [layer for layer in self.layers if layer.randomness.is_judged]
        random = [layer.bank.title for layer in judged if layer.randomness.is_random]
        what = f"{_number(len(judged), 'layer')} judged"
        if not judged:
            least = f"{FEWEST:,} weights, {NARROWEST} filters and as many inputs"
            return f"No layer is large enough ({least}) to tell training from a random start."
        if not random:
            return f"Trained: {what}, and none looks like a filler's random numbers."
        if len(random) == len(judged):
            return (
                f"Looks like its initialisation: {what}, and none can be told from a filler's random numbers."
            )
        some = f"{len(random)} of {what} cannot be told from a filler's random numbers: {listed(random)}"
        return some if len(random) > MOST_NAMED else f"{some}."

    def to_data(self) -> dict[str, Any]:
        """Returns everything as plain dictionaries, lists and numbers; None for what is not defined."""
        noisy, judged = self.noisy
        return {
            "file": self.path,
            "net": self.net,
            "noisy_filters": noisy,
            "judged_filters": judged,
            "verdict": self.verdict,
            "findings": [
                {"layer": f.layer, "kind": f.kind, "filters": list(f.filters), "message": f.message}
                for f in self.findings
            ],
            "thresholds": dict(THRESHOLDS),
            "layers": [_layer_data(layer) for layer in self.layers],
        }

    def to_json(self) -> str:
        """Returns ``to_data`` as JSON text."""
        return to_json(self.to_data())

    def to_text(self) -> str:
        """Returns a table of the layers, the findings and how to read them, for a terminal."""
        rows = [_layer_cells(layer) for layer in self.layers]
        noisy, judged = self.noisy
        share = f"{noisy} of {judged} filters are noisy."
        return "\n".join(
            [
                f"{printable(self.path)} ({printable(self.net) or 'unnamed net'})",
                "",
                text_table(_HEADINGS, rows),
                "",
                self.verdict,
                share if judged else "No filter is large enough to be judged noisy or not.",
                *_findings_text(self.findings),
                "",
                *_READING,
            ]
        )


_MOST_LISTED = 16
_HEADINGS = ("layer", "filters", "std", "norm", "noise", "spread", "rank", "overlap", "strength", "findings")
_READING = (
    "norm: least, median and largest of the filters. noise, spread: medians; 1 is white noise, noise",
    "near 0 is smooth, spread near 0 is a pure edge or stripe. rank: effective rank of the highest",
    "possible. overlap: mean absolute cosine between filters. strength: largest singular value, in that",
    "of random numbers: about 1 as initialised.",
)


def _layer_cells(health: LayerHealth) -> tuple[str, ...]:
    norm, bank = health.norm, health.bank
    marks = [f"{len(filters)} {kind}" for kind, filters in health.marks.items()]
    marks += [f.kind for f in health.findings() if f.kind in LAYER_FINDINGS]
    return (
        printable(bank.title),
        f"{bank.role} {health.count} of {shape_text(bank.filter_shape)}".strip(),
        f"{health.total_std:.4g}",
        f"{norm.min():.3g} {np.median(norm):.3g} {norm.max():.3g}",
        number_text(median(health.noise), 3),
        number_text(median(health.spread), 3),
        f"{health.rank:.1f} of {health.highest_rank}",
        number_text(health.overlap, 3),
        number_text(health.randomness.strength, 2),
        ", ".join(marks),
    )


_PER_FILTER = "norm", "mean", "std", "low", "high", "not_finite", "noise", "spread", "nearest", "cosine"


def _layer_data(health: LayerHealth) -> dict[str, Any]:
    bank = health.bank
    return {
        "name": bank.layer,
        "blob": bank.blob,
        "type": bank.type,
        "role": bank.role,
        "shape": list(bank.shape),
        "filters": health.count,
        "group": bank.group,
        "mean": float(health.mean.mean()),
        "std": health.total_std,
        "min": float(health.low.min()),
        "max": float(health.high.max()),
        "zeros": float(health.zeros.mean()),
        "median_norm": float(np.median(health.norm)),
        "median_noise": median(health.noise),
        "median_spread": median(health.spread),
        "effective_rank": health.rank,
        "highest_rank": health.highest_rank,
        "overlap": health.overlap,
        "strength": health.randomness.strength,
        "as_initialised": health.randomness.is_random if health.randomness.is_judged else None,
        "findings": [f.kind for f in health.findings()],
        "per_filter": {name: getattr(health, name).tolist() for name in _PER_FILTER},
    }


def median(values: np.ndarray) -> float:
    """Returns the median of what is not nan; nan if nothing is."""
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else math.nan


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Returns the first names for a terminal: "conv1, conv2, ..."."""
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")


def number_text(value: float, digits: int) -> str:
    """Returns ``value`` with ``digits`` after the point; "" for nan."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def _findings_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields the findings by kind, each kind explained once."""
    if not findings:
        yield "Nothing found that is wrong."
    for kind, meaning in (FILTER_FINDINGS | LAYER_FINDINGS).items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            yield f"{kind}: {meaning}"
        for finding in of_kind:
            shown = ", ".join(map(str, finding.filters[:_MOST_LISTED]))
            more = ", ..." if len(finding.filters) > _MOST_LISTED else ""
            if finding.filters:
                yield f"  {printable(finding.layer)}: {len(finding.filters)}: filter {shown}{more}"
        whole = ", ".join(printable(finding.layer) for finding in of_kind if not finding.filters)
        yield from textwrap.wrap(
            whole, 98, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )


def to_json(data: Any) -> str:
    """Returns ``data`` as JSON text, with null for nan and infinities, which JSON lacks."""
    return json_for_terminals(_json_value(data), indent=1)


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns rows under their headings, first and last column flush left, the others right."""
    table = [headings, *rows]
    widths = [max(map(text_cells, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - text_cells(cell))
            cells.append(cell + space if i in (0, len(widths) - 1) else space + cell)
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def filter_report(
    weights: Weights, graph: Graph | None = None, progress: Callable[[str], None] | None = None
) -> Report:
    """Measures every layer of ``weights``.

    Args:
        weights: for each layer name its blobs, as ``read_weights`` gives them.
        graph: the net, for types, groups and shapes.
        progress: called with the name of each layer before it is measured.
    """
    layers = []
    for bank in filter_banks(weights, graph):
        if progress:
            progress(bank.title)
        layers.append(layer_health(bank))
    measured = {(layer.bank.layer, layer.bank.blob) for layer in layers}
    broken = []
    for name, blobs in weights.items():
        for index, blob in enumerate(blobs):
            if blob is None or (name, index) in measured:
                continue
            count = int(np.size(blob) - np.isfinite(blob).sum())
            if count:
                broken.append((name, index, count))
    net = getattr(weights, "net_name", "") or (graph.name if graph else "")
    return Report(str(getattr(weights, "path", "weights")), net, tuple(layers), tuple(broken))
