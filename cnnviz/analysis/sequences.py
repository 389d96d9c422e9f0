"""Time in recurrent nets: which blobs have it as first axis, and which mark where sequences begin.

A recurrent layer reads x (T, N, ...), T steps of N sequences, and cont (T, N), 0 where a sequence
begins and 1 where it continues.
"""

from __future__ import annotations

import numpy as np

from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import traits_of


def continuations(graph: Graph) -> dict[str, tuple[np.ndarray | None, list[str]]]:
    """Returns the blobs that mark for recurrent layers where sequences begin, followed up to their source
    through Permute and layers such as Split and Reshape, which keep the order of the values.

    Returns:
        For each source, an input of the net or a top of its data layer: the values, in its shape, by
        which every sequence begins at the first step and continues to the last (None if the shape is not
        known); and the names of the recurrent layers.
    """
    writers = {top: node for node in graph.layers for top in node.tops if top not in node.bottoms}
    found: dict[str, tuple[np.ndarray | None, list[str]]] = {}
    for node in graph.layers:
        if not traits_of(node.type).reads_sequence or len(node.bottoms) < 2:
            continue
        source = _followed_up(node, writers)
        if source is not None:
            blob, values = source
            found.setdefault(blob, (values, []))[1].append(node.name)
    return found


def _followed_up(node: GraphLayer, writers: dict[str, GraphLayer]) -> tuple[str, np.ndarray | None] | None:
    """The blob where a recurrent layer's cont comes from, with its values; None after other layers."""
    blob, shape = node.bottoms[1], node.bottom_shapes[1]
    values = None if shape is None else np.ones(shape, np.float32)
    if values is not None:
        values[:1] = 0
    writer = writers.get(blob)
    while writer is not None and writer.bottoms:
        if not traits_of(writer.type).same_order and writer.type != "Permute":
            return None
        values = None if values is None else _before(writer, values)
        blob = writer.bottoms[0]
        writer = writers.get(blob)
    return blob, values


def _before(writer: GraphLayer, values: np.ndarray) -> np.ndarray | None:
    """The bottom of which a layer makes ``values``."""
    shape = writer.bottom_shapes[0]
    if shape is None:
        return None
    if writer.type != "Permute":
        return values.reshape(shape)
    order = list(writer.param.permute_param.order)
    order += [axis for axis in range(len(shape)) if axis not in order]
    return values.transpose(np.argsort(order))


def time_major_blobs(graph: Graph) -> set[str]:
    """Returns the blobs (T, N, ...) with time before the batch: recurrent layers' and those made of them."""
    found: set[str] = set()
    for node in graph.layers:
        if traits_of(node.type).reads_sequence:
            found.update([node.bottoms[0], *node.tops[:1]])
        elif not traits_of(node.type).moves_axes and any(blob in found for blob in node.bottoms):
            found.update(
                top for top, shape in zip(node.tops, node.top_shapes, strict=True) if _has_time(shape)
            )
    return found


def _has_time(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) >= 3
