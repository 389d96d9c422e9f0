"""draw_net: what the figure shows, in every format, and that it can be read."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import time
import warnings
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import combinations

import matplotlib
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnviz.api.figures import save_figure
from cnnviz.api.graph import SUFFIXES, draw_net, graph_picture
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common import figure as figure_module
from cnnviz.plots.common.figure import (
    boxes_for_missing_letters,
    fit_fonts,
    font_families,
    new_figure,
)
from cnnviz.plots.common.text import text_width
from cnnviz.plots.common.theme import KIND_COLORS, get_theme
from cnnviz.plots.graph.grouping import fold_graph
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import ARROW_LENGTH, ARROW_WIDTH, Words, color_of
from cnnviz.plots.graph.to_figure import scene_figure
from support import big_nets
from support.scene_checks import scene_faults

SVG = "{http://www.w3.org/2000/svg}"
LENET = """
name: "LeNet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 8 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_h: 5 kernel_w: 3 stride: 2 pad_h: 1 pad_w: 0 group: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "drop1" type: "Dropout" bottom: "conv1" top: "conv1" dropout_param { dropout_ratio: 0.4 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
TRAIN_TEST = """
name: "phases"
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TRAIN }
  dummy_data_param { shape { dim: 64 dim: 8 } shape { dim: 64 } } }
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TEST }
  dummy_data_param { shape { dim: 100 dim: 8 } shape { dim: 100 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg.encode()).iter(f"{SVG}text")]


def picture_of(text: str, **options):
    return graph_picture(parse_net(text), GraphOptions(**options))


def box(picture, name: str) -> list[str]:
    """The lines of text in the box of the layer ``name``."""
    return [label.text for node in picture.scene.nodes if node.name == name for label in node.labels]


# --- what a box says ----------------------------------------------------------------------------


def test_a_box_names_what_a_reader_wants_to_know():
    assert box(picture_of(LENET), "conv1") == [
        "conv1",
        "Convolution 5×3 → 20, stride 2,",
        "pad 1×0",
        "8×20×13×13 · 320 params",
        "406 K MACs · 108 KB · field 5 px",
        "+ ReLU (negative_slope 0.1),",
        "Dropout 0.4",
    ]


def test_defaults_are_not_shown():
    lines = box(picture_of(LENET), "pool1")
    assert lines[1] == "Pooling AVE 2×2, stride 2"
    assert box(picture_of(LENET), "ip")[1] == "InnerProduct → 10"


def test_learning_rates_of_weights_and_biases():
    rates = 'top: "ip" param { lr_mult: 1 } param { lr_mult: 2.5 } inner'
    text = LENET.replace('top: "ip" inner', rates)
    assert "lr_mult 1, 2.5" in box(picture_of(text, rates=True), "ip")
    assert "lr_mult 1, 1" in box(picture_of(LENET, rates=True), "conv1")
    assert not any("lr_mult" in line for line in box(picture_of(text), "ip"))


def test_costs_can_be_left_out():
    assert not any("MACs" in line for line in box(picture_of(LENET, costs=False), "conv1"))


def test_totals_and_legend():
    svg = draw_net(parse_net(LENET))
    shown = " ".join(texts(svg))
    assert "7 layers · 10.1 K parameters" in shown
    assert "batch of 8" in shown
    assert all(kind in texts(svg) for kind in ("data", "convolution", "pooling", "inner product"))


def test_totals_of_a_net_without_any_known_shape_are_not_zeros():
    text = LENET.replace("dim: 8 dim: 1 dim: 28 dim: 28", "dim: 8").replace(
        'type: "Input"', 'type: "ForkData"'
    )
    shown = picture_of(text + 'layer { name: "s" type: "Silence" bottom: "prob" }').scene.heading
    assert list(shown) == ["TEST phase · 8 layers · shapes unknown"]


def test_no_folding_draws_every_layer():
    assert {n.name for n in picture_of(LENET, fold=False).scene.nodes} >= {"relu1", "drop1"}
    assert "relu1" not in {n.name for n in picture_of(LENET).scene.nodes}


HEAD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "loc" type: "Convolution" bottom: "c" top: "loc"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "perm" type: "Permute" bottom: "loc" top: "perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "flat" type: "Flatten" bottom: "perm" top: "flat" }
layer { name: "prior" type: "PriorBox" bottom: "c" bottom: "data" top: "prior"
  prior_box_param { min_size: 8 } }
"""


