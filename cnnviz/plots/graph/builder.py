"""From graphs to a scene: which boxes there are, what stands in them, and in which colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cnnviz.analysis.summary import LayerSummary, NetSummary, short_number, summarize
from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.formats.prototxt import to_text
from cnnviz.formats.text import printable
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.text import NO_BREAK, wrap
from cnnviz.plots.common.theme import KIND_COLORS
from cnnviz.plots.graph.assemble import Engine, Panel, compose, plain_lines
from cnnviz.plots.graph.grouping import Block, Folded, fault_of, fold_graph, is_foreign
from cnnviz.plots.graph.labels import Label, UnitFacts, unit_labels
from cnnviz.plots.graph.layer_detail import LayerDetail
from cnnviz.plots.graph.scene import Box, LegendEntry, Scene
from cnnviz.plots.graph.weight_facts import weight_facts

# Where a layer is used; layers of both phases differ in these by nature.
STATE_FIELDS = {"phase", "include", "exclude"}
MOST_DIFFERENCES = 3


@dataclass(frozen=True)
class _Net:
    """One graph on its way to a panel."""

    graph: Graph
    summary: NetSummary
    folded: Folded
    unknown: list[list[str]]

    def rows(self, unit: int) -> list[LayerSummary]:
        return [self.summary.layers[i] for i in self.folded.units[unit].layers]

    def layers(self, unit: int) -> list[GraphLayer]:
        return [self.graph.layers[i] for i in self.folded.units[unit].layers]


class GraphBuilder:
    """Collects graphs and turns them into one scene."""

    def __init__(
        self,
        fold: bool | str,
        color_by: str | None,
        times: Mapping[str, float],
        costs: bool,
        rates: bool,
        prefix: str,
    ):
        self.prefix = prefix
        self.fold = fold
        self.color_by = color_by
        self.times = times
        self.costs = costs
        self.rates = rates
        self.nets: list[_Net] = []

    @property
    def summaries(self) -> list[NetSummary]:
        return [net.summary for net in self.nets]

    def add(self, graph: Graph, unknown: list[list[str]]) -> None:
        folded = fold_graph(graph, chains=bool(self.fold), blocks=self.fold is True)
        self.nets.append(_Net(graph, summarize(graph), folded, unknown))

    def details(self, weights: Mapping[str, Sequence[np.ndarray]]) -> list[LayerDetail]:
        """Returns what the interactive page tells of each layer; copies of a block share the box drawn."""
        found = []
        for index, net in enumerate(self.nets):
            shown: dict[int, int] = {}
            for block in net.folded.blocks:
                shown |= {u: block.shown[i] for copy in block.copies for i, u in enumerate(copy)}
            for unit, content in enumerate(net.folded.units):
                box = self._key(index, shown.get(unit, unit))
                for i in content.layers:
                    layer, row = net.graph.layers[i], net.summary.layers[i]
                    blobs = [blob for blob in weights.get(layer.name, ()) if blob is not None]
                    has_filters = kind_of(layer.type) == "convolution"
                    facts = weight_facts(blobs, has_filters) if blobs else None
                    text, fault = to_text(layer.param), fault_of(layer)
                    found.append(LayerDetail(box, index, row, text, net.unknown[i], fault, facts))
        return sorted(found, key=lambda detail: (detail.panel, detail.row.index))

    def _key(self, index: int, unit: int) -> str:
        return f"{self.prefix}{index}-layer{self.nets[index].folded.units[unit].layers[0]}"

    def scene(self, rankdir: str, engine: Engine) -> Scene:
        summaries = self.summaries
        title = printable(summaries[0].name) or "Net without a name"
        heading = [_totals(summary) for summary in summaries]
        panels = [self._panel(i) for i in range(len(self.nets))]
        description = " ".join(f"{line}." for line in (f"Graph of the net {title}", *plain_lines(heading)))
        return compose(
            title, description, heading, panels, self._legend(panels), rankdir, engine, self.prefix
        )

    def _panel(self, index: int) -> Panel:
        net = self.nets[index]
        copies: dict[int, list[int]] = {}  # of each unit that is drawn for several, all of these
        hidden: set[int] = set()
        for block in net.folded.blocks:
            copies |= dict(zip(block.shown, map(list, zip(*block.copies, strict=True)), strict=True))
            hidden.update(u for copy in block.copies[1:] for u in copy)
        others = {
            layer.name: layer
            for net in self.nets
            for layer in net.graph.layers
            if net is not self.nets[index]
        }
        boxes = {
            unit: self._box(index, unit, copies.get(unit, []), others)
            for unit in range(len(net.folded.units))
            if unit not in hidden
        }
        blocks = [(block, *_block_labels(net, block)) for block in net.folded.blocks]
        heading = f"{net.summary.phase} phase" if len(self.nets) > 1 else ""
        return Panel(boxes, net.folded.edges, blocks, heading)

    def _box(self, index: int, unit: int, copies: Sequence[int], others: Mapping[str, GraphLayer]) -> Box:
        net = self.nets[index]
        layers, rows = net.layers(unit), net.rows(unit)
        alike = [net.rows(copy) for copy in copies]
        note = self._note(index, layers, others)
        unknown = [text for i in net.folded.units[unit].layers for text in net.unknown[i]]
        value = self._value(rows)
        told = self._time_text(rows) if self.color_by == "time" else ""
        size_of = net.folded.sizes.get(unit, "")
        facts = UnitFacts(layers, rows, alike, unknown, note, told, size_of)
        labels = unit_labels(facts, self.costs, self.rates)
        if self.color_by:  # faint words would not be readable on the hottest boxes
            labels = [replace(label, role="text") if label.role == "muted" else label for label in labels]
        fault = fault_of(layers[0])
        return Box(
            key=self._key(index, unit),
            name=printable(rows[0].name),
            title=_tooltip(layers, fault),
            labels=tuple(labels),
            fill=self._fill(layers[0], value, fault),
            stroke=self._stroke(layers[0], fault, note),
            dash=is_foreign(layers[0]),
            strong=bool(fault or note),
        )

    def _fill(self, layer: GraphLayer, value: float, fault: str | None) -> str:
        if fault:
            return "fill:fault"
        if self.color_by is None:
            return f"fill:{kind_of(layer.type)}"
        return f"heat:{_heat(value, self._greatest):.2f}"

    def _stroke(self, layer: GraphLayer, fault: str | None, note: str) -> str:
        if fault:
            return "warning"
        return "accent" if note else f"kind:{kind_of(layer.type)}"

    def _value(self, rows: Sequence[LayerSummary]) -> float:
        if self.color_by == "time":
            return sum(self.times.get(row.name, 0.0) for row in rows)
        return float(sum(getattr(row, self.color_by) or 0 for row in rows)) if self.color_by else 0.0

    @cached_property
    def _greatest(self) -> float:
        values = (self._value(net.rows(u)) for net in self.nets for u in range(len(net.folded.units)))
        return max(values, default=0.0)

    def _time_text(self, rows: Sequence[LayerSummary]) -> str:
        measured = any(row.name in self.times for row in rows)
        return self._value_text(self._value(rows)) if measured else "time not measured"

    def _value_text(self, value: float) -> str:
        if self.color_by == "time":
            return f"{value:.3g} ms"
        if self.color_by == "memory":
            return short_number(value, "B")
        return f"{short_number(value)} {'MACs' if self.color_by == 'macs' else 'params'}"

    def _note(self, index: int, layers: Sequence[GraphLayer], others: Mapping[str, GraphLayer]) -> str:
        """How these layers differ from those of the other phase, ``others`` by name, if both are drawn."""
        if len(self.nets) < 2:
            return ""
        if layers[0].name not in others:
            return f"only in {self.nets[index].summary.phase}"
        found = [name for layer in layers for name in _differences(layer, others.get(layer.name))]
        names = list(dict.fromkeys(found))
        more = " …" if len(names) > MOST_DIFFERENCES else ""
        return f"differs: {', '.join(names[:MOST_DIFFERENCES])}{more}" if names else ""

    def _legend(self, panels: Sequence[Panel]) -> list[LegendEntry]:
        boxes = [box for panel in panels for box in panel.boxes.values()]
        entries = self._heat_legend() if self.color_by else _kind_legend(boxes)
        if any(box.dash for box in boxes):
            entries.append(LegendEntry("not built in", "background", "muted", dash=True))
        if any(box.stroke == "warning" for box in boxes):
            entries.append(LegendEntry("fault", "fill:fault", "warning"))
        if any(box.stroke == "accent" for box in boxes):
            entries.append(LegendEntry("differs between the phases", "background", "accent"))
        return entries

    def _heat_legend(self) -> list[LegendEntry]:
        greatest = self._greatest
        name = {"macs": "MACs"}.get(self.color_by or "", self.color_by or "")
        steps = [LegendEntry(f"{name}:  0", "heat:0.00", "edge")]
        for share in (0.25, 0.5, 0.75, 1.0):
            steps.append(LegendEntry(self._value_text(greatest * share**2), f"heat:{share:.2f}", "edge"))
        return steps


def _heat(value: float, greatest: float) -> float:
    """From 0 to 1; the root spreads the many small values, and the legend tells what each shade means."""
    return math.sqrt(value / greatest) if greatest > 0 else 0.0


def _kind_legend(boxes: Iterable[Box]) -> list[LegendEntry]:
    kinds = {box.fill.partition(":")[2] for box in boxes if box.fill.startswith("fill:")} - {"fault"}
    return [LegendEntry(kind, f"fill:{kind}", f"kind:{kind}") for kind in KIND_COLORS if kind in kinds]


def _differences(layer: GraphLayer, other: GraphLayer | None) -> Iterator[str]:
    """Yields the settings, by name, in which two layers of the same name differ."""
    if other is None:
        yield "a layer"
        return
    for field in layer.param.DESCRIPTOR.fields:
        one, two = getattr(layer.param, field.name), getattr(other.param, field.name)
        if field.name in STATE_FIELDS or one == two:
            continue
        if field.message_type is None or not hasattr(one, "DESCRIPTOR"):
            yield field.name
        else:
            yield from (f.name for f in one.DESCRIPTOR.fields if getattr(one, f.name) != getattr(two, f.name))


def _totals(summary: NetSummary) -> str:
    batch = summary.batch or 1
    parts = [f"{summary.phase} phase", f"{len(summary.layers)} layers"]
    if summary.unknown and not (summary.parameters or summary.memory):
        parts.append("shapes unknown")
        return " · ".join(parts)
    parts.append(f"{short_number(summary.parameters)} parameters")
    parts.append(f"{short_number(summary.macs)} MACs")
    parts.append(f"{short_number(summary.memory, 'B')} of blobs")
    if batch > 1:
        parts.append(f"batch of {batch}")
    if summary.unknown:
        parts.append(f"{summary.unknown} layers of unknown shape left out")
    return f"{NO_BREAK}· ".join(part.replace(" ", NO_BREAK) for part in parts)


def _block_labels(net: _Net, block: Block) -> tuple[tuple[Label, ...], str]:
    """The head of a repeated block's frame and what a pointer resting on it reads."""
    names = [printable(net.layers(copy[0])[0].name) for copy in block.copies]
    parameters = sum(row.parameters for copy in block.copies for unit in copy for row in net.rows(unit))
    lines = [Label(f"× {len(block.copies)}", 15, bold=True)]
    lines += [Label(text, 9.5, role="muted") for text in wrap(f"{names[0]} … {names[-1]}", 130, 9.5, most=3)]
    if parameters:
        lines.append(Label(f"{short_number(parameters)} params", 9.5, role="muted"))
    return tuple(lines), f"drawn once for {len(names)} blocks that begin with {', '.join(names)}"


def _tooltip(layers: Sequence[GraphLayer], fault: str | None) -> str:
    lines = [
        f"{layer.name} ({layer.type})" + (f", line {layer.line}" if layer.line else "") for layer in layers
    ]
    return printable("; ".join(lines) + (f": {fault}" if fault else ""))
