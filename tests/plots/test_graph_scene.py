"""The scene of a drawn graph: phases, colours, directions, repeated blocks, text that fits its box."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import combinations

import matplotlib
import pytest

from cnnviz.api.figures import save_figure
from cnnviz.api.graph import draw_net, graph_picture
from cnnviz.engine.graph import build_graph
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.common import figure as figure_module
from cnnviz.plots.common.figure import (
    boxes_for_missing_characters,
    fit_fonts,
    font_families,
    new_figure,
)
from cnnviz.plots.common.text import text_width
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.graph.grouping import fold_graph
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import Words
from cnnviz.plots.graph.to_figure import scene_figure
from support import big_nets
from support.graph_pictures import LENET, TRAIN_TEST, box, picture_of
from support.scene_checks import scene_faults

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
    with boxes_for_missing_characters(figure):
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
