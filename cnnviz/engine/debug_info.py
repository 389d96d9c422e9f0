"""What ``debug_info: true`` logs: mean absolute values of data and gradients, layer by layer."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import Layer
from cnnviz.formats.glog import number

log = logging.getLogger("cnnviz")


def log_forward(node: GraphLayer, layer: Layer, tops: Sequence[Blob]) -> None:
    """Logs the tops and parameters of one layer after its forward pass."""
    for name, blob in zip(node.tops, tops, strict=True):
        mean = _mean_abs(blob.read_data())
        log.info("    [Forward] Layer %s, top blob %s data: %s", node.name, name, number(mean))
    for i, blob in enumerate(layer.blobs):
        mean = _mean_abs(blob.read_data())
        log.info("    [Forward] Layer %s, param blob %s data: %s", node.name, _title(node, i), number(mean))


def log_backward(node: GraphLayer, layer: Layer, bottoms: Sequence[Blob]) -> None:
    """Logs the gradients that one layer has passed down and added to its parameters."""
    for name, blob, has_gradient in zip(node.bottoms, bottoms, node.propagate_down, strict=True):
        if has_gradient:
            mean = _mean_abs(blob.read_diff())
            log.info("    [Backward] Layer %s, bottom blob %s diff: %s", node.name, name, number(mean))
    for i, blob in enumerate(layer.blobs):
        if layer.param_propagate_down[i]:
            mean = _mean_abs(blob.read_diff())
            log.info(
                "    [Backward] Layer %s, param blob %s diff: %s", node.name, _title(node, i), number(mean)
            )


def log_all_params(params: Sequence[Blob]) -> None:
    """Logs the norms of all parameters and of their gradients after a backward pass."""
    data = np.concatenate([blob.read_data().ravel() for blob in params] or [np.zeros(0)])
    diff = np.concatenate([blob.read_diff().ravel() for blob in params] or [np.zeros(0)])
    log.error(
        "    [Backward] All net params (data, diff): L1 norm = (%s, %s); L2 norm = (%s, %s)",
        number(np.abs(data).sum()),
        number(np.abs(diff).sum()),
        number(math.sqrt(np.square(data).sum())),
        number(math.sqrt(np.square(diff).sum())),
    )


def _title(node: GraphLayer, index: int) -> str:
    return node.params[index].spec.name or str(index)


def _mean_abs(values: np.ndarray) -> float:
    return float(np.abs(values).mean()) if values.size else 0.0
