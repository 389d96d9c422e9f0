"""What the boxes of layers are coloured by: the kind of layer, or a cost on a scale of heat."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cnnviz.analysis.summary import LayerSummary, short_number
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.theme import KIND_COLORS
from cnnviz.plots.graph.grouping import FoldedNet
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import Box, LegendEntry


@dataclass(frozen=True)
class Coloring:
    """Colours of boxes and the legend that explains them.

    Attributes:
        color_by: None for the kind of layer, "parameters", "macs", "memory" or "time".
        times: milliseconds by layer name, for "time".
        greatest: the greatest value of a box, which has the hottest colour.
    """

    color_by: str | None
    times: Mapping[str, float]
    greatest: float = 0.0

    @classmethod
    def of(cls, nets: Sequence[FoldedNet], options: GraphOptions) -> Coloring:
        """Returns the colouring of ``nets``, which share one scale."""
        plain = cls(options.color_by, options.times)
        values = (plain.value(net.rows(unit)) for net in nets for unit in range(len(net.folded.units)))
        return cls(options.color_by, options.times, max(values, default=0.0))

    def value(self, rows: Sequence[LayerSummary]) -> float:
        """Returns what the layers in one box cost together; 0 if colours mean kinds."""
        if self.color_by is None:
            return 0.0
        if self.color_by == "time":
            return sum(self.times.get(row.name, 0.0) for row in rows)
        return float(sum(getattr(row, self.color_by) or 0 for row in rows))

    def time_text(self, rows: Sequence[LayerSummary]) -> str:
        """Returns the measured time of a box if boxes are coloured by it, otherwise ""."""
        if self.color_by != "time":
            return ""
        measured = any(row.name in self.times for row in rows)
        return self._text(self.value(rows)) if measured else "time not measured"

    def fill(self, layer: GraphLayer, rows: Sequence[LayerSummary], fault: str | None) -> str:
        """Returns the role of the background of a box whose first layer is ``layer``."""
        if fault:
            return "fill:fault"
        if self.color_by is None:
            return f"fill:{kind_of(layer.type)}"
        return f"heat:{self._heat(self.value(rows)):.2f}"

    def legend(self, boxes: Sequence[Box]) -> list[LegendEntry]:
        """Returns what the colours and borders of ``boxes`` mean."""
        entries = _kind_legend(boxes) if self.color_by is None else self._heat_legend(self.color_by)
        if any(box.dash for box in boxes):
            entries.append(LegendEntry("not built in", "background", "muted", dash=True))
        if any(box.stroke == "warning" for box in boxes):
            entries.append(LegendEntry("error", "fill:fault", "warning"))
        if any(box.stroke == "accent" for box in boxes):
            entries.append(LegendEntry("differs between phases", "background", "accent"))
        return entries

    def _heat(self, value: float) -> float:
        """From 0 to 1; the root spreads the many small values."""
        return math.sqrt(value / self.greatest) if self.greatest > 0 else 0.0

    def _heat_legend(self, metric: str) -> list[LegendEntry]:
        name = "MACs" if metric == "macs" else metric
        steps = [LegendEntry(f"{name}:  0", "heat:0.00", "edge")]
        for heat in (0.25, 0.5, 0.75, 1.0):
            steps.append(LegendEntry(self._text(self.greatest * heat**2), f"heat:{heat:.2f}", "edge"))
        return steps

    def _text(self, value: float) -> str:
        if self.color_by == "time":
            return f"{value:.3g} ms"
        if self.color_by == "memory":
            return short_number(value, "B")
        return f"{short_number(value)} {'MACs' if self.color_by == 'macs' else 'params'}"


def _kind_legend(boxes: Iterable[Box]) -> list[LegendEntry]:
    kinds = {box.fill.partition(":")[2] for box in boxes if box.fill.startswith("fill:")} - {"fault"}
    return [LegendEntry(kind, f"fill:{kind}", f"kind:{kind}") for kind in KIND_COLORS if kind in kinds]
