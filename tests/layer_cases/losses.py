"""Losses."""

from __future__ import annotations

import itertools

import numpy as np

from support.layer_harness import Case, given, integers, uniform


def softmax_loss(divisor, ignore=None):
    """-sum of log softmax(x)[label] over (N, C) scores, divided by divisor(number that counts, N)."""

    def reference(x, t):
        log_p = x - np.log(np.exp(x).sum(axis=1, keepdims=True))
        counts = t != ignore if ignore is not None else np.ones(t.shape, bool)
        picked = np.take_along_axis(log_p, t.astype(int)[:, None], axis=1)[:, 0]
        return -picked[counts].sum() / max(1, divisor(counts.sum(), len(x)))

    return reference


def weighted_softmax_loss(weights):
    """The mean over all items of -w[label] log p[label], p, and each item's own loss."""

    def reference(x, t):
        p = softmax(x)
        losses = -np.array(weights)[t.astype(int)] * np.log(p[np.arange(len(x)), t.astype(int)])
        return [losses.mean(), p, losses]

    return reference


def smooth_l1_of_rfcn(divisor):
    """The loss of R-FCN's form, and each item's part of it."""

    def reference(a, b, weights=1):
        d = np.abs(weights * (a - b))
        f = np.where(d < 1, d**2 / 2, d - 0.5)
        return [f.sum() / divisor, f.sum(axis=1, keepdims=True)]

    return reference


def sigmoid_loss(x, t):
    p = 1 / (1 + np.exp(-x))
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def hinge(power):
    def reference(x, t):
        side = np.where(np.arange(x.shape[1]) == t[:, None], -1, 1)
        return (np.maximum(0, 1 + side * x) ** power).sum() / len(x)

    return reference


def smooth_l1(sigma):
    def reference(a, b, inside=1, outside=1):
        d = np.abs(inside * (a - b))
        return (outside * np.where(d < sigma**-2, (sigma * d) ** 2 / 2, d - sigma**-2 / 2)).sum() / len(a)

    return reference


def contrastive(margin, legacy):
    def reference(a, b, similar):
        d2 = ((a - b) ** 2).sum(axis=1)
        far = np.maximum(0, margin - d2) if legacy else np.maximum(0, margin - np.sqrt(d2)) ** 2
        return np.where(similar != 0, d2, far).sum() / (2 * len(a))

    return reference


def partly_unknown(random, shape):
    """Every fourth number is NaN."""
    values = random.uniform(-1, 1, shape)
    values.flat[::4] = np.nan
    return values


def l1_by_entries(a, b):
    d = np.abs(a - b)
    return np.where(d < 0.3, 0, np.nan_to_num(d)).sum() / (np.isfinite(d).sum() / a.shape[1])


def l1_lengths(a, b):
    squares = ((a - b) ** 2).mean(axis=1)
    return np.sqrt(np.where(squares < 0.25, 0, squares) + 0.1).sum() / 2


def focal(alpha, gamma, ignore=None):
    def reference(x, t):
        p = np.take_along_axis(softmax(x), t.astype(int)[:, None], axis=1)[:, 0]
        counts = np.ones(t.shape, bool) if ignore is None else t != ignore
        return -(alpha * (1 - p) ** gamma * np.log(p))[counts].sum() / max(1, counts.sum())

    return reference


def triplet(margin):
    def reference(a, p, q):
        gap = ((a - p) ** 2).reshape(len(a), -1).sum(1) - ((a - q) ** 2).reshape(len(a), -1).sum(1)
        return np.maximum(0, margin + gap).sum() / (2 * len(a))

    return reference


def ctc(rows_of, blank):
    """The mean of -log P over sequences, P a sum over all ways; more in tests/engine/test_ctc.py."""

    def reference(x, *others):
        p, total = np.exp(x) / np.exp(x).sum(axis=2, keepdims=True), 0.0
        for n, row in enumerate(rows_of(*others)):
            labels = [int(label) for label in row if label >= 0 and label != blank]
            ways = itertools.product(range(x.shape[2]), repeat=len(x))
            fit = [w for w in ways if [k for k, _ in itertools.groupby(w) if k != blank] == labels]
            total -= np.log(sum(np.prod(p[range(len(x)), n, w]) for w in fit))
        return total / x.shape[1]

    return reference


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


LABELS = {1: integers(0, 5)}

