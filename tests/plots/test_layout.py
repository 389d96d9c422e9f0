"""The layered layout: nothing overlaps, nothing runs through a box, nothing is wider than it must be."""

from __future__ import annotations

import random
import shutil
import time
from itertools import groupby, pairwise

import pytest

from cnnviz.plots.graph.graphviz import dot_layout
from cnnviz.plots.graph.layered import layered_layout
from cnnviz.plots.graph.scene import smooth

DIRECTIONS = ["TB", "BT", "LR", "RL"]


def random_net(seed: int, count: int = 60):
    """A graph like a net's: mostly chains, some branches, some long lines, boxes of all sizes."""
    draw = random.Random(seed)
    sizes = {i: (draw.uniform(40, 220), draw.uniform(20, 110)) for i in range(count)}
    edges = [(draw.choice([i - 1, i - 1, max(0, i - draw.randint(1, 12))]), i) for i in range(1, count)]
    edges += [tuple(sorted(draw.sample(range(count), 2))) for _ in range(count // 4)]
    return sizes, edges


def inception_chain(modules: int):
    """Modules of four branches, each joined before the next begins."""
    sizes, edges, last = {"data": (120, 50)}, [], "data"
    for m in range(modules):
        join = f"{m}/join"
        for b in range(4):
            chain = [last, *(f"{m}/{b}/{i}" for i in range(1 + b % 2)), join]
            sizes.update((name, (150, 64)) for name in chain[1:-1])
            edges += pairwise(chain)
        sizes[join] = (120, 50)
        last = join
    return sizes, edges


def points_of(commands):
    """Points along a line, close to each other."""
    place, result = None, []
    for name, *values in commands:
        if name == "M":
            place = (values[0], values[1])
            continue
        ends = list(zip(values[::2], values[1::2], strict=True))
        for step in range(1, 25):
            t = step / 24
            if name == "L":
                x, y = (place[i] + (ends[0][i] - place[i]) * t for i in (0, 1))
            else:
                weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
                x, y = (sum(w * p[i] for w, p in zip(weights, (place, *ends), strict=True)) for i in (0, 1))
            result.append((x, y))
        place = ends[-1]
    return result


def overlaps(layout, sizes):
    boxes = [(n, *layout.centers[n], *sizes[n]) for n in sizes]
    for i, (a, ax, ay, aw, ah) in enumerate(boxes):
        for b, bx, by, bw, bh in boxes[:i]:
            if abs(ax - bx) < (aw + bw) / 2 - 1e-6 and abs(ay - by) < (ah + bh) / 2 - 1e-6:
                yield a, b


def hits(layout, sizes, direction):
    """Boxes that a line runs through which neither begins nor ends there."""
    for route in layout.routes:
        for x, y in points_of(smooth(route.points, direction, route.corners)):
            for node, (cx, cy) in layout.centers.items():
                width, height = sizes[node]
                inside = abs(x - cx) < width / 2 - 0.1 and abs(y - cy) < height / 2 - 0.1
                if inside and node not in (route.source, route.target):
                    yield route, node


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("seed", range(4))
def test_no_overlap_and_no_line_through_a_box(seed, direction):
    sizes, edges = random_net(seed)
    layout = layered_layout(sizes, edges, direction)
    assert not list(overlaps(layout, sizes))
    assert not list(hits(layout, sizes, direction))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_lines_run_in_the_direction_asked_for(direction):
    sizes, edges = random_net(7)
    layout = layered_layout(sizes, edges, direction)
    axis, sign = {"TB": (1, 1), "BT": (1, -1), "LR": (0, 1), "RL": (0, -1)}[direction]
    assert all((layout.centers[b][axis] - layout.centers[a][axis]) * sign > 0 for a, b in edges)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_everything_is_inside_the_figure(direction):
    sizes, edges = random_net(3)
    layout = layered_layout(sizes, edges, direction)
    for node, (x, y) in layout.centers.items():
        width, height = sizes[node]
        assert width / 2 - 1e-6 <= x <= layout.width - width / 2 + 1e-6
        assert height / 2 - 1e-6 <= y <= layout.height - height / 2 + 1e-6
    for route in layout.routes:
        assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in route.points)
        assert all(-1e-6 <= y <= layout.height + 1e-6 for _, y in route.points)


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("columns", [2, 5, "auto"])
def test_columns_keep_boxes_apart_and_lines_clear(columns, direction):
    for sizes, edges in (inception_chain(12), random_net(8, 40)):
        layout = layered_layout(sizes, edges, direction, columns)
        assert not list(overlaps(layout, sizes))
        assert not list(hits(layout, sizes, direction))
        ends = [(r.points[0], r.points[-1]) for r in layout.routes]
        whole = layered_layout(sizes, edges, direction)
        assert len(ends) == len(whole.routes)
        for route in layout.routes:
            (tx, ty), (w, h) = layout.centers[route.target], sizes[route.target]
            assert (
                abs(route.points[-1][0] - tx) <= w / 2 + 1e-6
                and abs(route.points[-1][1] - ty) <= h / 2 + 1e-6
            )
            assert all(-1e-6 <= x <= layout.width + 1e-6 for x, _ in route.points)
            assert all(-1e-6 <= y <= layout.height + 1e-6 for _, y in route.points)


def test_columns_are_as_many_as_asked_for_and_as_high_as_each_other():
    sizes, edges = inception_chain(12)
    tall, broken = layered_layout(sizes, edges), layered_layout(sizes, edges, columns=4)
    assert broken.height < 0.35 * tall.height
    assert 3.5 * tall.width < broken.width < 5 * tall.width


def test_lines_go_past_the_columns_between():
    """A line from the first column to the last runs below the others, not up and down through them."""
    sizes = dict.fromkeys(range(40), (100, 30))
    edges = [*pairwise(range(40)), (0, 39)]
    layout = layered_layout(sizes, edges, columns=4)
    (far,) = (route for route in layout.routes if (route.source, route.target) == (0, 39))
    bottom = max(y + 15 for _, y in layout.centers.values())
    left, right = layout.centers[0][0] + 50, layout.centers[39][0] - 50
    between = [y for x, y in points_of(smooth(far.points, "TB", far.corners)) if left + 60 < x < right - 60]
    assert between and min(between) > bottom
    assert not list(hits(layout, sizes, "TB"))


def test_a_part_that_cannot_be_cut_does_not_leave_columns_of_single_boxes():
    """Many lines run along most of the net: only what comes before them fills a column of its own."""
    sizes = dict.fromkeys(range(40), (100, 30))
    edges = [*pairwise(range(40)), *((i, 39) for i in range(10, 30))]
    layout = layered_layout(sizes, edges, columns="auto")
    columns = (round(layout.centers[i][0]) for i in range(40))
    counts = [len(list(group)) for _, group in groupby(columns)]
    assert len(counts) <= 3 and min(counts) >= 4


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_auto_columns_make_a_wide_screen(direction):
    sizes, edges = inception_chain(12)
    layout = layered_layout(sizes, edges, direction, "auto")
    assert 1.1 < layout.width / layout.height < 2.8


def test_lines_begin_and_end_at_their_boxes():
    sizes, edges = random_net(1)
    layout = layered_layout(sizes, edges)
    for route in layout.routes:
        (sx, sy), (tx, ty) = layout.centers[route.source], layout.centers[route.target]
        assert route.points[0] == pytest.approx((sx, sy + sizes[route.source][1] / 2))
        assert route.points[-1] == pytest.approx((tx, ty - sizes[route.target][1] / 2))


def test_a_chain_is_one_straight_line():
    sizes = {i: (80 + 20 * (i % 3), 40) for i in range(20)}
    layout = layered_layout(sizes, [(i, i + 1) for i in range(19)])
    assert len({round(x, 6) for x, _ in layout.centers.values()}) == 1
    assert layout.width == 120


def test_modules_hang_on_a_straight_spine():
    sizes, edges = inception_chain(9)
    layout = layered_layout(sizes, edges)
    joins = [layout.centers[n][0] for n in sizes if str(n).endswith("join")]
    assert max(joins) - min(joins) < 1
    assert layout.width < 4 * 150 + 3 * 18 + 40


def test_needless_crossings_are_taken_out():
    """Branches given in an order that crosses: each of ten chains is drawn beside the others."""
    sizes = {"top": (50, 20), "bottom": (50, 20)} | {(b, i): (50, 20) for i in range(3) for b in range(10)}
    edges = [("top", (b, 0)) for b in range(10)] + [((b, 2), "bottom") for b in range(10)]
    edges += [((b, i), (b, i + 1)) for i in range(2) for b in (range(10) if i else range(9, -1, -1))]
    layout = layered_layout(sizes, edges)
    orders = [sorted(range(10), key=lambda b: layout.centers[b, i][0]) for i in range(3)]
    assert orders[0] == orders[1] == orders[2]


def test_lines_of_one_source_share_their_way():
    """A blob that many far layers read is one line that branches, as wide as one line."""
    sizes = dict.fromkeys(range(12), (100, 30))
    edges = [(i, i + 1) for i in range(11)] + [(0, i) for i in range(2, 12)]
    layout = layered_layout(sizes, edges)
    assert layout.width < 100 + 2 * 20


def test_the_same_input_gives_the_same_layout():
    sizes, edges = random_net(5)
    assert layered_layout(sizes, edges) == layered_layout(dict(sizes), list(edges))


def test_repeated_edges_are_drawn_once():
    layout = layered_layout({0: (10, 10), 1: (10, 10)}, [(0, 1), (0, 1)])
    assert len(layout.routes) == 1


def test_nothing_and_single_boxes():
    assert layered_layout({}, []).centers == {}
    assert layered_layout({"a": (30, 20)}, []).centers == {"a": (15, 10)}


def test_boxes_without_lines_stand_side_by_side():
    sizes = dict.fromkeys(range(5), (30, 20))
    layout = layered_layout(sizes, [])
    assert not list(overlaps(layout, sizes))


def test_a_cycle_is_refused():
    with pytest.raises(ValueError, match="cycle"):
        layered_layout({0: (1, 1), 1: (1, 1)}, [(0, 1), (1, 0)])


def test_a_thousand_boxes_are_quick():
    sizes, edges = inception_chain(170)
    assert len(sizes) > 1000
    start = time.perf_counter()
    layered_layout(sizes, edges)
    assert time.perf_counter() - start < 3  # some 0.1 s on an idle machine


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_not_much_wider_than_graphviz():
    for sizes, edges in (inception_chain(6), random_net(2, 30), random_net(4, 30)):
        assert layered_layout(sizes, edges).width <= 1.2 * dot_layout(sizes, edges).width


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_graphviz_gives_the_same_kind_of_layout(direction):
    sizes, edges = random_net(6, 25)
    layout = dot_layout(sizes, edges, direction)
    assert set(layout.centers) == set(sizes)
    assert {(r.source, r.target) for r in layout.routes} == set(edges)
    assert not list(overlaps(layout, {n: (w - 0.1, h - 0.1) for n, (w, h) in sizes.items()}))
