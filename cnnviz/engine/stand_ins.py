"""Inputs in the place of data layers whose data is elsewhere: enough where only the work counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetParameter, NetState

log = logging.getLogger("cnnviz")

_COLOR = 3  # channels of most image databases


def with_stand_ins(
    definition: NetDefinition, state: NetState, weights: Mapping[str, Sequence[np.ndarray]] | None = None
) -> NetDefinition:
    """Returns the net with an Input of zeros for each data layer whose data is absent; each is logged.

    MemoryData counts as one, as nobody sets its arrays.

    The shape is what the layer's parameters give: batch_size, crop_size or the new size, the channels of
    mean_value or of a mean file that is there. Where these give crop_size but not the channels, they are
    those of the first convolution that reads the images, from ``weights``, otherwise 3, which is logged.

    Args:
        weights: arrays by layer name.

    Raises NetError if nothing but such data feeds the net and its shape cannot be known.
    """
    graph = build_graph(definition, state=state, splits=False, strict=False, running=True)
    away = [node for node in graph.layers if node.fault is None and _is_away(node)]
    proto = NetParameter()
    proto.CopyFrom(definition.proto)
    for node in away:
        shapes, assumed = _shapes(node, graph, weights or {})
        if None in shapes:
            if not any(_feeds(other) for other in graph.layers):
                raise NetError(_unknown(node))
            continue
        assert node.place is not None
        proto.layer[node.place].CopyFrom(_input(node.param, shapes))
        log.warning("%s", _sentence(node, shapes, assumed))
    return definition.part(proto, range(len(proto.layer)))


def _is_away(node: GraphLayer) -> bool:
    return node.layer is not None and (node.layer.absent is not None or node.type == "MemoryData")


def _reason(node: GraphLayer) -> str:
    absent = node.layer.absent if node.layer is not None else None
    return f"{node.title}: {str(absent or 'no arrays are set for it').rstrip('.')}"


def _feeds(node: GraphLayer) -> bool:
    """Whether a layer gives values of known shape."""
    return not node.bottoms and bool(node.tops) and node.fault is None and None not in node.top_shapes


def _shapes(
    node: GraphLayer, graph: Graph, weights: Mapping[str, Sequence[np.ndarray]]
) -> tuple[list[Shape | None], bool]:
    """The tops' shapes, and whether the number of channels is no more than likely."""
    shapes = list(node.top_shapes)
    crop = node.param.transform_param.crop_size
    if shapes[0] is not None or not crop:
        return shapes, False
    channels = _channels_read(node.tops[0], graph, weights)
    size = node.layer.batch_size()  # type: ignore[union-attr]  # only data layers are ever without data
    shapes[0] = (size, channels or _COLOR, crop, crop)
    return shapes, not channels


def _channels_read(blob: str, graph: Graph, weights: Mapping[str, Sequence[np.ndarray]]) -> int:
    """The channels that the first convolution of ``blob`` has weights for; 0 if unknown."""
    for node in graph.layers:
        arrays = weights.get(node.name, ())
        if blob in node.bottoms and node.type == "Convolution" and len(arrays) and np.ndim(arrays[0]) == 4:
            return int(np.shape(arrays[0])[1]) * node.param.convolution_param.group
    return 0


def _input(param: LayerParameter, shapes: Sequence[Shape | None]) -> LayerParameter:
    """An Input with name, tops and rules of a data layer."""
    result = LayerParameter(name=param.name, type="Input", top=param.top)
    result.include.extend(param.include)
    result.exclude.extend(param.exclude)
    for shape in shapes:
        result.input_param.shape.add().dim.extend(shape or ())
    return result


def _sentence(node: GraphLayer, shapes: Sequence[Shape | None], assumed: bool) -> str:
    listed = ", ".join(f"{top} {shape}" for top, shape in zip(node.tops, shapes, strict=True))
    guessed = f" (that images have {_COLOR} channels is assumed)" if assumed else ""
    return f"{_reason(node)}. Zeros stand in for it: {listed}{guessed}."


def _unknown(node: GraphLayer) -> str:
    return (
        f"{_reason(node)}; nor do its parameters give the shape of "
        f"{node.tops[0]!r}, so nothing can stand in for it. Give the deploy prototxt, whose Input says it."
    )
