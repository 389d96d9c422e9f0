"""Breaks a long layout into columns that stand side by side, as a newspaper does: for slides and pages.

Works on layouts that run from top to bottom. A column ends in a gap between ranks that few blobs cross;
their lines go on from the foot of one column through the gutter to the head of the next.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from cnnviz.plots._layout import Layout, Node, Point, Route

GUTTER = 34.0  # between columns, without the lanes of the lines
LANE = 9.0  # between lines that go on side by side
FOOT = 14.0  # from a column's end to the nearest lane
MOST_LANES = 3
MOST_COLUMNS = 12
SEARCH_STEPS = 24
WIDE_SCREEN = 16 / 9


@dataclass(frozen=True)
class _Gap:
    """A gap between ranks, the nodes whose lines cross it, and how many lines these are."""

    top: float
    bottom: float
    sources: tuple[Node, ...]
    lines: int

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def cost(self) -> float:
        """How much nearer to its best place a gap must be that several blobs or lines cross."""
        return 120 * (len(self.sources) - 1) + 40 * (self.lines - 1)


def in_columns(
    layout: Layout, sizes: Mapping[Node, tuple[float, float]], columns: int | str, shape: float = WIDE_SCREEN
) -> Layout:
    """Returns ``layout`` broken into at most ``columns`` columns.

    Args:
        columns: the number, or "auto" for that whose picture comes nearest to ``shape``.
        shape: width divided by height.
    """
    gaps = _gaps(layout, sizes)
    counts = range(1, MOST_COLUMNS + 1) if columns == "auto" else [int(columns)]
    tried = [_broken(layout, sizes, _cuts(layout, gaps, count)) for count in counts]
    return min(tried, key=lambda t: abs(math.log(max(t.width, 1) / max(t.height, 1) / shape)))


def _gaps(layout: Layout, sizes: Mapping[Node, tuple[float, float]]) -> list[_Gap]:
    """The gaps in which a column may end, from top to bottom."""
    spans = sorted((y - sizes[n][1] / 2, y + sizes[n][1] / 2) for n, (_, y) in layout.centers.items())
    gaps, reach = [], spans[0][1] if spans else 0.0
    for top, bottom in spans:
        if top > reach + 1:
            middle = (reach + top) / 2
            crossing = [route.source for route in layout.routes if _crossing(route, middle) is not None]
            sources = tuple(dict.fromkeys(crossing))
            if 0 < len(sources) <= MOST_LANES:
                gaps.append(_Gap(reach, top, sources, len(crossing)))
        reach = max(reach, bottom)
    return gaps


def _crossing(route: Route, y: float) -> int | None:
    """The index of the point before which ``route`` is above ``y`` and behind which it is below."""
    for i, (above, below) in enumerate(pairwise(route.points)):
        if above[1] < y < below[1]:
            return i
    return None


def _cuts(layout: Layout, gaps: Sequence[_Gap], count: int) -> list[_Gap]:
    """Chooses the gaps that part ``layout`` into at most ``count`` columns of the least height."""
    low, high = layout.height / count, layout.height
    for _ in range(SEARCH_STEPS):
        middle = (low + high) / 2
        if len(_filled(layout, gaps, middle)) < count:
            high = middle
        else:
            low = middle
    # A part that cannot be cut sets the height of all: nothing is gained by columns lower than that.
    cuts = _filled(layout, gaps, high)
    tops, ends = [0.0, *(cut.bottom for cut in cuts)], [*(cut.top for cut in cuts), layout.height]
    return _filled(layout, gaps, max(end - top for top, end in zip(tops, ends, strict=True)))


def _filled(layout: Layout, gaps: Sequence[_Gap], height: float) -> list[_Gap]:
    """Fills columns of ``height`` one after the other; a part that cannot be cut makes its column higher."""
    cuts: list[_Gap] = []
    start = 0.0
    while layout.height - start > height:
        later = [gap for gap in gaps if gap.top > start]
        fitting = [gap for gap in later if gap.top - start <= height] or later[:1]
        if not fitting:
            break
        cuts.append(max(fitting, key=lambda gap: gap.top - gap.cost))
        start = cuts[-1].bottom
    return cuts


def _broken(layout: Layout, sizes: Mapping[Node, tuple[float, float]], cuts: Sequence[_Gap]) -> Layout:
    if not cuts:
        return layout
    pieces = {node: _column_of(y, cuts) for node, (_, y) in layout.centers.items()}
    moves = _moves(layout, sizes, cuts, pieces)
    centers = {n: (x + moves[pieces[n]].dx, y + moves[pieces[n]].dy) for n, (x, y) in layout.centers.items()}
    foot = max(y + sizes[n][1] / 2 for n, (_, y) in centers.items())
    routes = tuple(_led_on(route, cuts, moves, foot) for route in layout.routes)
    points = [p for route in routes for p in route.points]
    points += [(x + sizes[n][0] / 2, y + sizes[n][1] / 2) for n, (x, y) in centers.items()]
    width, height = (max(p[axis] for p in points) for axis in (0, 1))
    return replace(layout, centers=centers, routes=routes, width=width, height=height)


@dataclass(frozen=True)
class _Move:
    """How far a column moves, and where its left side then is."""

    dx: float
    dy: float
    left: float


def _column_of(y: float, cuts: Sequence[_Gap]) -> int:
    return sum(y > cut.middle for cut in cuts)


def _moves(
    layout: Layout,
    sizes: Mapping[Node, tuple[float, float]],
    cuts: Sequence[_Gap],
    pieces: Mapping[Node, int],
) -> list[_Move]:
    head = FOOT + LANE * max(len(cut.sources) for cut in cuts)
    moves: list[_Move] = []
    right = 0.0
    for k in range(len(cuts) + 1):
        inside = [n for n, piece in pieces.items() if piece == k]
        edges = [layout.centers[n][0] + side * sizes[n][0] / 2 for n in inside for side in (-1, 1)]
        edges += [x for route in layout.routes for x, y in route.points if _column_of(y, cuts) == k]
        if k:
            right += GUTTER + LANE * len(cuts[k - 1].sources)
        top = cuts[k - 1].bottom if k else 0.0
        moves.append(_Move(right - min(edges), head - top, right))
        right += max(edges) - min(edges)
    return moves


def _led_on(route: Route, cuts: Sequence[_Gap], moves: Sequence[_Move], foot: float) -> Route:
    """Returns ``route`` with its points moved, and led from column to column where it is cut."""
    breaks = {_crossing(route, cut.middle): k for k, cut in enumerate(cuts)}
    points: list[Point] = []
    corners: list[int] = []
    for i, (x, y) in enumerate(route.points):
        move = moves[_column_of(y, cuts)]
        points.append((x + move.dx, y + move.dy))
        if i in breaks:
            following = moves[breaks[i] + 1]
            lane = LANE * cuts[breaks[i]].sources.index(route.source)
            gutter = following.left - GUTTER / 2 - lane
            start, end = points[-1][0], route.points[i + 1][0] + following.dx
            corners += range(len(points), len(points) + 4)
            down = foot + FOOT + lane
            points += [(start, down), (gutter, down), (gutter, lane), (end, lane)]
    return replace(route, points=tuple(points), corners=tuple(corners))