CASES = [
    Case("SoftmaxWithLoss", "class weights, three tops", [(7, 3), (7,)], tops=3,
         params="loss_param { weight_by_label_freqs: true class_weighting: [0.5, 2, 1] }",
         fills={1: integers(0, 3)}, reference=weighted_softmax_loss([0.5, 2, 1])),
    Case("SoftmaxWithLossOHEM", "three tops", [(6, 5), (6,)], tops=3, fills=LABELS,
         reference=weighted_softmax_loss([1] * 5)),
    Case("SmoothL1Loss", "three bottoms, two tops", [(2, 3, 2, 4)] * 3, tops=2,
         params="loss_weight: 1 loss_weight: 0", fills={0: uniform(-3, 3)}, reference=smooth_l1_of_rfcn(16)),
    Case("SmoothL1LossOHEM", "divisor given", [(3, 4, 1, 1)] * 2, tops=2,
         params="loss_weight: 1 loss_weight: 0 "
         "loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 8 }",
         fills={0: uniform(-3, 3)}, reference=smooth_l1_of_rfcn(8)),
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
    Case("SoftmaxWithLoss", "fixed divisor", [(7, 5), (7,)], fills=LABELS,
         params="loss_param { normalization: PRE_FIXED pre_fixed_normalizer: 4 }",
         reference=softmax_loss(lambda valid, n: 4)),
    Case("SigmoidCrossEntropyLoss", "default", [(3, 4, 2), (3, 4, 2)], fills={1: uniform(0, 1)},
         reference=lambda x, t: sigmoid_loss(x, t).sum() / 3),
    Case("SigmoidCrossEntropyLoss", "ignored, valid", [(3, 4), (3, 4)],
         "loss_param { ignore_label: 2 normalization: VALID }", fills={1: integers(0, 3)},
         reference=lambda x, t: sigmoid_loss(x, t)[t != 2].mean()),
    Case("SigmoidCrossEntropyLoss", "large scores", [(3, 4), (3, 4)], gradient=False,
         fills={0: uniform(-200, 200), 1: given(np.ones(12))},
         reference=lambda x, t: np.maximum(-x, 0).sum() / 3),
    Case("EuclideanLoss", "default", [(3, 4, 2), (3, 4, 2)],
         reference=lambda a, b: ((a - b) ** 2).sum() / 6),
    Case("EuclideanLoss", "weighted, other axes", [(3, 4), (3, 2, 2)], "loss_weight: 0.5",
         reference=lambda a, b: ((a.ravel() - b.ravel()) ** 2).sum() / 6),
    Case("L1Loss", "default", [(3, 4, 2), (3, 4, 2)], reference=lambda a, b: np.abs(a - b).sum() / 3),
    Case("L1Loss", "one bottom", [(3, 4, 2)], reference=lambda a: np.abs(a).sum() / 3),
    Case("L1Loss", "plateau, by entries", [(2, 3, 5, 2)] * 2, reference=l1_by_entries,
         params="l1_loss_param { plateau: 0.3 normalize_by_num_entries: true }"),
    Case("L1Loss", "unknown targets", [(2, 3, 5)] * 2, reference=l1_by_entries, gradient=False,
         fills={1: partly_unknown}, takes_nan=False,
         params="l1_loss_param { plateau: 0.3 normalize_by_num_entries: true }"),
    Case("L1Loss", "lengths", [(2, 3, 5, 2)] * 2, "l1_loss_param { l2_per_location: true }",
         reference=lambda a, b: np.sqrt(((a - b) ** 2).sum(axis=1) + 0.01).sum() / 2),
    Case("L1Loss", "lengths, plateau, by channels", [(2, 3, 5, 2)] * 2, reference=l1_lengths,
         params="l1_loss_param { l2_per_location: true l2_prescale_by_channels: true plateau: 0.5 "
                "epsilon: 0.1 }"),
    Case("SmoothL1Loss", "default", [(3, 5), (3, 5)], fills={0: uniform(-2, 2)}, reference=smooth_l1(1)),
    Case("SmoothL1Loss", "sigma, inside weights", [(3, 5)] * 3, "smooth_l1_loss_param { sigma: 1.5 }",
         reference=smooth_l1(1.5)),
    Case("SmoothL1Loss", "inside and outside weights", [(2, 3, 4)] * 4, reference=smooth_l1(1)),
    Case("HingeLoss", "L1", [(7, 5), (7,)], fills=LABELS, reference=hinge(1)),
    Case("HingeLoss", "L2", [(7, 5), (7,)], "hinge_loss_param { norm: L2 }", fills=LABELS,
         reference=hinge(2)),
    Case("MultinomialLogisticLoss", "default", [(7, 5), (7,)], fills=LABELS | {0: uniform(0.1, 1)},
         reference=lambda p, t: -np.log(p[np.arange(7), t.astype(int)]).mean()),
    Case("InfogainLoss", "third bottom", [(7, 5), (7,), (5, 5)], fills=LABELS,
         reference=lambda x, t, h: -(h[t.astype(int)] * np.log(softmax(x))).sum() / 7),
    Case("InfogainLoss", "axis, ignored label, batch size", [(2, 5, 3), (2, 3), (1, 1, 5, 5)],
         "loss_param { ignore_label: 1 normalization: BATCH_SIZE }", fills=LABELS,
         reference=lambda x, t, h: -(
             np.where((t != 1)[..., None], h[0, 0][t.astype(int)], 0)
             * np.log(softmax(x)).transpose(0, 2, 1)).sum() / 2),
    Case("SoftmaxCrossEntropyLoss", "default", [(7, 5), (7, 5)], fills={1: uniform(0, 1)},
         reference=lambda x, t: -(t * np.log(softmax(x))).sum() / 7),
    Case("SoftmaxCrossEntropyLoss", "spatial, batch size, two tops", [(2, 5, 3, 2)] * 2,
         "loss_param { normalization: BATCH_SIZE }", tops=2, fills={1: uniform(0, 1)},
         reference=lambda x, t: [-(t * np.log(softmax(x))).sum() / 2, softmax(x)]),
    Case("FocalLoss", "default", [(7, 5), (7,)], fills=LABELS, reference=focal(0.25, 2)),
    Case("FocalLoss", "spatial, ignored label, two tops", [(2, 5, 3), (2, 3)], fills=LABELS, tops=2,
         params="focal_loss_param { alpha: 2 gamma: 0.5 } loss_param { ignore_label: 1 }",
         reference=lambda x, t: [focal(2, 0.5, ignore=1)(x, t), softmax(x)]),
    Case("CenterLoss", "default", [(6, 4), (6,)], "center_loss_param { num_output: 5 }", fills=LABELS,
         reference=lambda x, t, c: ((x - c[t.astype(int)]) ** 2).sum() / 12, gradient=False),
    Case("CenterLoss", "maps", [(4, 3, 2, 5), (4, 1, 1, 1)], "center_loss_param { num_output: 5 }",
         reference=lambda x, t, c: ((x.reshape(4, -1) - c[t.astype(int).ravel()]) ** 2).sum() / 8,
         fills=LABELS, gradient=False),
    Case("TripletLoss", "default", [(6, 4)] * 3, reference=triplet(1)),
    Case("TripletLoss", "margin, 4 axes", [(6, 5, 1, 1)] * 3, "triplet_loss_param { margin: 0.2 }",
         reference=triplet(0.2)),
    Case("CTCLoss", "default", [(4, 2, 3), (4, 2), (4, 2)], reference=ctc(lambda marks, rows: rows.T, 2),
         fills={1: given([0, 0, 1, 1, 1, 1, 1, 1]), 2: given([0, 1, 1, 1, -1, -1, -1, -1])}),
    Case("WarpCTCLoss", "lengths", [(4, 2, 3), (2,), (2,), (2, 2)], "ctc_loss_param { blank_index: 0 }",
         fills={1: given([4, 4]), 2: given([2, 1]), 3: given([1, 2, 2, -1])},
         reference=ctc(lambda steps, counts, rows: rows.T, 0)),
    Case("CtcLoss", "rows", [(4, 2, 3), (2, 3)], fills={1: given([1, 2, 0, 2, 0, 0])},
         params="ctc_loss_param { alphabet_size: 3 time_step: 4 }", reference=ctc(lambda rows: rows, 0)),
    Case("ContrastiveLoss", "default", [(5, 3), (5, 3), (5,)], fills={2: integers(0, 2)},
         params="contrastive_loss_param { margin: 2 }", reference=contrastive(2, False),
         slack=1e-3),  # as Caffe, backward divides by d + 1e-4
    Case("ContrastiveLoss", "legacy", [(5, 3), (5, 3), (5,)], fills={2: integers(0, 2)},
         params="contrastive_loss_param { margin: 2 legacy_version: true }",
         reference=contrastive(2, True)),
]  # fmt: skip
