"""The table of costs: totals as published, receptive fields as measured, and its three forms."""

from __future__ import annotations

import csv
import io
import json
import re

import numpy as np
import pytest
from click.testing import CliRunner

from cnnviz.analysis.receptive_field import receptive_fields
from cnnviz.analysis.summary import (
    short_number,
    summarize,
    summary_csv,
    summary_data,
    summary_text,
    text_cells,
)
from cnnviz.api.summary import summarize_net
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.graph import build_graph
from cnnviz.engine.layer import layer_types
from cnnviz.engine.layers._neuron import Neuron
from cnnviz.engine.net import Net
from cnnviz.engine.scoring import LayerTimes
from cnnviz.errors import FileError
from cnnviz.formats.layer_times import read_times
from cnnviz.formats.prototxt import parse_net, read_net
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.graph.grouping import follows
from support import big_nets
from support.files import ROOT


def summary_of(text: str):
    return summarize(build_graph(parse_net(text), splits=False, strict=False))


# The numbers of parameters are those of the published weights. MACs are per picture, where a paper
# says "FLOPs" for multiply-adds they are these:
#   AlexNet and CaffeNet: 61 million weights (Krizhevsky et al. 2012: 60 million), 724 M (Sze et al. 2017).
#   VGG-16 (configuration D of Simonyan and Zisserman 2014): 138 million, 15.5 G.
#   GoogLeNet (Szegedy et al. 2014): 7.0 million with its classifier, 1.5 to 1.6 G.
#   ResNet-18, -50, -152 (He et al. 2015, table 1): 1.8 G, 3.8 G and 11.3 G.
#   SqueezeNet 1.1 (Iandola et al. 2016 and its model card): 1.24 million, 0.39 G at 227 x 227.
#   DenseNet-201 (Huang et al. 2016): 20 million, 4.3 G.
@pytest.mark.parametrize(
    "net, parameters, macs",
    [
        ("caffenet", 60_965_224, 0.724e9),
        ("vgg16", 138_357_544, 15.47e9),
        ("googlenet", 6_998_552, 1.58e9),
        ("resnet18", 11_689_512, 1.81e9),
        ("squeezenet_v1.1", 1_235_496, 0.388e9),
    ],
)
def test_totals_are_the_published_ones(reference, net, parameters, macs):
    summary = summarize(build_graph(read_net(reference / f"nets/{net}.prototxt"), splits=False))
    assert summary.parameters == parameters
    assert summary.macs / summary.batch == pytest.approx(macs, rel=0.005)
    assert summary.unknown == 0


@pytest.mark.parametrize(
    "text, parameters, macs",
    [
        (big_nets.alexnet(), 60_965_224, 724e6),
        (big_nets.resnet((3, 4, 6, 3)), 25_557_032, 3.86e9),
        (big_nets.resnet((3, 8, 36, 3)), 60_192_808, 11.3e9),
        (big_nets.densenet((6, 12, 48, 32)), 20_013_928, 4.29e9),
    ],
    ids=["AlexNet", "ResNet-50", "ResNet-152", "DenseNet-201"],
)
def test_totals_of_nets_as_their_papers_have_them_are_the_published_ones(text, parameters, macs):
    summary = summary_of(text)
    assert summary.parameters == parameters  # running statistics are not among them
    assert summary.macs == pytest.approx(macs, rel=0.005)


def test_mobilenet_costs_what_its_paper_says(real):
    """Howard et al. 2017, table 8: 4.2 million parameters and 569 million multiply-adds."""
    path = real / "prototxt/shicai__MobileNet-Caffe/mobilenet_deploy.prototxt"
    summary = summarize(build_graph(read_net(path), splits=False, strict=False))
    assert summary.parameters == 4_231_976
    assert summary.macs == pytest.approx(569e6, rel=0.005)


