"""A training net turned into one that takes images: features and attributions run on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cnnviz.analysis.sequences import continuations
from cnnviz.analysis.summary import graph_to_show
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import layer_types, traits_of
from cnnviz.errors import CnnvizError, NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetParameter

FOREIGN_DATA_TYPES = ("AnnotatedData",)


def deploy(
    definition: NetDefinition,
    weights: Mapping[str, Sequence[np.ndarray]] | None = None,
    size: tuple[int, int] | None = None,
    *,
    force_backward: bool = False,
    level: int = 0,
    stages: Iterable[str] = (),
) -> NetDefinition:
    """Returns the net's TEST form with one image as input and no labels; TRAIN if that is all there is.

    A deploy file is returned as it is, with batch 1; nets that cannot run with it, such as those whose
    batch holds the frames of a video, keep theirs. In a training file the data layer becomes an Input
    (and another for recurrent layers, which marks where sequences begin), SoftmaxWithLoss becomes
    Softmax, and layers that need labels are omitted, also where nothing makes the labels. Other layers
    with errors stay: running the net reports them.

    Args:
        definition: any net.
        weights: their first convolution determines the channels where the data layer does not.
        size: (height, width) of the input; default: from the net.
        force_backward: whether gradients with respect to the image are needed.
        level, stages: the rest of the net's state.

    Raises:
        CnnvizError: the input's size cannot be determined.
        NetError: a layer unrelated to labels has an unknown bottom.
    """
    graph = graph_to_show(definition, None, level, stages)
    layers, places, along = _deployed_layers(definition, graph, weights, size)
    proto = NetParameter(name=definition.proto.name, force_backward=force_backward, layer=layers)
    result = _without_scoring(definition.part(proto, places))
    _refuse_unknown_bottoms(graph, result)
    _set_input_shape(result, size)
    return _with_one_image(result, along)


def _deployed_layers(
    definition: NetDefinition,
    graph: Graph,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    size: tuple[int, int] | None,
) -> tuple[list[LayerParameter], list[int | None], list[str]]:
    """Returns the layers of the deployed net, the place of each in the file (None for a new one), and the
    inputs with the batch of the data layer.
    """
    layers: list[LayerParameter] = []
    places: list[int | None] = []
    along: list[str] = []
    available: set[str] = set()
    labels: set[str] = set()  # and what is computed from them
    for node in graph.layers:
        if _is_data(node.param, available) and node.tops:
            params = [_input(node.tops[0], _input_shape(definition, graph, node.tops[0], weights, size))]
            params += _sequence_inputs(definition, graph, node)
            along += [param.top[0] for param in params]
        else:
            params = _as_deployed(node.param, available)
        params = [param for param in params if not labels.intersection(param.bottom)]
        made = {top for param in params for top in param.top}
        available |= made
        labels = (labels | set(node.tops)) - made
        layers += params
        places += [node.place if param.type == node.type else None for param in params]
    return layers, places, along


def _without_scoring(definition: NetDefinition) -> NetDefinition:
    """The net without layers of unknown bottoms that only lead to losses and the like: labels are missing."""
    layers = list(definition.proto.layer)
    dropped: set[int] = set()
    made: set[str] = set()
    for i, layer in enumerate(layers):
        if i not in dropped and not made.issuperset(layer.bottom):
            downstream = _downstream(layers, i)
            if all(_scores(layers[k]) for k in downstream if not _is_read(layers, k)):
                dropped |= downstream
        if i not in dropped:
            made.update(layer.top)
    if not dropped:
        return definition
    kept = [k for k in range(len(layers)) if k not in dropped]
    return definition.with_layers([layers[k] for k in kept], kept)


def _refuse_unknown_bottoms(graph: Graph, deployed: NetDefinition) -> None:
    """Raises the error of the whole net, which names rules of layers that are not deployed."""
    read = {layer.name: set(layer.bottom) for layer in deployed.proto.layer}
    for node in graph.layers:
        if read.get(node.name, set()).intersection(node.unknown_bottoms):
            raise NetError(f"{node.title}: {node.fault}.")


def _downstream(layers: Sequence[LayerParameter], root: int) -> set[int]:
    """Layer ``root`` and all that need what it makes."""
    lost, found = set(layers[root].top), {root}
    for k in range(root + 1, len(layers)):
        if lost.intersection(layers[k].bottom):
            lost.update(layers[k].top)
            found.add(k)
    return found


def _is_read(layers: Sequence[LayerParameter], maker: int) -> bool:
    return any(set(layers[maker].top).intersection(layer.bottom) for layer in layers[maker + 1 :])


def _scores(layer: LayerParameter) -> bool:
    """Whether a layer compares with labels."""
    return layer.type in ("Accuracy", "Silence") or traits_of(layer.type).is_loss


def _sequence_inputs(definition: NetDefinition, graph: Graph, node: GraphLayer) -> list[LayerParameter]:
    """Inputs for what else a data layer gives to recurrent layers: where sequences begin."""
    found = []
    sources = continuations(graph)
    for top in [top for top in node.tops[1:] if top in sources]:
        shape = graph.shapes.get(top)
        if shape is None:
            raise CnnvizError(
                f"{definition.path}: the length of the sequences in {top!r} cannot be determined without the "
                "net's data. Use the deploy prototxt."
            )
        found.append(_input(top, shape))
    return found


def _as_deployed(param: LayerParameter, available: set[str]) -> list[LayerParameter]:
    """The layer in its deployed form, or none: labels have no input."""
    copy = LayerParameter()
    copy.CopyFrom(param)
    for field in ("include", "exclude", "loss_weight"):
        copy.ClearField(field)
    if _is_data(param, available):
        return []
    if param.type == "SoftmaxWithLoss":
        copy.type = "Softmax"
        del copy.bottom[1:]
        del copy.top[:]
        copy.top.append("prob" if "prob" not in available else f"{param.name}_prob")
        return [copy]
    if param.type == "Input" and available:  # a second input is a label or the like
        shapes = param.input_param.shape
        return [copy] if len(shapes) and len(shapes[0].dim) > 1 else []
    return [copy]


def _is_data(param: LayerParameter, available: set[str]) -> bool:
    """Whether a layer reads data; one of unknown type without a bottom does if no layer before it does."""
    is_unknown = not available and bool(param.top) and param.type not in layer_types()
    return not param.bottom and (
        traits_of(param.type).reads_data or param.type in FOREIGN_DATA_TYPES or is_unknown
    )


def _input(top: str, shape: Sequence[int]) -> LayerParameter:
    param = LayerParameter(name=top, type="Input", top=[top])
    param.input_param.shape.add().dim.extend(shape)
    return param


def _input_shape(
    definition: NetDefinition,
    graph: Graph,
    top: str,
    weights: Mapping[str, Sequence[np.ndarray]] | None,
    size: tuple[int, int] | None,
) -> list[int]:
    """The data layer's own shape, otherwise from size, crop_size and the first weights."""
    known = graph.shapes.get(top)
    if known is not None and (len(known) >= 4 or (known and not size)):
        return list(known)
    crop = max((layer.transform_param.crop_size for layer in definition.proto.layer), default=0)
    first = next((a[0] for a in (weights or {}).values() if len(a) and np.ndim(a[0]) == 4), None)
    height, width = size or (crop, crop)
    if not height or first is None:
        raise CnnvizError(
            f"{definition.path}: the size of the net's images cannot be determined without its data. "
            "Use the deploy prototxt, or give --size HEIGHT,WIDTH."
        )
    return [1, first.shape[1], height, width]


