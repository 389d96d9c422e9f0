"""Which part of the input one unit of a feature map sees, followed through the net layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.analysis.resized_field import resized_field
from cnnviz.analysis.window_field import (
    PIXEL,
    Pair,
    ReceptiveField,
    Window,
    through_transposed_window,
    through_window,
)
from cnnviz.engine.blob import Shape
from cnnviz.engine.graph import Graph, GraphLayer
from cnnviz.engine.layer import layer_types
from cnnviz.engine.ops.im2col import same_pads

CONVOLUTIONS = {"Convolution", "ConvolutionDepthwise", "DepthwiseConvolution", "Im2col"}


def receptive_fields(graph: Graph) -> list[ReceptiveField | None]:
    """Returns the receptive field of each layer's tops, in the order of ``graph.layers``.

    None where it is not a window of the input that moves evenly: behind fully connected layers,
    global pooling and layers whose rule is not known, and for inputs that are no images.
    """
    blobs: dict[str, ReceptiveField | None] = {}
    found = []
    for layer in graph.layers:
        field = _field_behind(layer, [blobs.get(b) for b in layer.bottoms])
        for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
            known_flat = shape is not None and len(shape) != 4
            blobs[top] = None if known_flat else field
        found.append(blobs[layer.tops[0]] if layer.tops else None)
    return found


def _field_behind(layer: GraphLayer, bottoms: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    if not layer.bottoms:
        return PIXEL
    fields = [field for field in bottoms if field is not None]
    if is_pointwise(layer.type):
        return _union(fields)
    if not fields or bottoms[0] is None:
        return None
    if layer.type in CONVOLUTIONS:
        return through_window(bottoms[0], _window(layer.param.convolution_param, layer))
    if layer.type == "Deconvolution":
        return through_transposed_window(bottoms[0], _window(layer.param.convolution_param, layer))
    if layer.type == "Pooling" and not layer.param.pooling_param.global_pooling:
        return through_window(bottoms[0], _window(layer.param.pooling_param, layer))
    if layer.type == "Crop":
        return _cropped(bottoms[0], layer.param.crop_param)
    if layer.type in ("Correlation", "Correlation1D"):
        both = _union(fields)
        return through_window(both, _correlation_window(layer)) if both else None
    return resized_field(layer, bottoms[0])


def is_pointwise(type: str) -> bool:
    """Whether units of this type of layer see just the units of their bottoms in the same place."""
    known = layer_types().get(type)
    return known is not None and known.pointwise


def _union(fields: Sequence[ReceptiveField]) -> ReceptiveField | None:
    """The field that covers all of ``fields``; None if they do not move at the same pace."""
    if not fields or any(f.stride != fields[0].stride for f in fields):
        return None
    sizes, offsets = [], []
    for axis in (0, 1):
        low = min(f.offset[axis] - (f.size[axis] - 1) / 2 for f in fields)
        high = max(f.offset[axis] + (f.size[axis] - 1) / 2 for f in fields)
        sizes.append(high - low + 1)
        offsets.append((high + low) / 2)
    return ReceptiveField((sizes[0], sizes[1]), fields[0].stride, (offsets[0], offsets[1]))


def _correlation_window(layer: GraphLayer) -> Window:
    """What one unit sees of both bottoms: its window in one and all displaced ones in the other."""
    options = layer.param.correlation_param
    reach = options.max_displacement // max(options.stride_2, 1) * options.stride_2
    columns = options.kernel_size + 2 * reach
    pad = options.pad - options.max_displacement + reach
    rows = (columns, pad) if layer.type == "Correlation" else (options.kernel_size, 0)
    return Window((rows[0], columns), (options.stride_1, options.stride_1), (rows[1], pad))


def _window(param: Any, layer: GraphLayer) -> Window | None:
    """The window of a ConvolutionParameter or PoolingParameter, None if it is not of two axes."""
    kernel = _two(param, "kernel_size", ("kernel_h", "kernel_w"), None)
    stride = _two(param, "stride", ("stride_h", "stride_w"), 1)
    dilation = _dilation(param)
    pad = _pad(param, kernel, stride, layer.bottom_shapes[0])
    if kernel is None or stride is None or pad is None or dilation is None:
        return None
    extent = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    return Window(extent, stride, pad)


def _dilation(param: Any) -> Pair | None:
    if not hasattr(param, "dilation"):
        return 1, 1
    holes = "hole" if param.HasField("hole") else "dilation"
    return _two(param, holes, ("hole_h", "hole_w"), 1)


def _pad(param: Any, kernel: Pair | None, stride: Pair | None, shape: Shape | None) -> Pair | None:
    """The pad before each axis; the one behind does not move the fields."""
    if param.pad_t or param.pad_l:
        return param.pad_t, param.pad_l
    if not param.pad_type:
        return _two(param, "pad", ("pad_h", "pad_w"), 0)
    if shape is None or len(shape) != 4 or kernel is None or stride is None or 0 in stride:
        return None
    rows, columns = (same_pads(shape[2 + i], int(kernel[i]), int(stride[i])) for i in (0, 1))
    return rows[0], columns[0]


def _two(param: Any, name: str, sides: Sequence[str], default: int | None) -> Pair | None:
    """Values for (height, width) of a field that is single, repeated, or split in _h and _w."""
    if sides and any(param.HasField(side) for side in sides):
        return getattr(param, sides[0]), getattr(param, sides[1])
    value = getattr(param, name)
    values = [value] if isinstance(value, int) else list(value)
    if isinstance(value, int) and not param.HasField(name) and default is None:
        return None
    if not values:
        return None if default is None else (default, default)
    return (values[0], values[-1]) if len(values) <= 2 else None


def _cropped(field: ReceptiveField, param: Any) -> ReceptiveField | None:
    """Cropping the two spatial axes moves the first unit by the crop's offsets."""
    if param.axis not in (2, -2) or len(param.offset) > 2:
        return None
    return field.moved((param.offset[0], param.offset[-1]) if param.offset else (0, 0))
