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

    Raises NetError for an unknown filler type or a shape that the filler cannot fill.
    """
    check_filler(shape, param)
    return FILLERS[param.type](shape, param, random).astype(np.float32)


def check_filler(shape: Shape, param: FillerParameter) -> None:
    """Raises NetError for an unknown filler type or a shape that the filler cannot fill."""
    if param.type not in FILLERS:
        raise NetError(f"unknown filler type {param.type!r}{did_you_mean(param.type, FILLERS)}")
    if param.sparse != -1 and param.type != "gaussian":
        raise NetError(f"sparse is for the gaussian filler, not for {param.type!r}")
    if param.type == "bilinear" and (len(shape) != 4 or shape[2] != shape[3]):
        raise NetError(f"the bilinear filler needs 4 axes and a square window, not {shape}")


def _constant(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """value everywhere."""
    return np.full(shape, param.value)


def _uniform(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Uniform in [min, max)."""
    return random.uniform(param.min, param.max, shape)


def _gaussian(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """Normal with mean and std; with ``sparse`` s an entry is kept with probability s / shape[0]."""
    values = random.normal(param.mean, param.std, shape)
    if param.sparse >= 0:
        values *= random.random(shape) < param.sparse / shape[0]
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
    return values / values.reshape(shape[0], -1).sum(axis=1).reshape(-1, *[1] * (len(shape) - 1))


def _bilinear(shape: Shape, param: Any, random: np.random.Generator) -> np.ndarray:
    """The same bilinear interpolation window for every pair of channels: upsampling."""
    factor = math.ceil(shape[3] / 2)
    center = (2 * factor - 1 - factor % 2) / (2 * factor)
    line = 1 - np.abs(np.arange(shape[3]) / factor - center)
    return np.broadcast_to(np.outer(line, line), shape)


def _fan(shape: Shape, param: Any) -> float:
    count = math.prod(shape)
    fan_in = count / shape[0]
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
