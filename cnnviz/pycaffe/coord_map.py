"""Maps between the coordinates of tops, for crops that align them. pycaffe's caffe.coord_map."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cnnviz.engine.layer import traits_of
from cnnviz.errors import NetError
from cnnviz.pycaffe.net_spec import Function, Top, layers


class UndefinedMapException(NetError, RuntimeError):
    """Two tops are not connected by layers with a coordinate map; pycaffe's programs catch RuntimeError."""


class AxisMismatchException(NetError):
    """Layers over different axes lie between two tops."""


class CropException(NetError, AssertionError):
    """No crop aligns one top with the other; pycaffe's programs catch AssertionError."""


class CoordMap(NamedTuple):
    """Unit i of one top lies on unit scale * i + shift of another.

    Attributes:
        axis: the axis before the first spatial one; None if the map holds for all axes.
        scale, shift: (number of spatial axes), or (1) for all.
    """

    axis: int | None = None
    scale: Any = 1.0
    shift: Any = 0.0

    def then(self, other: CoordMap) -> CoordMap:
        """Returns this map followed by ``other``.

        Raises AxisMismatchException if the two are over different axes.
        """
        axes = {axis for axis in (self.axis, other.axis) if axis is not None}
        if len(axes) > 1:
            raise AxisMismatchException(f"Layers over different axes, {sorted(axes)}, lie between the tops.")
        return CoordMap(
            axes.pop() if axes else None, other.scale * self.scale, other.scale * self.shift + other.shift
        )

    def inverse(self) -> CoordMap:
        """Returns the inverse map."""
        return CoordMap(self.axis, 1 / self.scale, -self.shift / self.scale)


def coord_map(fn: Function) -> CoordMap:
    """Returns the map from a layer's bottom to its top.

    Raises UndefinedMapException for a layer that has none.
    """
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, kernel, stride, pad = _window(fn)
        return CoordMap(axis, 1 / stride, (pad - (kernel - 1) / 2) / stride)
    if fn.type_name == "Deconvolution":
        axis, kernel, stride, pad = _window(fn)
        return CoordMap(axis, stride, (kernel - 1) / 2 - pad)
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return CoordMap(axis - 1, 1.0, -offset)
    stays = traits_of(fn.type_name).pointwise or fn.type_name == "MVN"  # which normalizes whole planes
    if stays and not _moves_rows(fn):
        return CoordMap()
    raise UndefinedMapException(f"{fn.type_name}: has no coordinate map.")


def _moves_rows(fn: Function) -> bool:
    """Whether a Concat or Slice joins or splits rows or columns, so that units move."""
    if fn.type_name not in ("Concat", "Slice"):
        return False
    own = fn.params.get(f"{fn.type_name.lower()}_param", fn.params)
    return any(own.get(name, 1) not in (0, 1) for name in ("axis", "concat_dim", "slice_dim"))


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordMap:
    """Returns where the units of ``top_from`` lie on ``top_to``.

    Raises UndefinedMapException if no layers with a map connect the two.
    """
    origins = _maps_onto(top_from)
    for top, onto_there in _maps_onto(top_to).items():
        if top in origins:
            return origins[top].inverse().then(onto_there)
    raise UndefinedMapException("The tops are not connected by layers that have a coordinate map.")


def crop(top_from: Top, top_to: Top) -> Top:
    """Returns the Crop layer that crops ``top_from`` to the size of ``top_to`` and aligns their units.

    Raises CropException if the two differ in scale, or the offset is negative or not an integer.
    """
    found = coord_map_from_to(top_from, top_to)
    scale, shift = _numbers(found.scale), -_numbers(found.shift)
    offset = np.rint(shift).astype(int)
    if not np.allclose(scale, 1):
        raise CropException(
            f"A crop needs tops of the same scale; a step of one is {scale.tolist()} steps of the other."
        )
    if np.any(offset < 0) or not np.allclose(shift, offset):
        raise CropException(
            f"A crop's offset must be an integer of at least 0; here it would be {shift.tolist()}."
        )
    axis = 2 if found.axis is None else found.axis + 1
    return layers.Crop(top_from, top_to, crop_param={"axis": axis, "offset": offset.tolist()})


# pycaffe's own functions, with a map as (axis, scale, shift).


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Returns (axis, stride, size of the dilated kernel, pad) of a layer with a window."""
    axis, kernel, stride, pad = _window(fn)
    return axis, stride, kernel, pad


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """Returns (axis, offset) of a Crop layer."""
    params = fn.params.get("crop_param", fn.params)
    return params.get("axis", 2), _numbers(params.get("offset", 0))


def compose(base_map: tuple[Any, Any, Any], next_map: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Returns ``base_map`` and ``next_map`` after it, as one map."""
    return tuple(CoordMap(*next_map).then(CoordMap(*base_map)))


def inverse(coord_map: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Returns the inverse map."""
    return tuple(CoordMap(*coord_map).inverse())


def _maps_onto(top: Top) -> dict[Top, CoordMap]:
    """Returns the maps to ``top`` from itself and every top that it is computed from, nearest first."""
    found = {top: CoordMap()}
    waiting = [top]
    for later in waiting:
        try:
            step = coord_map(later.fn)
        except UndefinedMapException:
            continue
        for bottom in later.fn.inputs[:1] if later.fn.type_name == "Crop" else later.fn.inputs:
            if bottom not in found:
                found[bottom] = step.then(found[later])
                waiting.append(bottom)
    return found


def _window(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Returns axis, size of the dilated kernel, stride and pad."""
    field = "pooling_param" if fn.type_name == "Pooling" else "convolution_param"
    params = fn.params.get(field, fn.params)
    uneven = [name for name in params if name.endswith(("_h", "_w"))]
    if uneven or "kernel_size" not in params:
        raise NetError(f"{fn.type_name}: a coordinate map needs kernel_size, stride and pad, not {uneven}.")
    kernel = (_numbers(params["kernel_size"]) - 1) * _numbers(params.get("dilation", 1)) + 1
    return params.get("axis", 1), kernel, _numbers(params.get("stride", 1)), _numbers(params.get("pad", 0))


def _numbers(value: Any) -> np.ndarray:
    return np.array(value, dtype=float, ndmin=1)