def test_the_table_of_the_docs_is_what_is_counted(reference, real):
    nets = {
        "AlexNet": parse_net(big_nets.alexnet()),
        "VGG-16": read_net(reference / "nets/vgg16.prototxt"),
        "GoogLeNet": read_net(reference / "nets/googlenet.prototxt"),
        "ResNet-50": parse_net(big_nets.resnet((3, 4, 6, 3))),
        "ResNet-152": parse_net(big_nets.resnet((3, 8, 36, 3))),
        "MobileNet": read_net(real / "prototxt/shicai__MobileNet-Caffe/mobilenet_deploy.prototxt"),
        "DenseNet-201": parse_net(big_nets.densenet()),
    }
    page = (ROOT / "docs/draw.md").read_text(encoding="utf-8")
    rows = {
        cells[1]: cells
        for cells in (re.split(r" *\| *", line) for line in page.splitlines())
        if len(cells) == 8
    }
    for name, net in nets.items():
        summary = summarize(build_graph(net, splits=False, strict=False))
        assert rows[name][3] == f"{summary.parameters:,}", name
        assert rows[name][5] == short_number(summary.macs / (summary.batch or 1)), name


SMALL = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 31 dim: 29 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 2 } }
layer { name: "bn" type: "BatchNorm" bottom: "conv" top: "conv" }
layer { name: "again" type: "Convolution" bottom: "data" top: "again" param { name: "w" } param { name: "b" }
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 pad: 1 dilation: 2 } }
layer { name: "odd" type: "FromSomeFork" bottom: "again" top: "odd" }
"""


def test_rows():
    rows = {row.name: row for row in summary_of(SMALL).layers}
    assert rows["conv"].shapes == ((2, 4, 15, 14),)
    assert rows["conv"].parameters == 4 * 3 * 9 + 4
    assert rows["conv"].macs == 2 * 15 * 14 * 4 * 3 * 9
    assert rows["conv"].memory == 4 * 2 * 4 * 15 * 14
    assert (rows["bn"].parameters, rows["bn"].statistics, rows["bn"].memory) == (0, 4 + 4 + 1, 0)
    assert rows["again"].parameters == 0  # shared with conv
    assert rows["odd"].macs is rows["odd"].memory is None
    assert rows["data"].line == 2


def test_what_is_unknown_is_said_and_left_out():
    summary = summary_of(SMALL)
    assert summary.unknown == 1
    text = summary_text(summary)
    assert "shapes of 1 layer(s): omitted from the totals" in text
    assert "  ! unknown type 'FromSomeFork'" in text
    assert "and 9 running statistics" in text
    assert "per item of the batch of 2" in text


def test_a_file_its_definition_and_its_graph_have_one_table(reference):
    path = reference / "nets/lenet_train.prototxt"
    table = summarize_net(path, phase="TRAIN")
    assert summarize_net(read_net(path), phase="TRAIN") == table
    assert summarize_net(build_graph(read_net(path), "TRAIN", splits=False)) == table
    assert summarize_net(path, phase="TEST") != table


# --- receptive fields ---------------------------------------------------------------------------

WINDOWS = {
    "conv": 'type: "Convolution" convolution_param { num_output: 1 kernel_size: 3 stride: 2 pad: 1 }',
    "tall": 'type: "Convolution" convolution_param { num_output: 1 kernel_h: 5 kernel_w: 1 }',
    "holes": 'type: "Convolution" convolution_param { num_output: 1 kernel_size: 3 dilation: 2 pad: 2 }',
    "pool": 'type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 1 }',
    "up": 'type: "Deconvolution" convolution_param { num_output: 1 kernel_size: 4 stride: 2 pad: 1 }',
}


def chain(names) -> str:
    shape = "input_param { shape { dim: 1 dim: 1 dim: 64 dim: 48 } }"
    text = f'layer {{ name: "data" type: "Input" top: "0" {shape} }}\n'
    for i, name in enumerate(names):
        text += f'layer {{ name: "l{i}" bottom: "{i}" top: "{i + 1}" {WINDOWS[name]} }}\n'
    return text


def felt(names, unit) -> tuple[int, int, int, int]:
    """Follows one unit back to the input: the least and greatest row and column that reach it."""
    graph = build_graph(parse_net(chain(names)), splits=False)
    spans = [(unit[0], unit[0]), (unit[1], unit[1])]
    for layer, name in reversed(list(zip(graph.layers[1:], names, strict=True))):
        size = layer.bottom_shapes[0][2:]
        for axis in (0, 1):
            low, high = spans[axis]
            if name == "up":
                reached = [i for i in range(size[axis]) if low <= i * 2 - 1 + 3 and i * 2 - 1 <= high]
                spans[axis] = (min(reached), max(reached))
                continue
            kernel = {"tall": (5, 1), "holes": (5, 5)}.get(name, (3, 3))[axis]
            stride = 2 if name in ("conv", "pool") else 1
            pad = {"tall": 0, "holes": 2}.get(name, 1)
            spans[axis] = (low * stride - pad, high * stride - pad + kernel - 1)
    return spans[0][0], spans[1][0], spans[0][1] + 1, spans[1][1] + 1


@pytest.mark.parametrize(
    "names",
    [
        ["conv"],
        ["conv", "pool"],
        ["tall", "conv", "holes"],
        ["conv", "conv", "pool", "tall"],
        ["pool", "holes"],
    ],
    ids="-".join,
)
def test_fields_are_what_a_unit_sees(names):
    field = receptive_fields(build_graph(parse_net(chain(names)), splits=False))[-1]
    for unit in ((2, 3), (4, 1)):
        assert field.box(*unit) == felt(names, unit)


def test_fields_after_a_deconvolution_cover_what_its_units_see():
    names = ["conv", "conv", "up"]
    field = receptive_fields(build_graph(parse_net(chain(names)), splits=False))[-1]
    boxes = np.array([field.box(i, i) for i in range(4, 10)])
    seen = np.array([felt(names, (i, i)) for i in range(4, 10)])
    assert np.allclose(boxes[:, 2] - boxes[:, 0], (seen[:, 2] - seen[:, 0]).max())
    assert np.abs(boxes.mean(axis=0) - seen.mean(axis=0)).max() <= 1


def test_fields_of_branches_are_joined():
    text = chain(["conv", "holes"]) + 'layer { name: "s" type: "Eltwise" bottom: "1" bottom: "2" top: "s" }'
    fields = receptive_fields(build_graph(parse_net(text), splits=False))
    assert fields[-1].size == fields[-2].size == (11, 11)


CONV3 = 'type: "Convolution" convolution_param { num_output: 1 kernel_size: 3 stride: 2 pad: 1 }'


def after_a_convolution(layer: str) -> str:
    """The net of an image, a convolution "c" and a layer that makes "y" of it."""
    shape = "input_param { shape { dim: 1 dim: 1 dim: 24 dim: 20 } }"
    text = f'layer {{ name: "data" type: "Input" top: "data" {shape} }}\n'
    text += f'layer {{ name: "c" bottom: "data" top: "c" {CONV3} }}\n'
    return text + f'layer {{ name: "y" bottom: "c" top: "y" {layer} }}'


def seen(layer: str) -> tuple[np.ndarray, np.ndarray]:
    """The boxes of a layer's units inside of the image by their fields, and as gradients show them."""
    text = after_a_convolution(layer)
    net = Net(parse_net("force_backward: true\n" + text), "TRAIN", seed=1)
    for blobs in net.params.values():
        blobs[0].data[...] = 1.0  # nothing may cancel
    net.blobs["data"].data[...] = np.random.default_rng(2).random(net.blobs["data"].shape)
    net.forward()
    field = receptive_fields(build_graph(parse_net(text), splits=False))[-1]
    expected, shown = [], []
    height, width = net.blobs["y"].shape[2:]
    for i, j in np.ndindex(height, width):
        net.blobs["y"].diff[...] = 0
        net.blobs["y"].diff[0, 0, i, j] = 1
        net.backward()
        rows, columns = np.nonzero(net.blobs["data"].diff.any(axis=(0, 1)))
        if len(rows) and min(*rows, *columns) > 0 and rows.max() < 23 and columns.max() < 19:
            expected.append(field.box(i, j))
            shown.append((rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))
    return np.array(expected), np.array(shown)