def _set_input_shape(definition: NetDefinition, size: tuple[int, int] | None) -> None:
    """Sets the size of the image input, if one is given."""
    for layer in definition.proto.layer:
        if layer.type == "Input":
            for shape in layer.input_param.shape:
                if size and len(shape.dim) >= 4:
                    shape.dim[-2:] = size
            return
    raise NetError(f"{definition.path}: the net has no image input. Use its deploy prototxt.")


def _with_one_image(definition: NetDefinition, along: Sequence[str]) -> NetDefinition:
    """The net with batch 1, or as it is where it cannot run so: its batch may be the frames of a video.

    Args:
        along: inputs that are not images but have the same batch.
    """
    proto = NetParameter()
    proto.CopyFrom(definition.proto)
    inputs = [pair for layer in proto.layer for pair in zip(layer.top, layer.input_param.shape, strict=False)]
    images = [shape for _, shape in inputs if len(shape.dim) >= 4]
    signals = [shape for _, shape in inputs if len(shape.dim) > 1][:1]
    for shape in [*(images or signals), *(shape for top, shape in inputs if top in along and shape.dim)]:
        shape.dim[0] = 1
    if proto == definition.proto:
        return definition
    alone = definition.part(proto, range(len(proto.layer)))
    faults = _fault_count(alone)
    return definition if faults and faults > _fault_count(definition) else alone


def _fault_count(definition: NetDefinition) -> int:
    graph = build_graph(definition, "TEST", splits=False, strict=False)
    return sum(node.fault is not None for node in graph.layers)
