"""A second opinion on gradients: nets in plain NumPy, forward and backward, straight from stored weights.

Nothing of the engine is used but the reading of files. One picture at a time, Caffe's rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

RULES = ("plain", "guided", "deconvolution")


class NumpyNet:
    """Convolution, ReLU, PReLU, Pooling, InnerProduct, Concat, Dropout and Softmax (left out).

    Args:
        layers: LayerParameters of a deploy net, without its inputs.
        weights: arrays by layer name.
    """

    def __init__(self, layers: Sequence[Any], weights: Mapping[str, Sequence[np.ndarray]]):
        self.layers = [layer for layer in layers if layer.type not in ("Input", "Softmax")]
        self.weights = weights

    def forward(self, name: str, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the blobs for an input (C, H, W), and keeps what backward needs."""
        self.blobs: dict[str, np.ndarray] = {name: picture.astype(np.float64)}
        self.seen: list[list[np.ndarray]] = []
        for layer in self.layers:
            bottoms = [self.blobs[blob] for blob in layer.bottom]
            self.seen.append(bottoms)
            self.blobs[layer.top[0]] = self._forward(layer, bottoms)
        return self.blobs

    def backward(self, name: str, blob: str, target: int, rule: str) -> np.ndarray:
        """Returns d blob[target] / d input, its mean over the places, with ``rule`` at rectifiers.

        ``lowest`` becomes the last layer that a gradient has reached.
        """
        diffs = {blob: np.zeros_like(self.blobs[blob])}
        seed = diffs[blob].reshape(len(diffs[blob]), -1)
        seed[target] = 1 / seed.shape[1]
        writers = [k for k, layer in enumerate(self.layers) if blob in layer.top]
        for index in range(writers[-1], -1, -1):
            layer = self.layers[index]
            above = diffs.pop(layer.top[0], None)
            if above is None:
                continue
            if above.any():
                self.lowest = layer.name
            for bottom, below in zip(layer.bottom, self._backward(index, above, rule), strict=True):
                diffs[bottom] = diffs[bottom] + below if bottom in diffs else below
        return diffs[name]

    def _forward(self, layer: Any, bottoms: list[np.ndarray]) -> np.ndarray:
        x = bottoms[0]
        if layer.type == "Convolution":
            return _convolve(x, self.weights[layer.name], *_window(layer.convolution_param))
        if layer.type == "InnerProduct":
            weight, *bias = self.weights[layer.name]
            return weight.reshape(-1, x.size) @ x.ravel() + (bias[0].ravel() if bias else 0)
        if layer.type == "ReLU":
            return np.maximum(x, 0)
        if layer.type == "PReLU":
            return np.where(x > 0, x, self._slope(layer, x) * x)
        if layer.type == "Pooling":
            return _pool(x, layer.pooling_param)[0]
        if layer.type == "Concat":
            return np.concatenate(bottoms)
        assert layer.type == "Dropout", layer.type
        return x

    def _slope(self, layer: Any, x: np.ndarray) -> np.ndarray:
        return self.weights[layer.name][0].reshape(-1, *[1] * (x.ndim - 1))

    def _backward(self, index: int, above: np.ndarray, rule: str) -> list[np.ndarray]:
        layer, x = self.layers[index], self.seen[index][0]
        if layer.type == "Convolution":
            return [_convolve_back(x, above, self.weights[layer.name][0], *_window(layer.convolution_param))]
        if layer.type == "InnerProduct":
            weight = self.weights[layer.name][0]
            return [(above @ weight.reshape(-1, x.size)).reshape(x.shape)]
        if layer.type in ("ReLU", "PReLU"):
            slope = self._slope(layer, x) if layer.type == "PReLU" else 0
            if rule == "deconvolution":
                return [np.maximum(above, 0)]
            passed = np.where(x > 0, above, slope * above)
            return [np.where(above > 0, passed, 0) if rule == "guided" else passed]
        if layer.type == "Pooling":
            return [_pool_back(x, above, layer.pooling_param)]
        if layer.type == "Concat":
            ends = np.cumsum([len(bottom) for bottom in self.seen[index]])
            return np.split(above, ends[:-1])
        return [above]


def _window(param: Any) -> tuple[int, int, int]:
    """(kernel, stride, pad) of a square window."""
    one = lambda field, default: (list(field) or [default])[0] if not isinstance(field, int) else field  # noqa: E731
    return one(param.kernel_size, 1), one(param.stride, 1) or 1, one(param.pad, 0)


def _columns(x: np.ndarray, kernel: int, stride: int, pad: int) -> np.ndarray:
    """(C, kernel, kernel, rows, columns) of all windows."""
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = sliding_window_view(padded, (kernel, kernel), (1, 2))[:, ::stride, ::stride]
    return windows.transpose(0, 3, 4, 1, 2)


def _convolve(x: np.ndarray, weights: Sequence[np.ndarray], kernel: int, stride: int, pad: int) -> np.ndarray:
    columns = _columns(x, kernel, stride, pad)
    y = weights[0].reshape(len(weights[0]), -1) @ columns.reshape(-1, columns[0, 0, 0].size)
    y = y.reshape(-1, *columns.shape[3:])
    return y + weights[1].reshape(-1, 1, 1) if len(weights) > 1 else y


def _convolve_back(
    x: np.ndarray, above: np.ndarray, weight: np.ndarray, kernel: int, stride: int, pad: int
) -> np.ndarray:
    columns = weight.reshape(len(weight), -1).T @ above.reshape(len(above), -1)
    columns = columns.reshape(len(x), kernel, kernel, *above.shape[1:])
    below = np.zeros((len(x), x.shape[1] + 2 * pad, x.shape[2] + 2 * pad))
    for i in range(kernel):
        for j in range(kernel):
            rows = slice(i, i + stride * above.shape[1], stride)
            below[:, rows, j : j + stride * above.shape[2] : stride] += columns[:, i, j]
    return below[:, pad : pad + x.shape[1], pad : pad + x.shape[2]]


def _places(size: int, kernel: int, stride: int) -> list[slice]:
    """The windows along one axis; Caffe rounds their number up and cuts the last."""
    count = -(-(size - kernel) // stride) + 1
    return [slice(k * stride, min(k * stride + kernel, size)) for k in range(count)]


def _pool_windows(x: np.ndarray, param: Any) -> tuple[list[slice], list[slice]]:
    if param.global_pooling:
        return [slice(0, x.shape[1])], [slice(0, x.shape[2])]
    assert not param.pad
    rows, columns = (_places(size, param.kernel_size, param.stride) for size in x.shape[1:])
    return rows, columns


def _pool(x: np.ndarray, param: Any) -> tuple[np.ndarray, list[slice], list[slice]]:
    rows, columns = _pool_windows(x, param)
    mean = param.pool == param.AVE
    y = np.empty((len(x), len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            part = x[:, row, column].reshape(len(x), -1)
            y[:, i, j] = part.mean(axis=1) if mean else part.max(axis=1)
    return y, rows, columns


def _pool_back(x: np.ndarray, above: np.ndarray, param: Any) -> np.ndarray:
    rows, columns = _pool_windows(x, param)
    above = above.reshape(len(x), len(rows), len(columns))
    below = np.zeros_like(x)
    channels = np.arange(len(x))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            part = x[:, row, column]
            if param.pool == param.AVE:
                below[:, row, column] += above[:, i, j, None, None] / part[0].size
                continue
            place = part.reshape(len(x), -1).argmax(axis=1)
            width = part.shape[2]
            below[channels, row.start + place // width, column.start + place % width] += above[:, i, j]
    return below
