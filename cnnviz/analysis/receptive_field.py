"""Which part of the input one unit of a feature map sees, followed through the net layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz.engine.graph import Graph, GraphLayer
from cnnviz.engine.layer import layer_types

Pair = tuple[float, float]


@dataclass(frozen=True)
class ReceptiveField:
    """The field of one blob's units in (height, width) pixels of the input.

    Unit (i, j) of the blob sees the rows ``offset[0] + i * stride[0] +- (size[0] - 1) / 2`` of the
    input, and its columns likewise; at the borders part of the field lies in the padding.

    Attributes:
        size: rows and columns seen.
        stride: pixels between the fields of neighbouring units.
        offset: the pixel (may be a half) at the centre of the first unit's field.
    """

    size: Pair
    stride: Pair
    offset: Pair

    def box(self, row: int, column: int) -> tuple[float, float, float, float]:
        """Returns (top, left, bottom, right) of what unit (row, column) sees; bottom and right excluded."""
        (height, width), (y, x) = self.size, self.offset
        top = y + row * self.stride[0] - (height - 1) / 2
        left = x + column * self.stride[1] - (width - 1) / 2
        return top, left, top + height, left + width


PIXEL = ReceptiveField((1, 1), (1, 1), (0, 0))

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
        return _through_window(bottoms[0], _window(layer.param.convolution_param))
    if layer.type == "Deconvolution":
        return _through_transposed_window(bottoms[0], _window(layer.param.convolution_param))
    if layer.type == "Pooling" and not layer.param.pooling_param.global_pooling:
        return _through_window(bottoms[0], _window(layer.param.pooling_param))
    if layer.type == "Crop":
        return _cropped(bottoms[0], layer.param.crop_param)
    return None


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


@dataclass(frozen=True)
class _Window:
    extent: Pair
    stride: Pair
    pad: Pair


def _window(param: Any) -> _Window | None:
    """The window of a ConvolutionParameter or PoolingParameter, None if it is not of two axes."""
    kernel = _two(param, "kernel_size", ("kernel_h", "kernel_w"), None)
    stride = _two(param, "stride", ("stride_h", "stride_w"), 1)
    pad = _two(param, "pad", ("pad_h", "pad_w"), 0)
    dilation = _two(param, "dilation", (), 1) if hasattr(param, "dilation") else (1, 1)
    if kernel is None or stride is None or pad is None or dilation is None:
        return None
    extent = ((kernel[0] - 1) * dilation[0] + 1, (kernel[1] - 1) * dilation[1] + 1)
    return _Window(extent, stride, pad)


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


def _through_window(field: ReceptiveField, window: _Window | None) -> ReceptiveField | None:
    if window is None:
        return None
    sides = [
        (
            field.size[i] + (window.extent[i] - 1) * field.stride[i],
            field.stride[i] * window.stride[i],
            field.offset[i] + ((window.extent[i] - 1) / 2 - window.pad[i]) * field.stride[i],
        )
        for i in (0, 1)
    ]
    return ReceptiveField(*zip(*sides, strict=True))


def _through_transposed_window(field: ReceptiveField, window: _Window | None) -> ReceptiveField | None:
    """Each unit gathers from ceil(extent / stride) units of the bottom (where strides do not divide
    the extent some see one less; the largest field is given)."""
    if window is None or not all(window.stride):
        return None
    step = [field.stride[i] / window.stride[i] for i in (0, 1)]
    sides = [
        (
            field.size[i] + (-(-window.extent[i] // window.stride[i]) - 1) * field.stride[i],
            step[i],
            field.offset[i] + (window.pad[i] - (window.extent[i] - 1) / 2) * step[i],
        )
        for i in (0, 1)
    ]
    return ReceptiveField(*zip(*sides, strict=True))


def _cropped(field: ReceptiveField, param: Any) -> ReceptiveField | None:
    """Cropping the two spatial axes moves the first unit by the crop's offsets."""
    if param.axis not in (2, -2) or len(param.offset) > 2:
        return None
    moves = [param.offset[0], param.offset[-1]] if param.offset else [0, 0]
    offset = tuple(field.offset[i] + moves[i] * field.stride[i] for i in (0, 1))
    return ReceptiveField(field.size, field.stride, (offset[0], offset[1]))
