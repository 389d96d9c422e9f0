"""Layers of volumes (N, C, L, H, W)."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, apart


def convolution(stride=(1, 1), pad=(0, 0)):
    """By loops over places: (frames, pixels) of step and pad."""

    def reference(x, w, b=None):
        steps, pads = (stride[0], stride[1], stride[1]), (pad[0], pad[1], pad[1])
        x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in pads)])
        out = [(x.shape[2 + i] - w.shape[2 + i]) // steps[i] + 1 for i in range(3)]
        y = np.zeros((len(x), len(w), *out)) + (0 if b is None else b.reshape(-1, 1, 1, 1))
        for place in np.ndindex(*out):
            cut = tuple(slice(p * s, p * s + k) for p, s, k in zip(place, steps, w.shape[2:], strict=True))
            y[(..., *place)] += np.einsum("nclhw,oclhw->no", x[(..., *cut)], w)
        return y

    return reference


def pool(method, kernel, stride, pad=0):
    """By loops; kernel and stride of frames and pixels."""

    def reference(x):
        sizes = [kernel[0], kernel[1], kernel[1]]
        steps, pads = [stride[0], stride[1], stride[1]], [0, pad, pad]
        out = [-(-(x.shape[2 + i] + 2 * pads[i] - sizes[i]) // steps[i]) + 1 for i in range(3)]
        y = np.empty((*x.shape[:2], *out))
        for place in np.ndindex(*out):
            starts = [p * s - before for p, s, before in zip(place, steps, pads, strict=True)]
            cut = tuple(slice(max(a, 0), a + k) for a, k in zip(starts, sizes, strict=True))
            whole = np.prod([min(k, x.shape[2 + i] + pads[i] - starts[i]) for i, k in enumerate(sizes)])
            y[(..., *place)] = method(x[(..., *cut)], whole)
        return y

    return reference


def maximum(part, whole):
    return part.max(axis=(2, 3, 4))


def mean(part, whole):
    return part.sum(axis=(2, 3, 4)) / whole


X = (2, 3, 5, 4, 6)

CASES = [
    Case("Convolution3D", "padded", [X],
         "convolution3d_param { num_output: 4 kernel_size: 3 kernel_depth: 3 pad: 1 temporal_pad: 1 }",
         reference=convolution(pad=(1, 1))),
    Case("Convolution3D", "strides, in portions, no bias", [X],
         "convolution3d_param { num_output: 4 kernel_size: 2 kernel_depth: 3 stride: 2 temporal_stride: 2 "
         "filter_group: 2 bias_term: false }", reference=convolution((2, 2))),
    Case("Convolution3D", "as C3D-v1.0", [X],
         "convolution_param { num_output: 2 kernel_size: 3 kernel_depth: 2 pad: 1 temporal_stride: 2 }",
         reference=convolution((2, 1), (0, 1))),
    Case("Pooling3D", "max", [X],
         "pooling3d_param { kernel_size: 2 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
         reference=pool(maximum, (2, 2), (2, 2)), fills={0: apart(0.01)}),
    Case("Pooling3D", "max, overlapping, as C3D-v1.0", [X],
         "pooling_param { kernel_size: 3 kernel_depth: 2 stride: 2 }",
         reference=pool(maximum, (2, 3), (1, 2)), fills={0: apart(0.01)}),
    Case("Pooling3D", "ave", [X],
         "pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 2 stride: 2 temporal_stride: 2 }",
         reference=pool(mean, (2, 3), (2, 2))),
    Case("Pooling3D", "ave padded", [X],
         "pooling3d_param { pool: AVE kernel_size: 3 kernel_depth: 3 stride: 2 pad: 1 }",
         reference=pool(mean, (3, 3), (1, 2), 1)),
]  # fmt: skip
