"""Layers that bring planes to another size."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, given, uniform


def bilinear(rows, columns):
    """Reads at the given positions of each axis, as matrices of weights."""

    def weights(places, size):
        places = np.clip(places, 0, size - 1)
        return np.maximum(0, 1 - np.abs(np.asarray(places)[:, None] - np.arange(size)))

    def reference(x, *rest):
        return weights(rows, x.shape[2]) @ x @ weights(columns, x.shape[3]).T

    return reference


def repeated(times):
    return lambda x: x.repeat(times[0], axis=2).repeat(times[1], axis=3)


def unpooled(size):
    def reference(x, mask):
        y = np.zeros((*x.shape[:2], size[0] * size[1]))
        np.put_along_axis(y, mask.reshape(*x.shape[:2], -1).astype(int), x.reshape(*x.shape[:2], -1), axis=2)
        return y.reshape(*x.shape[:2], *size)

    return reference


def places(total):
    """A mask without repetition in a plane."""
    return lambda random, shape: np.stack(
        [random.permutation(total)[: shape[2] * shape[3]] for _ in range(shape[0] * shape[1])]
    ).reshape(shape)


def nearest(rows, columns):
    """Takes the given rows and columns."""
    return lambda x: x[:, :, rows][:, :, :, columns]


def windows(size, kernel, stride, averages):
    """Unpooling by loops: each input added to its window."""

    def reference(x):
        y = np.zeros((*x.shape[:2], *size))
        for i, j in np.ndindex(*x.shape[2:]):
            part = y[:, :, i * stride : i * stride + kernel, j * stride : j * stride + kernel]
            part += x[:, :, i, j, None, None] / (part[0, 0].size or 1 if averages else 1)
        return y

    return reference


def at_strides(size, stride):
    """Unpooling without a mask: the last input of several stays."""

    def reference(x):
        y = np.zeros((*x.shape[:2], *size))
        for i, j in np.ndindex(*x.shape[2:]):
            y[:, :, min(i * stride, size[0] - 1), min(j * stride, size[1] - 1)] = x[:, :, i, j]
        return y

    return reference


def last(reference):
    """The same for blobs whose channels are the last axis."""
    return lambda x: reference(x.transpose(0, 3, 1, 2)).transpose(0, 2, 3, 1)


def reorg(x, stride):
    """Darknet's order by loops."""
    num, channels, height, width = x.shape
    wide = x.reshape(num, channels // stride**2, height * stride, width * stride)
    y = np.empty((num, channels, height, width))
    for k, j, i in np.ndindex(channels, height, width):
        offset, c = divmod(k, channels // stride**2)
        y[:, k, j, i] = wide[:, c, j * stride + offset // stride, i * stride + offset % stride]
    return y


X = (2, 3, 5, 4)

CASES = [
    Case("Interp", "to a size", [X], "interp_param { height: 9 width: 3 }",
         reference=bilinear(np.linspace(0, 4, 9), np.linspace(0, 3, 3))),
    Case("Interp", "zoomed", [X], "interp_param { zoom_factor: 3 }",
         reference=bilinear(np.linspace(0, 4, 13), np.linspace(0, 3, 10))),
    Case("Interp", "shrunk", [(1, 2, 9, 7)], "interp_param { shrink_factor: 2 }",
         reference=bilinear(np.linspace(0, 8, 5), np.linspace(0, 6, 4))),
    Case("Interp", "cut off", [X], "interp_param { height: 4 width: 6 pad_beg: -1 pad_end: -1 }",
         reference=bilinear(np.linspace(1, 3, 4), np.linspace(1, 2, 6))),
    Case("Interp", "to the size of a second bottom, one row", [(1, 2, 5, 4), (1, 1, 1, 6)],
         reference=bilinear([0], np.linspace(0, 3, 6))),
    Case("Interp", "zoomed though a size is given", [X], "interp_param { height: 2 width: 2 zoom_factor: 2 }",
         reference=bilinear(np.linspace(0, 4, 9), np.linspace(0, 3, 7))),
    Case("Interp", "to a size though shrunk and zoomed", [X],
         "interp_param { height: 2 width: 7 zoom_factor: 2 shrink_factor: 2 }",
         reference=bilinear([0, 4], np.linspace(0, 3, 7))),
    Case("Interp", "shrunk, then zoomed", [(1, 2, 9, 9)], "interp_param { shrink_factor: 4 zoom_factor: 3 }",
         reference=bilinear(np.linspace(0, 8, 7), np.linspace(0, 8, 7))),
    Case("Interp", "times a factor", [X], "interp_param { full_zoom_factor: 2 }",
         reference=bilinear(np.linspace(0, 4, 10), np.linspace(0, 3, 8))),
    Case("ResizeBilinear", "align corners", [X],
         "resize_bilinear_param { align_corners: true output_height: 7 output_width: 8 data_format: 'NCHW' }",
         reference=bilinear(np.linspace(0, 4, 7), np.linspace(0, 3, 8))),
    Case("ResizeBilinear", "default, channels last", [(2, 5, 4, 3)],
         "resize_bilinear_param { output_height: 7 output_width: 8 }",
         reference=last(bilinear(np.arange(7) * 5 / 7, np.arange(8) / 2))),
    Case("ResizeBilinear", "by scales, single channel last", [(2, 5, 4, 1)],
         "resize_bilinear_param { scale_height: 0.7 scale_width: 1.5 }",
         reference=last(bilinear(np.arange(3) * 5 / 3, np.arange(6) * 2 / 3))),
    Case("ResizeBilinear", "half pixels", [X],
         "resize_bilinear_param { output_height: 3 output_width: 9 half_pixel_centers: true "
         "data_format: 'NCHW' }",
         reference=bilinear((np.arange(3) + 0.5) * 5 / 3 - 0.5, (np.arange(9) + 0.5) * 4 / 9 - 0.5)),
    Case("ResizeBilinear", "half pixels, one row", [X],
         "resize_bilinear_param { output_height: 1 output_width: 9 pytorch_half_pixel: true "
         "data_format: 'NCHW' }",
         reference=bilinear([0], (np.arange(9) + 0.5) * 4 / 9 - 0.5)),
    Case("ResizeNearestNeighbor", "default, channels last", [(2, 5, 4, 3)],
         "resize_nearest_neighbor_param { output_height: 7 scale_width: 0.5 }",
         reference=last(nearest([0, 0, 1, 2, 2, 3, 4], [0, 2]))),
    Case("ResizeNearestNeighbor", "align corners", [X],
         "resize_nearest_neighbor_param { output_height: 7 output_width: 3 align_corners: true "
         "data_format: 'NCHW' }",
         reference=nearest([0, 1, 1, 2, 3, 3, 4], [0, 2, 3])),
    Case("ResizeNearestNeighbor", "half pixels", [X],
         "resize_nearest_neighbor_param { output_height: 3 output_width: 8 half_pixel_centers: true "
         "data_format: 'NCHW' }",
         reference=nearest([0, 2, 4], [0, 0, 1, 1, 2, 2, 3, 3])),
    Case("ResizeNearestNeighbor", "half pixels as ONNX", [X],
         "resize_nearest_neighbor_param { output_height: 10 output_width: 2 half_pixel_onnx: true "
         "data_format: 'NCHW' }",
         reference=nearest([0, 0, 0, 1, 1, 2, 2, 3, 3, 4], [0, 2])),
    Case("UpsampleDarknet", "default", [X], reference=repeated((1, 1))),
    Case("UpsampleDarknet", "thrice", [X], "upsample_darknet_param { stride: 3 }",
         reference=repeated((3, 3))),
    Case("Upsample", "repeated", [X], reference=repeated((2, 2))),
    Case("Upsample", "repeated, rows and columns apart", [X], "upsample_param { scale_h: 3 scale_w: 1 }",
         reference=repeated((3, 1))),
    Case("Upsample", "by mask", [X, X], "upsample_param { pad_out_h: true }", fills={1: places(72)},
         reference=unpooled((9, 8))),
    Case("Upsample", "by mask to a size", [X, X], "upsample_param { upsample_h: 7 upsample_w: 6 }",
         fills={1: places(42)}, reference=unpooled((7, 6))),
    Case("Upsample", "mask outside of the plane", [(1, 1, 1, 3)] * 2,
         fills={0: uniform(1, 2), 1: given([-1, 3, 99])}, gradient=False,
         reference=lambda x, mask: np.where(np.arange(12) == 3, x.ravel()[1], 0).reshape(1, 1, 2, 6)),
    Case("Unpooling", "by kernel", [X, X], "unpooling_param { kernel_size: 2 stride: 2 }",
         fills={1: places(80)}, reference=unpooled((10, 8))),
    Case("Unpooling", "by size", [X, X], "unpooling_param { unpool_h: 9 unpool_w: 7 }",
         fills={1: places(63)}, reference=unpooled((9, 7))),
    Case("Unpooling", "without a mask", [X], "unpooling_param { kernel_size: 2 stride: 2 }",
         reference=at_strides((10, 8), 2)),
    Case("Unpooling", "without a mask, in a small plane", [X],
         "unpooling_param { kernel_size: 2 stride: 3 unpool_h: 8 unpool_w: 5 }", gradient=False,
         reference=at_strides((8, 5), 3)),
    Case("Unpooling", "tiles", [X], "unpooling_param { unpool: TILE kernel_size: 2 stride: 2 }",
         reference=windows((10, 8), 2, 2, False)),
    Case("Unpooling", "overlapping tiles, cut", [X],
         "unpooling_param { unpool: TILE kernel_size: 5 stride: 2 unpool_h: 9 unpool_w: 4 }",
         reference=windows((9, 4), 5, 2, False)),
    Case("Unpooling", "means, overlapping and cut", [X],
         "unpooling_param { unpool: AVE kernel_size: 3 stride: 2 unpool_h: 10 unpool_w: 7 }",
         reference=windows((10, 7), 3, 2, True)),
    Case("Unpooling", "means with gaps", [X],
         "unpooling_param { unpool: AVE kernel_size: 2 stride: 3 unpool_size: 15 }",
         reference=windows((15, 15), 2, 3, True)),
    Case("Reorg", "forward", [(2, 4, 4, 6)], "reorg_param { stride: 2 }",
         reference=lambda x: reorg(x, 2).reshape(2, 16, 2, 3)),
    Case("Reorg", "reverse", [(2, 8, 3, 2)], "reorg_param { stride: 2 reverse: true }",
         reference=lambda x: x.reshape(2, 2, 2, 2, 3, 2).transpose(0, 3, 4, 1, 5, 2).reshape(2, 2, 6, 4)),
]  # fmt: skip