def test_layers_that_reorder_values_show_the_shape_they_end_in():
    assert box(picture_of(HEAD), "loc")[2:] == [
        "1×4×32×32 · 292 params",
        "295 K MACs · 49.2 KB · field 5 px",
        "+ Permute 0 2 3 1, Flatten → 1×4096",
    ]
    assert {"perm", "flat"} <= {n.name for n in picture_of(HEAD, fold=False).scene.nodes}


def test_an_input_of_which_only_the_size_is_read_is_a_word_and_no_line():
    def lines(**options):
        scene = picture_of(HEAD, **options).scene
        names = {n.key: n.name for n in scene.nodes}
        return {(names[link.source], names[link.target]) for link in scene.links}

    assert "size of data" in box(picture_of(HEAD), "prior")
    assert lines() == {("data", "c"), ("c", "loc"), ("c", "prior")}
    assert ("data", "prior") in lines(fold=False)
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
    assert "size of data" in box(picture_of(HEAD.replace("32 } } }", "32 } } }" + norm, 1)), "prior")
    own = HEAD.replace('bottom: "c" bottom: "data"', 'bottom: "data" bottom: "c"')
    assert "size of c" not in box(picture_of(own), "prior")  # "c" is no input of the net


def test_folded_layers_are_named_where_the_pointer_rests():
    node = next(n for n in picture_of(LENET).scene.nodes if n.name == "conv1")
    assert "relu1 (ReLU)" in node.tooltip and "drop1 (Dropout)" in node.tooltip


