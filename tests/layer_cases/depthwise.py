"""Convolutions of each channel by itself, under the names that forks give them."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case


def depthwise(stride, pad):
    """By loops over places and taps."""

    def reference(x, w, b=None):
        padded = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)]).repeat(len(w) // x.shape[1], axis=1)
        side = w.shape[2]
        height, width = ((size - side) // stride + 1 for size in padded.shape[2:])
        y = np.zeros((len(x), len(w), height, width)) + (0 if b is None else b[:, None, None])
        for i, j in np.ndindex(side, side):
            part = padded[:, :, i : i + stride * height : stride, j : j + stride * width : stride]
            y += part[:, :, :height, :width] * w[:, 0, i, j, None, None]
        return y

    return reference


CASES = [
    Case("DepthwiseConvolution", "3x3", [(2, 5, 7, 6)],
         "convolution_param { num_output: 5 kernel_size: 3 pad: 1 }", reference=depthwise(1, 1)),
    Case("DepthwiseConvolution", "several filters a channel", [(1, 3, 7, 5)],
         "convolution_param { num_output: 6 kernel_size: 3 stride: 2 bias_term: false }",
         reference=depthwise(2, 0)),
    Case("ConvolutionDepthwise", "3x3", [(2, 3, 5, 7)],
         "convolution_param { num_output: 3 kernel_size: 3 pad: 1 stride: 2 }", reference=depthwise(2, 1)),
]  # fmt: skip
