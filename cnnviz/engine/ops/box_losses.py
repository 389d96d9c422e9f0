"""What a detector's loss is made of, on the host: each function returns losses and their slopes."""

from __future__ import annotations

import math

import numpy as np

Losses = tuple[np.ndarray, np.ndarray]

_MAX_LOSS = -math.log(np.finfo(np.float32).tiny)


def half_square(d: np.ndarray) -> Losses:
    """Returns d^2 / 2."""
    return d**2 / 2, d


def smooth_l1(d: np.ndarray) -> Losses:
    """Returns d^2 / 2 where |d| < 1, |d| - 1/2 elsewhere."""
    size = np.abs(d)
    return np.where(size < 1, d**2 / 2, size - 0.5), np.clip(d, -1, 1)


def softmax_loss(scores: np.ndarray, target: np.ndarray) -> Losses:
    """Returns -log softmax(scores)[target], at most 87.3, for each row.

    Args:
        scores: (n, classes).
        target: (n, classes), whether it is the row's class: one of each row.

    Returns:
        Losses (n) and slopes (n, classes).
    """
    shifted = scores - scores.max(axis=1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=1, keepdims=True)
    return np.minimum((np.log(total) - shifted)[target], _MAX_LOSS), powers / total - target


def logistic_loss(scores: np.ndarray, target: np.ndarray) -> Losses:
    """Returns the sigmoid cross-entropy of each row, as ``softmax_loss`` but with any number of classes."""
    losses = np.maximum(scores, 0) - scores * target + np.log1p(np.exp(-np.abs(scores)))
    return losses.sum(axis=1), 1 / (1 + np.exp(-scores)) - target
