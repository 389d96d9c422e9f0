"""Convolution, Deconvolution, Im2col, InnerProduct."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, integers


def columns(kernel, stride=(1, 1), pad=(0, 0), dilation=(1, 1)):
    """Im2col by loops: (N, C kh kw, H', W')."""

    def reference(x):
        x = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
        out = [(x.shape[2 + i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in range(2)]
        y = np.empty((len(x), x.shape[1], *kernel, *out))
        for i, j in np.ndindex(*kernel):
            h, w = i * dilation[0], j * dilation[1]
            rows = slice(h, h + stride[0] * out[0], stride[0])
            y[:, :, i, j] = x[:, :, rows, w : w + stride[1] * out[1] : stride[1]]
        return y.reshape(len(x), -1, *out)

    return reference


def convolution(groups=1, **window):
    def reference(x, weight, bias=None):
        parts = []
        for xs, ws in zip(np.split(x, groups, axis=1), np.split(weight, groups), strict=True):
            flat = ws.reshape(len(ws), -1)
            parts.append(np.einsum("ok,nkhw->nohw", flat, columns(weight.shape[2:], **window)(xs)))
        y = np.concatenate(parts, axis=1)
        return y if bias is None else y + bias[:, None, None]

    return reference


def deconvolution(stride, pad, groups=1):
    def reference(x, weight, bias):
        num, channels, height, width = x.shape
        kh, kw = weight.shape[2:]
        size = stride * (height - 1) + kh, stride * (width - 1) + kw
        each = channels // groups
        y = np.zeros((num, weight.shape[1] * groups, *size))
        for g, i, j in np.ndindex(groups, height, width):
            part = np.einsum("nc,cokl->nokl", x[:, g * each : (g + 1) * each, i, j],
                             weight[g * each : (g + 1) * each])  # fmt: skip
            target = y[:, g * weight.shape[1] : (g + 1) * weight.shape[1]]
            target[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] += part
        return y[:, :, pad : size[0] - pad, pad : size[1] - pad] + bias[:, None, None]

    return reference


X = (2, 4, 7, 5)

CASES = [
    Case("Convolution", "3x3 padded", [X], "convolution_param { num_output: 3 kernel_size: 3 pad: 1 }",
         reference=convolution(pad=(1, 1))),
    Case("Convolution", "strided, height and width apart, no bias", [X],
         "convolution_param { num_output: 5 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 1 "
         "pad_h: 0 pad_w: 1 bias_term: false }", reference=convolution(stride=(2, 1), pad=(0, 1))),
    Case("Convolution", "groups", [X], "convolution_param { num_output: 6 kernel_size: 2 group: 2 }",
         reference=convolution(2)),
    Case("Convolution", "depthwise", [X],
         "convolution_param { num_output: 4 kernel_size: 3 group: 4 pad: 1 }",
         reference=convolution(4, pad=(1, 1))),
    Case("Convolution", "dilated", [X],
         "convolution_param { num_output: 2 kernel_size: 2 dilation: 3 pad: 2 }",
         reference=convolution(pad=(2, 2), dilation=(3, 3))),
    Case("Convolution", "pads by border", [X],
         "convolution_param { num_output: 3 kernel_size: 3 stride: 2 pad_t: 1 pad_b: 0 pad_l: 0 pad_r: 2 }",
         reference=lambda x, w, b: convolution(stride=(2, 2))(
             np.pad(x, [(0, 0), (0, 0), (1, 0), (0, 2)]), w, b)),
    Case("Convolution", "pads by TensorFlow's rule", [X],
         "convolution_param { num_output: 3 kernel_h: 4 kernel_w: 2 stride: 2 pad_type: 1 }",
         reference=lambda x, w, b: convolution(stride=(2, 2))(
             np.pad(x, [(0, 0), (0, 0), (1, 2), (0, 1)]), w, b)),
    Case("Convolution", "holes", [X], "convolution_param { num_output: 2 kernel_size: 2 hole: 3 }",
         reference=convolution(dilation=(3, 3))),
    Case("Convolution", "holes in height and width apart", [X],
         "convolution_param { num_output: 2 kernel_size: 2 hole_h: 4 hole_w: 2 }",
         reference=convolution(dilation=(4, 2))),
    Case("Convolution", "1x1", [X], "convolution_param { num_output: 3 kernel_size: 1 }",
         reference=convolution()),
    Case("Deconvolution", "strided", [(2, 3, 4, 3)],
         "convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad: 1 }",
         reference=deconvolution(2, 1)),
    Case("Deconvolution", "pads by border", [(2, 3, 4, 3)],
         "convolution_param { num_output: 2 kernel_size: 4 stride: 2 pad_t: 1 pad_r: 2 }",
         reference=lambda x, w, b: deconvolution(2, 0)(x, w, b)[:, :, 1:, :-2]),
    Case("Deconvolution", "groups", [X], "convolution_param { num_output: 4 kernel_size: 3 group: 2 }",
         reference=deconvolution(1, 0, 2)),
    Case("Im2col", "default", [X], "convolution_param { kernel_size: 3 stride: 2 pad: 1 }",
         reference=columns((3, 3), (2, 2), (1, 1))),
    Case("Convolution", "no spatial axes", [(3, 4)], "convolution_param { num_output: 5 }",
         reference=lambda x, w, b: x @ w.T + b),
    Case("Deconvolution", "no spatial axes", [(3, 4)], "convolution_param { num_output: 5 kernel_size: 3 }",
         reference=lambda x, w, b: x @ w + b),
    Case("InnerProduct", "default", [(3, 2, 5)], "inner_product_param { num_output: 4 }",
         reference=lambda x, w, b: x.reshape(3, -1) @ w.T + b),
    Case("InnerProduct", "transposed, no bias", [(3, 7)],
         "inner_product_param { num_output: 4 transpose: true bias_term: false }",
         reference=lambda x, w: x @ w),
    Case("InnerProduct", "axis", [(2, 3, 5)], "inner_product_param { num_output: 4 axis: 2 }",
         reference=lambda x, w, b: x @ w.T + b),
    # The gradient, which is no derivative, is in tests/engine/test_margin_inner_product.py.
    Case("MarginInnerProduct", "single", [(5, 3, 2), (5,)], "margin_inner_product_param { num_output: 4 }",
         fills={1: integers(0, 4)}, gradient=False,
         reference=lambda x, t, w: x.reshape(5, -1) @ (w / np.linalg.norm(w, axis=1, keepdims=True)).T),
    Case("MarginInnerProduct", "quadruple, two tops", [(5, 6), (5,)], tops=2, gradient=False,
         params="margin_inner_product_param { num_output: 4 type: QUADRUPLE lambda_min: 2 }",
         fills={1: integers(0, 4)}),
]  # fmt: skip
