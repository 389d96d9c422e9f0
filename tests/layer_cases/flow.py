"""Layers of optical flow."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, apart, given, uniform


def correlation(window, reach, pad, stride, columns, rows=None, subtracts=False):
    """By loops over displacements, listed in ``columns`` and ``rows``; ``reach`` and ``pad`` are pairs."""

    def reference(a, b):
        height, width = a.shape[2:]
        far = 20
        a, b = (np.pad(x, [(0, 0), (0, 0), (far, far), (far, far)]) for x in (a, b))
        spans = [
            size + 2 * p - 2 * r - window + 1 for size, p, r in zip((height, width), pad, reach, strict=True)
        ]
        out = [-(-span // stride) for span in spans]
        y = np.empty((len(a), len(rows or columns) * len(columns), *out))
        for d, (down, right) in enumerate((v, u) for v in rows or columns for u in columns):
            for i, j in np.ndindex(*out):
                h, w = far + i * stride + reach[0] - pad[0], far + j * stride + reach[1] - pad[1]
                first = a[:, :, h : h + window, w : w + window]
                second = b[:, :, h + down : h + down + window, w + right : w + right + window]
                values = np.abs(first - second) if subtracts else first * second
                y[:, d, i, j] = values.mean(axis=(1, 2, 3))
        return y

    return reference


def warped(outside):
    def reference(x, flow):
        y = np.full(x.shape, outside)
        height, width = x.shape[2:]
        for n, i, j in np.ndindex(len(x), height, width):
            v, u = i + flow[n, 1, i, j], j + flow[n, 0, i, j]
            if not (0 <= v < height and 0 <= u < width):
                continue
            h, w = int(v), int(u)
            corners = x[n][:, [h, min(h + 1, height - 1)]][:, :, [w, min(w + 1, width - 1)]]
            y[n, :, i, j] = np.einsum("chw,h,w->c", corners, [1 - v + h, v - h], [1 - u + w, u - w])
        return y

    return reference


X = (2, 3, 5, 6)
FLOWS = {1: uniform(-2, 2)}

SQUARE = "kernel_size: 1 max_displacement: 2 pad: 2"

CASES = [
    Case("Correlation", "every displacement", [X, X], f"correlation_param {{ {SQUARE} }}",
         reference=correlation(1, (2, 2), (2, 2), 1, range(-2, 3))),
    Case("Correlation", "windows, strides", [(1, 2, 9, 8)] * 2,
         "correlation_param { kernel_size: 3 max_displacement: 3 pad: 3 stride_1: 2 stride_2: 2 }",
         reference=correlation(3, (3, 3), (3, 3), 2, range(-2, 3, 2))),
    Case("Correlation", "differences", [X, X], "correlation_param { kernel_size: 3 max_displacement: 1 "
         "pad: 2 correlation_type: SUBTRACT do_abs: true }", fills={0: apart(), 1: uniform(-0.02, 0.02)},
         reference=correlation(3, (1, 1), (2, 2), 1, range(-1, 2), subtracts=True)),
    Case("Correlation1D", "both ways", [X, X], f"correlation_param {{ {SQUARE} }}",
         reference=correlation(1, (0, 2), (0, 2), 1, range(-2, 3), [0])),
    Case("Correlation1D", "to the left, windows", [X, X],
         "correlation_param { kernel_size: 3 max_displacement: 2 pad: 1 single_direction: -1 stride_1: 2 }",
         reference=correlation(3, (0, 2), (0, 1), 2, range(-3, 0), [0])),
    Case("Correlation1D", "to the right", [X, X],
         "correlation_param { kernel_size: 1 max_displacement: 3 pad: 3 single_direction: 1 stride_2: 2 }",
         reference=correlation(1, (0, 3), (0, 3), 1, [0, 2], [0])),
    Case("FlowWarp", "some out of the image", [X, (2, 2, 5, 6)], fills=FLOWS, reference=warped(0.0)),
    Case("FlowWarp", "border and beyond", [(1, 2, 1, 4), (1, 2, 1, 4)], gradient=False,
         fills={1: given([0.5, 0, -2.5, 0.9, 0.3, 0, 0, -0.1])}, reference=warped(0.0)),
]  # fmt: skip
