"""Predictions of YOLO nets, on the host."""

from __future__ import annotations

import numpy as np

from cnnviz.engine.ops.boxes import around


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_box(values: np.ndarray, boxes: int) -> np.ndarray:
    """Returns a map (N, boxes k, H, W) as (N, H, W, boxes, k) in double precision."""
    num, channels, height, width = values.shape
    parts = values.reshape(num, boxes, channels // boxes, height, width)
    return parts.transpose(0, 3, 4, 1, 2).astype(float)


def predicted_boxes(values: np.ndarray, anchors: np.ndarray, size: tuple[float, float]) -> np.ndarray:
    """Returns the boxes (N, H, W, boxes, 4) in shares of the image that ``values``, as of ``by_box``, mean.

    Args:
        anchors: (boxes, 2), width and height.
        size: (height, width) of the image in the anchors' units.
    """
    height, width = values.shape[1:3]
    places = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)[:, :, None]
    middles = (places + sigmoid(values[..., :2])) / (width, height)
    return around(middles, np.exp(values[..., 2:4]) * anchors / size[::-1])
