"""What a user names as model and weights, made into a graph and arrays; no device is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np

from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.weights_check import check_names_fit, check_weights_fit
from cnnviz.errors import CnnvizError
from cnnviz.formats.caffemodel import read_definition, read_weights
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition

AnyWeights = str | os.PathLike | Mapping[str, Sequence[np.ndarray]]
AnyModel = str | os.PathLike | NetDefinition | Graph | None


def load_weights(weights: AnyWeights) -> Mapping[str, Sequence[np.ndarray]]:
    """Returns blobs by layer name, read from a file if a path is given."""
    return weights if isinstance(weights, Mapping) else read_weights(weights)


def load_graph(model: AnyModel, weights: Mapping[str, Sequence[np.ndarray]]) -> Graph | None:
    """Returns the net as a graph, checked against the weights; from the weights' file if it is None.

    Faults elsewhere in the net are no hindrance to showing its weights.

    Raises WeightsError if the weights do not fit.
    """
    if model is None:
        return _graph_in(getattr(weights, "path", None))
    if isinstance(model, (str, os.PathLike)):
        model = open_net(model)
    graph = model if isinstance(model, Graph) else build_graph(model, splits=False, strict=False)
    check_weights_fit(graph, weights)
    names = [node.name for node in graph.layers if node.type not in ("Split", "Input")]
    check_names_fit(names, weights, graph.path, str(getattr(weights, "path", "weights")))
    return graph


def _graph_in(path: str | None) -> Graph | None:
    """Returns the graph of the net that a caffemodel holds beside its weights; None if it holds none."""
    if path is None:
        return None
    try:
        return build_graph(read_definition(path), splits=False, strict=False)
    except CnnvizError:
        return None
