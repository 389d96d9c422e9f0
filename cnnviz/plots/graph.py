"""Drawing of nets: from a net to the picture of its graph."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cnnviz.analysis.summary import (
    LayerSummary,
    NetSummary,
    graph_to_show,
    short_number,
    summarize,
    summary_text,
)
from cnnviz.engine.graph import Graph, GraphLayer
from cnnviz.errors import CnnvizError, FileError, did_you_mean
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.files import write_bytes, write_text
from cnnviz.formats.model_file import read_model
from cnnviz.formats.prototxt import NetDefinition, to_text
from cnnviz.plots import style as look_of
from cnnviz.plots._compose import BoxPlan, Engine, LegendEntry, PanelPlan, compose
from cnnviz.plots._details import LayerDetail
from cnnviz.plots._fold import Block, Folded, fault_of, fold_graph, is_foreign
from cnnviz.plots._labels import Label, UnitFacts, unit_labels
from cnnviz.plots._layout import DIRECTIONS, layered_layout
from cnnviz.plots._render_svg import svg_text
from cnnviz.plots._scene import Scene
from cnnviz.plots._text import NO_BREAK, visible, wrap
from cnnviz.plots._weight_facts import weight_facts

PHASES = ("TRAIN", "TEST")
METRICS = ("parameters", "macs", "memory", "time")
LAYOUTS = ("own", "dot")
SUFFIXES = ("svg", "png", "pdf", "html", "dot", "gv", "txt")


def draw_net(
    net: str | os.PathLike | NetDefinition | Graph,
    path: str | os.PathLike | None = None,
    *,
    phase: str | int | None = None,
    level: int = 0,
    stages: Iterable[str] = (),
    rankdir: str = "TB",
    fold: bool | str = True,
    style: str = "light",
    color_by: str | None = None,
    times: Mapping[str, float] | None = None,
    both_phases: bool = False,
    layout: str = "own",
    columns: int | str = 1,
    costs: bool = True,
    weights: str | os.PathLike | Mapping[str, Sequence[np.ndarray]] | None = None,
    dpi: float = 150,
) -> str:
    """Draws the graph of a net and returns it as SVG text.

    A box per layer names it and its type, the settings that differ from their default, the shape of its
    top, its parameters, multiply-accumulates (MACs), memory and receptive field. Layers that only
    follow another (ReLU, BatchNorm, Scale, Dropout and the like, and all that work in place) are listed
    in the box of that layer; in nets of many boxes repeated blocks are drawn once, with their number.
    What is not known (a shape, a type) is said to be unknown; a fault is written where it is.

    Args:
        net: a file (prototxt of any age, solver, caffemodel), a NetDefinition or a Graph.
        path: where to write the picture; its suffix says the format: .svg, .png, .pdf, .html
            (interactive, a single file), .dot (text for Graphviz) or .txt (the table of ``summary``).
        phase: "TRAIN" or "TEST"; by default TEST, or TRAIN where that has fewer faults (nets written for
            training only). Of no effect for a Graph, like level and stages.
        level, stages: the rest of the net's state.
        rankdir: where lines run: "TB" from top to bottom, "BT", "LR" or "RL".
        fold: True; "chains" keeps repeated blocks unfolded; False draws every layer by itself.
        style: "light" or "dark".
        color_by: None colours by the kind of layer; "parameters", "macs", "memory" or "time" by that.
        times: milliseconds for each layer's name, for color_by="time".
        both_phases: draws TRAIN and TEST side by side and marks what differs.
        layout: "own", or "dot" to let an installed Graphviz find the places.
        columns: how many columns (rows, for "LR" and "RL") a long net is broken into, as on a page of a
            newspaper; "auto" for a picture of a wide screen's shape.
        costs: whether boxes have the line with MACs, memory and receptive field.
        weights: a caffemodel or what ``read_weights`` gave; the interactive page then tells the statistics
            of each layer's weights and shows filters. Other formats do not use it.
        dpi: dots per inch of a PNG, where 72 shows a pixel as a pixel.
    Raises:
        FileError: a file cannot be read or written, or the suffix is no known format.
        NetError: the net's text is wrong; what is wrong inside a readable net is drawn, not raised.
        CnnvizError: an option has no such value.
    """
    suffix = _suffix(path)
    look = look_of.theme(style)
    picture = net_picture(
        net, phase=phase, level=level, stages=stages, rankdir=rankdir, fold=fold, color_by=color_by,
        times=times, both_phases=both_phases, layout=layout, columns=columns, costs=costs,
        weights=weights if suffix == "html" else None,
    )  # fmt: skip
    text = svg_text(picture.scene, look)
    if path is not None:
        _write(path, suffix, picture, text, look, dpi)
    return text


@dataclass(frozen=True)
class NetPicture:
    """A drawn net before it is rendered: the scene, and the table that it shows.

    Attributes:
        details: one entry for each layer of each graph in the picture, in running order.
        summaries: the table of each graph.
    """

    scene: Scene
    details: list[LayerDetail]
    summaries: list[NetSummary]


def net_picture(
    net: str | os.PathLike | NetDefinition | Graph,
    *,
    phase: str | int | None = None,
    level: int = 0,
    stages: Iterable[str] = (),
    rankdir: str = "TB",
    fold: bool | str = True,
    color_by: str | None = None,
    times: Mapping[str, float] | None = None,
    both_phases: bool = False,
    layout: str = "own",
    columns: int | str = 1,
    costs: bool = True,
    weights: str | os.PathLike | Mapping[str, Sequence[np.ndarray]] | None = None,
    prefix: str = "net",
) -> NetPicture:
    """Works out the picture of a net without rendering it; arguments as for ``draw_net``.

    Args:
        prefix: begins the keys of all boxes, so that several pictures can stand in one page.
    """
    _check_options(rankdir, fold, color_by, times, layout, columns)
    drawing = _Drawing(fold, color_by, times or {}, costs, prefix)
    for graph, unknown in _graphs(net, phase, level, stages, both_phases):
        drawing.add(graph, unknown)
    stored = read_weights(weights) if isinstance(weights, (str, os.PathLike)) else weights or {}
    scene = drawing.scene(rankdir, _engine(layout, columns))
    return NetPicture(scene, drawing.details(stored), drawing.summaries)


def _suffix(path: str | os.PathLike | None) -> str:
    """Returns the suffix of ``path`` without its dot; raises FileError for one that cannot be written."""
    if path is None:
        return "svg"
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix in SUFFIXES:
        return suffix
    found = f"unknown picture format '.{suffix}'" if suffix else "the name has no suffix"
    wanted = ", ".join(f".{name}" for name in SUFFIXES)
    raise FileError(f"{path}: {found}, wanted one of {wanted}{did_you_mean(suffix, SUFFIXES)}.")


def _check_options(rankdir: str, fold: bool | str, color_by: str | None, times, layout: str, columns) -> None:
    for name, value, known in (
        ("rankdir", rankdir, DIRECTIONS),
        ("fold", fold, (True, False, "chains")),
        ("color_by", color_by, (None, *METRICS)),
        ("layout", layout, LAYOUTS),
    ):
        if value not in known:
            raise CnnvizError(f"{name} is {value!r}, wanted one of {', '.join(map(repr, known))}.")
    if columns != "auto" and not (isinstance(columns, int) and columns >= 1):
        raise CnnvizError(f"columns is {columns!r}, wanted 'auto' or a number from 1.")
    if columns != 1 and layout != "own":
        raise CnnvizError("columns need cnnviz's own layout; leave layout 'dot' away.")
    if color_by == "time" and not times:
        raise CnnvizError(
            "colouring by time needs measured times: give times (--times FILE), as `cnnviz time` prints them."
        )


def _engine(layout: str, columns: int | str) -> Engine:
    if layout == "own":
        return partial(layered_layout, columns=columns)
    from cnnviz.plots._layout_dot import dot_layout

    return dot_layout


def _graphs(net, phase, level, stages, both: bool) -> list[tuple[Graph, list[list[str]]]]:
    """Returns the graphs to draw, each with the unknown fields of its layers as text."""
    if isinstance(net, Graph):
        return [(net, [[] for _ in net.layers])]
    definition = net if isinstance(net, NetDefinition) else read_model(net)
    graphs = [graph_to_show(definition, p, level, stages) for p in (PHASES if both else (phase,))]
    return [(graph, _unknown_fields(definition, graph)) for graph in graphs]


def _unknown_fields(definition: NetDefinition, graph: Graph) -> list[list[str]]:
    """Returns for each layer of ``graph`` the fields that the schema lacks, as they are written."""
    texts = []
    place = 0
    for layer in graph.layers:
        while place < len(definition.proto.layer) and not _same(definition, place, layer):
            place += 1
        texts.append([item.text for item in definition.unknown_in(place)])
        place += 1
    return texts


def _same(definition: NetDefinition, place: int, layer: GraphLayer) -> bool:
    param = definition.proto.layer[place]
    line = definition.lines[place] if place < len(definition.lines) else None
    return (param.name, param.type, line) == (layer.name, layer.type, layer.line)


def _write(path, suffix: str, picture: NetPicture, svg: str, look: look_of.Theme, dpi: float) -> None:
    if suffix == "svg":
        write_text(path, svg)
    elif suffix in ("dot", "gv"):
        from cnnviz.plots._render_dot import dot_text

        write_text(path, dot_text(picture.scene, look))
    elif suffix == "html":
        from cnnviz.plots.graph_html import page_text

        write_text(path, page_text(picture.scene, picture.details, picture.summaries, look))
    elif suffix == "txt":
        write_text(path, "\n".join(map(summary_text, picture.summaries)))
    else:
        from cnnviz.plots._render_figure import picture_bytes

        write_bytes(path, picture_bytes(picture.scene, look, suffix, dpi, str(path)))


# --- from graphs to a scene ---------------------------------------------------------------------


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


class _Drawing:
    """Collects graphs and turns them into one scene."""

    def __init__(
        self, fold: bool | str, color_by: str | None, times: Mapping[str, float], costs: bool, prefix: str
    ):
        self.prefix = prefix
        self.fold = fold
        self.color_by = color_by
        self.times = times
        self.costs = costs
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
                    has_filters = look_of.kind_of(layer.type) == "convolution"
                    facts = weight_facts(blobs, has_filters) if blobs else None
                    text, fault = to_text(layer.param), fault_of(layer)
                    found.append(LayerDetail(box, index, row, text, net.unknown[i], fault, facts))
        return sorted(found, key=lambda detail: (detail.panel, detail.row.index))

    def _key(self, index: int, unit: int) -> str:
        return f"{self.prefix}{index}-layer{self.nets[index].folded.units[unit].layers[0]}"

    def scene(self, rankdir: str, engine: Engine) -> Scene:
        summaries = self.summaries
        title = visible(summaries[0].name) or "Net without a name"
        heading = [_totals(summary) for summary in summaries]
        panels = [self._panel(i) for i in range(len(self.nets))]
        description = f"Graph of the net {title}. " + " ".join(f"{line}." for line in heading).replace(
            NO_BREAK, " "
        )
        return compose(
            title, description, heading, panels, self._legend(panels), rankdir, engine, self.prefix
        )

    def _panel(self, index: int) -> PanelPlan:
        net = self.nets[index]
        home = {u: block for block in net.folded.blocks for copy in block.copies for u in copy}
        boxes = {}
        for unit in range(len(net.folded.units)):
            block = home.get(unit)
            if block is None or unit in block.shown:
                boxes[unit] = self._box(index, unit, block)
        blocks = [(block, *_block_labels(net, block)) for block in net.folded.blocks]
        heading = f"{net.summary.phase} phase" if len(self.nets) > 1 else ""
        return PanelPlan(boxes, net.folded.edges, blocks, heading)

    def _box(self, index: int, unit: int, block: Block | None) -> BoxPlan:
        net = self.nets[index]
        layers, rows = net.layers(unit), net.rows(unit)
        alike = []
        if block is not None:
            place = block.shown.index(unit)
            alike = [net.rows(copy[place]) for copy in block.copies]
        note = self._note(index, layers)
        unknown = [text for i in net.folded.units[unit].layers for text in net.unknown[i]]
        value = self._value(rows)
        told = self._value_text(value) if self.color_by == "time" else ""
        labels = unit_labels(UnitFacts(layers, rows, alike, unknown, note, told), self.costs)
        fault = fault_of(layers[0])
        return BoxPlan(
            key=self._key(index, unit),
            name=visible(rows[0].name),
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
            return f"fill:{look_of.kind_of(layer.type)}"
        return f"heat:{_heat(value, self._greatest()):.2f}"

    def _stroke(self, layer: GraphLayer, fault: str | None, note: str) -> str:
        if fault:
            return "warning"
        return "accent" if note else f"kind:{look_of.kind_of(layer.type)}"

    def _value(self, rows: Sequence[LayerSummary]) -> float:
        if self.color_by == "time":
            return sum(self.times.get(row.name, 0.0) for row in rows)
        return float(sum(getattr(row, self.color_by) or 0 for row in rows)) if self.color_by else 0.0

    def _greatest(self) -> float:
        values = (self._value(net.rows(u)) for net in self.nets for u in range(len(net.folded.units)))
        return max(values, default=0.0)

    def _value_text(self, value: float) -> str:
        if self.color_by == "time":
            return f"{value:.3g} ms"
        if self.color_by == "memory":
            return short_number(value, "B")
        return f"{short_number(value)} {'MACs' if self.color_by == 'macs' else 'params'}"

    def _note(self, index: int, layers: Sequence[GraphLayer]) -> str:
        """How these layers differ from the other phase's, if both are drawn."""
        if len(self.nets) < 2:
            return ""
        others = {layer.name: layer for layer in self.nets[1 - index].graph.layers}
        if layers[0].name not in others:
            return f"only in {self.nets[index].summary.phase}"
        return "" if all(_alike(layer, others.get(layer.name)) for layer in layers) else "differs"

    def _legend(self, panels: Sequence[PanelPlan]) -> list[LegendEntry]:
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
        greatest = self._greatest()
        name = {"macs": "MACs"}.get(self.color_by or "", self.color_by or "")
        steps = [LegendEntry(f"{name}:  0", "heat:0.00", "edge")]
        for share in (0.25, 0.5, 0.75, 1.0):
            steps.append(LegendEntry(self._value_text(greatest * share**2), f"heat:{share:.2f}", "edge"))
        return steps


