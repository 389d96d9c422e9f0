"""Drawing of nets: from a net to the picture of its graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cnnviz.analysis.summary import (
    NetSummary,
    graph_to_show,
    summary_text,
)
from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.errors import CnnvizError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.files import write_bytes, write_text
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.common.theme import FORMATS, Theme, figure_format, get_theme
from cnnviz.plots.graph.assemble import Engine
from cnnviz.plots.graph.builder import GraphBuilder
from cnnviz.plots.graph.layer_detail import LayerDetail
from cnnviz.plots.graph.layered import layered_layout
from cnnviz.plots.graph.layout import DIRECTIONS
from cnnviz.plots.graph.scene import Scene
from cnnviz.plots.graph.to_svg import svg_text

PHASES = ("TRAIN", "TEST")
METRICS = ("parameters", "macs", "memory", "time")
LAYOUTS = ("own", "dot")
SUFFIXES = (*FORMATS, "html", "dot", "gv", "txt")


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
    rates: bool = False,
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
        path: where to write the picture; its suffix says the format: .svg, .png, .pdf, .eps, .jpg, .webp,
            .tif, .html (interactive, a single file), .dot (text for Graphviz) or .txt (the table of
            ``summary``).
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
        rates: whether boxes tell the learning-rate multipliers (lr_mult) of their weights and biases.
        weights: a caffemodel or what ``read_weights`` gave; the interactive page then tells the statistics
            of each layer's weights and shows filters. Only for .html.
        dpi: dots per inch of pixel formats, where 72 shows a pixel as a pixel.
    Raises:
        FileError: a file cannot be read or written, or the suffix is no known format.
        NetError: the net's text is wrong; what is wrong inside a readable net is drawn, not raised.
        CnnvizError: an option has no such value.
    """
    suffix = "svg" if path is None else figure_format(path, SUFFIXES)
    if weights is not None and suffix != "html":
        raise CnnvizError(
            f"{path or 'SVG text'}: weights (--weights) are shown on the interactive page only; let the "
            "picture's name end in .html, or leave them away."
        )
    theme = get_theme(style)
    picture = graph_picture(
        net, phase=phase, level=level, stages=stages, rankdir=rankdir, fold=fold, color_by=color_by,
        times=times, both_phases=both_phases, layout=layout, columns=columns, costs=costs,
        rates=rates, weights=weights,
    )  # fmt: skip
    text = svg_text(picture.scene, theme)
    if path is not None:
        _write(path, suffix, picture, text, theme, dpi)
    return text


@dataclass(frozen=True)
class GraphPicture:
    """A drawn net before it is rendered: the scene, and the table that it shows.

    Attributes:
        details: one entry for each layer of each graph in the picture, in running order.
        summaries: the table of each graph.
    """

    scene: Scene
    details: list[LayerDetail]
    summaries: list[NetSummary]


def graph_picture(
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
    rates: bool = False,
    weights: str | os.PathLike | Mapping[str, Sequence[np.ndarray]] | None = None,
    prefix: str = "net",
) -> GraphPicture:
    """Works out the picture of a net without rendering it; arguments as for ``draw_net``.

    Args:
        prefix: begins the keys of all boxes, so that several pictures can stand in one page.
    """
    _check_options(rankdir, fold, color_by, times, layout, columns)
    drawing = GraphBuilder(fold, color_by, times or {}, costs, rates, prefix)
    for graph, unknown in _graphs(net, phase, level, stages, both_phases):
        drawing.add(graph, unknown)
    _check_times(times or {}, drawing)
    stored = read_weights(weights) if isinstance(weights, (str, os.PathLike)) else weights or {}
    scene = drawing.scene(rankdir, _engine(layout, columns))
    return GraphPicture(scene, drawing.details(stored), drawing.summaries)


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
    if times and color_by != "time":
        raise CnnvizError("times (--times) are given but not asked for; colour by them: --color-by time.")
    if color_by == "time" and not times:
        raise CnnvizError(
            "colouring by time needs measured times: give times (--times FILE), as `cnnviz time --json` "
            "writes them."
        )


def _check_times(times: Mapping[str, float], drawing: GraphBuilder) -> None:
    """Raises CnnvizError if no layer has a time: they were measured for another net."""
    names = {row.name for summary in drawing.summaries for row in summary.layers}
    if times and not names & times.keys():
        raise CnnvizError(
            f"the times are of layers that this net lacks ({next(iter(times))!r} is the first); measure this "
            "net: cnnviz time --model NET --json FILE"
        )


def _engine(layout: str, columns: int | str) -> Engine:
    if layout == "own":
        return partial(layered_layout, columns=columns)
    from cnnviz.plots.graph.graphviz import dot_layout

    return dot_layout


def _graphs(net, phase, level, stages, both: bool) -> list[tuple[Graph, list[list[str]]]]:
    """Returns the graphs to draw, each with the unknown fields of its layers as text."""
    if isinstance(net, Graph):
        return [(net, [[] for _ in net.layers])]
    definition = net if isinstance(net, NetDefinition) else open_net(net)
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


def _write(path, suffix: str, picture: GraphPicture, svg: str, theme: Theme, dpi: float) -> None:
    if suffix == "svg":
        write_text(path, svg)
    elif suffix in ("dot", "gv"):
        from cnnviz.plots.graph.to_dot import dot_text

        write_text(path, dot_text(picture.scene, theme))
    elif suffix == "html":
        from cnnviz.plots.graph.to_html import page_text

        write_text(path, page_text(picture.scene, picture.details, picture.summaries, theme))
    elif suffix == "txt":
        write_text(path, "\n".join(map(summary_text, picture.summaries)))
    else:
        from cnnviz.plots.graph.to_figure import picture_bytes

        write_bytes(path, picture_bytes(picture.scene, theme, suffix, dpi, str(path)))
