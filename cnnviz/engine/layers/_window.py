"""The window of a convolution, as the fields of convolution_param give it."""

from __future__ import annotations

from cnnviz.engine.blob import MAX_COUNT, Shape
from cnnviz.engine.ops.im2col import Axes, Window, same_pads
from cnnviz.engine.receptive_field import ReceptiveField
from cnnviz.errors import NetError
from cnnviz.formats.schema import ConvolutionParameter


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
    """Reads the pads before and after each axis, in Caffe's form or in those of forks."""
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
            "pad_type is 0, or 1 for SAME without dilation; otherwise use pad_t, pad_b, pad_l and pad_r"
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
    """Returns the receptive field after the window of a convolution, given its bottom's."""
    window = seen_window(param, bottom)
    if field is None or window is None:
        return None
    return field.through_window(window.extent, window.stride, window.pad)
