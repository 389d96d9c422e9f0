"""Drawing of nets: from a net to a figure of its graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cnnviz.analysis.summary import graph_to_show, summary_text
from cnnviz.engine.graph import Graph
from cnnviz.errors import CnnvizError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.files import write_bytes, write_text
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.common.theme import FORMATS, Theme, figure_format, get_theme
from cnnviz.plots.graph.builder import GraphPicture, ReadGraph, build_picture
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.to_svg import svg_text

SUFFIXES = (*FORMATS, "html", "dot", "gv", "txt")

AnyNet = str | os.PathLike | NetDefinition | Graph
AnyWeights = str | os.PathLike | Mapping[str, Sequence[np.ndarray]]


def draw_net(
    net: AnyNet,
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
    weights: AnyWeights | None = None,
    dpi: float = 150,
) -> str:
    """Draws the graph of a net and returns it as SVG text.

    Each layer is a box with its name and type, the settings that differ from their default, the shape of
    its top, its parameters, multiply-accumulates (MACs), memory and receptive field. Layers that only
    follow another (ReLU, BatchNorm, Scale, Dropout and the like, and all that work in place) are listed
    in the box of that layer; in nets of many boxes repeated blocks are drawn once, with their number.
    Unknown shapes and types are marked as unknown; an error in the net is shown in the box of its layer.

    Args:
        net: a file (prototxt of any age, solver, caffemodel), a NetDefinition or a Graph.
        path: where to write the figure; its extension gives the format: .svg, .png, .pdf, .eps, .jpg,
            .webp, .tif, .html (interactive, a single file), .dot (text for Graphviz) or .txt (the table of
            ``summary``).
        phase: "TRAIN" or "TEST"; default: TEST, or TRAIN where that has fewer errors (nets written for
            training only). No effect for a Graph, like level and stages.
        level, stages: the rest of the net's state.
        rankdir: direction of the lines: "TB" is top to bottom; also "BT", "LR" or "RL".
        fold: True; "chains" keeps repeated blocks unfolded; False draws every layer as a box of its own.
        style: "light" or "dark".
        color_by: None colours by the kind of layer; "parameters", "macs", "memory" or "time" by that cost.
        times: milliseconds by layer name, for color_by="time".
        both_phases: draws TRAIN and TEST side by side and marks what differs.
        layout: "own", or "dot" for the layout of an installed Graphviz.
        columns: number of columns (rows, for "LR" and "RL") that a long net is broken into, as in a
            newspaper; "auto" for the aspect ratio of a wide screen.
        costs: whether boxes have the line with MACs, memory and receptive field.
        rates: whether boxes show the learning-rate multipliers (lr_mult) of their weights and biases.
        weights: a caffemodel or the result of ``read_weights``; the interactive page then shows the
            statistics of each layer's weights, and its filters. Only for .html.
        dpi: pixels per inch of pixel formats; at 72 a pixel of the layout is a pixel of the figure.
    Raises:
        FileError: a file cannot be read or written, or the extension is not of a known format.
        NetError: the net's text is wrong; errors inside a readable net are drawn, not raised.
        CnnvizError: an option has no such value.
    """
    suffix = "svg" if path is None else figure_format(path, SUFFIXES)
    if weights is not None and suffix != "html":
        raise CnnvizError(
            f"{path or 'SVG text'}: weights (--weights) are shown on the interactive page only; use the "
            "extension .html, or omit the weights."
        )
    theme = get_theme(style)
    options = GraphOptions(
        phase=phase,
        level=level,
        stages=stages,
        both_phases=both_phases,
        rankdir=rankdir,
        fold=fold,
        color_by=color_by,
        times=times or {},
        layout=layout,
        columns=columns,
        costs=costs,
        rates=rates,
    )
    picture = graph_picture(net, options, weights)
    text = svg_text(picture.scene, theme)
    if path is not None:
        _write(path, suffix, picture, text, theme, dpi)
    return text


def graph_picture(
    net: AnyNet, options: GraphOptions | None = None, weights: AnyWeights | None = None
) -> GraphPicture:
    """Returns the picture of a net before it is rendered; arguments and errors as for ``draw_net``."""
    options = options or GraphOptions()
    if isinstance(net, Graph):
        graphs = [ReadGraph(net, [[] for _ in net.layers])]
    else:
        definition = net if isinstance(net, NetDefinition) else open_net(net)
        stages = tuple(options.stages)
        shown = (graph_to_show(definition, phase, options.level, stages) for phase in options.phases)
        graphs = [ReadGraph(graph, _unknown_fields(definition, graph)) for graph in shown]
    stored = read_weights(weights) if isinstance(weights, (str, os.PathLike)) else weights or {}
    return build_picture(graphs, options, stored)


def _unknown_fields(definition: NetDefinition, graph: Graph) -> list[list[str]]:
    """Returns for each layer of ``graph`` the fields that the schema lacks, as they are written."""
    return [
        [] if layer.place is None else [item.text for item in definition.unknown_in(layer.place)]
        for layer in graph.layers
    ]


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
        from cnnviz.plots.graph.to_figure import figure_bytes

        write_bytes(path, figure_bytes(picture.scene, theme, suffix, dpi, str(path)))
