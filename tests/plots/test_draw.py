"""draw_net: every format, and every source of a net."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest
from PIL import Image

from cnnviz.api.graph import SUFFIXES, draw_net, graph_picture
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import ARROW_LENGTH, ARROW_WIDTH
from support import big_nets
from support.graph_pictures import LENET, SVG, TRAIN_TEST, picture_of, texts

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
