"""From graphs to a picture, step by step: fold, label, lay out, and collect the details of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.summary import NetSummary
from cnnviz.engine.graph import Graph
from cnnviz.errors import CnnvizError
from cnnviz.plots.graph.assemble import assemble
from cnnviz.plots.graph.boxes import build_panels
from cnnviz.plots.graph.coloring import Coloring
from cnnviz.plots.graph.grouping import fold_net
from cnnviz.plots.graph.layer_detail import LayerDetail, layer_details
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import Scene


@dataclass(frozen=True)
class ReadGraph:
    """A graph as its file has it.

    Attributes:
        unknown: for each layer the fields that the schema lacks, as text.
    """

    graph: Graph
    unknown: Sequence[Sequence[str]]


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


def build_picture(
    graphs: Sequence[ReadGraph], options: GraphOptions, weights: Mapping[str, Sequence[np.ndarray]]
) -> GraphPicture:
    """Returns the picture of one net, or of its two phases side by side.

    Args:
        weights: blobs by layer name, for the statistics of the interactive page.
    """
    nets = [
        fold_net(read.graph, read.unknown, f"{options.prefix}{i}", options.fold)
        for i, read in enumerate(graphs)
    ]
    summaries = [net.summary for net in nets]
    _check_times(options.times, summaries)
    coloring = Coloring.of(nets, options)
    panels = build_panels(nets, coloring, options)
    legend = coloring.legend([box for panel in panels for box in panel.boxes.values()])
    scene = assemble(summaries, panels, legend, options)
    return GraphPicture(scene, layer_details(nets, weights), summaries)


def _check_times(times: Mapping[str, float], summaries: Sequence[NetSummary]) -> None:
    """Raises CnnvizError if no layer has a time: they were measured for another net."""
    names = {row.name for summary in summaries for row in summary.layers}
    if times and not names & times.keys():
        raise CnnvizError(
            f"the times are of layers that this net lacks ({next(iter(times))!r} is the first); measure this "
            "net: cnnviz time MODEL --json FILE"
        )
