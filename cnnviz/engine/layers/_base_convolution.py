"""What Convolution, Deconvolution and Im2col share: the window's parameters and their rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cnnviz.engine.blob import MAX_COUNT, Blob, Shape
from cnnviz.engine.layer import Layer, Weight, positive_axis
from cnnviz.engine.ops.convolution import make_convolution
from cnnviz.engine.ops.im2col import Axes, Window, same_pads
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import ConvolutionParameter, LayerParameter


def window_of(param: ConvolutionParameter, spatial: Axes) -> Window:
    """Returns the window that ``param`` describes over axes of sizes ``spatial``.

    Raises NetError if a parameter is missing, zero, given twice or not once per axis.
    """
    for name in ("kernel_depth", "temporal_stride", "temporal_pad", "filter_group"):
        if param.HasField(name):
            raise NetError(
                f"{name} is for Convolution3D; give kernel_size, stride and pad once for each axis"
            )
    if not spatial:  # Caffe looks at none of the parameters then
        return Window((1,), (1,), (1,), (0,), (1,))
    kernel = _per_axis(param, "kernel_size", "kernel", len(spatial), None)
    if 0 in kernel:
        raise NetError(f"kernel is {_by(kernel)}; each side must be at least 1")
    stride = _per_axis(param, "stride", "stride", len(spatial), 1)
    if 0 in stride:
        raise NetError(f"stride is {_by(stride)}; each must be at least 1")
    dilation = _dilation(param, len(spatial))
    if 0 in dilation:
        raise NetError(f"dilation is {_by(dilation)}; each must be at least 1")
    pad, end = _pads(param, Window(spatial, kernel, stride, (0,) * len(spatial), dilation))
    return Window(spatial, kernel, stride, pad, dilation, end)


def _per_axis(
    param: ConvolutionParameter, field: str, prefix: str | None, axes: int, default: int | None
) -> Axes:
    """Reads a parameter that is given once, once per axis, or for two axes as _h and _w."""
    values = list(getattr(param, field))
    sides = [f"{prefix}_{side}" for side in "hw"] if prefix else []
    if any(param.HasField(name) for name in sides):
        if values:
            raise NetError(f"has {field} and {sides[0]}, {sides[1]}; give one of the two forms")
        if axes != 2:
            raise NetError(f"{sides[0]} and {sides[1]} are for 2 spatial axes, not {axes}; use {field}")
        return tuple(getattr(param, name) for name in sides)
    if not values and default is None:
        raise NetError(f"has no {field}; give it once, or once for each of the {axes} spatial axes")
    if len(values) not in (0, 1, axes):
        raise NetError(f"{field} is given {len(values)} times; give it once, or once for each of {axes} axes")
    if len(values) == axes:
        return tuple(values)
    return (values[0] if values else int(default or 0),) * axes


def _dilation(param: ConvolutionParameter, axes: int) -> Axes:
    """Reads dilation, or what DeepLab's first fork calls hole."""
    holes = [name for name in ("hole", "hole_h", "hole_w") if param.HasField(name)]
    if not holes:
        return _per_axis(param, "dilation", None, axes, 1)
    if param.dilation or ("hole" in holes and len(holes) > 1):
        raise NetError("give dilation, hole, or hole_h and hole_w: one of the three forms")
    if holes == ["hole"]:
        return (param.hole,) * axes
    if axes != 2:
        raise NetError(f"hole_h and hole_w are for 2 spatial axes, not {axes}; use hole")
    return param.hole_h, param.hole_w


def _pads(param: ConvolutionParameter, window: Window) -> tuple[Axes, Axes]:
    """Reads the pads before and behind each axis, in Caffe's form or in those of forks."""
    axes = len(window.spatial)
    top, low, left, right = (getattr(param, f"pad_{side}") for side in "tblr")
    plain = any([param.pad, param.HasField("pad_h"), param.HasField("pad_w")])
    if plain + bool(param.pad_type) + any((top, low, left, right)) > 1:
        raise NetError("give one of: pad; pad_h and pad_w; pad_type; pad_t, pad_b, pad_l and pad_r")
    if any((top, low, left, right)):
        if axes != 2 or min(top, low, left, right) < 0:
            raise NetError("pad_t, pad_b, pad_l and pad_r are for 2 spatial axes and cannot be negative")
        return (top, left), (low, right)
    if not param.pad_type:
        pad = _per_axis(param, "pad", "pad", axes, 0)
        return pad, pad
    if param.pad_type != 1 or set(window.dilation) != {1}:
        raise NetError(
            "pad_type is 0, or 1 for SAME without dilation; else use pad_t, pad_b, pad_l and pad_r"
        )
    sides = [same_pads(*sizes) for sizes in zip(window.spatial, window.kernel, window.stride, strict=True)]
    return tuple(side[0] for side in sides), tuple(side[1] for side in sides)