@pytest.mark.parametrize("layer", [
    'type: "Convolution" convolution_param { num_output: 1 kernel_size: 2 hole: 2 }',
    'type: "Convolution" convolution_param { num_output: 1 kernel_size: 3 pad_t: 2 pad_r: 1 }',
    'type: "Convolution" convolution_param { num_output: 1 kernel_size: 4 stride: 2 pad_type: 1 }',
    'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad_l: 1 pad_b: 2 }',
    'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 2 pad_type: 1 }',
    'type: "Pad" pad_param { paddings: 0 paddings: 0 paddings: 0 paddings: 1 paddings: 2 paddings: 0 '
    "paddings: 1 paddings: 3 }",
    'type: "CropCenter" crop_center_param { crop_size: 0 crop_size: 0 crop_size: 2 crop_size: 1 }',
    'type: "Interp" interp_param { shrink_factor: 2 pad_beg: -1 }',
    'type: "Unpooling" unpooling_param { kernel_size: 3 stride: 3 }',
], ids=lambda text: text[6:70])  # fmt: skip
def test_fields_of_forks_layers_are_what_units_see(layer):
    expected, shown = seen(layer)
    assert len(expected) > 3 and np.array_equal(expected, shown)


@pytest.mark.parametrize("layer", [
    'type: "Interp" interp_param { zoom_factor: 2 }',
    'type: "Interp" interp_param { height: 7 width: 17 pad_end: -2 }',
    'type: "ResizeBilinear" resize_bilinear_param { output_height: 30 output_width: 7 data_format: "NCHW" }',
    'type: "ResizeBilinear" resize_bilinear_param { scale_height: 2 scale_width: 2 data_format: "NCHW" '
    "half_pixel_centers: true }",
    'type: "ResizeNearestNeighbor" resize_nearest_neighbor_param { scale_height: 3 output_width: 7 '
    'data_format: "NCHW" }',
    'type: "ResizeNearestNeighbor" resize_nearest_neighbor_param { scale_height: 2 output_width: 15 '
    'data_format: "NCHW" half_pixel_centers: true }',
    'type: "Upsample" upsample_param { scale: 3 }',
    'type: "UpsampleDarknet" upsample_darknet_param { stride: 2 }',
    'type: "Unpooling" unpooling_param { unpool: TILE kernel_size: 3 stride: 2 }',
    'type: "Unpooling" unpooling_param { unpool: AVE kernel_size: 2 stride: 2 }',
], ids=lambda text: text[6:80])  # fmt: skip
def test_fields_of_resized_planes_are_the_largest_around_the_mean_place(layer):
    expected, shown = seen(layer)
    sizes = shown[:, 2:] - shown[:, :2]
    assert len(expected) > 3 and np.allclose(expected[:, 2:] - expected[:, :2], sizes.max(axis=0))
    # Two pixels of the input lie between neighbours of the resized plane.
    assert np.abs(expected - shown).max() <= 2
    assert np.abs((expected - shown).mean(axis=0)).max() <= 1


