"""Figures of weights: what is drawn where, what is written, and that no text is clipped or overlapped."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnviz.analysis.filter_measures import filter_banks
from cnnviz.analysis.filter_report import filter_report
from cnnviz.api.compare import plot_weight_difference
from cnnviz.api.filmstrip import plot_weight_filmstrip
from cnnviz.api.weights import plot_weights
from cnnviz.engine.graph import build_graph
from cnnviz.formats.prototxt import parse_net
from cnnviz.gallery.filters import filter_cards
from cnnviz.gallery.html import Anchors
from cnnviz.plots.common.filter_plan import FilterOptions, Space, grid_layout, plan_filters
from cnnviz.plots.common.mosaic import color_scale, mosaic, own_divisors
from cnnviz.plots.graph.weight_facts import weight_facts
from support.weight_figures import Snapshot, assert_texts_are_apart, graph, images, small, texts, words

# --- one file -----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["light", "dark"])
def test_a_section_for_each_layer_with_its_numbers(style):
    figure = plot_weights(graph(), small(), style=style)
    said = words(figure)
    assert "Weights of Small" in said and "small_iter_100.caffemodel" in said
    assert "Convolution · 6 filters of 3×5×5" in said
    assert "Convolution · 9 filters of 6×3×3" in said
    assert "InnerProduct · 4 outputs of 81 inputs (9×3×3)" in said
    assert "each filter on its own scale" in said and "input channels read as BGR" in said
    assert "540" not in said and "486" in said  # weights of conv2
    assert_texts_are_apart(figure)


def first_tile(figure: Figure) -> np.ndarray:
    """Colours of the numbers of the first tile of the first layer."""
    mosaic = images(figure)[0].get_array()
    axes = images(figure)[0].axes
    height = axes.get_ylim()[0]
    assert height == mosaic.shape[0]
    plan = plan_filters(filter_banks(small(), graph())[0], FilterOptions())
    layout = plan.layout_of(plan.blocks[0], is_numbered=True)
    assert layout.size == mosaic.shape[:2]
    top, left = layout.corner(0)
    places = np.arange(5) * layout.zoom + layout.zoom // 2
    return mosaic[top + places][:, left + places][..., :3].astype(int)


@pytest.mark.parametrize("channel_order, step", [("bgr", -1), ("rgb", 1)])
def test_channels_of_the_first_convolution_become_colours(channel_order, step):
    weights = small()
    figure = plot_weights(graph(), weights, channel_order=channel_order)
    filters = weights["conv1"][0][0]
    shares = filters[::step].transpose(1, 2, 0) / np.abs(filters).max() / 2 + 0.5
    np.testing.assert_allclose(first_tile(figure), 255 * shares, atol=0.51)


def test_one_scale_for_the_layer():
    weights = small()
    weights["conv1"][0][3] *= 10
    figure = plot_weights(graph(), weights, normalize="layer")
    high = np.abs(weights["conv1"][0]).max()
    shares = weights["conv1"][0][0][::-1].transpose(1, 2, 0) / high / 2 + 0.5
    np.testing.assert_allclose(first_tile(figure), 255 * shares, atol=0.51)
    assert "one scale for each layer" in words(figure)
    assert f"{high:.3g}" in words(figure)


def numbers_of(figure: Figure, layer_index: int) -> list[int]:
    """The filter numbers written beside the rows of a deeper layer, in order."""
    axes = images(figure)[layer_index].axes
    return [int(text.get_text()) for text in axes.texts]


def test_order_by_norm_is_seen_in_the_numbers():
    weights = small()
    norms = np.linalg.norm(weights["conv2"][0].reshape(9, -1), axis=1)
    figure = plot_weights(graph(), weights, layers=["conv2"], order="norm")
    shown = [n for i in range(len(images(figure))) for n in numbers_of(figure, i)]
    assert shown == np.argsort(-norms).tolist()
    assert "filters by norm, largest first" in words(figure)


def test_a_fully_connected_layer_has_the_shape_it_reads_or_is_a_matrix():
    as_tiles = plot_weights(graph(), small(), layers=["ip"])
    as_matrix = plot_weights(None, small(), layers=["ip"])
    too_many = plot_weights(graph(), small(), layers=["ip"], limit=35)
    assert images(as_matrix)[0].get_array().shape[:2] == (4, 81)
    assert images(too_many)[0].get_array().shape[:2] == (4, 81)
    assert images(as_tiles)[0].get_array().shape[0] > 4


def test_a_limit_is_said():
    figure = plot_weights(graph(), small(), layers=["conv2"], limit=12)
    assert "first 2 of 9 filters" in words(figure)
    assert "of 6 channels" not in words(figure)
    few = plot_weights(graph(), small(), layers=["conv2"], limit=4)
    assert "first 1 of 9 filters, first 4 of 6 channels" in words(few)


def many_layers(count: int = 41) -> Snapshot:
    """A deep net: windows and 1 x 1 convolutions by turns, then a classifier."""
    rng = np.random.default_rng(0)
    shapes = {f"conv{i}": (8, 8, 3, 3) if i % 2 == 0 else (8, 8, 1, 1) for i in range(count - 1)}
    shapes["conv0"] = (8, 3, 5, 5)
    blobs = {name: [rng.standard_normal(shape)] for name, shape in shapes.items()}
    return Snapshot(blobs | {"fc": [rng.standard_normal((10, 8))]})


def headings(figure: Figure) -> list[str]:
    """The names of the layers that are drawn."""
    return [t.get_text() for t in figure.texts if t.get_weight() == "bold" and t.get_size() == 12]


@pytest.mark.parametrize("style", ["light", "dark"])
def test_of_many_layers_some_of_all_depths_are_drawn_below_an_overview(style):
    figure = plot_weights(None, many_layers(), style=style)
    drawn = headings(figure)
    assert drawn == ["All 41 layers", "conv0", "conv8", "conv16", "conv24", "conv32", "fc"]
    assert "6 of 41 layers with filters are drawn below; choose others by name" in words(figure)
    assert_texts_are_apart(figure)
    assert figure.get_size_inches()[1] < 22


def test_few_layers_are_all_drawn_without_an_overview():
    layers = {f"conv{i}": [np.random.default_rng(i).standard_normal((4, 4, 3, 3))] for i in range(8)}
    assert headings(plot_weights(None, Snapshot(layers))) == list(layers)
    named = plot_weights(None, many_layers(), layers=["conv3", "fc"])
    assert headings(named) == ["conv3", "fc"]


def test_the_overview_describes_each_layer_by_values():
    weights = many_layers()
    weights["conv5"][0][2] = 0
    report = filter_report(weights)
    figure = plot_weights(None, weights)
    strips = {c.get_gid(): c for axes in figure.axes for c in axes.collections if c.get_gid()}
    for name, numbers in {
        "noise": {i: np.median(h.noise) for i, h in enumerate(report.layers) if np.isfinite(h.noise).any()},
        "effective rank": {i: h.rank / h.highest_rank for i, h in enumerate(report.layers)},
        "strength": {i: h.randomness.strength for i, h in enumerate(report.layers)},
    }.items():
        bars = {int(line[0, 0]): line[1, 1] for line in strips[name].get_segments()}
        assert bars == pytest.approx(numbers)
    assert strips["layers dead"].get_offsets()[:, 0].tolist() == [5]
    assert "■ dead in 1" in words(figure)
    assert strips["drawn"].get_offsets()[:, 0].tolist() == [0, 8, 16, 24, 32, 40]


def test_the_verdict_of_the_file_is_said():
    assert filter_report(many_layers()).verdict in words(plot_weights(None, many_layers()))


def test_findings_of_most_filters_are_counted_not_marked():
    weights = small()
    weights["conv2"][0][:7] = 0
    figure = plot_weights(graph(), weights)
    assert "7 of 9" in words(figure)
    assert "Findings of more than half of a layer's filters are counted, not marked." in words(figure)
    assert not [line for axes in figure.axes for line in axes.lines if line.get_gid() == "sign dead"]


LSTM = """
input: "data" input_shape { dim: 5 dim: 2 dim: 3 dim: 4 }
input: "cont" input_shape { dim: 5 dim: 2 }
layer { name: "lstm" type: "LSTM" bottom: "data" bottom: "cont" top: "lstm"
        recurrent_param { num_output: 6 } }
