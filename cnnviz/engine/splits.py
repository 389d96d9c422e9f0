"""Split layers: each reader of a blob that has several gets a copy of its own, as in Caffe's InsertSplits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence

from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.formats.schema import LayerParameter

Top = tuple[int, int]
"""Index of a layer and of one of its tops."""


class _Uses:
    """Who reads which top.

    Attributes:
        source: (layer, bottom) -> the top that it reads.
        count: readers of each top; a loss weight is one more.
        loss_weight: of each top that has one.
    """

    def __init__(
        self, layers: Sequence[GraphLayer], on_unknown: Callable[[GraphLayer, str, Collection[str]], None]
    ):
        self.source: dict[tuple[int, int], Top] = {}
        self.count: Counter[Top] = Counter()
        self.loss_weight: dict[Top, float] = {}
        last_top: dict[str, Top] = {}
        for i, node in enumerate(layers):
            for j, bottom in enumerate(node.param.bottom):
                if bottom not in last_top:
                    on_unknown(node, bottom, last_top)
                    continue
                self.source[i, j] = last_top[bottom]
                self.count[last_top[bottom]] += 1
            for j, top in enumerate(node.param.top):
                last_top[top] = (i, j)
            for top, weight in zip(node.param.top, node.param.loss_weight, strict=False):
                self.loss_weight[last_top[top]] = weight
                self.count[last_top[top]] += weight != 0


def with_splits(
    layers: Sequence[GraphLayer], on_unknown: Callable[[GraphLayer, str, Collection[str]], None]
) -> list[GraphLayer]:
    """Returns the layers with a Split after each that makes a blob of several readers.

    Args:
        on_unknown: called with a layer, a bottom of it that no layer before it makes, and the blobs that are
            made there.
    """
    uses = _Uses(layers, on_unknown)
    taken: Counter[Top] = Counter()  # copies that have their reader
    result = []
    for i, node in enumerate(layers):
        for j, bottom in enumerate(node.param.bottom):
            top = uses.source.get((i, j))
            if top is not None and uses.count[top] > 1:
                node.param.bottom[j] = f"{_split_name(layers[top[0]], bottom, top[1])}_{taken[top]}"
                taken[top] += 1
        result.append(node)
        for j in range(len(node.param.top)):
            if uses.count[i, j] > 1:
                weight = uses.loss_weight.get((i, j), 0)
                result.append(_split_layer(node, j, uses.count[i, j], weight))
                if weight:
                    node.param.ClearField("loss_weight")
                    taken[i, j] += 1
    return result


def _split_name(layer: GraphLayer, blob: str, top_index: int) -> str:
    return f"{blob}_{layer.name}_{top_index}_split"


def _split_layer(node: GraphLayer, top_index: int, count: int, weight: float) -> GraphLayer:
    blob = node.param.top[top_index]
    name = _split_name(node, blob, top_index)
    param = LayerParameter(name=name, type="Split", bottom=[blob])
    param.top.extend(f"{name}_{k}" for k in range(count))
    if weight:
        param.loss_weight.extend([weight] + [0] * (count - 1))
    return GraphLayer(-1, param, node.line, node.where)
