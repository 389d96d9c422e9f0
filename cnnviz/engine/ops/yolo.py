"""Predictions of YOLO nets, on the host."""

from __future__ import annotations

import numpy as np


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_box(values: np.ndarray, boxes: int) -> np.ndarray:
    """Returns a map (N, boxes k, H, W) as (N, H, W, boxes, k) in double precision."""
    num, channels, height, width = values.shape
    parts = values.reshape(num, boxes, channels // boxes, height, width)
    return parts.transpose(0, 3, 4, 1, 2).astype(float)