def test_a_layer_that_others_read_before_it_changes_is_not_folded_away():
    text = LENET.replace('bottom: "pool1" top: "ip"', 'bottom: "conv1" top: "ip"')
    assert "+ ReLU" in " ".join(box(picture_of(text), "conv1"))
    branching = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
    layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 3 } }
    layer { name: "r" type: "ReLU" bottom: "a" top: "r" }
    layer { name: "b" type: "Eltwise" bottom: "a" bottom: "r" top: "b" }
    """
    assert {"r", "a", "b"} <= {n.name for n in picture_of(branching).scene.nodes}


def test_unknown_fields_and_types_are_shown_at_their_layer():
    text = LENET.replace("stride: 2 }", "stride: 2 ceil_modus: false }", 1)
    text = text.replace('type: "Softmax"', 'type: "DetectionOutputOfSomeFork"')
    picture = picture_of(text.replace("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 2 wrap_mode: 3"))
    assert any("wrap_mode: 3" in line for line in box(picture, "pool1"))
    assert "type not built in" in box(picture, "prob")
    assert "shape unknown" in box(picture, "prob")
    assert next(n for n in picture.scene.nodes if n.name == "prob").dash


@pytest.mark.parametrize(
    "old, new, layer, shown",
    [
        ('bottom: "pool1"', 'bottom: "pool9"', "ip", "unknown bottom 'pool9'; did you mean 'pool1'?"),
        ('"Softmax"', '"SoftMax"', "prob", "unknown type 'SoftMax'; did you mean 'Softmax'?"),
    ],
)
def test_an_error_is_written_in_red_where_it_is(old, new, layer, shown):
    picture = picture_of(LENET.replace(old, new))
    node = next(n for n in picture.scene.nodes if n.name == layer)
    assert node.stroke == "warning" and node.strong
    assert shown.replace(" ", "") in "".join(box(picture, layer)).replace(" ", "")
    assert sum(n.stroke == "warning" for n in picture.scene.nodes) == 1


def test_shared_and_frozen_weights_are_marked():
    text = LENET.replace('top: "ip" inner', 'top: "ip" param { lr_mult: 0 } param { lr_mult: 0 } inner')
    assert "lr_mult 0" in " ".join(box(picture_of(text), "ip"))


# --- phases, colours, directions ----------------------------------------------------------------


def test_both_phases_side_by_side_with_what_differs():
    picture = picture_of(TRAIN_TEST, both_phases=True)
    assert [f.labels[0].text for f in picture.scene.frames] == ["TRAIN phase", "TEST phase"]
    notes = {(n.key.partition("-")[0], n.name): n.labels[-1].text for n in picture.scene.nodes}
    assert notes["net1", "accuracy"] == "only in TEST"
    assert notes["net0", "data"] == notes["net1", "data"] == "differs: shape"
    assert not notes["net0", "ip"].startswith(("differs", "only in TRAIN"))
    left, right = picture.scene.frames
    assert left.x + left.width < right.x


def test_what_differs_between_the_phases_is_named():
    text = """
    layer { name: "d" type: "Data" top: "d" include { phase: TRAIN } transform_param { mirror: true }
      data_param { source: "a" batch_size: 5 } }
    layer { name: "d" type: "Data" top: "d" include { phase: TEST }
      data_param { source: "b" batch_size: 50 } }
    """
    picture = picture_of(text, both_phases=True)
    assert "differs: mirror, source, batch_size" in " ".join(box(picture, "d"))
    frozen = TRAIN_TEST.replace('top: "ip" inner', 'top: "ip" param { lr_mult: 1 } inner')
    assert not any("differs" in line for line in box(picture_of(frozen, both_phases=True), "ip"))


def test_a_net_for_training_only_is_drawn_as_such():
    text = TRAIN_TEST.replace("include { phase: TEST }\n", "include { phase: TEST stage: 'never' }\n", 1)
    assert picture_of(TRAIN_TEST).summaries[0].phase == "TEST"
    assert picture_of(text).summaries[0].phase == "TRAIN"


def test_stages_and_levels_choose_layers():
    text = LENET + 'layer { name: "extra" type: "Power" bottom: "prob" top: "e" include { stage: "more" } }'
    assert "extra" not in draw_net(parse_net(text))
    assert "extra" in draw_net(parse_net(text), stages=["more"])


@pytest.mark.parametrize("metric", ["parameters", "macs", "memory"])
def test_colour_by_cost_has_a_legend_of_its_shades(metric):
    picture = picture_of(LENET, color_by=metric)
    assert max(n.fill for n in picture.scene.nodes) == "heat:1.00"
    shown = [item.text for item in picture.scene.extras if isinstance(item, Words)]
    assert any(metric in text.lower() for text in shown)


def test_colour_by_measured_time():
    picture = picture_of(LENET, color_by="time", times={"conv1": 2.0, "relu1": 0.5, "ip": 1.0})
    assert "2.5 ms" in box(picture, "conv1")
    assert "time not measured" in box(picture, "pool1")
    assert next(n for n in picture.scene.nodes if n.name == "conv1").fill == "heat:1.00"


@pytest.mark.parametrize("rankdir", ["TB", "BT", "LR", "RL"])
@pytest.mark.parametrize("text", [big_nets.resnet(), TRAIN_TEST], ids=["blocks", "phases"])
def test_no_boxes_overlap_and_all_are_in_the_figure(rankdir, text):
    scene = picture_of(text, rankdir=rankdir, both_phases=text is TRAIN_TEST).scene
    for a, b in combinations(scene.nodes, 2):
        apart = a.x + a.width < b.x or b.x + b.width < a.x or a.y + a.height < b.y or b.y + b.height < a.y
        assert apart, (a.name, b.name)
    for n in scene.nodes:
        assert n.x >= 0 and n.y >= 0 and n.x + n.width <= scene.width and n.y + n.height <= scene.height


def middles(scene) -> dict[str, float]:
    return {n.name: n.x + n.width / 2 for n in scene.nodes}


def test_the_main_way_is_one_straight_line_also_through_blocks():
    for text, names in (
        (big_nets.resnet(), ["data", "res2_1/a", "res2_1/sum", "res4_2/a", "res4_2/sum", "res5_1/b", "prob"]),
        (big_nets.ssd(), ["data", "conv4_3", "pool4", "conv5_1", "fc7", "conv6_1", "conv9_2", "detection"]),
    ):
        places = middles(picture_of(text).scene)
        assert max(places[n] for n in names) - min(places[n] for n in names) < 0.5
    lying = picture_of(big_nets.resnet(), rankdir="LR").scene
    heights = {n.name: n.y + n.height / 2 for n in lying.nodes}
    assert heights["res4_2/a"] == pytest.approx(heights["data"], abs=0.5)


NETS = {"residual": big_nets.resnet(), "dense": big_nets.densenet((2, 3)), "detector": big_nets.ssd(),
        "phases": TRAIN_TEST}  # fmt: skip


@pytest.mark.parametrize("columns", [1, "auto"])
@pytest.mark.parametrize("rankdir", ["TB", "LR"])
@pytest.mark.parametrize("name", NETS)
def test_nothing_overlaps_or_runs_through_another(name, rankdir, columns):
    picture = picture_of(NETS[name], rankdir=rankdir, columns=columns, both_phases=name == "phases")
    assert not list(scene_faults(picture.scene))


# The nets of the collection that were drawn worst, by lines through boxes, width or time.
HARD = (
    "intel__caffe/_history/models/intel_optimized_models/ssd/SqueezeNet-SSD/solver_test.prototxt",
    "BVLC__caffe/_history/models/intel_optimized_models/multinode/googlenet_v3_aux_32nodes_2k_batch"
    "/train_val.prototxt",
    "BVLC__caffe/_history/models/intel_optimized_models/rfcn/pascal_voc/ResNet-50/rfcn_end2end"
    "/train_agnostic.prototxt",
    "N3vdev__AI_Detection/models/wechat_barcode/detect.prototxt",
    "BVLC__caffe/_history/examples/coco_caption/lrcn.vgg.prototxt",
    "dgschwend__netscope/_history/presets/ResNeXt-101.prototxt",
)


@pytest.mark.parametrize("path", HARD)
@pytest.mark.parametrize("options", [{}, {"columns": "auto"}, {"rankdir": "LR", "fold": False}])
def test_real_nets_are_drawn_without_a_defect(real, path, options):
    assert not list(scene_faults(graph_picture(real / "prototxt" / path, GraphOptions(**options)).scene))


def test_the_checker_sees_defects():
    scene = picture_of(LENET).scene
    first, second = scene.nodes[:2]
    scene.nodes[1] = replace(second, x=first.x, y=first.y + 5, width=20)
    found = " ".join(scene_faults(scene))
    for shown in ("the boxes data and conv1 overlap", "leaves the box net0-layer1"):
        assert shown in found
    scene.nodes[3] = replace(scene.nodes[3], y=scene.nodes[2].y - 15, height=400)
    assert "runs through" in " ".join(scene_faults(scene))


def test_links_meet_their_boxes():
    scene = picture_of(big_nets.resnet()).scene
    ends = {n.key: n for n in scene.nodes} | {f.key: f for f in scene.frames}
    for link in scene.links:
        x, y = link.commands[0][1:3]
        source = ends[link.source]
        assert source.x <= x <= source.x + source.width
        assert min(abs(y - source.y), abs(y - source.y - source.height)) < 0.2, link.tooltip


# --- repeated blocks ----------------------------------------------------------------------------


def test_repeated_blocks_are_drawn_once_with_their_number():
    scene = picture_of(big_nets.resnet((3, 8, 36, 3))).scene
    assert [f.labels[0].text for f in scene.frames] == ["× 2", "× 7", "× 35", "× 2"]
    assert len(scene.nodes) < 50
    unfolded = picture_of(big_nets.resnet((3, 8, 36, 3)), fold="chains").scene
    assert not unfolded.frames and len(unfolded.nodes) > 200


def test_dense_blocks_are_found_though_their_shapes_grow():
    scene = picture_of(big_nets.densenet()).scene
    assert [f.labels[0].text for f in scene.frames] == ["× 6", "× 12", "× 48", "× 32"]
    first = next(n for n in scene.nodes if n.name == "dense1_1/join")
    assert any("1×96–256×56×56" in label.text for label in first.labels)


def test_totals_do_not_change_with_folding():
    text = big_nets.resnet()
    heads = [picture_of(text, fold=fold).scene.description for fold in (True, "chains", False)]
    assert len(set(heads)) == 1


def test_blocks_that_differ_are_not_folded():
    folded = fold_graph(build_graph(parse_net(big_nets.resnet()), splits=False))
    different = big_nets.resnet().replace(
        'name: "res4_4/b" type: "Convolution"', 'name: "res4_4/b" type: "Deconvolution"'
    )
    other = fold_graph(build_graph(parse_net(different), splits=False, strict=False))
    assert max(len(b.copies) for b in folded.blocks) == 5
    assert max(len(b.copies) for b in other.blocks) < 5


def test_small_nets_show_every_block(reference):
    picture = graph_picture(reference / "nets/resnet18.prototxt")
    assert not picture.scene.frames


# --- text fits ----------------------------------------------------------------------------------


@pytest.fixture(params=["installed fonts", "matplotlib's own font"])
def fonts(request, monkeypatch):
    """The fonts of this machine, then those of a machine that has none."""
    if request.param != "installed fonts":
        monkeypatch.setattr(figure_module, "_fallback_fonts", lambda: iter(()))
    font_families.cache_clear()
    yield
    font_families.cache_clear()


@pytest.mark.filterwarnings("ignore:no installed font")
@pytest.mark.parametrize("size", [1.0, 2.0])
def test_text_stays_inside_its_box(size, fonts):
    """Measured as drawn, for characters of several scripts and long names."""
    text = LENET.replace('"conv1"', '"卷积层一/第1_名字很长很长很长很长很长很长"').replace(
        '"pool1"', '"WWWWWWWWWW' + "m" * 90 + '"'
    )
    picture = picture_of(text)
    figure = scene_figure(picture.scene, get_theme())
    figure.set_dpi(72 * size)
    fit_fonts(figure)
    with boxes_for_missing_letters(figure):
        assert_inside(figure, picture.scene, size)


def assert_inside(figure, scene, size):
    placed = [
        t for t in figure.axes[0].texts + figure.findobj(lambda a: hasattr(a, "get_text")) if t.get_text()
    ]
    for node in scene.nodes:
        inside = [
            t for t in placed
            if node.x < t.get_position()[0] < node.x + node.width
            and node.y < t.get_position()[1] < node.y + node.height + 1
        ]  # fmt: skip
        assert len(inside) >= len(node.labels)
        for artist in inside:
            with matplotlib.rc_context({"text.hinting": "none"}):
                extent = artist.get_window_extent()
            assert extent.x1 / size <= node.x + node.width - 2, artist.get_text()


def test_a_letter_without_a_font_is_a_box_in_pixels_and_itself_in_svg(tmp_path):
    letter = "\U00012000"
    figure = new_figure(2, 1, get_theme())
    shown = []
    text = figure.text(0, 0, f"a{letter}é")
    text.draw = lambda renderer: shown.append(text.get_text())
    for suffix in ("png", "svg"):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no installed font")
            save_figure(figure, tmp_path / f"a.{suffix}")
    assert (shown[0], shown[-1], text.get_text()) == ("a▯é", f"a{letter}é", f"a{letter}é")


def test_heading_and_legend_stay_inside_the_figure():
    scene = picture_of(big_nets.resnet()).scene
    for item in scene.extras:
        if isinstance(item, Words):
            assert item.x + text_width(item.text, item.size, item.bold) <= scene.width
            assert item.y <= scene.height


# --- formats ------------------------------------------------------------------------------------

HOSTILE = """name: "<script>alert(1)</script>&amp;"
layer { name: "</title><script>alert('x')</script>" type: "\\"><img src=x onerror=alert(2)>"
  top: "a]]>--><b>" }
