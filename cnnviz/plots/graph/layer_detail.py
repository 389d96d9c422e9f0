"""What the interactive page tells of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.analysis.summary import LayerSummary
from cnnviz.plots.graph.weight_facts import WeightFacts


@dataclass(frozen=True)
class LayerDetail:
    """Everything known of one layer.

    Attributes:
        box: the key of the box that shows it.
        panel: which of the graphs in the picture it belongs to, from 0.
        row: its row of the table.
        text: its definition as prototxt.
        unknown: fields of its file that the schema lacks.
        fault: why it cannot work, or None.
        weights: what is told of its weights, or None if none were given.
    """

    box: str
    panel: int
    row: LayerSummary
    text: str
    unknown: Sequence[str]
    fault: str | None
    weights: WeightFacts | None = None
