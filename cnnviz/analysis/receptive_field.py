"""Which part of the input one unit of a feature map sees, followed through the net layer by layer."""

from __future__ import annotations

from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import traits_of
from cnnviz.engine.receptive_field import PIXEL, Fields, ReceptiveField, joined

__all__ = ["ReceptiveField", "receptive_fields"]


def receptive_fields(graph: Graph) -> list[ReceptiveField | None]:
    """Returns the receptive field of each layer's tops, in the order of ``graph.layers``.

    None where it is not a window of the input that moves at a constant stride: after fully connected layers,
    global pooling and layers without a rule, and for inputs that are not images.
    """
    blobs: dict[str, ReceptiveField | None] = {}
    found = []
    for layer in graph.layers:
        field = _field_after(layer, [blobs.get(b) for b in layer.bottoms])
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            known_flat = shape is not None and len(shape) != 4
            blobs[top] = None if known_flat else field
        found.append(blobs[layer.tops[0]] if layer.tops else None)
    return found


def _field_after(node: GraphLayer, fields: Fields) -> ReceptiveField | None:
    if node.layer is not None:
        try:
            return node.layer.receptive_field(fields, node.bottom_shapes, node.top_shapes)
        except Exception:
            if node.fault is None:  # a rule may fail on what a check has found
                raise
            return None
    if not node.bottoms:
        return PIXEL
    # A layer that cannot be made from its parameters: its type still determines this.
    return joined(fields) if traits_of(node.type).pointwise else None
