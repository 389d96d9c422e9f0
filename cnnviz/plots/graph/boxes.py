"""The boxes of one net: what stands in them, in which colours, and how they differ between phases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from cnnviz.analysis.summary import short_number
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.formats.text import printable
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.text import wrap
from cnnviz.plots.graph.coloring import Coloring
from cnnviz.plots.graph.grouping import Block, FoldedNet, fault_of, is_foreign
from cnnviz.plots.graph.labels import Label, UnitFacts, unit_labels
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import Box

# Where a layer is used; layers of both phases differ in these by nature.
STATE_FIELDS = {"phase", "include", "exclude"}
MAX_DIFFERENCES = 3


@dataclass(frozen=True)
class LabelledBlock:
    """A repeated block, the labels in the head of its frame, and the frame's tooltip."""

    block: Block
    labels: tuple[Label, ...]
    tooltip: str


@dataclass(frozen=True)
class Panel:
    """One net before it has a place.

    Attributes:
        boxes: the box of each unit that is drawn.
        edges: (unit, unit) -> names of the blobs.
        heading: stands above the panel if there are several.
    """

    boxes: dict[int, Box]
    edges: dict[tuple[int, int], list[str]]
    blocks: list[LabelledBlock]
    heading: str = ""


def build_panels(nets: Sequence[FoldedNet], coloring: Coloring, options: GraphOptions) -> list[Panel]:
    """Returns the panel of each net; several are the phases of one, and their differences are marked."""
    panels = []
    for net in nets:
        others = [layer for other in nets if other is not net for layer in other.graph.layers]
        maker = _BoxMaker(net, {layer.name: layer for layer in others}, len(nets) > 1, coloring, options)
        copies = net.copies()
        hidden = {unit for block in net.folded.blocks for copy in block.copies[1:] for unit in copy}
        shown = (unit for unit in range(len(net.folded.units)) if unit not in hidden)
        boxes = {unit: maker.box(unit, copies.get(unit, ())) for unit in shown}
        blocks = [_labelled_block(net, block) for block in net.folded.blocks]
        heading = f"{net.summary.phase} phase" if len(nets) > 1 else ""
        panels.append(Panel(boxes, net.folded.edges, blocks, heading))
    return panels


@dataclass(frozen=True)
class _BoxMaker:
    """Makes the boxes of ``net``; ``others`` are the layers of the other phase, by name."""

    net: FoldedNet
    others: Mapping[str, GraphLayer]
    compares: bool
    coloring: Coloring
    options: GraphOptions

    def box(self, unit: int, copies: Sequence[int]) -> Box:
        """Returns the box of ``unit``, which stands for all of ``copies`` if it is in a repeated block."""
        net = self.net
        layers, rows = net.layers(unit), net.rows(unit)
        note = self._note(layers) if self.compares else ""
        fault = fault_of(layers[0])
        facts = UnitFacts(
            layers,
            rows,
            alike=[net.rows(copy) for copy in copies],
            unknown=[text for i in net.folded.units[unit].layers for text in net.unknown[i]],
            note=note,
            value=self.coloring.time_text(rows),
            size_of=net.folded.sizes.get(unit, ""),
        )
        return Box(
            key=net.box_key(unit),
            name=printable(rows[0].name),
            tooltip=_tooltip(layers, fault),
            labels=tuple(self._labels(facts)),
            fill=self.coloring.fill(layers[0], rows, fault),
            stroke="warning" if fault else "accent" if note else f"kind:{kind_of(layers[0].type)}",
            dash=is_foreign(layers[0]),
            strong=bool(fault or note),
        )

    def _labels(self, facts: UnitFacts) -> list[Label]:
        labels = unit_labels(facts, self.options.costs, self.options.rates)
        if self.coloring.color_by is None:
            return labels
        # Faint text would not be legible on the hottest boxes.
        return [replace(label, role="text") if label.role == "muted" else label for label in labels]

    def _note(self, layers: Sequence[GraphLayer]) -> str:
        """How these layers differ from those of the other phase."""
        if layers[0].name not in self.others:
            return f"only in {self.net.summary.phase}"
        found = [name for layer in layers for name in _differences(layer, self.others.get(layer.name))]
        names = list(dict.fromkeys(found))
        more = " …" if len(names) > MAX_DIFFERENCES else ""
        return f"differs: {', '.join(names[:MAX_DIFFERENCES])}{more}" if names else ""


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


def _labelled_block(net: FoldedNet, block: Block) -> LabelledBlock:
    names = [printable(net.layers(copy[0])[0].name) for copy in block.copies]
    parameters = sum(row.parameters for copy in block.copies for unit in copy for row in net.rows(unit))
    lines = [Label(f"× {len(block.copies)}", 15, bold=True)]
    lines += [Label(text, 9.5, role="muted") for text in wrap(f"{names[0]} … {names[-1]}", 130, 9.5)]
    if parameters:
        lines.append(Label(f"{short_number(parameters)} params", 9.5, role="muted"))
    tooltip = f"drawn once for {len(names)} blocks, which start with {', '.join(names)}"
    return LabelledBlock(block, tuple(lines), tooltip)


def _tooltip(layers: Sequence[GraphLayer], fault: str | None) -> str:
    lines = [
        f"{layer.name} ({layer.type})" + (f", line {layer.line}" if layer.line else "") for layer in layers
    ]
    return printable("; ".join(lines) + (f": {fault}" if fault else ""))
