"""The table of a net's layers with their shapes and costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cnnviz.analysis.summary import NetSummary, graph_to_show, summarize
from cnnviz.engine.graph import Graph
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition

if TYPE_CHECKING:
    from cnnviz.api.graph import AnyNet


def summarize_net(
    net: AnyNet, *, phase: str | int | None = None, level: int = 0, stages: Iterable[str] = ()
) -> NetSummary:
    """Returns the table of a net; nothing is run.

    Args:
        net: a file (prototxt of any age, solver, caffemodel), a NetDefinition or a Graph.
        phase: "TRAIN" or "TEST"; default: TEST, or TRAIN where that has fewer errors. No effect for a
            Graph, like level and stages.
        level, stages: the rest of the net's state.
    Raises:
        FileError: the file cannot be read.
        NetError: the net's text is wrong; errors inside a readable net are rows of the table.
    """
    if isinstance(net, Graph):
        return summarize(net)
    definition = net if isinstance(net, NetDefinition) else open_net(net)
    return summarize(graph_to_show(definition, phase, level, stages))
