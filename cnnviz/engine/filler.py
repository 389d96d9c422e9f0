"""Weight fillers: how parameter blobs start, by FillerParameter.type.

Each filler is a function (shape, parameter, random) -> array of float32. ``n`` of xavier and msra is
the fan in (count / shape[0]), the fan out (count / shape[1]) or their mean, by variance_norm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats.schema import FillerParameter

Filler = Callable[[Shape, Any, np.random.Generator], np.ndarray]


def fill(shape: Shape, param: FillerParameter, random: np.random.Generator) -> np.ndarray:
    """Returns the starting values that ``param`` asks for.

    Raises NetError for an unknown filler type, limits that hold no number, a shape that the filler cannot
    fill, or too little memory.
    """
    check_filler(shape, param)
    if not math.prod(shape):
        return np.zeros(shape, np.float32)
    try:
        return FILLERS[param.type](shape, param, random).astype(np.float32, copy=False)
    except MemoryError:
        raise NetError(f"there is not enough memory to fill a blob of shape {shape}") from None


def check_filler(shape: Shape, param: FillerParameter) -> None:
    """Raises NetError for an unknown filler type, limits that hold no number, or a shape it cannot fill."""
    if param.type not in FILLERS:
        raise NetError(f"unknown filler type {param.type!r}{did_you_mean(param.type, FILLERS)}")
    if param.sparse != -1 and param.type != "gaussian":
        raise NetError(f"sparse is for the gaussian filler, not for {param.type!r}")
    if param.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(f"the bilinear filler needs 4 axes and a square window, not {shape}")
    if param.type == "uniform" and not -math.inf < param.min <= param.max < math.inf:
        raise NetError(
            f"the uniform filler has min {param.min:g} and max {param.max:g}; give two numbers in order"
        )
    if param.type == "gaussian" and not (0 <= param.std < math.inf and math.isfinite(param.mean)):
        raise NetError(f"the gaussian filler has mean {param.mean:g} and std {param.std:g}; std is 0 or more")


def _constant(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """value everywhere."""
    return np.full(shape, param.value, np.float32)


def _uniform(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Uniform in [min, max)."""
    return random.uniform(param.min, param.max, shape)


def _gaussian(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Normal with mean and std; with ``sparse`` s an entry is kept with probability s / shape[0]."""
    values = random.normal(param.mean, param.std, shape)
    if param.sparse >= 0:
        values *= random.random(shape) < param.sparse / _rows(shape)
    return values


def _xavier(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Uniform in +-sqrt(3 / n). Source: Glorot and Bengio 2010."""
    limit = math.sqrt(3 / _fan(shape, param))
    return random.uniform(-limit, limit, shape)


def _msra(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Normal with standard deviation sqrt(2 / n). Source: He et al. 2015."""
    return random.normal(0, math.sqrt(2 / _fan(shape, param)), shape)


def _positive_unitball(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Uniform in [0, 1), then each row along axis 0 divided by its sum."""
    values = random.random(shape)
    rows = values.reshape(_rows(shape), -1)
    return (rows / rows.sum(axis=1, keepdims=True)).reshape(shape)


def _bilinear(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """The same bilinear interpolation window for every pair of channels: upsampling."""
    factor = math.ceil(shape[3] / 2)
    center = (2 * factor - 1 - factor % 2) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - center)
    return np.broadcast_to(np.outer(line, line), shape)


def _rows(shape: Shape) -> int:
    return shape[0] if shape else 1


def _fan(shape: Shape, param: Any) -> float:
    count = math.prod(shape)
    fan_in = count / _rows(shape)
    fan_out = count / shape[1] if len(shape) > 1 else count
    if param.variance_norm == FillerParameter.FAN_OUT:
        return fan_out
    if param.variance_norm == FillerParameter.AVERAGE:
        return (fan_in + fan_out) / 2
    return fan_in


FILLERS: dict[str, Filler] = {
    "constant": _constant,
    "uniform": _uniform,
    "gaussian": _gaussian,
    "xavier": _xavier,
    "msra": _msra,
    "positive_unitball": _positive_unitball,
    "bilinear": _bilinear,
}
