"""Drawing takes time that grows with the net, not with its square: counted in lines of Python that run."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

import pytest

from cnnviz.analysis.summary import graph_to_show, summarize, summary_text
from cnnviz.api.graph import graph_picture
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError
from cnnviz.formats.prototxt import parse_net, to_text
from cnnviz.plots.common.text import fit, text_width, wrap
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.graph.columns import MAX_GAPS
from cnnviz.plots.graph.layered import layered_layout
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.ranks import MAX_PASSED
from cnnviz.plots.graph.sheets import paper_pieces
from cnnviz.plots.graph.to_dot import dot_text
from cnnviz.plots.graph.to_html import page_text
from cnnviz.plots.graph.to_svg import svg_text

INPUT = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
FULL = "inner_product_param { num_output: 2 }"


def layer(name: str, type: str, bottoms: list[str], tops: list[str], more: str = "") -> str:
    ends = "".join(f'bottom: "{b}" ' for b in bottoms) + "".join(f'top: "{t}" ' for t in tops)
    return f'layer {{ name: "{name}" type: "{type}" {ends}{more} }}\n'


def chain(n: int) -> str:
    sizes = (
        f"convolution_param {{ num_output: {k % 7 + 1} kernel_size: {1 + 2 * (k % 5)} pad: {k % 5} }}"
        for k in range(n)
    )
    return INPUT + "".join(
        layer(f"c{k}", "Convolution", [f"t{k - 1}" if k else "d"], [f"t{k}"], size)
        for k, size in enumerate(sizes)
    )


def readers(n: int, more: str = FULL) -> str:
    return INPUT + "".join(layer(f"r{k}", "InnerProduct", ["d"], [f"t{k}"], more) for k in range(n))


def blocks(n: int) -> str:
    """Pairs of equal blocks, each pair unlike the others."""
    text, last = INPUT, "d"
    for k in range(n):
        kind = f"convolution_param {{ num_output: 3 kernel_size: {2 * (k // 2) + 1} pad: {k // 2} }}"
        text += layer(f"a{k}", "Convolution", [last], [f"a{k}"], kind)
        text += layer(f"b{k}", "Convolution", [last], [f"b{k}"], kind)
        text += layer(f"e{k}", "Eltwise", [f"a{k}", f"b{k}"], [f"e{k}"])
        last = f"e{k}"
    return text


NETS: dict[str, Callable[[int], str]] = {
    "long name": lambda n: f'name: "{"x" * 10 * n}"' + INPUT,
    "long layer": lambda n: INPUT + layer("y" * 10 * n, "ReLU", ["d"], ["e"]),
    "long type": lambda n: INPUT + layer("y", "T" * 10 * n, ["d"], ["e"]),
    "long words": lambda n: INPUT + layer("a/ b_" * 2 * n, "ReLU", ["d"], ["e"]),
    "long unknown field": lambda n: (
        INPUT + layer("y", "ReLU", ["d"], ["e"], "quantization_param { " + "scale: 0.125 " * 10 * n + "}")
    ),
    "many windows": lambda n: (
        INPUT
        + layer("y", "Convolution", ["d"], ["e"], "convolution_param { " + "kernel_size: 3 " * 10 * n + "}")
    ),
    "in place": lambda n: INPUT + "".join(layer(f"r{k}", "ReLU", ["d"], ["d"]) for k in range(n)),
    "chain": chain,
    "readers of one blob": readers,
    "shared weights": lambda n: readers(n, 'param { name: "w" } param { name: "b" } ' + FULL),
    "branches into one": lambda n: readers(n) + layer("c", "Concat", [f"t{k}" for k in range(n)], ["x"]),
    "one blob many times": lambda n: INPUT + layer("c", "Concat", ["d"] * 4 * n, ["x"]),
    "blocks": blocks,
    "many tops": lambda n: INPUT + layer("s", "Split", ["d"], [f"t{k}" for k in range(4 * n)]),
    "stages": lambda n: (
        "state { "
        + "".join(f'stage: "s{k}" ' for k in range(n))
        + "}"
        + INPUT
        + "".join(layer(f"r{k}", "ReLU", ["d"], [f"t{k}"], f'include {{ stage: "s{k}" }}') for k in range(n))
    ),
    "unknown fields": lambda n: (
        INPUT + "".join(layer(f"r{k}", "ReLU", ["d"], ["d"], "foo: 1 bar { a: 2 }") for k in range(n))
    ),
    "old layers of unknown fields": lambda n: (
        'input: "d" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
        + "".join(f'layers {{ name: "r{k}" type: RELU bottom: "d" top: "d" foo: 1 }}\n' for k in range(n))
    ),
    "unknown types": lambda n: (
        INPUT + "".join(layer(f"f{k}", "Proposer", [f"t{k - 1}" if k else "d"], [f"t{k}"]) for k in range(n))
    ),
}


class Counter:
    """Counts the lines of Python that run inside the ``with``, those of imported modules left out."""

    def __enter__(self) -> Counter:
        self.count = 0
        self.before = sys.gettrace()
        sys.settrace(self._enter)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self.before)

    def _enter(self, frame, event, argument):
        return self._step if "cnnviz" in frame.f_code.co_filename else None

    def _step(self, frame, event, argument):
        self.count += 1
        return self._step


def work(text: str, **options) -> int:
    theme = get_theme("light")
    with Counter() as counter:
        net = parse_net(text)
        to_text(net)
        graph = graph_to_show(net)
        summary_text(summarize(graph))
        picture = graph_picture(net, GraphOptions(**options))
        svg_text(picture.scene, theme)
        dot_text(picture.scene, theme)
        page_text(picture.scene, picture.details, picture.summaries, theme)
    return counter.count


@pytest.mark.parametrize("name", NETS)
def test_four_times_the_net_takes_four_times_the_work(name: str, caplog):
    caplog.set_level(logging.ERROR)
    work(NETS[name](8))  # what is done once in a process
    small, large = (work(NETS[name](n)) for n in (24, 96))
    assert large < 5 * small


@pytest.mark.parametrize(
    "options",
    [{"both_phases": True}, {"color_by": "macs"}, {"columns": 3}, {"rankdir": "LR"}],
    ids=["both phases", "colours", "columns", "across"],
)
def test_options_too(options: dict):
    work(chain(8), **options)
    small, large = (work(chain(n), **options) for n in (24, 96))
    assert large < 5 * small


def test_splits_too():
    def count(n: int) -> int:
        net = parse_net(readers(n))
        with Counter() as counter:
            build_graph(net)
        return counter.count

    count(8)
    assert count(400) < 5 * count(100)


def test_unknown_bottoms_are_compared_with_few_names():
    text = INPUT + "".join(layer(f"r{k}", "ReLU", [f"blob_{k}"], [f"blobs_{k}"]) for k in range(3000))
    faults = [node.fault for node in build_graph(parse_net(text), strict=False, splits=False).layers[1:]]
    assert faults[1] == "unknown bottom 'blob_1'; did you mean 'blobs_0'?"
    assert faults[-1] == "unknown bottom 'blob_2999'"


def test_quotes_that_are_not_closed_end_the_reading():
    with pytest.raises(CnnvizError, match="no closing quote"):
        parse_net('name: "' + '\\"' * 200_000)


@pytest.mark.parametrize("text", ["x" * 300_000, " " * 300_000, "ab/" * 100_000, "\u0301" * 300_000])
def test_texts_of_any_length_are_cut_to_fit(text: str):
    assert text_width(fit(text, 216, 12), 12) <= 216
    lines = wrap(text, 216, 12)
    assert len(lines) <= 3 and all(text_width(line, 12) <= 216 for line in lines)


def test_lines_that_pass_too_many_boxes_are_refused():
    n = int((2 * MAX_PASSED) ** 0.5) + 3
    sizes: dict = dict.fromkeys(range(n), (10.0, 10.0))
    edges = [(k, k + 1) for k in range(n - 1)] + [(0, k) for k in range(2, n)]
    with pytest.raises(CnnvizError, match=r"pass 30\d,\d+ other layers, and at most 300,000"):
        layered_layout(sizes, edges)


def test_columns_of_very_many_ranks_need_little_memory():
    n = 5 * MAX_GAPS
    sizes: dict = dict.fromkeys(range(n), (10.0, 10.0))
    layout = layered_layout(sizes, [(k, k + 1) for k in range(n - 1)], columns=4)
    columns = {x for x, _ in layout.centers.values()}
    assert len(columns) == 4 and layout.height < 34 * n / 3.5


def test_a_figure_of_too_many_sheets_is_printed_on_one():
    (piece,) = paper_pieces(graph_picture(parse_net(chain(2500)), GraphOptions(fold=False)).scene)
    assert piece.scale < 0.01