layer { name: "\\\\N \\" ] ; evil [label=\\"" type: "ReLU\\001\\n" bottom: "a]]>--><b>"
  top: "\\360\\237\\230\\200" }
"""


STARTS = {
    "svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "eps": b"%!PS", "jpg": b"\xff\xd8",
    "jpeg": b"\xff\xd8", "webp": b"RIFF", "tif": b"II", "tiff": b"II", "html": b"<!DOCTYPE",
    "dot": b"digraph", "gv": b"digraph", "txt": b"LeNet",
}  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_is_written_and_the_same_twice(tmp_path, suffix):
    first, second = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    svg = draw_net(parse_net(LENET), first)
    assert draw_net(parse_net(LENET), second) == svg
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(STARTS[suffix])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_pixel_formats_have_the_scene_in_pixels_and_the_dpi_asked_for(tmp_path, suffix):
    scene = picture_of(LENET).scene
    draw_net(parse_net(LENET), tmp_path / f"a.{suffix}", dpi=144)
    width, height = Image.open(tmp_path / f"a.{suffix}").size
    assert (width, height) == pytest.approx((2 * scene.width, 2 * scene.height), abs=2)


def test_svg_has_a_title_and_text_as_text():
    root = ET.fromstring(draw_net(parse_net(LENET)).encode())
    assert root.find(f"{SVG}title").text == "LeNet"
    assert "7 layers" in root.find(f"{SVG}desc").text
    assert root.get("role") == "img" and root.get("aria-labelledby")
    assert "conv1" in [t.text for t in root.iter(f"{SVG}text")]


def test_names_cannot_become_markup(tmp_path):
    for suffix in ("svg", "html", "dot", "txt"):
        draw_net(parse_net(HOSTILE), tmp_path / f"x.{suffix}")
    tags = {element.tag.removeprefix(SVG) for element in ET.parse(tmp_path / "x.svg").iter()}
    assert tags <= {"svg", "title", "desc", "g", "rect", "text", "path", "polygon"}
    page = (tmp_path / "x.html").read_text(encoding="utf-8")
    assert page.count("<script") == 2 and "<img" not in page and "<b>" not in page
    assert "\x01" not in page


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_our_dot(tmp_path):
    for name, text in (("hostile", HOSTILE), ("blocks", big_nets.resnet())):
        draw_net(parse_net(text), tmp_path / f"{name}.dot")
        done = subprocess.run(["dot", "-Tplain", tmp_path / f"{name}.dot"], capture_output=True, text=True)
        assert done.returncode == 0 and not done.stderr, done.stderr
        nodes = {line.split()[1].strip('"') for line in done.stdout.splitlines() if line.startswith("node")}
        boxes = {node.key for node in picture_of(text).scene.nodes}
        assert boxes == {node for node in nodes if not node.endswith(("-in", "-out"))}


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_every_line_also_into_and_within_blocks(tmp_path):
    draw_net(parse_net(big_nets.resnet()), tmp_path / "net.dot")
    done = subprocess.run(["dot", "-Tplain", tmp_path / "net.dot"], capture_output=True, text=True)
    edges = [line.split()[1:3] for line in done.stdout.splitlines() if line.startswith("edge")]
    lines = [tuple(end.strip('"') for end in edge) for edge in edges]
    scene = picture_of(big_nets.resnet()).scene
    assert len(lines) == len(scene.links)
    inner = {name: key for key, name in ((n.key, n.name) for n in scene.nodes)}
    block = scene.frames[0].key
    assert (f"{block}-in", inner["res2_2/a"]) in lines
    assert (f"{block}-in", inner["res2_2/sum"]) in lines  # the shortcut
    assert (inner["res2_2/sum"], f"{block}-out") in lines
    assert (inner["res2_1/sum"], f"{block}-in") in lines


def test_dot_text_says_all_that_the_figure_says(tmp_path):
    text = LENET.replace('"conv1"', '"conv<1>&"')
    draw_net(parse_net(text), tmp_path / "net.dot")
    written = (tmp_path / "net.dot").read_text(encoding="utf-8")
    assert "<B>conv&lt;1&gt;&amp;</B>" in written
    for shown in ("<B>LeNet</B>", "10.1 K parameters", "320 params", "inner product"):
        assert shown in written


@pytest.mark.parametrize("name", ["weird.xyz", "noname", "a.prototxt"])
def test_an_unknown_format_is_an_error_that_lists_the_known_ones(tmp_path, name):
    with pytest.raises(FileError, match=r"expected one of \.png, \.svg"):
        draw_net(parse_net(LENET), tmp_path / name)


@pytest.mark.parametrize(
    "options",
    [{"rankdir": "up"}, {"fold": "some"}, {"color_by": "taste"}, {"layout": "neato"}, {"style": "blue"},
     {"color_by": "time"}, {"columns": 0}, {"columns": "many"}, {"columns": 2, "layout": "dot"}],
)  # fmt: skip
def test_wrong_options_are_refused(options):
    with pytest.raises(CnnvizError):
        draw_net(parse_net(LENET), **options)


@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp"])
def test_too_large_a_figure_is_refused_with_a_way_out(tmp_path, name):
    with pytest.raises(FileError, match="choose a lower dpi"):
        draw_net(parse_net(big_nets.densenet()), tmp_path / name, fold=False, dpi=300)
    assert not list(tmp_path.iterdir())


# --- sources ------------------------------------------------------------------------------------


def test_solver_and_weights_are_drawn_as_their_net(tmp_path, real):
    (tmp_path / "net.prototxt").write_text(LENET)
    (tmp_path / "solver.prototxt").write_text(f'net: "{tmp_path / "net.prototxt"}"\nbase_lr: 0.1\n')
    assert draw_net(tmp_path / "solver.prototxt") == draw_net(tmp_path / "net.prototxt")
    weights = real / "caffemodels/lenet_everpeace/lenet_iter_5000.caffemodel"
    assert "conv1" in texts(draw_net(weights))


def test_a_graph_can_be_given():
    graph = build_graph(parse_net(LENET), "TEST", splits=False)
    assert draw_net(graph) == draw_net(parse_net(LENET))


def test_an_empty_net_is_a_figure_too():
    assert "0 layers" in draw_net(parse_net('name: "nothing"'))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_arrows_point_along_the_lines_of_graphviz_and_touch_their_boxes():
    scene = picture_of(TRAIN_TEST, layout="dot", phase="TEST").scene
    boxes = {node.key: node for node in scene.nodes}
    for link in scene.links:
        tip, left, right = link.arrow
        back = ((left[0] + right[0]) / 2, (left[1] + right[1]) / 2)
        assert math.dist(tip, back) == pytest.approx(ARROW_LENGTH)
        assert math.dist(left, right) == pytest.approx(ARROW_WIDTH)
        target = boxes[link.target]
        assert target.x - 1 <= tip[0] <= target.x + target.width + 1
        assert back[1] < target.y + 1
        ends = link.commands[-1]
        assert (tip[0] - back[0]) * (tip[0] - ends[3]) >= 0


@pytest.mark.parametrize("columns", [1, "auto"])
def test_a_thousand_layers_are_drawn_quickly(columns):
    text = big_nets.densenet((6, 12, 60, 40))
    start = time.process_time()
    scene = picture_of(text, fold=False, columns=columns).scene
    assert len(scene.nodes) > 1000
    assert time.process_time() - start < 4  # some 0.6 s, and 1.2 s in columns


def test_not_wider_than_graphviz_allows(reference):
    if shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    for path in sorted((reference / "nets").glob("*.prototxt")):
        widths = []
        for layout in ("own", "dot"):
            nodes = graph_picture(path, GraphOptions(layout=layout)).scene.nodes
            widths.append(max(n.x + n.width for n in nodes) - min(n.x for n in nodes))
        assert widths[0] <= 1.2 * widths[1], path.name


def test_all_that_the_old_tool_showed_is_shown(reference):
    """Layers, types, windows and number of outputs of every picture that Caffe's own tool drew."""
    for name in ("lenet", "caffenet", "googlenet", "resnet18", "squeezenet_v1.1", "vgg16"):
        old = (reference / f"draw/{name}.dot").read_text(encoding="utf-8")
        picture = graph_picture(reference / f"nets/{name}.prototxt")
        new = " ".join(n.tooltip for n in picture.scene.nodes)
        for layer, type in re.findall(r'^"([^"\\]+)\\n\((\w+)', old, re.MULTILINE):
            assert f"{layer} ({type})" in new


