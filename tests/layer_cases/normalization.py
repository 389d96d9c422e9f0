"""Layers with one constant, or one mean and variance, for each channel."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, given, uniform

ODD = (2, 3, 5, 7)
STATISTICS = {0: uniform(), 1: uniform(0.5, 2), 2: given([2.0])}
KEPT = {2: uniform(), 3: uniform(0.5, 2)}


def per_channel(values, x):
    return np.reshape(values, (1, -1) + (1,) * (x.ndim - 2))


def others(x):
    return tuple(axis for axis in range(x.ndim) if axis != 1)


def normalized(x, axes, eps=1e-5):
    center = x.mean(axis=axes, keepdims=True)
    return (x - center) / np.sqrt(((x - center) ** 2).mean(axis=axes, keepdims=True) + eps)


def batch_norm(x, mean, variance, factor):
    return normalized(x, others(x))


def stored_batch_norm(x, mean, variance, factor):
    mean, variance = per_channel(mean / factor, x), per_channel(variance / factor, x)
    return (x - mean) / np.sqrt(variance + 1e-5)


def mvn(axes):
    def reference(x):
        center = x - x.mean(axis=axes, keepdims=True)
        return center / (np.sqrt((center**2).mean(axis=axes, keepdims=True)) + 1e-9)

    return reference


def bn(x, slope, bias, mean, variance):
    return per_channel(slope, x) * normalized(x, others(x)) + per_channel(bias, x)


def kept_bn(x, slope, bias, mean, variance):
    normal = (x - per_channel(mean, x)) / np.sqrt(per_channel(variance, x) + 1e-5)
    return per_channel(slope, x) * normal + per_channel(bias, x)


def l2_norms(x):
    return np.sqrt((x**2).sum(axis=1, keepdims=True) + 1e-6)


def l1_norms(x):
    return np.abs(x).sum(axis=1, keepdims=True) + 1e-6


def affine(x, slope, bias):
    return per_channel(slope, x) * x + per_channel(bias, x)


CASES = [
    Case("BatchNorm", "train", [ODD], reference=batch_norm, weights=STATISTICS, in_place=True),
    Case("BatchNorm", "train, large mean", [(3, 2, 4, 5)], reference=batch_norm, weights=STATISTICS,
         fills={0: uniform(99, 101)}, tolerance=1e-3, gradient=False),
    Case("BatchNorm", "train, 2 axes", [(11, 7)], reference=batch_norm, weights=STATISTICS, in_place=True),
    Case("BatchNorm", "train, many channels of 2 axes", [(5, 301)], reference=batch_norm,
         weights=STATISTICS, in_place=True),
    Case("BatchNorm", "train, rows longer than a group", [(2, 2, 19, 37)], reference=batch_norm,
         weights=STATISTICS, in_place=True),
    Case("BatchNorm", "train, 1 axis", [(13,)], weights=STATISTICS, in_place=True,
         reference=lambda x, *weights: normalized(x, 0)),
    Case("BatchNorm", "test", [ODD], phase="TEST", reference=stored_batch_norm, weights=STATISTICS,
         in_place=True),
    Case("BatchNorm", "test with batch statistics", [ODD], "batch_norm_param { use_global_stats: false }",
         phase="TEST", reference=batch_norm, weights=STATISTICS),
    Case("BatchNorm", "train with stored statistics", [ODD], "batch_norm_param { use_global_stats: true }",
         reference=stored_batch_norm, weights=STATISTICS, in_place=True),
    Case("BatchNorm", "stored statistics of weight 0", [ODD], phase="TEST", weights={2: None},
         reference=lambda x, *weights: x / np.sqrt(1e-5)),
    Case("BatchNorm", "with scale and bias", [ODD], "batch_norm_param { scale_bias: true }", in_place=True,
         weights=STATISTICS, reference=lambda x, m, v, f, s, b: affine(batch_norm(x, m, v, f), s, b)),
    Case("BatchNorm", "with scale and bias, test", [ODD], "batch_norm_param { scale_bias: true }",
         phase="TEST", weights=STATISTICS, in_place=True,
         reference=lambda x, m, v, f, s, b: affine(stored_batch_norm(x, m, v, 1), s, b)),
    Case("BatchNorm", "by its fillers with scale and bias, least eps", [ODD], weights=STATISTICS,
         params="batch_norm_param { bias_filler { value: 1 } eps: 1e-9 }",
         reference=lambda x, m, v, f, s, b: affine(batch_norm(x, m, v, f), s, b)),
    Case("Scale", "default", [ODD], reference=lambda x, s: per_channel(s, x) * x, in_place=True),
    Case("Scale", "bias", [(11, 7)], "scale_param { bias_term: true }", reference=affine, in_place=True),
    Case("Scale", "two axes", [ODD], "scale_param { axis: -3 num_axes: 2 bias_term: true }",
         reference=lambda x, s, b: x * s[:, :, None] + b[:, :, None], in_place=True),
    Case("Scale", "all axes", [(3, 5)], "scale_param { axis: 0 num_axes: -1 }", reference=lambda x, s: x * s),
    Case("Scale", "one number", [ODD], "scale_param { num_axes: 0 bias_term: true }",
         reference=lambda x, s, b: x * s + b, in_place=True),
    Case("Scale", "last axis", [(4, 3, 5)], "scale_param { axis: -1 }", reference=lambda x, s: x * s),
    Case("Scale", "two bottoms", [ODD, (3, 5)], reference=lambda x, s: x * s[:, :, None], in_place=True),
    Case("Scale", "two bottoms, axis 0, bias", [ODD, (2, 3)], "scale_param { axis: 0 bias_term: true }",
         reference=lambda x, s, b: x * s[:, :, None, None] + b[:, :, None, None], in_place=True),
    Case("Bias", "default", [ODD], reference=lambda x, b: x + per_channel(b, x), in_place=True),
    Case("Bias", "one number", [ODD], "bias_param { num_axes: 0 }",
         reference=lambda x, b: x + b, in_place=True),
    Case("Bias", "two bottoms", [ODD, (5, 7)], "bias_param { axis: 2 }", reference=lambda x, b: x + b,
         in_place=True),
    Case("MVN", "default", [ODD], reference=mvn((2, 3)), in_place=True),
    Case("MVN", "across channels", [(3, 2, 5, 2)], "mvn_param { across_channels: true }",
         reference=mvn((1, 2, 3)), in_place=True),
    Case("MVN", "3 axes", [(3, 2, 5)], reference=lambda x: mvn(2)(x)[..., None]),
    Case("MVN", "across channels, 2 axes", [(3, 7)], "mvn_param { across_channels: true }",
         reference=lambda x: mvn(1)(x)[..., None, None]),
    Case("MVN", "mean only, 1 axis", [(3,)], "mvn_param { normalize_variance: false }",
         reference=lambda x: 0 * x[:, None, None, None]),
    Case("MVN", "mean only", [ODD], "mvn_param { normalize_variance: false }", in_place=True,
         reference=lambda x: x - x.mean(axis=(2, 3), keepdims=True)),
    Case("BN", "train", [ODD], reference=bn, weights=KEPT, in_place=True),
    Case("BN", "train, 2 axes", [(11, 7)], reference=bn, weights=KEPT, in_place=True),
    Case("BN", "test", [ODD], phase="TEST", reference=kept_bn, weights=KEPT, in_place=True),
    Case("BN", "frozen", [ODD], "bn_param { frozen: true }", reference=kept_bn, weights=KEPT, in_place=True),
    Case("BN", "SegNet's, learning", [ODD], "bn_param { scale_filler { value: 1 } }", phase="TEST",
         reference=lambda x, s, b: s * normalized(x, (0, 2, 3), 1e-9) + b, in_place=True),
    Case("BN", "SegNet's, affine", [ODD], "bn_param { bn_mode: INFERENCE }", in_place=True,
         reference=lambda x, s, b: s * x + b),
    Case("Normalize", "by type", [ODD], "normalize_param { }", in_place=True,
         reference=lambda x: x / np.sqrt((x**2).sum(axis=1, keepdims=True) + 1e-6)),
    Case("Normalize", "by type, 2 axes, norms too", [(5, 7)], "normalize_param { }", tops=2,
         reference=lambda x: [(x / l2_norms(x))[:, :, None, None], l2_norms(x)[:, :, None, None]]),
    Case("Normalize", "by type, gradient of norms", [ODD], "normalize_param { bp_norm: true }", tops=2,
         reference=lambda x: [x / l2_norms(x), l2_norms(x)]),
    Case("Normalize", "L1", [ODD], 'normalize_param { normalize_type: "L1" bp_norm: true }', tops=2,
         reference=lambda x: [x / l1_norms(x), l1_norms(x)], in_place=True),
    Case("ChannelNorm", "default", [ODD], reference=lambda x: np.sqrt((x**2).sum(axis=1, keepdims=True))),
    Case("ChannelNorm", "2 axes", [(5, 7)],
         reference=lambda x: np.sqrt((x**2).sum(axis=1))[:, None, None, None]),
    Case("EltwiseAffine", "default", [ODD], reference=affine, in_place=True),
    Case("EltwiseAffine", "shared", [ODD], "eltwise_affine_param { channel_shared: true }",
         reference=lambda x, s, b: s * x + b, in_place=True),
]  # fmt: skip