def _by(sizes: Axes) -> str:
    return "x".join(map(str, sizes))


def check_fits(window: Window) -> None:
    """Raises NetError if the window has no position on the image, or sizes are beyond counting."""
    reach = [size + p + e for size, p, e in zip(window.spatial, window.pad, window.end, strict=True)]
    if max(*reach, *window.extent, *window.stride, *window.dilation) > MAX_COUNT:
        raise NetError(f"kernel, stride, pad and dilation can span {MAX_COUNT} pixels at most")
    if any(size < 1 for size in window.out_spatial):
        raise NetError(
            f"a kernel of {_by(window.kernel)} with dilation {_by(window.dilation)} does not fit "
            f"a bottom of {_by(window.spatial)}, padded to {_by(tuple(reach))}"
        )


def seen_window(param: ConvolutionParameter, bottom: Shape | None) -> Window | None:
    """Returns the window over rows and columns, None if it is over other axes or a parameter is wrong."""
    known = bottom is not None and len(bottom) == 4
    if param.axis not in (1, -3) or (param.pad_type and not known):
        return None
    try:
        return window_of(param, bottom[2:] if bottom is not None and known else (0, 0))
    except NetError:
        return None


def field_of_window(
    param: ConvolutionParameter, field: ReceptiveField | None, bottom: Shape | None
) -> ReceptiveField | None:
    """Returns the receptive field behind the window of a convolution, given its bottom's."""
    window = seen_window(param, bottom)
    if field is None or window is None:
        return None
    return field.through_window(window.extent, window.stride, window.pad)


class BaseConvolution(Layer):
    """Base of Convolution and Deconvolution: several bottoms and tops share one set of weights."""

    kind = "convolution"
    num_bottom: ClassVar[tuple[int, int | None]] = (1, None)
    num_top: ClassVar[tuple[int, int | None]] = (1, None)

    geometry: Geometry

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = conv = self.options_of(param)
        self.num_output = conv.num_output
        self.group = conv.group
        self.bias_term = conv.bias_term
        if not self.num_output:
            raise NetError("has no num_output; give the number of filters")
        if not self.group or self.num_output % self.group:
            self.complain(f"num_output {self.num_output} cannot be divided into group: {self.group} parts")
            self.group = 1
        self._op: PlainConvolution | None = None

    def options_of(self, param: LayerParameter) -> ConvolutionParameter:
        """Returns what the layer computes, in Caffe's form."""
        return param.convolution_param

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(self.param.top) != len(bottom):
            self.complain(f"has {len(bottom)} bottoms and {len(self.param.top)} tops; give as many of each")
        if any(shape != bottom[0] for shape in bottom):
            self.complain(f"bottoms have different shapes: {', '.join(map(str, bottom))}")
        axis = positive_axis(self.options.axis, bottom[0])
        channels = bottom[0][axis]
        if not channels:
            raise NetError(f"the bottom {bottom[0]} has no channels")
        if channels % self.group:
            self.complain(f"{channels} channels cannot be divided into group: {self.group} parts")
        geometry, spatial = self.geometry_of(bottom[0], axis)
        check_fits(geometry.window)
        self._set_geometry(geometry)
        return [(*bottom[0][:axis], self.num_output, *spatial)] * len(bottom)

    def geometry_of(self, bottom: Shape, axis: int) -> tuple[Geometry, Axes]:
        """Returns the convolution to compute and the spatial size of the top."""
        raise NotImplementedError

    def _set_geometry(self, geometry: Geometry) -> None:
        if self._op is not None and self._op.geometry != geometry:
            self._op = None
        self.geometry = geometry

    @property
    def op(self) -> PlainConvolution:
        """The convolution on the device, made when first needed for a geometry."""
        if self._op is None:
            self._op = make_convolution(self.device, self.geometry)
        return self._op

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        conv, g = self.options, self.geometry
        axis = positive_axis(conv.axis, bottom[0])
        kernel = g.window.kernel if len(bottom[0]) > axis + 1 else ()
        weights = [Weight((g.num_output, g.group_channels, *kernel), conv.weight_filler)]
        if self.bias_term:
            weights.append(Weight((self.num_output,), conv.bias_filler))
        return weights

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        g = self.geometry
        return len(bottom) * g.num * g.num_output * g.window.out_count * g.depth

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return field_of_window(self.options, fields[0], bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        raise NotImplementedError

    def _wants(self, index: int) -> bool:
        """Whether the gradient of parameter blob ``index`` is asked for."""
        return index < len(self.blobs) and self.param_propagate_down[index]