# --- the command --------------------------------------------------------------------------------


def test_the_command_draws(tmp_path):
    model, out = tmp_path / "lenet.prototxt", tmp_path / "lenet.svg"
    model.write_text(LENET)
    done = CliRunner().invoke(
        cnnviz_command, ["draw", str(model), str(out), "--rankdir", "LR", "--style", "dark"]
    )
    assert done.exit_code == 0, done.output
    assert "conv1" in texts(out.read_text(encoding="utf-8"))


def test_the_command_takes_measured_times(tmp_path):
    model, times = tmp_path / "lenet.prototxt", tmp_path / "times.txt"
    model.write_text(LENET)
    times.write_text(
        "layer  type         forward ms  backward ms\nconv1  Convolution       1.500        2.500\n"
    )
    done = CliRunner().invoke(
        cnnviz_command,
        ["draw", str(model), str(tmp_path / "t.svg"), "--color-by", "time", "--times", str(times)],
    )
    assert done.exit_code == 0, done.output
    assert "4 ms" in texts((tmp_path / "t.svg").read_text(encoding="utf-8"))


def test_measured_times_are_drawn(tmp_path):
    model, times, out = tmp_path / "lenet.prototxt", tmp_path / "times.json", tmp_path / "t.svg"
    model.write_text(LENET)
    for words in (
        ["time", "--model", str(model), "--phase", "TEST", "--iterations", "1", "--json", str(times)],
        ["draw", str(model), str(out), "--color-by", "time", "--times", str(times)],
    ):
        done = CliRunner().invoke(cnnviz_command, words)
        assert done.exit_code == 0, done.output
    measured = {layer["name"] for layer in json.loads(times.read_text())["layers"]}
    assert measured >= {"conv1", "ip"}
    assert " ms" in out.read_text(encoding="utf-8")