layer { name: "rnn" type: "RNN" bottom: "lstm" bottom: "cont" top: "rnn" recurrent_param { num_output: 7 } }
layer { name: "ip" type: "InnerProduct" bottom: "rnn" top: "ip"
        inner_product_param { num_output: 2 axis: 2 transpose: true bias_term: false } }
"""


def recurrent() -> Snapshot:
    rng = np.random.default_rng(5)
    shapes = {
        "lstm": [(24, 12), (24,), (24, 6)],
        "rnn": [(7, 6), (7,), (7, 7), (7, 7), (7,)],
        "ip": [(7, 2)],
    }
    return Snapshot({name: [rng.standard_normal(shape) for shape in of] for name, of in shapes.items()})


@pytest.mark.parametrize("style", ["light", "dark"])
def test_blobs_of_recurrent_layers_have_their_names_and_gates(style):
    net = build_graph(parse_net(LSTM, "lstm.prototxt"), splits=False, strict=False)
    figure = plot_weights(net, recurrent(), style=style)
    said = words(figure)
    for line in (
        "LSTM · W_xc, input to gates · 4 × 6 outputs of 12 inputs (1×3×4)",
        "LSTM · W_hc, hidden state to gates · 4 × 6 outputs of 6 inputs",
        "RNN · W_xh, input to hidden state · 7 outputs of 6 inputs",
        "RNN · W_hh, hidden state to itself · 7 outputs of 7 inputs",
        "RNN · W_ho, hidden state to output · 7 outputs of 7 inputs",
        "InnerProduct · 2 outputs of 7 inputs",
    ):
        assert line in said
    gates = [t.get_text() for axes in figure.axes for t in axes.texts if str(t.get_gid()).startswith("band")]
    assert gates == 2 * ["input", "forget", "output", "candidate"]
    assert_texts_are_apart(figure)
    assert "forget" not in words(plot_weights(net, recurrent(), order="norm"))


def test_tiles_of_a_gate_fill_whole_rows():
    net = build_graph(parse_net(LSTM, "lstm.prototxt"), splits=False, strict=False)
    figure = plot_weights(net, recurrent(), layers=["lstm"])
    tiles, matrix = images(figure)
    bands = [t for t in tiles.axes.texts if str(t.get_gid()).startswith("band")]
    assert [t.get_position()[1] for t in bands] == pytest.approx([0.875, 0.625, 0.375, 0.125])
    edges = [line.get_ydata()[0] for line in matrix.axes.lines]
    assert edges == [6, 12, 18]


def test_rows_of_small_tiles_begin_with_a_number():
    weights = Snapshot({"dw": [np.random.default_rng(2).standard_normal((512, 1, 3, 3))]})
    weights.layer_types["dw"] = "Convolution"
    figure = plot_weights(None, weights)
    (tiles,) = images(figure)
    numbers = [int(t.get_text()) for t in tiles.axes.texts]
    step = numbers[1]
    assert numbers == list(range(0, 512, step)) and step > 8
    assert_texts_are_apart(figure)


def test_vectors_of_an_embed_layer_are_called_so():
    weights = Snapshot({"words": [np.random.default_rng(2).standard_normal((30, 8))]})
    weights.layer_types["words"] = "Embed"
    assert "Embed · 30 vectors of 8 values" in words(plot_weights(None, weights))


def test_findings_are_marked_and_explained():
    weights = small()
    weights["conv1"][0][2] = 0
    weights["conv2"][0][4] = 0
    figure = plot_weights(graph(), weights)
    said = words(figure)
    assert "dead: hardly any weight" in said
    assert "■ dead" in said and "1 of 9" in said
    signs = [c for axes in figure.axes for c in axes.collections if c.get_gid() == "sign dead"]
    assert sum(len(sign.get_offsets()) for sign in signs) == 1
    lines = [line for axes in figure.axes for line in axes.lines if line.get_gid() == "sign dead"]
    assert len(lines) == 1
    assert_texts_are_apart(figure)
    assert "dead: hardly" not in words(plot_weights(graph(), weights, marks=False))


def test_the_histogram_counts_every_weight():
    figure = plot_weights(graph(), small())
    bars = [p for axes in figure.axes for p in axes.patches if p.get_gid() == "histogram"]
    assert [int(bar.get_data().values.sum()) for bar in bars] == [450, 486, 324]


def test_the_not_finite_do_not_stop_the_figure():
    weights = small()
    weights["conv1"][0][0] = np.nan
    weights["ip"][0][1, 5] = np.inf
    figure = plot_weights(graph(), weights)
    assert "not finite" in words(figure)
    assert_texts_are_apart(figure)


@pytest.mark.parametrize(
    "shape", [(1, 1, 1, 1), (2, 3, 1, 7), (1, 3, 11, 11), (300, 1, 5, 5), (3, 700, 3, 3), (2, 5), (900, 2)]
)
def test_unusual_shapes_are_drawn(shape):
    filters = np.random.default_rng(1).standard_normal(shape)
    weights = Snapshot({"a" * 90: [filters]})
    weights.layer_types["a" * 90] = "Convolution" if len(shape) == 4 else "InnerProduct"
    figure = plot_weights(None, weights)
    assert_texts_are_apart(figure)
    assert figure.get_size_inches()[1] < 12


def test_hostile_names_and_numbers_are_shown_as_they_are(tmp_path):
    names = ["a$\\frac{x}{0}$", "<script>x</script>", "n" * 200, "two\nlines", "$", "\x1b[31m"]
    rng = np.random.default_rng(0)
    before = Snapshot({name: [rng.standard_normal((4, 3, 3, 3)).astype(np.float32)] for name in names})
    before.net_name = "$x_$"
    before[names[1]][0][:] = 1e38
    before[names[2]][0][:] = 1e-42
    before[names[3]][0][1] = np.inf
    after = Snapshot({name: [-blobs[0]] for name, blobs in before.items()})
    after.net_name = "$x_$"
    with np.errstate(all="raise", under="ignore"):
        one = plot_weights(None, before, tmp_path / "one.svg")
        two = plot_weight_difference(before, after, tmp_path / "two.svg")
        film = plot_weight_filmstrip([before, after], tmp_path / "film.svg", layer="$")
    for figure in (one, two, film):
        assert "\x1b" not in words(figure)
        assert not any("\n" in text.get_text() for text in texts(figure))
    assert "a$\\frac{x}{0}$" in words(one) and "Weights of $x_$" in words(one)
    for path in tmp_path.iterdir():
        assert "<script" not in path.read_text(encoding="utf-8")


def test_a_file_is_written(tmp_path):
    path = tmp_path / "weights.svg"
    plot_weights(graph(), small(), path)
    assert "Weights of Small" in path.read_text(encoding="utf-8")


# --- one plan for figures and pages -------------------------------------------------------------


def one_layer(form: str) -> Snapshot:
    shape = {"color": (20, 3, 5, 5), "grid": (30, 1, 3, 3), "rows": (40, 48, 3, 3), "matrix": (600, 90)}[form]
    weights = Snapshot({"layer": [np.random.default_rng(7).standard_normal(shape).astype(np.float32)]})
    weights.layer_types["layer"] = "InnerProduct" if form == "matrix" else "Convolution"
    return weights


def tiles_of(pixels: np.ndarray, plan, is_numbered: bool) -> list[np.ndarray]:
    """The tiles of a block's pixels, cut out."""
    layout = plan.layout_of(plan.blocks[0], is_numbered)
    assert pixels.shape[:2] == layout.size
    height, width = layout.tile_pixels
    corners = [layout.corner(i) for i in range(layout.count)]
    return [pixels[top : top + height, left : left + width] for top, left in corners]