def _heat(value: float, greatest: float) -> float:
    """From 0 to 1; the root spreads the many small values, and the legend tells what each shade means."""
    return math.sqrt(value / greatest) if greatest > 0 else 0.0


def _kind_legend(boxes: Iterable[BoxPlan]) -> list[LegendEntry]:
    kinds = {box.fill.partition(":")[2] for box in boxes if box.fill.startswith("fill:")} - {"fault"}
    return [
        LegendEntry(kind, f"fill:{kind}", f"kind:{kind}") for kind in look_of.KIND_COLORS if kind in kinds
    ]


def _alike(layer: GraphLayer, other: GraphLayer | None) -> bool:
    if other is None:
        return False
    params = []
    for side in (layer, other):
        param = type(side.param)()
        param.CopyFrom(side.param)
        for field in ("phase", "include", "exclude"):
            param.ClearField(field)
        params.append(param)
    return params[0] == params[1]


def _totals(summary: NetSummary) -> str:
    batch = summary.batch or 1
    parts = [f"{summary.phase} phase", f"{len(summary.layers)} layers"]
    if summary.layers and summary.unknown == len(summary.layers):
        parts.append("all shapes unknown")
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
    names = [visible(net.layers(copy[0])[0].name) for copy in block.copies]
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
    return visible("; ".join(lines) + (f": {fault}" if fault else ""))
