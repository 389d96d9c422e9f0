"""Breaks a long layout into columns that stand side by side, as a newspaper does: for slides and pages.

Works on layouts that run from top to bottom. A column ends in a gap between ranks that few blobs cross;
their lines continue from the foot of one column through a gutter to the head of another, past those between.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from cnnviz.plots.graph.layout import Layout, Node, Point, Route, Sizes

GUTTER = 34.0  # between columns, without the lanes of the lines
LANE = 9.0  # between lines that run side by side
FOOT = 14.0  # from a column's end to the nearest lane
MAX_LANES = 3
MAX_COLUMNS = 12
MAX_GAPS = 600  # among which the ends of columns are chosen
WIDE_SCREEN = 16 / 9
# A layout this much larger than the best is as good if it has fewer columns.
AS_GOOD = 1.02
# Costs of one more column, and of each blob and line but one that continue in the next column, where a
# column of average height costs 1.
COST_OF_COLUMN, COST_OF_BLOB, COST_OF_LINE = 0.3, 0.3, 0.07


@dataclass(frozen=True)
class _Gap:
    """A gap between ranks, and how many blobs and lines cross it."""

    top: float
    bottom: float
    blobs: int
    lines: int

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def cost(self) -> float:
        return COST_OF_BLOB * (self.blobs - 1) + COST_OF_LINE * (self.lines - 1)


def in_columns(layout: Layout, sizes: Sizes, columns: int | str, shape: float = WIDE_SCREEN) -> Layout:
    """Returns ``layout`` broken into at most ``columns`` columns.

    Args:
        columns: the number, or "auto" for the fewest at which the layout appears largest in ``shape``.
        shape: aspect ratio, width divided by height.
    """
    gaps = _gaps(layout, sizes)
    counts = range(1, MAX_COLUMNS + 1) if columns == "auto" else [int(columns)]
    tried = [_broken(layout, sizes, _cuts(layout, gaps, count)) for count in counts]
    heights = [max(one.width / shape, one.height) for one in tried]
    return next(t for t, height in zip(tried, heights, strict=True) if height <= AS_GOOD * min(heights))


def _gaps(layout: Layout, sizes: Sizes) -> list[_Gap]:
    """The gaps in which a column may end, from top to bottom."""
    lines = [(route.points[0][1], route.points[-1][1]) for route in layout.routes]
    blobs: dict[Node, tuple[float, float]] = {}  # from where a blob is made to where it is read last
    for route, (start, end) in zip(layout.routes, lines, strict=True):
        first, last = blobs.get(route.source, (start, end))
        blobs[route.source] = min(first, start), max(last, end)
    count_lines, count_blobs = _counter(lines), _counter(blobs.values())
    spans = sorted((y - sizes[n][1] / 2, y + sizes[n][1] / 2) for n, (_, y) in layout.centers.items())
    gaps, reach = [], spans[0][1]
    for top, bottom in spans:
        if top > reach + 1:
            middle = (reach + top) / 2
            crossing = count_blobs(middle)
            if 0 < crossing <= MAX_LANES:
                gaps.append(_Gap(reach, top, crossing, count_lines(middle)))
        reach = max(reach, bottom)
    return _thinned(gaps)


def _counter(spans: Collection[tuple[float, float]]) -> Callable[[float], int]:
    """Returns a function that counts the ``spans`` that contain a height."""
    starts, ends = (sorted(span[side] for span in spans) for side in (0, 1))
    return lambda place: bisect_left(starts, place) - bisect_right(ends, place)


def _thinned(gaps: Sequence[_Gap]) -> list[_Gap]:
    """Returns at most MAX_GAPS of ``gaps``: the least crossed of each few neighbours."""
    step = -(-len(gaps) // MAX_GAPS) or 1
    return [min(gaps[i : i + step], key=lambda gap: gap.cost) for i in range(0, len(gaps), step)]


def _cuts(layout: Layout, gaps: Sequence[_Gap], count: int) -> list[_Gap]:
    """Chooses the gaps that divide ``layout`` into at most ``count`` even columns, with few lines between.

    Each column costs its cubed height, in heights of an even column, each gap its cost. The least sum
    is found by going through the ends of all columns one after the other (dynamic programming).
    """
    tops = np.array([0.0, *(gap.bottom for gap in gaps)])
    ends = np.array([*(gap.top for gap in gaps), layout.height])
    # A part that cannot be cut sets the height of all: nothing is gained by columns lower than that.
    even = max(layout.height / count, (ends - tops).max())
    heights = (ends - tops[:, None]) / even
    costs = np.where(heights > 0, heights * heights * heights + COST_OF_COLUMN, np.inf)
    costs[:, :-1] += [gap.cost for gap in gaps]
    least, before = costs[0], []  # of the columns up to each end, and the end before the last of them
    best, chosen = least[-1], list[_Gap]()
    for _ in range(min(count - 1, len(gaps))):
        sums = least[:-1, None] + costs[1:]
        before.append(sums.argmin(axis=0))
        least = sums.min(axis=0)
        if least[-1] < best:
            best, chosen = least[-1], _chosen(gaps, before)
    return chosen


def _chosen(gaps: Sequence[_Gap], before: Sequence[np.ndarray]) -> list[_Gap]:
    """Follows the ends of columns back from the last one."""
    end, chosen = -1, list[_Gap]()
    for ends in reversed(before):
        end = ends[end]
        chosen.insert(0, gaps[end])
    return chosen


def _broken(layout: Layout, sizes: Sizes, cuts: Sequence[_Gap]) -> Layout:
    if not cuts:
        return layout
    middles = [cut.middle for cut in cuts]
    splits = [_SplitRoute.of(route, middles) for route in layout.routes]
    columns = _columns(layout, sizes, middles, splits)
    foot = FOOT + max(column.bottom + column.dy for column in columns)
    lanes = _foot_lanes(splits)
    routes = tuple(
        split.rerouted(columns, foot + LANE * lanes.get(split.route.source, 0)) for split in splits
    )
    centers = {}
    for node, (x, y) in layout.centers.items():
        column = columns[_column_of(y, middles)]
        centers[node] = (x + column.dx, y + column.dy)
    points = [p for route in routes for p in route.points]
    points += [(x + sizes[n][0] / 2, y + sizes[n][1] / 2) for n, (x, y) in centers.items()]
    width, height = (max(p[axis] for p in points) for axis in (0, 1))
    return replace(layout, centers=centers, routes=routes, width=width, height=height)


def _column_of(y: float, middles: Sequence[float]) -> int:
    """Which column ``y`` is in, given the middles of the gaps between columns."""
    return bisect_left(middles, y)


@dataclass
class _Column:
    """What stands in a column, and where that goes.

    Attributes:
        arriving: the sources in other columns whose lines end here, each in a lane of its own.
        left, right, top, bottom: of what stands in it, before it moves by (dx, dy).
    """

    arriving: list[Node] = field(default_factory=list)
    left: float = math.inf
    right: float = -math.inf
    top: float = math.inf
    bottom: float = -math.inf
    dx: float = 0.0
    dy: float = 0.0

    def include(self, points: Sequence[Point]) -> None:
        for x, y in points:
            self.left, self.right = min(self.left, x), max(self.right, x)
            self.top, self.bottom = min(self.top, y), max(self.bottom, y)

    def moved(self, points: Sequence[Point]) -> list[Point]:
        return [(x + self.dx, y + self.dy) for x, y in points]


@dataclass(frozen=True)
class _SplitRoute:
    """A line by the columns that it begins and ends in, with its points there; rerouted between."""

    route: Route
    first: int
    last: int
    begin: tuple[Point, ...]
    end: tuple[Point, ...]

    @classmethod
    def of(cls, route: Route, middles: Sequence[float]) -> _SplitRoute:
        columns = [_column_of(y, middles) for _, y in route.points]
        first, last = columns[0], columns[-1]
        begin = tuple(p for p, column in zip(route.points, columns, strict=True) if column == first)
        end = tuple(p for p, column in zip(route.points, columns, strict=True) if column == last)
        return cls(route, first, last, begin, end if last > first else ())

    def rerouted(self, columns: Sequence[_Column], down: float) -> Route:
        """Returns the line in its new place; ``down`` is the y of its lane at the foot."""
        begin = columns[self.first].moved(self.begin)
        if not self.end:
            return replace(self.route, points=tuple(begin))
        column = columns[self.last]
        end = column.moved(self.end)
        lane = LANE * column.arriving.index(self.route.source)
        gutter = column.left + column.dx - GUTTER / 2 - lane
        between = [(begin[-1][0], down), (gutter, down), (gutter, lane), (end[0][0], lane)]
        corners = range(len(begin), len(begin) + len(between))
        return replace(self.route, points=(*begin, *between, *end), corners=tuple(corners))


def _columns(
    layout: Layout,
    sizes: Sizes,
    middles: Sequence[float],
    splits: Sequence[_SplitRoute],
) -> list[_Column]:
    columns = [_Column() for _ in range(len(middles) + 1)]
    for node, (x, y) in layout.centers.items():
        width, height = sizes[node]
        corners = (x - width / 2, y - height / 2), (x + width / 2, y + height / 2)
        columns[_column_of(y, middles)].include(corners)
    for split in splits:
        columns[split.first].include(split.begin)
        columns[split.last].include(split.end)
        if split.end and split.route.source not in columns[split.last].arriving:
            columns[split.last].arriving.append(split.route.source)
    head = FOOT + LANE * max(len(column.arriving) for column in columns)
    right = 0.0
    for i, column in enumerate(columns):
        right += GUTTER + LANE * len(column.arriving) if i else 0.0
        column.dx, column.dy = right - column.left, head - column.top
        right += column.right - column.left
    return columns


def _foot_lanes(splits: Sequence[_SplitRoute]) -> dict[Node, int]:
    """Gives sources of lines that continue in another column a lane below, shared where none meet."""
    spans: dict[Node, tuple[int, int]] = {}
    for split in splits:
        if split.end:
            first, last = spans.get(split.route.source, (split.first, split.last))
            spans[split.route.source] = first, max(last, split.last)
    lanes: dict[Node, int] = {}
    for source, (first, last) in sorted(spans.items(), key=lambda item: item[1][1] - item[1][0]):
        taken = {lanes[s] for s in lanes if spans[s][0] < last and first < spans[s][1]}
        lanes[source] = next(lane for lane in range(len(lanes) + 1) if lane not in taken)
    return lanes
