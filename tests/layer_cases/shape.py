"""Layers that move, choose, join, cut and add elements."""

from __future__ import annotations

import numpy as np

from support.layer_harness import Case, given, integers

ODD = (2, 3, 5, 7)


def pairs(count, shape=ODD):
    return [shape] * count


def reshaped(*shape):
    return lambda x: x.reshape(shape)


def eltwise_max(*x):
    return np.maximum.reduce(x)


def filtered(*bottoms):
    *blobs, selector = bottoms
    return [x[selector.ravel() != 0] for x in blobs]


def same(x):
    return x


CASES = [
    Case("Split", "one", [ODD], reference=same),
    Case("Split", "three", [ODD], tops=3, reference=lambda x: [x, x, x]),
    Case("Eltwise", "sum", pairs(2), reference=lambda a, b: a + b),
    Case("Eltwise", "sum of three with coeff", pairs(3), "eltwise_param { coeff: 1 coeff: -2 coeff: 0.5 }",
         reference=lambda a, b, c: a - 2 * b + 0.5 * c),
    Case("Eltwise", "one bottom, scaled", pairs(1), "eltwise_param { coeff: -0.5 }",
         reference=lambda a: -0.5 * a, in_place=True),
    Case("Eltwise", "sum in place", pairs(3), reference=lambda a, b, c: a + b + c, in_place=True),
    Case("Eltwise", "product", pairs(3), "eltwise_param { operation: PROD }",
         reference=lambda a, b, c: a * b * c),
    Case("Eltwise", "product by division", pairs(2),
         "eltwise_param { operation: PROD stable_prod_grad: false }",
         reference=lambda a, b: a * b),
    Case("Eltwise", "max", pairs(2), "eltwise_param { operation: MAX }", reference=eltwise_max),
    Case("Eltwise", "max of four", pairs(4), "eltwise_param { operation: MAX }", reference=eltwise_max),
    Case("Concat", "channels", [(2, 3, 5, 7), (2, 1, 5, 7), (2, 4, 5, 7)],
         reference=lambda *x: np.concatenate(x, 1)),
    Case("Concat", "one bottom", [ODD], reference=same),
    Case("Concat", "axis 0", [(2, 3), (5, 3)], "concat_param { axis: 0 }",
         reference=lambda *x: np.concatenate(x, 0)),
    Case("Concat", "last axis", [(2, 3, 5), (2, 3, 1)], "concat_param { axis: -1 }",
         reference=lambda *x: np.concatenate(x, 2)),
    Case("Concat", "old name", [(2, 3, 5), (2, 3, 2)], "concat_param { concat_dim: 2 }",
         reference=lambda *x: np.concatenate(x, 2)),
    Case("Slice", "equal", [(2, 6, 5)], tops=3, reference=lambda x: np.split(x, 3, 1)),
    Case("Slice", "points", [(2, 7, 3)], "slice_param { axis: -2 slice_point: 1 slice_point: 5 }", tops=3,
         reference=lambda x: np.split(x, [1, 5], 1)),
    Case("Slice", "old name", [(4, 3)], "slice_param { slice_dim: 0 }", tops=2,
         reference=lambda x: np.split(x, 2, 0)),
    Case("Flatten", "default", [ODD], reference=reshaped(2, 105)),
    Case("Flatten", "some axes", [ODD], "flatten_param { axis: -3 end_axis: 2 }",
         reference=reshaped(2, 15, 7)),
    Case("Reshape", "inferred", [ODD], "reshape_param { shape { dim: 0 dim: -1 dim: 5 } }",
         reference=reshaped(2, 21, 5)),
    Case("Reshape", "some axes", [ODD],
         "reshape_param { axis: 1 num_axes: 2 shape { dim: 5 dim: 3 dim: 1 } }",
         reference=reshaped(2, 5, 3, 1, 7)),
    Case("Reshape", "axis appended", [(3, 5)], "reshape_param { axis: -1 shape { dim: 1 } }",
         reference=reshaped(3, 5, 1)),
    Case("Silence", "two", pairs(2), tops=0, gradient=False),
    Case("Crop", "default", [ODD, (2, 3, 4, 3)], reference=lambda x, y: x[:, :, :4, :3]),
    Case("Crop", "offsets", [ODD, (1, 2, 3, 4)], "crop_param { axis: -3 offset: 1 offset: 2 offset: 3 }",
         reference=lambda x, y: x[:, 1:3, 2:5, 3:7]),
    Case("Crop", "one offset", [(3, 5, 4), (2, 2, 2)], "crop_param { axis: 0 offset: 1 }",
         reference=lambda x, y: x[1:3, 1:3, 1:3]),
    Case("Tile", "channels", [ODD], "tile_param { tiles: 3 }", reference=lambda x: np.tile(x, (1, 3, 1, 1))),
    Case("Tile", "last axis", [(3, 1)], "tile_param { axis: -1 tiles: 5 }",
         reference=lambda x: np.tile(x, 5)),
    Case("Reduction", "sum", [ODD], reference=np.sum),
    Case("Reduction", "mean of rows", [ODD], "reduction_param { operation: MEAN axis: 2 coeff: 3 }",
         reference=lambda x: 3 * x.mean(axis=(2, 3))),
    Case("Reduction", "absolute sum of rows", [ODD], "reduction_param { operation: ASUM axis: -1 }",
         reference=lambda x: np.abs(x).sum(axis=3)),
    Case("Reduction", "squares", [ODD], "reduction_param { operation: SUMSQ axis: 1 coeff: -0.5 }",
         reference=lambda x: -0.5 * (x**2).sum(axis=(1, 2, 3))),
    Case("Reduction", "axis of one", [(5, 7, 1)], "reduction_param { axis: 2 }", reference=reshaped(5, 7)),
    Case("Filter", "some", [(5, 3), (5, 2, 2), (5,)], tops=2, reference=filtered,
         fills={2: given([1, 0, 0, 2, 1])}, gradient=False),
    Case("Filter", "one", [(3, 4), (3, 1)], reference=filtered, fills={1: given([0, 1, 0])}),
    Case("Filter", "none", [(3, 4), (3,)], reference=filtered, fills={1: given([0, 0, 0])}, gradient=False),
    Case("BatchReindex", "with repeats", [(4, 3, 5), (6,)], fills={1: given([3, 0, 0, 2, 3, 3])},
         reference=lambda x, i: x[i.astype(int)]),
    Case("Embed", "with bias", [(5, 3)], "embed_param { num_output: 7 input_dim: 4 }",
         fills={0: integers(0, 4)}, reference=lambda i, w, b: w[i.astype(int)] + b, takes_nan=False),
    Case("Embed", "without bias", [(2, 1, 3)], "embed_param { num_output: 4 input_dim: 11 bias_term: false }",
         fills={0: integers(0, 11)}, reference=lambda i, w: w[i.astype(int)], takes_nan=False),
    Case("Permute", "to channels last", [ODD], "permute_param { order: 0 order: 2 order: 3 order: 1 }",
         reference=lambda x: x.transpose(0, 2, 3, 1)),
    Case("Permute", "rest follows", [(2, 3, 2, 5, 3)], "permute_param { order: 3 order: 1 }",
         reference=lambda x: x.transpose(3, 1, 0, 2, 4)),
    Case("Permute", "six axes", [(2, 3, 2, 2, 3, 2)],
         "permute_param { order: 5 order: 3 order: 1 order: 4 order: 2 order: 0 }",
         reference=lambda x: x.transpose(5, 3, 1, 4, 2, 0)),
    Case("Permute", "nothing moves", [ODD], reference=same),
    Case("ShuffleChannel", "groups", [(2, 12, 3, 5)], "shuffle_channel_param { group: 3 }",
         reference=lambda x: x.reshape(2, 3, 4, 15).swapaxes(1, 2).reshape(2, 12, 3, 5)),
    Case("Squeeze", "all", [(1, 3, 1, 5)], reference=reshaped(3, 5)),
    Case("Squeeze", "some", [(1, 3, 1, 1)], "squeeze_param { axis: -1 axis: 2 }", reference=reshaped(1, 3)),
    Case("ExpandDims", "after", [(3, 5)], "expand_dims_param { axis: -1 }", reference=reshaped(3, 5, 1)),
    Case("ExpandDims", "inside", [(3, 5)], "expand_dims_param { axis: 1 }", reference=reshaped(3, 1, 5)),
    Case("Pad", "each side", [(2, 3, 5)],
         "pad_param { paddings: 0 paddings: 0 paddings: 1 paddings: 0 paddings: 2 paddings: 3 }",
         reference=lambda x: np.pad(x, [(0, 0), (1, 0), (2, 3)])),
    Case("Pad", "by a number", [(2, 3)], "pad_param { paddings: 1 paddings: 0 paddings: 0 paddings: 2 "
         "constant_values: -1.5 }",
         reference=lambda x: np.pad(x, [(1, 0), (0, 2)], constant_values=-1.5)),
    Case("ExpandDimsND", "before, inside and after", [(3, 5)],
         "expand_dims_nd_param { axis: 0 axis: 1 axis: 1 axis: -1 }", reference=reshaped(1, 3, 1, 1, 5, 1)),
    Case("CropCenter", "images", [(2, 3, 7, 5)],
         "crop_center_param { crop_size: 0 crop_size: 0 crop_size: 2 crop_size: 1 }",
         reference=lambda x: x[:, :, 2:5, 1:4]),
    Case("Reverse", "time", [(5, 3, 2)], reference=lambda x: x[::-1]),
    Case("Reverse", "last axis", [(2, 3, 5)], "reverse_param { axis: -1 }",
         reference=lambda x: x[:, :, ::-1]),
    Case("Reverse", "two axes", [(2, 3, 5)], "reverse_param { axis: 0 axis: -1 }",
         reference=lambda x: x[::-1, :, ::-1]),
    Case("Axpy", "factors", [(2, 3), ODD, ODD], reference=lambda a, x, z: a[:, :, None, None] * x + z),
    Case("Axpy", "factors of four axes", [(2, 3, 1, 1), ODD, ODD], reference=lambda a, x, z: a * x + z),
    Case("Parameter", "a blob", [], "parameter_param { shape { dim: 2 dim: 3 } }", reference=same,
         gradient=False, takes_nan=False),
]  # fmt: skip
