"""Wrong parameters and bottoms are refused with one sentence, before any device is needed."""

from __future__ import annotations

import re

import pytest

from cnnviz.engine.graph import build_graph
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

IMAGE = [(1, 3, 5, 5)]


def window(more: str = "") -> str:
    return f"convolution_param {{ num_output: 4 kernel_size: 3 {more} }}"


# type, shapes of the bottoms, number of tops, parameters, what the error says
ROWS = [
    ("Dropout", [(2, 3)], 1, "dropout_param { dropout_ratio: 1.5 }", "dropout_ratio is 1.5"),
    ("ReLU", [(2, 3)], 1, "relu_param { relu6: true negative_slope: 0.1 }", "give one of them"),
    ("Exp", [(2,)], 1, "exp_param { base: -2 }", "exp_param.base is -2"),
    ("Log", [(2,)], 1, "log_param { base: 1 }", "log_param.base is 1"),
    ("PReLU", [(4,)], 1, "", "has no channels"),
    ("NoisyReLU", [(4,)], 1, "noisy_relu_param { deviation: -1 }", "below 0"),
    ("RReLU", [(4,)], 1, "rrelu_param { lb: 5 ub: 4 }", "0 < lb <= ub"),
    ("Eltwise", [(2, 3)], 1, "", "expected at least 2, or one with a coeff for SUM"),
    ("Eltwise", [(2, 3)], 1, "eltwise_param { operation: MAX }", "has 1 bottom blob(s)"),
    ("Eltwise", [(2, 3), (2, 4)], 1, "", "bottom 1 is (2, 4), bottom 0 is (2, 3)"),
    ("Eltwise", [(2,), (2,)], 1, "eltwise_param { operation: PROD coeff: 1 coeff: 1 }", "SUM only"),
    ("Eltwise", [(2,), (2,)], 1, "eltwise_param { coeff: 1 }", "1 coeff for 2 bottoms"),
    ("Concat", [(2, 3), (1, 3)], 1, "", "may differ along axis 1 only"),
    ("Concat", [(2, 3), (2, 3)], 1, "concat_param { axis: 1 concat_dim: 1 }", "give axis only"),
    ("Concat", [(2, 3), (2, 3)], 1, "concat_param { axis: 2 }", "axis 2 is out of range"),
    ("Slice", [(2, 5)], 2, "", "do not divide the 5 elements"),
    ("Slice", [(2, 5)], 2, "slice_param { slice_point: 1 slice_point: 2 }", "2 slice_point for 2 tops"),
    ("Slice", [(2, 5)], 2, "slice_param { slice_point: 5 }", "must grow and lie inside"),
    ("Flatten", [(2, 5, 3)], 1, "flatten_param { axis: 2 end_axis: 1 }", "end_axis 1 lies before axis 2"),
    ("Reshape", [(2, 3)], 1, "reshape_param { shape { dim: 4 dim: 2 } }", "8 elements, the bottom"),
    ("Reshape", [(2, 3)], 1, "reshape_param { shape { dim: -1 dim: -1 } }", "several -1"),
    ("Reshape", [(2, 3)], 1, "reshape_param { shape { dim: 4 dim: -1 } }", "cannot be divided into 4"),
    ("Reshape", [(2, 3)], 1, "reshape_param { shape { dim: 2 dim: 3 dim: 0 } }", "has no axis 2"),
    ("BatchNorm", [(2, 3)], 1, "param { lr_mult: 1 }", "set lr_mult: 0"),
    ("Normalize", [(2, 3)], 1, "norm_param { } normalize_param { }", "different forks"),
    ("Normalize", [(2, 3)], 2, "", "with normalize_param only"),
    ("Normalize", [(2, 3)], 1, "normalize_param { normalize_type: 'max' }", "expected 'L1' or 'L2'"),
    ("Normalize", [(1, 1, 1, 1, 1)], 1, "normalize_param { }", "more than the four axes"),
    ("CenterLoss", [(2, 3), (2,)], 1, "", "has no num_output"),
    ("CenterLoss", [(2, 3), (2,)], 1, "center_loss_param { num_output: 3 axis: 0 }", "only 1 is supported"),
    ("CenterLoss", [(2, 3), (2, 3)], 1, "center_loss_param { num_output: 3 }", "one label for each"),
    ("FocalLoss", [(2, 3), (2,)], 1, "focal_loss_param { alpha: 0 }", "alpha must be above 0"),
    ("TripletLoss", [(2, 3), (2, 3), (2, 4)], 1, "", "three of one shape"),
    ("TripletLoss", [(2, 3, 2)] * 3, 1, "", "three of one shape"),
    ("TripletLoss", [(2, 3)] * 2, 1, "", "has 2 bottom"),
    ("L1Loss", [(2, 3), (2, 4)], 1, "", "each item the same number of elements"),
    ("MarginInnerProduct", [(2, 3), (2,)], 1, "", "has no num_output"),
    ("MarginInnerProduct", [(2, 3), (3,)], 1, "margin_inner_product_param { num_output: 4 }", "2 vectors"),
    ("Scale", [(2, 3), (3, 2)], 1, "", "reach beyond"),
    ("Scale", [(2, 3, 4), (4, 3)], 1, "", "bottom 1 is (4, 3)"),
    ("Bias", [(2, 3)], 1, "bias_param { num_axes: -2 }", "num_axes is -2"),
    ("Crop", [(2, 3, 2, 5), (2, 3, 3, 5)], 1, "", "3 elements from 0 on reach beyond axis 2"),
    ("Crop", [(2, 3, 5, 5), (2, 3, 3, 3)], 1, "crop_param { axis: 1 offset: 0 offset: 1 }", "for 3 cut"),
    ("Tile", [(2, 3)], 1, "tile_param { tiles: 0 }", "at least 1"),
    ("Reduction", [(2, 3)], 1, "reduction_param { axis: 2 }", "axis 2 is out of range"),
    ("Filter", [(2, 3), (3,)], 1, "", "other numbers of items"),
    ("Filter", [(2, 3), (2, 3)], 1, "", "one number for each item"),
    ("BatchReindex", [(2, 3), (2, 2)], 1, "", "expected one axis"),
    ("Embed", [(2,)], 1, "embed_param { num_output: 3 }", "input_dim is missing"),
    ("MultinomialLogisticLoss", [(2, 3), (2, 1, 2)], 1, "", "one label for each"),
    ("MVN", [(2, 3, 1, 1, 1)], 1, "", "more than the four axes"),
    ("ContrastiveLoss", [(2, 3, 2, 1), (2, 3, 2, 1), (2,)], 1, "", "a Flatten layer makes maps so"),
    ("ContrastiveLoss", [(2, 3, 1, 2), (2, 3, 1, 2), (2,)], 1, "", "a Flatten layer makes maps so"),
    ("ContrastiveLoss", [(2, 3), (2, 4), (2,)], 1, "", "pairs of one shape"),
    ("ContrastiveLoss", [(2, 3), (2, 3), (2, 2)], 1, "", "one number for each of the 2 pairs"),
    ("LSTM", [(4, 2, 3), (4, 2)], 1, "", "num_output is missing"),
    ("LSTM", [(4, 2, 3), (4, 3)], 1, "recurrent_param { num_output: 5 }", "expected (4, 2)"),
    ("LSTM", [(4, 2, 3), (4, 2)], 3, "recurrent_param { num_output: 5 expose_hidden: true }", "4 to 5"),
    ("RNN", [(4, 2, 3), (4, 2), (3, 1)], 1, "recurrent_param { num_output: 5 }", "expected 2 sequences"),
    ("LSTMUnit", [(1, 2, 3), (1, 2, 9), (1, 2)], 2, "", "expected (1, 2, 12)"),
    ("Permute", [(2, 3)], 1, "permute_param { order: 0 order: 0 }", "at most once"),
    ("ShuffleChannel", [(2, 4)], 1, "shuffle_channel_param { group: 3 }", "4 channels cannot be"),
    ("Squeeze", [(2, 3)], 1, "squeeze_param { axis: 1 }", "has 3 elements, not 1"),
    ("Pad", [(2, 3)], 1, "pad_param { paddings: 1 }", "expected 4"),
    ("CropCenter", [(2, 3)], 1, "crop_center_param { crop_size: 1 }", "leave nothing"),
    ("Axpy", [(2, 4), (2, 3, 5), (2, 3, 5)], 1, "", "one factor for each channel"),
    ("DepthwiseConvolution", IMAGE, 1, window(), "multi"),
    ("Convolution", IMAGE, 1, window("pad_l: 1 pad: 1"), "give one of: pad;"),
    ("Convolution", IMAGE, 1, window("pad_b: -1"), "cannot be negative"),
    ("Convolution", IMAGE, 1, window("pad_type: 2"), "pad_type is 0, or 1"),
    ("Convolution", IMAGE, 1, window("hole: 2 dilation: 2"), "one of the three forms"),
    ("Convolution", IMAGE, 1, window("stride: 4294967295"), "can span 2147483647 pixels at most"),
    ("Convolution", IMAGE, 1, "convolution_param { num_output: 4294967295 kernel_size: 3 }",
     "more than 2147483647 elements"),
    ("Deconvolution", IMAGE, 1, window("pad_type: 1"), "pad_type is for Convolution"),
    ("Deconvolution", IMAGE, 1, window("stride: 2147483647"), "can span 2147483647 pixels at most"),
    ("Interp", IMAGE, 1, "interp_param { height: 5 }", "gives no size"),
    ("Interp", IMAGE, 1, "interp_param { height: 2147483647 width: 2147483647 }", "more than 2147483647"),
    ("Interp", IMAGE, 1, "interp_param { zoom_factor: 2147483647 }", "would become"),
    ("Interp", IMAGE, 1, "interp_param { zoom_factor: 2 pad_beg: -3 pad_end: -2 }", "0 would be left"),
    ("Upsample", IMAGE, 1, "upsample_param { scale: 429496729 }", "more than 2147483647 elements"),
    ("Upsample", IMAGE, 1, "upsample_param { scale_h: 2 }", "belong together"),
    ("UpsampleDarknet", IMAGE, 1, "upsample_darknet_param { stride: 99999 }", "more than 2147483647"),
    ("Unpooling", IMAGE, 1, "unpooling_param { unpool: TILE stride: 2 }", "kernel_size is missing"),
    ("Unpooling", IMAGE, 1, "unpooling_param { kernel_size: 2 pad: 1 unpool: AVE }", "pad is for MAX"),
    ("Unpooling", IMAGE, 1, "unpooling_param { kernel_size: 2 unpool_size: 99999 }", "more than 2147"),
    ("ResizeBilinear", IMAGE, 1, "resize_bilinear_param { scale_height: nan }", "scale_height is nan"),
    ("ResizeBilinear", IMAGE, 1, "resize_bilinear_param { scale_height: 1e30 }", "scale_height is 1e+30"),
    ("ResizeBilinear", IMAGE, 1, "resize_bilinear_param { data_format: 'NCHWD' }", "NHWC or NCHW"),
    ("ResizeNearestNeighbor", IMAGE, 1,
     "resize_nearest_neighbor_param { align_corners: true half_pixel_centers: true }", "exclude each other"),
    ("Reverse", [(2, 3)], 1, "reverse_param { axis: 0 axis: 2 }", "axis 2 is out of range"),
    ("ExpandDimsND", [(2, 3)], 1, "expand_dims_nd_param { axis: 2 axis: 0 }", "not rising places"),
    ("Python", [(2,)], 1, 'python_param { module: "os" layer: "system" }', "not allowed to run"),
]  # fmt: skip