def test_fields_after_a_correlation_cover_both_images_and_all_displacements():
    options = "correlation_param { kernel_size: 3 max_displacement: 2 pad: 1 stride_1: 2 }"
    text = after_a_convolution(f'type: "Correlation" bottom: "c" {options}')
    fields = receptive_fields(build_graph(parse_net(text), splits=False))
    # Windows of 3 + 2 * 2 units of 3 pixels, 2 pixels apart; the first is centred on unit 2 - 1 + 1.
    assert fields[-1].size == (3 + 6 * 2, 3 + 6 * 2)
    assert fields[-1].stride == (4, 4) and fields[-1].offset == (4, 4)


def neurons() -> set[str]:
    """The names of all elementwise layers."""
    return {name for name, layer in layer_types().items() if issubclass(layer, Neuron)}


@pytest.mark.parametrize("type", sorted(neurons() | {"EltwiseAffine", "Dropout", "PReLU", "BN"}))
def test_fields_pass_through_elementwise_layers(type):
    text = chain(["conv"]) + f'layer {{ name: "n" type: "{type}" bottom: "1" top: "n" }}'
    fields = receptive_fields(build_graph(parse_net(text), splits=False, strict=False))
    assert fields[-1] is not None and fields[-1] == fields[-2]
    assert follows(type) and kind_of(type) != "other"


