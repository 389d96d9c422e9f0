"""A training net turned into one that takes images: what features and attributions run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from cnnviz.engine.graph import Graph, build_graph
from cnnviz.errors import CnnvizError, NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetParameter

DATA_TYPES = {
    "Data", "AnnotatedData", "DummyData", "HDF5Data", "ImageData", "MemoryData", "Python", "WindowData",
}  # fmt: skip


def deploy(
    definition: NetDefinition,
    weights: Mapping[str, Sequence[np.ndarray]] | None = None,
    size: tuple[int, int] | None = None,
    *,
    force_backward: bool = False,
) -> NetDefinition:
    """Returns the net's TEST form with one image as input and no labels.

    A deploy file comes back as it is (batch 1). In a training file the data layer becomes an Input,
    SoftmaxWithLoss becomes Softmax, and layers that need labels or lead nowhere are left out.

    Args:
        definition: any net.
        weights: their first convolution tells the channels where the data layer does not.
        size: (height, width) of the input; default: what the net says.
        force_backward: whether gradients down to the image are wanted.

    Raises:
        CnnvizError: the input's size cannot be known.
    """
    graph = build_graph(definition, "TEST", splits=False, strict=False)
    proto = NetParameter(name=definition.proto.name, force_backward=force_backward)
    lines = []
    available: set[str] = set()
    for node in graph.layers:
        param = _as_deployed(node.param, available)
        if param is None and _feeds_images(node.param, graph):
            param = _input(node.tops[0], _input_shape(definition, graph, node.tops[0], weights, size))
        if param is None or any(blob not in available for blob in param.bottom):
            continue
        available.update(param.top)
        proto.layer.append(param)
        lines.append(node.line)
    result = NetDefinition(proto, definition.path, lines, [], [])
    _set_input_shape(result, size)
    return result


def _as_deployed(param: LayerParameter, available: set[str]) -> LayerParameter | None:
    copy = LayerParameter()
    copy.CopyFrom(param)
    for field in ("include", "exclude", "loss_weight"):
        copy.ClearField(field)
    if param.type in DATA_TYPES and not param.bottom:
        return None
    if param.type == "SoftmaxWithLoss":
        copy.type = "Softmax"
        del copy.bottom[1:]
        del copy.top[:]
        copy.top.append("prob" if "prob" not in available else f"{param.name}_prob")
        return copy
    if param.type == "Input" and available:  # a second input is a label or the like
        return copy if len(param.input_param.shape) and len(param.input_param.shape[0].dim) > 1 else None
    return copy


def _feeds_images(param: LayerParameter, graph: Graph) -> bool:
    return param.type in DATA_TYPES and not param.bottom and bool(param.top)


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
    """The data layer's own shape, else what size, crop_size and the first weights tell."""
    known = graph.shapes.get(top)
    if known is not None and len(known) == 4:
        return list(known)
    crop = max((layer.transform_param.crop_size for layer in definition.proto.layer), default=0)
    first = next((a[0] for a in (weights or {}).values() if len(a) and np.ndim(a[0]) == 4), None)
    height, width = size or (crop, crop)
    if not height or first is None:
        raise CnnvizError(
            f"{definition.path}: the size of the net's images cannot be known without its data. "
            "Use the deploy prototxt, or give --size HEIGHT,WIDTH."
        )
    return [1, first.shape[1], height, width]


def _set_input_shape(definition: NetDefinition, size: tuple[int, int] | None) -> None:
    for layer in definition.proto.layer:
        if layer.type == "Input":
            for shape in layer.input_param.shape:
                if len(shape.dim) == 4:
                    shape.dim[0] = 1
                    if size:
                        shape.dim[2], shape.dim[3] = size
            return
    raise NetError(f"{definition.path}: the net has no input for an image. Use its deploy prototxt.")
