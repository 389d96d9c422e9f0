"""What the interactive page shows of each layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.filter_measures import filter_banks
from cnnviz.analysis.summary import LayerSummary
from cnnviz.formats.prototxt import to_text
from cnnviz.plots.graph.grouping import FoldedNet, fault_of
from cnnviz.plots.graph.weight_facts import WeightFacts, weight_facts


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
        weights: statistics and filters of its weights, or None if none were given.
    """

    box: str
    panel: int
    row: LayerSummary
    text: str
    unknown: Sequence[str]
    fault: str | None
    weights: WeightFacts | None = None


def layer_details(
    nets: Sequence[FoldedNet], weights: Mapping[str, Sequence[np.ndarray]]
) -> list[LayerDetail]:
    """Returns what the page shows of each layer of ``nets``, in running order."""
    found = (detail for panel, net in enumerate(nets) for detail in _details(net, panel, weights))
    return sorted(found, key=lambda detail: (detail.panel, detail.row.index))


def _details(
    net: FoldedNet, panel: int, weights: Mapping[str, Sequence[np.ndarray]]
) -> Iterator[LayerDetail]:
    """Copies of a repeated block share the box that is drawn."""
    banks = {bank.layer: bank for bank in filter_banks(weights, net.graph) if bank.blob == 0}
    drawn = {copy: unit for unit, copies in net.copies().items() for copy in copies}
    for unit, content in enumerate(net.folded.units):
        box = net.box_key(drawn.get(unit, unit))
        for i in content.layers:
            layer, row = net.graph.layers[i], net.summary.layers[i]
            blobs = [blob for blob in weights.get(layer.name, ()) if blob is not None]
            facts = weight_facts(blobs, banks.get(layer.name)) if blobs else None
            yield LayerDetail(box, panel, row, to_text(layer.param), net.unknown[i], fault_of(layer), facts)