def test_no_field_after_a_fully_connected_layer(reference):
    summary = summarize(build_graph(read_net(reference / "nets/caffenet.prototxt"), splits=False))
    fields = {row.name: row.field for row in summary.layers}
    assert fields["fc6"] is None and fields["prob"] is None
    assert fields["pool5"].size == (195, 195) and fields["pool5"].stride == (32, 32)


# --- forms --------------------------------------------------------------------------------------


def test_csv_and_json_give_the_same():
    summary = summary_of(SMALL)
    data = summary_data(summary)
    rows = list(csv.DictReader(io.StringIO(summary_csv(summary))))
    assert [row["layer"] for row in rows] == [layer["name"] for layer in data["layers"]]
    assert [int(row["parameters"]) for row in rows] == [layer["parameters"] for layer in data["layers"]]
    assert rows[1]["shapes"] == "2x4x15x14" and data["layers"][1]["shapes"] == [[2, 4, 15, 14]]
    assert rows[4]["macs"] == "" and data["layers"][4]["macs"] is None
    assert data["totals"]["macs"] == sum(layer["macs"] or 0 for layer in data["layers"])


def test_columns_are_aligned_for_wide_characters():
    lines = summary_text(summary_of(SMALL.replace('"again"', '"卷积层"'))).splitlines()
    rows = [line for line in lines if "Convolution" in line]
    places = {text_cells(line[: line.index("Convolution")]) for line in rows}
    assert len(places) == 1


def test_control_characters_do_not_reach_the_terminal():
    text = summary_text(summary_of(SMALL.replace('name: "conv"', 'name: "\\033[31mred"')))
    assert "\033" not in text


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 K"),
        (34944, "34.9 K"),
        (999_999, "1.00 M"),
        (1.5e9, "1.50 G"),
        (None, "?"),
    ],
)
def test_short_numbers_have_three_digits(value, text):
    assert short_number(value) == text


@pytest.mark.parametrize("form", [[], ["--json"], ["--csv"]])
def test_the_command(tmp_path, form):
    path = tmp_path / "net.prototxt"
    path.write_text(SMALL)
    done = CliRunner().invoke(cnnviz_command, ["summary", str(path), *form])
    assert done.exit_code == 0, done.output
    assert "again" in done.stdout
    if form == ["--json"]:
        assert json.loads(done.stdout)["totals"]["parameters"] == 112


def test_times_of_caffe_and_ours_are_read(tmp_path):
    path = tmp_path / "times"
    path.write_text("I1121 02:11:41.0  43 caffe.cpp:395]      conv1\tforward: 1.5 ms.\n"
                    "I1121 02:11:41.0  43 caffe.cpp:398]      conv1\tbackward: 2 ms.\n")  # fmt: skip
    assert read_times(path) == {"conv1": 3.5}
    times = LayerTimes("a device", ["conv1", "ip"], ["Convolution", "InnerProduct"],
                       np.array([1.5, 0.25]), np.array([2.5, 0.5]), 4.75)  # fmt: skip
    for written in (times.to_json(), times.to_text()):
        path.write_text(written)
        assert read_times(path) == {"conv1": 4.0, "ip": 0.75}
    for other in ("nothing of the kind\n", "{", '{"layers": [{"name": "a"}]}', '{"layers": 3}', "{}"):
        path.write_text(other)
        with pytest.raises(FileError, match="holds no times of layers"):
            read_times(path)