@pytest.mark.parametrize("form", ["color", "grid", "rows", "matrix"])
def test_figure_and_page_hold_the_same_pixels(form):
    report = filter_report(one_layer(form))
    (bank,) = filter_banks(one_layer(form))
    plan = plan_filters(bank, FilterOptions())
    assert plan.form == form
    drawn = [
        image.get_array() for image in images(plot_weights(None, one_layer(form), marks=False, report=report))
    ]
    report.layers[0].marks.clear()  # nothing is framed
    page = filter_cards(report, Anchors(), {"layer": []}, print)
    found = re.findall(r'<img class="pixels" src="data:image/png;base64,([^"]*)"', page)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(png))).convert("RGBA")) for png in found]
    assert len(drawn) == len(shown) == len(plan.blocks)
    if form in ("color", "grid"):
        pairs = zip(tiles_of(drawn[0], plan, True), tiles_of(shown[0], plan, False), strict=True)
    else:
        pairs = zip(drawn, shown, strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    if form == "matrix":
        assert drawn[0].shape == (512, 90, 4)


def test_the_panel_of_a_graph_shows_the_filters_of_the_plan():
    weights = one_layer("rows")
    (bank,) = filter_banks(weights)
    plan = plan_filters(bank, FilterOptions())
    facts = weight_facts(weights["layer"], bank)
    assert len(plan.numbers) == 21
    assert facts.caption == "first 21 of 40 filters, the strongest channel of each"
    image = Image.open(io.BytesIO(base64.b64decode(facts.picture.partition(",")[2]))).convert("RGBA")
    strongest = (weights["layer"][0] ** 2).sum(axis=(2, 3)).argmax(axis=1)
    tiles = weights["layer"][0][np.arange(21), strongest[:21]]
    layout = grid_layout(21, 3, 3, Space(width=340, height=420, tile=60))
    expected = mosaic(tiles, layout, color_scale(tiles).relative, own_divisors(tiles))
    np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize(
    "shape", [(64, 3, 7, 7), (96, 64, 3, 3), (5, 2000, 3, 3), (10, 3, 224, 224), (400, 9)]
)
@pytest.mark.parametrize("limit", [1, 40, 1024, 100_000])
def test_plans_keep_to_their_space(shape, limit):
    bank = filter_banks({"layer": [np.zeros(shape, np.float32)]})[0]
    space = Space()
    plan = plan_filters(bank, FilterOptions(limit=limit), space)
    height, width = plan.size
    assert len(plan.blocks) * width <= space.width
    assert height <= 1.3 * space.matrix or limit > 1024
    if plan.layout:
        assert plan.layout.count <= limit
