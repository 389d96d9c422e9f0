"""The health of all filters of a file, as text, JSON and a verdict."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnviz.analysis.filter_measures import Weights, filter_banks, median
from cnnviz.analysis.filters import (
    FILTER_FINDINGS,
    LAYER_FINDINGS,
    THRESHOLDS,
    Finding,
    LayerHealth,
    layer_health,
)
from cnnviz.analysis.randomness import FEWEST, NARROWEST
from cnnviz.analysis.report_text import MOST_NAMED, listed, number_text, text_table, to_json
from cnnviz.analysis.summary import shape_text
from cnnviz.engine.graph import Graph
from cnnviz.formats.text import printable


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
        """One sentence on whether the net has been trained, as far as one file shows."""
        judged = [layer for layer in self.layers if layer.randomness.is_judged]
        random = [layer.bank.title for layer in judged if layer.randomness.is_random]
        what = f"{_number(len(judged), 'layer')} judged"
        if not judged:
            least = f"{FEWEST:,} weights, {NARROWEST} filters and as many inputs"
            return f"No layer is large enough ({least}) to distinguish training from random initialisation."
        if not random:
            return f"Trained: {what}, and none looks like random initial weights."
        if len(random) == len(judged):
            return f"Looks like its initialisation: {what}, and all look like random initial weights."
        looks = "looks" if len(random) == 1 else "look"
        some = f"{len(random)} of {what} {looks} like random initial weights: {listed(random)}"
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
    "norm: smallest, median and largest of the filters. noise, spread: medians; 1 is white noise, noise",
    "near 0 is smooth, spread near 0 is a pure edge or stripe. rank: effective rank of the highest",
    "possible. overlap: mean absolute cosine between filters. strength: largest singular value relative",
    "to that of random weights: about 1 as initialised.",
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


def _number(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _findings_text(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields the findings by kind, each kind explained once."""
    if not findings:
        yield "No problems found."
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
