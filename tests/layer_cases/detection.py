"""Layers of detectors: Normalize, regions, boxes."""

from __future__ import annotations

import numpy as np
from layer_harness import Case, apart, given, uniform


def normalize(across, eps=1e-10):
    def reference(x, scale):
        axes = tuple(range(1, x.ndim)) if across else 1
        norm = np.sqrt((x**2).sum(axis=axes, keepdims=True) + eps)
        return x / norm * scale.reshape(-1, *[1] * (x.ndim - 2))

    return reference


def half_up(value):
    """C's round for what is not negative."""
    return int(np.floor(value + 0.5))


def roi_pooling(pooled, scale):
    def reference(x, rois):
        y = np.zeros((len(rois), x.shape[1], *pooled))
        for r, (item, x1, y1, x2, y2) in enumerate(rois):
            x1, y1, x2, y2 = (half_up(v * scale) for v in (x1, y1, x2, y2))
            bins = max(y2 - y1 + 1, 1) / pooled[0], max(x2 - x1 + 1, 1) / pooled[1]
            for i, j in np.ndindex(*pooled):
                rows = slice(y1 + int(np.floor(i * bins[0])), y1 + int(np.ceil((i + 1) * bins[0])))
                columns = slice(x1 + int(np.floor(j * bins[1])), x1 + int(np.ceil((j + 1) * bins[1])))
                part = x[int(item), :, rows, columns]
                y[r, :, i, j] = part.max(axis=(1, 2)) if part.size else 0
        return y

    return reference


def psroi_pooling(dim, k, scale):
    def reference(x, rois):
        y = np.zeros((len(rois), dim, k, k))
        for r, (item, x1, y1, x2, y2) in enumerate(rois):
            left, top = half_up(x1) * scale, half_up(y1) * scale
            bins = ((half_up(y2) + 1) * scale - top) / k, ((half_up(x2) + 1) * scale - left) / k
            for c, i, j in np.ndindex(dim, k, k):
                rows = slice(int(np.floor(top + i * bins[0])), int(np.ceil(top + (i + 1) * bins[0])))
                columns = slice(int(np.floor(left + j * bins[1])), int(np.ceil(left + (j + 1) * bins[1])))
                part = x[int(item), (c * k + i) * k + j, rows, columns]
                y[r, c, i, j] = part.mean() if part.size else 0
        return y

    return reference


ROIS = {1: given([[0, 0, 0, 11, 9], [1, 2, 4, 7, 6], [1, 5, 1, 5, 1], [0, 9, 8, 20, 20]])}

CASES = [
    Case("Normalize", "each position", [(2, 5, 3, 4)],
         "norm_param { across_spatial: false channel_shared: false }", reference=normalize(False),
         in_place=True),
    Case("Normalize", "whole item", [(2, 5, 3, 4)], "norm_param { eps: 0.1 }", reference=normalize(True, 0.1),
         in_place=True),
    Case("Normalize", "whole item, scale per channel", [(3, 4, 2)], "norm_param { channel_shared: false }",
         reference=normalize(True)),
    Case("Normalize", "two axes", [(3, 4)], "norm_param { across_spatial: false }",
         weights={0: uniform(2, 3)}, reference=normalize(False)),
    Case("ROIPooling", "default scale", [(2, 3, 10, 12), (4, 5)],
         "roi_pooling_param { pooled_h: 3 pooled_w: 2 }", fills=ROIS | {0: apart()},
         reference=roi_pooling((3, 2), 1)),
    Case("ROIPooling", "half scale", [(2, 3, 6, 7), (4, 5)],
         "roi_pooling_param { pooled_h: 2 pooled_w: 3 spatial_scale: 0.5 }", fills=ROIS | {0: apart()},
         reference=roi_pooling((2, 3), 0.5)),
    Case("ROIPooling", "an item that does not exist", [(1, 2, 4, 4), (2, 5)],
         "roi_pooling_param { pooled_h: 1 pooled_w: 1 }", gradient=False,
         fills={1: given([[3, 0, 0, 3, 3], [-1, 0, 0, 3, 3]])},
         reference=lambda x, rois: np.zeros((2, 2, 1, 1))),
    Case("PSROIPooling", "half scale", [(2, 18, 6, 7), (4, 5)],
         "psroi_pooling_param { output_dim: 2 group_size: 3 spatial_scale: 0.5 }", fills=ROIS,
         reference=psroi_pooling(2, 3, 0.5)),
]  # fmt: skip