@pytest.mark.parametrize("style", ["light", "dark"])
@pytest.mark.parametrize("color_by", [None, "macs"])
def test_words_can_be_read_on_their_boxes(style, color_by):
    theme = get_theme(style)
    boxes = picture_of(LENET, color_by=color_by).scene.nodes
    pairs = {(label.role, box.fill) for box in boxes for label in box.labels}
    pairs |= {("muted", f"fill:{kind}") for kind in KIND_COLORS}
    for role, fill in pairs:
        assert contrast(color_of(role, theme), color_of(fill, theme)) >= 4.5, (role, fill)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of the web's accessibility guidelines."""

    def luminance(color: str) -> float:
        values = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"times": {"conv1": 1.0}}, "not used; colour by them: --color-by time"),
        ({"times": {"fc8": 1.0}, "color_by": "time"}, "of layers that this net lacks ('fc8' is the first)"),
        ({"weights": {}}, "net.svg: weights (--weights) are shown on the interactive page only"),
    ],
)
def test_what_would_be_ignored_is_refused(tmp_path, options, message):
    with pytest.raises(CnnvizError) as error:
        draw_net(parse_net(LENET), tmp_path / "net.svg", **options)
    assert message in str(error.value)
    assert not (tmp_path / "net.svg").exists()


def test_a_data_layer_without_its_data_says_so():
    text = 'layer { name: "d" type: "Data" top: "data" data_param { source: "nowhere" batch_size: 5 } }'
    assert box(picture_of(text), "d")[-2:] == ["data: shape unknown", "data not found"]
