"""Losses."""

from __future__ import annotations

import numpy as np
from layer_harness import Case, integers


def softmax_loss(divisor, ignore=None):
    """-sum of log softmax(x)[label] over (N, C) scores, divided by divisor(number that counts, N)."""

    def reference(x, t):
        log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        counts = t != ignore if ignore is not None else np.ones(t.shape, bool)
        picked = np.take_along_axis(log_p, t.astype(int)[:, None], axis=1)[:, 0]
        return -picked[counts].sum() / max(1, divisor(counts.sum(), len(x)))

    return reference


LABELS = {1: integers(0, 5)}

CASES = [
    Case("SoftmaxWithLoss", "default", [(7, 5), (7,)], fills=LABELS,
         reference=softmax_loss(lambda valid, n: valid)),
    Case("SoftmaxWithLoss", "ignored label", [(7, 5), (7,)], "loss_param { ignore_label: 2 }", fills=LABELS,
         reference=softmax_loss(lambda valid, n: valid, ignore=2)),
    Case("SoftmaxWithLoss", "ignored label, batch size", [(7, 5), (7,)],
         "loss_param { ignore_label: 2 normalization: BATCH_SIZE }", fills=LABELS,
         reference=softmax_loss(lambda valid, n: n, ignore=2)),
    Case("SoftmaxWithLoss", "no divisor, loss weight", [(7, 5), (7,)],
         "loss_weight: 3 loss_param { normalization: NONE }", fills=LABELS,
         reference=softmax_loss(lambda valid, n: 1)),
    Case("SoftmaxWithLoss", "spatial", [(2, 5, 3, 2), (2, 3, 2)], fills=LABELS),
    Case("SoftmaxWithLoss", "probabilities too", [(7, 5), (7,)], fills=LABELS, tops=2,
         reference=lambda x, t: [softmax_loss(lambda valid, n: valid)(x, t),
                                 np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)]),
]  # fmt: skip
