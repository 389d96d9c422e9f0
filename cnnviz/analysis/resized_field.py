"""Receptive fields behind layers that resize planes or put borders around them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from cnnviz.analysis.window_field import Pair, ReceptiveField, Window, through_transposed_window
from cnnviz.engine.graph import GraphLayer
from cnnviz.formats.schema import UnpoolingParameter

Sizes = tuple[int, int]
"""Units of one axis in bottom and top."""


def resized_field(layer: GraphLayer, field: ReceptiveField) -> ReceptiveField | None:
    """Returns the field behind ``layer``, whose bottom has ``field``; None if no rule here is for it.

    Where units of the top do not lie at the same distances of those that they see, as with the nearest pixel,
    the largest field is given, around the mean place.
    """
    rule, shapes = _RULES.get(layer.type), [*layer.bottom_shapes[:1], *layer.top_shapes[:1]]
    if rule is None or any(shape is None or len(shape) != 4 or 0 in shape for shape in shapes):
        return None
    bottom, top = (shape for shape in shapes if shape is not None)
    return rule(layer.param, field, (bottom[2], top[2]), (bottom[3], top[3]))


def _pad(param: Any, field: ReceptiveField, *_: Sizes) -> ReceptiveField:
    paddings = param.pad_param.paddings
    return field.moved((-paddings[4], -paddings[6]))


def _crop_center(param: Any, field: ReceptiveField, *_: Sizes) -> ReceptiveField:
    cut = [*param.crop_center_param.crop_size, 0, 0, 0, 0]
    return field.moved((cut[2], cut[3]))


def _repeated(param: Any, field: ReceptiveField, *sides: Sizes) -> ReceptiveField | None:
    times = (-(-sides[0][1] // sides[0][0]), -(-sides[1][1] // sides[1][0]))
    return through_transposed_window(field, Window(times, times, (0, 0)))


def _unpooled(param: Any, field: ReceptiveField, *_: Sizes) -> ReceptiveField | None:
    options = param.unpooling_param

    def pair(part: str, whole: str) -> Pair:
        names = [f"{part}_h", f"{part}_w"] if options.HasField(f"{part}_h") else [whole, whole]
        return getattr(options, names[0]), getattr(options, names[1])

    single = options.unpool == UnpoolingParameter.MAX and len(param.bottom) == 1
    extent = (1, 1) if single else pair("kernel", "kernel_size")
    return through_transposed_window(field, Window(extent, pair("stride", "stride"), pair("pad", "pad")))


def _interp(param: Any, field: ReceptiveField, *sides: Sizes) -> ReceptiveField:
    options = param.interp_param
    cut = options.pad_beg + options.pad_end
    places = [_corners(size + cut, out) for size, out in sides]
    return _scaled(field, [(scale, start - options.pad_beg) for scale, start in places], True)


def _bilinear(param: Any, field: ReceptiveField, *sides: Sizes) -> ReceptiveField | None:
    options = param.resize_bilinear_param
    if options.data_format != "NCHW":
        return None
    centered = options.half_pixel_centers or options.pytorch_half_pixel
    places = [_corners(*s) if options.align_corners else _proportional(*s, centered) for s in sides]
    return _scaled(field, places, True)


def _nearest(param: Any, field: ReceptiveField, *sides: Sizes) -> ReceptiveField | None:
    options = param.resize_nearest_neighbor_param
    if options.data_format != "NCHW":
        return None
    places = []
    for size, out in sides:
        centered = options.half_pixel_centers or options.half_pixel_onnx
        scale, start = _corners(size, out) if options.align_corners else _proportional(size, out, centered)
        # Rounding down takes away half of what the parts of a pixel are on average.
        rounds = not (options.align_corners or options.half_pixel_centers)
        places.append((scale, start - (1 - Fraction(1, scale.denominator)) / 2 * rounds))
    return _scaled(field, places, False)


Place = tuple[Fraction, Fraction]
"""Units of the bottom from one unit of the top to the next, and where the first one lies."""


def _corners(size: int, out: int) -> Place:
    return Fraction(size - 1, out - 1) if out > 1 else Fraction(1), Fraction(0)


def _proportional(size: int, out: int, centered: bool) -> Place:
    scale = Fraction(size, out)
    return scale, (scale - 1) / 2 * centered


def _scaled(field: ReceptiveField, places: list[Place], mixes: bool) -> ReceptiveField:
    """``mixes``: whether units that lie between two of the bottom see both."""
    axes = []
    for i, (scale, start) in enumerate(places):
        between = mixes and (scale.denominator > 1 or start.denominator > 1)
        size = field.size[i] + between * field.stride[i]
        axes.append((size, float(field.stride[i] * scale), float(field.offset[i] + start * field.stride[i])))
    return ReceptiveField(*zip(*axes, strict=True))


_RULES: dict[str, Callable[..., ReceptiveField | None]] = {
    "Pad": _pad,
    "CropCenter": _crop_center,
    "Upsample": _repeated,
    "UpsampleDarknet": _repeated,
    "Unpooling": _unpooled,
    "Interp": _interp,
    "ResizeBilinear": _bilinear,
    "ResizeNearestNeighbor": _nearest,
}
