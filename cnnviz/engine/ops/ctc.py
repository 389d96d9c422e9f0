"""Connectionist temporal classification of one sequence, on the host, in logarithms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


@np.errstate(invalid="ignore")  # scores that are not finite make the loss so
def ctc(
    scores: np.ndarray, labels: Sequence[int], blank: int, merge: bool = True
) -> tuple[float, np.ndarray]:
    """Returns -log P(labels) and its gradient with respect to the scores.

    P sums over all ways to write T symbols that become ``labels`` when repeated symbols are merged and
    blanks are taken out. Where there is no way, the loss is infinite and the gradient is softmax(scores).

    Args:
        scores: (T, C) in double precision, before softmax; T at least 1.
        blank: the symbol that stands for none.
        merge: False: repeated symbols are not merged, each counts.

    Source: Graves et al. 2006, equations 5 to 16.
    """
    log_y = scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)
    path = np.full(2 * len(labels) + 1, blank)
    path[1::2] = labels
    steps = _Steps(path, blank, merge)
    emitted = log_y[:, path]
    alpha, beta = steps.forward(emitted), steps.backward(emitted)
    both = alpha + beta
    total = np.logaddexp.reduce(both[0])
    gradient = np.exp(log_y)
    if np.isfinite(total):
        for symbol in set(path.tolist()):
            gradient[:, symbol] -= np.exp(both[:, path == symbol] - total).sum(axis=1)
    return -float(total), gradient


class _Steps:
    """Which places of the path a step may lead to: the same (stay), the next, the next but one (skip)."""

    def __init__(self, path: np.ndarray, blank: int, merge: bool):
        self.stay = np.where((path == blank) | merge, 0.0, -np.inf)
        self.skip = np.full(len(path), -np.inf)
        is_repeated = path[2:] == path[:-2]
        self.skip[2:][(path[2:] != blank) & ~(merge & is_repeated)] = 0

    def forward(self, emitted: np.ndarray) -> np.ndarray:
        """The log of what all beginnings of the path up to (t, u) add up to, with t."""
        alpha = np.full(emitted.shape, -np.inf)
        alpha[0, :2] = emitted[0, :2]
        for t in range(1, len(alpha)):
            before = alpha[t - 1]
            total = before + self.stay
            total[1:] = np.logaddexp(total[1:], before[:-1])
            total[2:] = np.logaddexp(total[2:], before[:-2] + self.skip[2:])
            alpha[t] = total + emitted[t]
        return alpha

    def backward(self, emitted: np.ndarray) -> np.ndarray:
        """The log of what all ends of the path from (t, u) on add up to, without t."""
        beta = np.full(emitted.shape, -np.inf)
        beta[-1, -2:] = 0
        for t in range(len(beta) - 2, -1, -1):
            after = beta[t + 1] + emitted[t + 1]
            total = after + self.stay
            total[:-1] = np.logaddexp(total[:-1], after[1:])
            total[:-2] = np.logaddexp(total[:-2], after[2:] + self.skip[2:])
            beta[t] = total
        return beta
