"""Pooling, LRN, Softmax, Accuracy: what images pass through."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, apart, given, integers, uniform


def pool(method, kernel, stride, pad=(0, 0), ceil=True):
    """Pooling by loops."""

    def reference(x):
        num, channels, height, width = x.shape
        sizes = []
        for size, k, s, p in zip((height, width), kernel, stride, pad, strict=True):
            steps = (size + 2 * p - k) / s
            out = int(np.ceil(steps) if ceil else np.floor(steps)) + 1
            sizes.append(out - (any(pad) and (out - 1) * s >= size + p))
        y = np.empty((num, channels, *sizes))
        for i, j in np.ndindex(*sizes):
            h, w = i * stride[0] - pad[0], j * stride[1] - pad[1]
            area = (min(h + kernel[0], height + pad[0]) - h) * (min(w + kernel[1], width + pad[1]) - w)
            part = x[:, :, max(h, 0) : h + kernel[0], max(w, 0) : w + kernel[1]]
            y[:, :, i, j] = method(part, area)
        return y

    return reference


def maximum(part, area):
    return part.max(axis=(2, 3))


def mean(part, area):
    return part.sum(axis=(2, 3)) / area


def mean_of_pixels(part, area):
    return part.mean(axis=(2, 3))


def mean_of_given(part, area):
    return np.nanmean(part, axis=(2, 3))


def weighted_mean(part, area):
    weight = np.maximum(part, 0)
    return (weight * part).sum(axis=(2, 3)) / weight.sum(axis=(2, 3))


def lrn(size, alpha, beta, k=1.0, within=False):
    """LRN by loops over the window."""

    def reference(x):
        r = size // 2
        sums = np.zeros_like(x)
        for index in np.ndindex(*x.shape):
            n, c, h, w = index
            if within:
                window = x[n, c, max(h - r, 0) : h + r + 1, max(w - r, 0) : w + r + 1]
            else:
                window = x[n, max(c - r, 0) : c + r + 1, h, w]
            sums[index] = (window**2).sum()
        return x * (k + alpha / (size**2 if within else size) * sums) ** -beta

    return reference


def softmax(axis):
    def reference(x):
        e = np.exp(x - x.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    return reference


ODD = (2, 3, 5, 7)
DISTINCT = {0: apart()}

CASES = [
    Case("Pooling", "max 2x2", [ODD], "pooling_param { kernel_size: 2 stride: 2 }",
         reference=pool(maximum, (2, 2), (2, 2)), fills=DISTINCT),
    Case("Pooling", "max overlapping", [ODD], "pooling_param { kernel_size: 3 stride: 1 }",
         reference=pool(maximum, (3, 3), (1, 1)), fills=DISTINCT),
    Case("Pooling", "max padded", [(2, 3, 11, 17)], "pooling_param { kernel_size: 3 stride: 2 pad: 1 }",
         reference=pool(maximum, (3, 3), (2, 2), (1, 1)), fills=DISTINCT),
    Case("Pooling", "max floor, height and width apart", [ODD],
         "pooling_param { kernel_h: 2 kernel_w: 3 stride_h: 3 stride_w: 2 pad_h: 1 pad_w: 0 "
         "round_mode: FLOOR }",
         reference=pool(maximum, (2, 3), (3, 2), (1, 0), ceil=False), fills=DISTINCT),
    Case("Pooling", "max of empty windows", [(1, 2, 6, 6)], "pooling_param { kernel_size: 1 stride: 2 }",
         gradient=True, fills=DISTINCT),
    Case("Pooling", "max with mask", [ODD], "pooling_param { kernel_size: 2 stride: 2 }", tops=2,
         fills=DISTINCT),
    Case("Pooling", "max of equal numbers", [(1, 1, 4, 4)], "pooling_param { kernel_size: 2 stride: 2 }",
         tops=2, fills={0: given(np.ones(16))}, gradient=False,
         reference=lambda x: [np.ones((1, 1, 2, 2)), np.array([[[[0, 2], [8, 10]]]])]),
    Case("Pooling", "max global", [ODD], "pooling_param { global_pooling: true }",
         reference=lambda x: x.max(axis=(2, 3), keepdims=True), fills=DISTINCT),
    Case("Pooling", "ave", [ODD], "pooling_param { pool: AVE kernel_size: 3 stride: 2 }",
         reference=pool(mean, (3, 3), (2, 2))),
    Case("Pooling", "ave padded", [(1, 2, 11, 17)],
         "pooling_param { pool: AVE kernel_size: 4 stride: 3 pad: 2 }",
         reference=pool(mean, (4, 4), (3, 3), (2, 2))),
    Case("Pooling", "ave without padding in the divisor", [ODD],
         "pooling_param { pool: AVE_EXC_PAD kernel_size: 3 stride: 2 pad: 1 }",
         reference=pool(mean_of_pixels, (3, 3), (2, 2), (1, 1))),
    Case("Pooling", "max, padded after only", [ODD],
         "pooling_param { kernel_size: 3 stride: 2 pad_b: 1 pad_r: 1 ceil_mode: false }",
         reference=lambda x: pool(maximum, (3, 3), (2, 2), ceil=False)(
             np.pad(x, ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=-99)), fills=DISTINCT),
    Case("Pooling", "ave, padded by side", [ODD],
         "pooling_param { pool: AVE kernel_size: 3 stride: 2 pad_t: 1 pad_l: 0 pad_b: 0 pad_r: 2 }",
         reference=lambda x: pool(mean, (3, 3), (2, 2))(np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 2))))),
    Case("Pooling", "ave as TensorFlow, padded by its rule", [ODD],
         "pooling_param { pool: AVE_TF kernel_size: 4 stride: 2 pad_type: 1 }",
         reference=lambda x: pool(mean_of_given, (4, 4), (2, 2), ceil=False)(
             np.pad(x, [(0, 0), (0, 0), (1, 2), (1, 2)], constant_values=np.nan))),
    Case("Pooling", "round_mode goes before ceil_mode", [ODD],
         "pooling_param { kernel_size: 2 stride: 2 round_mode: CEIL ceil_mode: false }",
         reference=pool(maximum, (2, 2), (2, 2)), fills=DISTINCT),
    Case("Pooling", "ave global", [ODD], "pooling_param { pool: AVE global_pooling: true }",
         reference=lambda x: x.mean(axis=(2, 3), keepdims=True)),
    Case("Pooling", "stochastic in test", [ODD],
         "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
         phase="TEST", reference=pool(weighted_mean, (3, 3), (2, 2)), fills={0: uniform(0.1, 1)}),
    Case("Pooling", "stochastic in training", [ODD],
         "pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }",
         fills={0: uniform(0.1, 1)}),
    Case("LRN", "across", [(2, 7, 3, 5)], "lrn_param { local_size: 3 alpha: 2 beta: 0.6 k: 1.5 }",
         reference=lrn(3, 2, 0.6, 1.5), in_place=True),
    Case("LRN", "across, usual beta", [(1, 5, 3, 2)], "lrn_param { alpha: 0.5 }", reference=lrn(5, 0.5, 0.75),
         in_place=True),
    Case("LRN", "within", [(2, 3, 7, 5)],
         "lrn_param { local_size: 3 alpha: 2 beta: 0.75 k: 9 norm_region: WITHIN_CHANNEL }",
         reference=lrn(3, 2, 0.75, within=True), in_place=True),
    Case("Softmax", "default", [(5, 7)], reference=softmax(1), in_place=True),
    Case("Softmax", "spatial", [ODD], reference=softmax(1), in_place=True),
    Case("Softmax", "last axis", [ODD], "softmax_param { axis: -1 }", reference=softmax(3), in_place=True),
    Case("Softmax", "large scores", [(3, 5)], fills={0: uniform(-300, 300)}, reference=softmax(1)),
    Case("Accuracy", "top 1", [(7, 5), (7,)], fills={0: apart(), 1: integers(0, 5)}, gradient=False,
         reference=lambda x, t: np.mean(x.argmax(1) == t)),
    Case("Accuracy", "per class", [(11, 3), (11,)], tops=2, fills={0: apart(), 1: integers(0, 3)},
         gradient=False, reference=lambda x, t: [
             np.mean(x.argmax(1) == t), np.array([np.mean(x.argmax(1)[t == c] == c) for c in range(3)])]),
    Case("Accuracy", "top 2, ignored label, spatial", [(2, 5, 3, 2), (2, 3, 2)],
         "accuracy_param { top_k: 2 ignore_label: 1 }", fills={0: apart(), 1: integers(0, 5)}, gradient=False,
         reference=lambda x, t: np.mean(
             [t[i] in np.argsort(x[i[0], :, i[1], i[2]])[-2:] for i in np.ndindex(*t.shape) if t[i] != 1])),
    Case("ArgMax", "default", [(3, 4, 5)], fills=DISTINCT, gradient=False,
         reference=lambda x: x.reshape(3, -1).argmax(1).reshape(3, 1, 1)),
    Case("ArgMax", "top 3 with values", [(2, 7)], "argmax_param { top_k: 3 out_max_val: true }",
         fills=DISTINCT, gradient=False, reference=lambda x: np.stack(
             [np.argsort(-x)[:, :3], -np.sort(-x)[:, :3]], axis=1)),
    Case("ArgMax", "axis", [ODD], "argmax_param { axis: 1 top_k: 2 }", fills=DISTINCT, gradient=False,
         reference=lambda x: np.argsort(-x, axis=1)[:, :2]),
    Case("ArgMax", "axis, values", [ODD], "argmax_param { axis: -1 out_max_val: true }", fills=DISTINCT,
         gradient=False, reference=lambda x: x.max(axis=3, keepdims=True)),
    Case("SPP", "max", [(2, 3, 9, 7)], "spp_param { pyramid_height: 3 }", fills=DISTINCT),
    Case("SPP", "ave", [(2, 3, 8, 8)], "spp_param { pyramid_height: 2 pool: AVE }",
         reference=lambda x: np.concatenate(
             [x.mean((2, 3)), x.reshape(2, 3, 2, 4, 2, 4).mean((3, 5)).reshape(2, -1)], axis=1)),
    Case("SPP", "one level", [(2, 3, 5, 4)], "spp_param { pyramid_height: 1 }", fills=DISTINCT,
         reference=lambda x: x.max((2, 3), keepdims=True)),
]  # fmt: skip