def text(type: str, bottoms: list, tops: int, params: str) -> str:
    lines = []
    for i, shape in enumerate(bottoms):
        dims = " ".join(f"dim: {size}" for size in shape)
        lines.append(
            f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {dims} }} }} }}'
        )
    names = " ".join(f'bottom: "x{i}"' for i in range(len(bottoms)))
    names += " " + " ".join(f'top: "y{i}"' for i in range(tops))
    return "\n".join([*lines, f'layer {{ name: "l" type: "{type}" {names} {params} }}'])


@pytest.mark.parametrize("type, bottoms, tops, params, message", ROWS, ids=lambda value: str(value)[:40])
def test_is_refused_with_a_sentence(type, bottoms, tops, params, message):
    with pytest.raises(NetError, match=re.escape(message)) as raised:
        build_graph(parse_net(text(type, bottoms, tops, params)), "TRAIN")
    said = str(raised.value)
    assert f"layer 'l' ({type}): " in said
    assert said.endswith(".")
    assert "\n" not in said


@pytest.mark.parametrize(
    "type", ["Split", "Concat", "Slice", "Flatten", "Reshape", "Crop", "Tile", "Permute"]
)
def test_what_cannot_work_in_place_says_so(type):
    bottoms = 'bottom: "x" bottom: "z"' if type == "Crop" else 'bottom: "x"'
    net = f"""layer {{ name: "i" type: "Input" top: "x" top: "z" input_param {{ shape {{ dim: 1 dim: 1 }} }}}}
        layer {{ name: "l" type: "{type}" {bottoms} top: "x" tile_param {{ tiles: 1 }} }}"""
    with pytest.raises(NetError, match="cannot work in place on 'x'"):
        build_graph(parse_net(net))
