"""A layered layout for the graphs of nets: boxes in ranks, lines that run between them.

The steps: ranks along the longest path; one chain of dummy places per source for all its long lines
(its blob is one thing, so it is one line that branches late); the order within ranks by median and
transpose sweeps from several starts, fewest crossings first; coordinates by sweeps that draw
neighbours together at the least separation, around a trunk in one straight line, then long straight
runs, then a pass that takes out needless width. No box overlaps another, and no line runs through a
box: lines cross a rank only in places kept for them, and bend only in the gaps between ranks.

Everything is worked out for the direction top to bottom; the other three are turned from it. The
result depends on the input alone.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import numpy as np

from cnnviz.errors import CnnvizError

Node = Any  # hashable
Point = tuple[float, float]

DIRECTIONS = ("TB", "BT", "LR", "RL")

# Least distances in pixels: between boxes of a rank, around a line that passes a rank, between ranks.
BOX_GAP = 18.0
LINE_GAP = 9.0
RANK_GAP = 24.0
# Lines that run far sideways get a higher gap, so that they do not run flat onto each other.
SLOPE = 0.13
HIGHEST_GAP = 72.0

# How strongly a line draws its ends together, by the number of dummy places among them; and how
# strongly the trunk is drawn into one line.
PULLS = (2.0, 0.05, 0.1)
TRUNK_PULL = 1e6

ORDER_SWEEPS = 16
# What nets of very many layers are given less care for: neighbours compared in a rank, and all sweeps.
MOST_EXCHANGES, MOST_LINES_SWEPT = 20_000, 400_000
# Ranks that all lines together may pass: each is a place of its own in the picture.
MOST_PASSED = 300_000
PLACE_SWEEPS = 12


@dataclass(frozen=True)
class Route:
    """The way of one line, from the box ``source`` to the box ``target``.

    The points lie on the borders of ranks: from point 0 to 1, 2 to 3 and so on the line runs straight
    inside a rank; from 1 to 2, 3 to 4 and so on it crosses the gap to the next rank and may bend.
    ``corners`` are the indices of points where it turns aside in straight lines instead. With ``bezier``
    the points are those of a chain of cubic Bezier curves.
    """

    source: Node
    target: Node
    points: tuple[Point, ...]
    corners: tuple[int, ...] = ()
    bezier: bool = False


@dataclass(frozen=True)
class Layout:
    """Centres of boxes and ways of lines, from (0, 0) to (width, height), y downwards."""

    centers: dict[Node, Point]
    routes: tuple[Route, ...]
    width: float
    height: float


def layered_layout(
    sizes: Mapping[Node, tuple[float, float]],
    edges: Iterable[tuple[Node, Node]],
    direction: str = "TB",
    columns: int | str = 1,
) -> Layout:
    """Returns where to draw the boxes ``sizes`` (width, height) and the ``edges`` between them.

    Args:
        edges: pairs (source, target); repeated pairs are drawn once. They must not form a cycle.
        direction: where the lines run: "TB" from top to bottom, "BT", "LR" or "RL".
        columns: how many columns (for "LR" and "RL": rows) a long picture is broken into, or "auto".
    Raises: ValueError for a cycle, CnnvizError if lines pass more boxes than can be drawn.
    """
    across = direction in ("LR", "RL")
    turned = {n: (h, w) for n, (w, h) in sizes.items()} if across else dict(sizes)
    if not turned:
        return Layout({}, (), 0.0, 0.0)
    grid = _Grid(turned, list(dict.fromkeys(edges)))
    _order(grid)
    _place(grid)
    layout = _finish(grid)
    if columns != 1:
        from cnnviz.plots.graph.columns import WIDE_SCREEN, in_columns

        layout = in_columns(layout, turned, columns, 1 / WIDE_SCREEN if across else WIDE_SCREEN)
    return _turn(layout, direction)


@dataclass
class _Grid:
    """The graph cut into ranks: nodes and dummy places, each with neighbours one rank up and down."""

    sizes: dict[Node, tuple[float, float]]
    edges: list[tuple[Node, Node]]
    rank: dict[Node, int] = field(default_factory=dict)
    ranks: list[list[Node]] = field(default_factory=list)
    up: dict[Node, list[Node]] = field(default_factory=lambda: defaultdict(list))
    down: dict[Node, list[Node]] = field(default_factory=lambda: defaultdict(list))
    chains: dict[tuple[Node, Node], list[_Dummy]] = field(default_factory=dict)
    trunk: set[Node] = field(default_factory=set)
    x: dict[Node, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rank = _ranks(list(self.sizes), self.edges)
        passed = sum(self.rank[target] - self.rank[source] - 1 for source, target in self.edges)
        if passed > MOST_PASSED:
            raise CnnvizError(
                f"the lines of this net pass {passed:,} other layers on their way, and at most "
                f"{MOST_PASSED:,} can be drawn; write the table instead: let the path end in .txt."
            )
        for source, target in self.edges:
            self._connect(source, target)
        self.ranks = [[] for _ in range(max(self.rank.values()) + 1)]
        for node, rank in self.rank.items():
            self.ranks[rank].append(node)
        self.trunk = self._find_trunk()

    def _find_trunk(self) -> set[Node]:
        """The boxes alone in their rank, through which the longest way leads, and their runs."""
        boxes = ([node for node in rank if not isinstance(node, _Dummy)] for rank in self.ranks)
        trunk = {rank[0] for rank in boxes if len(rank) == 1}
        taken = {self.rank[node] for node in trunk}
        for run in _straight_runs(self):
            if trunk.isdisjoint(run):
                continue
            for node in run:
                if self.rank[node] not in taken and not isinstance(node, _Dummy):
                    trunk.add(node)
                    taken.add(self.rank[node])
        return trunk

    def _connect(self, source: Node, target: Node) -> None:
        above, chain = source, list[_Dummy]()
        for rank in range(self.rank[source] + 1, self.rank[target]):
            dummy = _Dummy(source, rank)
            if dummy not in self.rank:
                self.rank[dummy] = rank
                self._link(above, dummy)
            chain.append(dummy)
            above = dummy
        self._link(above, target)
        self.chains[source, target] = chain

    def _link(self, above: Node, below: Node) -> None:
        self.down[above].append(below)
        self.up[below].append(above)

    def width(self, node: Node) -> float:
        return 0.0 if isinstance(node, _Dummy) else self.sizes[node][0]

    def separation(self, left: Node, right: Node) -> float:
        """The least distance between the centres of two neighbours in a rank."""
        gap = BOX_GAP
        if isinstance(left, _Dummy) or isinstance(right, _Dummy):
            gap = LINE_GAP if left.__class__ is right.__class__ else (BOX_GAP + LINE_GAP) / 2
        return (self.width(left) + self.width(right)) / 2 + gap


@dataclass(frozen=True)
class _Dummy:
    """The place where the lines of ``source`` pass the rank ``rank``."""

    source: Node
    rank: int


def _ranks(nodes: list[Node], edges: list[tuple[Node, Node]]) -> dict[Node, int]:
    """Returns the rank of each node: its longest way from a source; sources just above their use."""
    after: dict[Node, list[Node]] = defaultdict(list)
    waiting = dict.fromkeys(nodes, 0)
    for source, target in edges:
        after[source].append(target)
        waiting[target] += 1
    sources = {node for node in nodes if not waiting[node]}
    rank = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waiting[node]]
    for node in ready:
        for target in after[node]:
            rank[target] = max(rank[target], rank[node] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    if len(ready) < len(nodes):
        raise ValueError("the graph has a cycle")
    for node in sources:
        rank[node] = min((rank[target] for target in after[node]), default=1) - 1
    return rank


# --- order within ranks -------------------------------------------------------------------------


def _order(grid: _Grid) -> None:
    """Orders each rank so that few lines cross: the best of several starts."""
    best, fewest = grid.ranks, None
    for start in (_by_depth, _by_depth_reversed, _by_breadth):
        grid.ranks = start(grid)
        ranks, crossings = _sweep_order(grid)
        if fewest is None or crossings < fewest:
            best, fewest = ranks, crossings
        if not fewest:
            break
    grid.ranks = best


def _by_depth(grid: _Grid) -> list[list[Node]]:
    return _walk(grid, lambda node: grid.down[node])


def _by_depth_reversed(grid: _Grid) -> list[list[Node]]:
    return _walk(grid, lambda node: grid.down[node][::-1])


def _by_breadth(grid: _Grid) -> list[list[Node]]:
    """Follows lines both ways, boxes before dummy places, so that a box sits by what uses it."""
    return _walk(
        grid,
        lambda node: sorted(grid.down[node] + grid.up[node], key=lambda n: isinstance(n, _Dummy)),
    )


def _walk(grid: _Grid, neighbours) -> list[list[Node]]:
    ranks: list[list[Node]] = [[] for _ in grid.ranks]
    seen: set[Node] = set()
    for first in grid.rank:
        stack = [first]
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                ranks[grid.rank[node]].append(node)
                stack.extend(n for n in reversed(neighbours(node)) if n not in seen)
    return ranks


def _sweep_order(grid: _Grid) -> tuple[list[list[Node]], int]:
    """Sweeps down and up from the present order; returns the best order met and its crossings."""
    position = _positions(grid)
    best, fewest = [list(rank) for rank in grid.ranks], _crossings(grid, position)
    since_better = 0
    for sweep in range(min(ORDER_SWEEPS, max(2, MOST_LINES_SWEPT // max(len(grid.rank), 1)))):
        if not fewest or since_better > 5:
            break
        downwards = sweep % 2 == 0
        beside = grid.up if downwards else grid.down
        for rank in grid.ranks if downwards else reversed(grid.ranks):
            if len(rank) > 1:
                _sort_rank(rank, beside, position, use_median=sweep % 4 < 2)
                _transpose(rank, grid, position)
        crossings = _crossings(grid, position)
        since_better += 1
        if crossings < fewest:
            best, fewest, since_better = [list(rank) for rank in grid.ranks], crossings, 0
    return best, fewest


def _positions(grid: _Grid) -> dict[Node, int]:
    """Returns the place of each node in its rank."""
    return {node: i for rank in grid.ranks for i, node in enumerate(rank)}


def _sort_rank(rank: list[Node], beside, position: dict[Node, int], use_median: bool) -> None:
    """Sorts ``rank`` by the middle of each node's neighbours; nodes without any keep their place."""
    middle = {}
    for i, node in enumerate(rank):
        places = [position[n] for n in beside[node]]
        if not places:
            middle[node] = float(i)
        else:
            middle[node] = median(places) if use_median else sum(places) / len(places)
    rank.sort(key=middle.__getitem__)
    position.update((node, i) for i, node in enumerate(rank))


def _transpose(rank: list[Node], grid: _Grid, position: dict[Node, int]) -> None:
    """Exchanges neighbours in ``rank`` as long as that takes crossings away."""
    up = [sorted(position[n] for n in grid.up[node]) for node in rank]
    down = [sorted(position[n] for n in grid.down[node]) for node in rank]
    for _ in range(min(len(rank), max(1, MOST_EXCHANGES // len(rank)))):
        changed = False
        for i in range(len(rank) - 1):
            j = i + 1
            now = _crossings_of(up[i], up[j]) + _crossings_of(down[i], down[j])
            if now and now > _crossings_of(up[j], up[i]) + _crossings_of(down[j], down[i]):
                rank[i], rank[j] = rank[j], rank[i]
                up[i], up[j] = up[j], up[i]
                down[i], down[j] = down[j], down[i]
                changed = True
        if not changed:
            break
    position.update((node, i) for i, node in enumerate(rank))


def _crossings_of(left: list[int], right: list[int]) -> int:
    """The crossings between the lines of two neighbours, given the sorted places these lead to."""
    if not left or not right or left[-1] <= right[0]:
        return 0
    if len(left) <= len(right):
        return sum(bisect_left(right, place) for place in left)
    return sum(len(left) - bisect_right(left, place) for place in right)


def _crossings(grid: _Grid, position: dict[Node, int]) -> int:
    """All crossings, counted gap by gap: the pairs of lines whose lower ends stand in the other order."""
    total = 0
    for rank in grid.ranks:
        if len(rank) < 2:
            continue
        nodes = sorted(rank, key=position.__getitem__)
        total += _inversions([place for n in nodes for place in sorted(position[m] for m in grid.down[n])])
    return total


def _inversions(places: Sequence[int]) -> int:
    """Returns how many pairs of ``places`` stand in falling order."""
    total, before = 0, np.empty(0, np.int64)
    for start in range(0, len(places), 256):
        part = np.array(places[start : start + 256])
        total += len(before) * len(part) - int(np.searchsorted(before, part, "right").sum())
        total += int(np.count_nonzero(np.triu(part[:, None] > part)))
        before = np.sort(np.concatenate([before, part]), kind="stable")
    return total


# --- coordinates --------------------------------------------------------------------------------


def _place(grid: _Grid) -> None:
    """Gives each node its x: close to its neighbours, at the least separation within the rank."""
    for rank in grid.ranks:
        right = 0.0
        for left_node, node in zip([None, *rank], rank, strict=False):
            right += grid.separation(left_node, node) if left_node is not None else 0.0
            grid.x[node] = right
        for node in rank:
            grid.x[node] -= right / 2
    for sweep in range(PLACE_SWEEPS):
        downwards = sweep % 2 == 0
        both = sweep >= PLACE_SWEEPS // 2
        for rank in grid.ranks if downwards else reversed(grid.ranks):
            _settle(rank, grid, up=downwards or both, down=not downwards or both)
    runs = _straight_runs(grid)
    for _ in range(3):
        _straighten(grid, runs)
    _squeeze(grid)


def _settle(rank: list[Node], grid: _Grid, up: bool, down: bool) -> None:
    """Moves the nodes of ``rank`` to where the squared lengths of their lines are least.

    Nodes that would come too close are pooled into blocks that move as one (pool adjacent violators
    on the places less the separations up to each node), which solves this exactly for one rank.
    """
    blocks: list[list[float]] = []  # weight, weighted sum of wishes, number of nodes
    offsets, offset = [], 0.0
    for i, node in enumerate(rank):
        offset += grid.separation(rank[i - 1], node) if i else 0.0
        offsets.append(offset)
        weight, wish = _wish(node, grid, up, down)
        blocks.append([weight, weight * (wish - offset), 1])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] > blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    i = 0
    for weight, total, number in blocks:
        for _ in range(int(number)):
            grid.x[rank[i]] = total / weight + offsets[i]
            i += 1


def _wish(node: Node, grid: _Grid, up: bool, down: bool) -> tuple[float, float]:
    """Where ``node`` wants to be, and how much: long lines want to be straight more than boxes do."""
    if node in grid.trunk:
        return TRUNK_PULL, 0.0
    total = weight = 0.0
    for beside in ([grid.up[node]] if up else []) + ([grid.down[node]] if down else []):
        for other in beside:
            dummies = isinstance(node, _Dummy) + isinstance(other, _Dummy)
            pull = PULLS[dummies] / len(beside)
            weight += pull
            total += pull * grid.x[other]
    if not weight:
        return 0.01, grid.x[node]
    return weight, total / weight


def _straight_runs(grid: _Grid) -> list[list[Node]]:
    """The runs of nodes that should stand in one vertical line: each the other's only neighbour."""
    runs, taken = [], set[Node]()
    for node in grid.rank:
        if node in taken:
            continue
        run = deque([node])
        while True:
            below = grid.down[run[-1]]
            if len(below) != 1 or len(grid.up[below[0]]) != 1 or below[0] in taken:
                break
            run.append(below[0])
        while True:
            above = grid.up[run[0]]
            if len(above) != 1 or len(grid.down[above[0]]) != 1 or above[0] in taken:
                break
            run.appendleft(above[0])
        taken.update(run)
        runs.append(list(run))
    return runs


def _straighten(grid: _Grid, runs: list[list[Node]]) -> None:
    """Moves each run to one x where the room in all its ranks allows it."""
    position = _positions(grid)
    for run in runs:
        low, high = _room(grid, run, position)
        if low > high:
            continue
        wish = _wish_of_run(grid, run)
        for node in run:
            grid.x[node] = min(max(wish, low), high)


def _wish_of_run(grid: _Grid, run: list[Node]) -> float:
    """Where ``run`` wants to be: on the trunk if it is part of it, else between the boxes at its ends."""
    if not grid.trunk.isdisjoint(run):
        return 0.0
    ends = [*grid.up[run[0]], *grid.down[run[-1]]]
    boxes = [node for node in ends if not isinstance(node, _Dummy)]
    return median(grid.x[node] for node in boxes or ends or run)


def _room(grid: _Grid, run: list[Node], position: dict[Node, int]) -> tuple[float, float]:
    """The least and the greatest x at which all nodes of ``run`` keep clear of their neighbours."""
    low, high = float("-inf"), float("inf")
    for node in run:
        rank = grid.ranks[grid.rank[node]]
        i = position[node]
        if i:
            low = max(low, grid.x[rank[i - 1]] + grid.separation(rank[i - 1], node))
        if i + 1 < len(rank):
            high = min(high, grid.x[rank[i + 1]] - grid.separation(node, rank[i + 1]))
    return low, high


def _squeeze(grid: _Grid) -> None:
    """Takes out needless width: upright strips that no box reaches into are narrowed to the least gap."""
    shift, reach = 0.0, None
    for node in sorted(grid.x, key=lambda n: grid.x[n] - grid.width(n) / 2):
        half = grid.width(node) / 2
        start, end = grid.x[node] - half, grid.x[node] + half
        if reach is not None and start > reach + BOX_GAP:
            shift += start - reach - BOX_GAP
        grid.x[node] -= shift
        reach = end if reach is None else max(reach, end)


# --- result -------------------------------------------------------------------------------------


def _finish(grid: _Grid) -> Layout:
    """Works out y, shifts everything to start at (0, 0) and follows the chains of dummy places."""
    left = min(grid.x[n] - grid.width(n) / 2 for n in grid.x)
    right = max(grid.x[n] + grid.width(n) / 2 for n in grid.x)
    x = {node: value - left for node, value in grid.x.items()}
    top, bottom, y = [], [], 0.0
    for rank in grid.ranks:
        top.append(y)
        y += max((grid.sizes[n][1] for n in rank if not isinstance(n, _Dummy)), default=0.0)
        bottom.append(y)
        longest = max((abs(x[n] - x[m]) for n in rank for m in grid.down[n]), default=0.0)
        y += min(max(RANK_GAP, SLOPE * longest), HIGHEST_GAP)
    centers = {n: (x[n], (top[grid.rank[n]] + bottom[grid.rank[n]]) / 2) for n in grid.sizes}
    routes = [_route(grid, edge, x, centers, top, bottom) for edge in grid.edges]
    return Layout(centers, tuple(routes), right - left, bottom[-1])


def _route(grid: _Grid, edge, x, centers, top: Sequence[float], bottom: Sequence[float]) -> Route:
    source, target = edge
    start, end = grid.rank[source], grid.rank[target]
    points = [(x[source], bottom[start])]
    for dummy in grid.chains[edge]:
        points += [(x[dummy], top[dummy.rank]), (x[dummy], bottom[dummy.rank])]
    points.append((x[target], top[end]))
    first = (x[source], centers[source][1] + grid.sizes[source][1] / 2)
    last = (x[target], centers[target][1] - grid.sizes[target][1] / 2)
    return Route(source, target, (first, *points, last))


def _turn(layout: Layout, direction: str) -> Layout:
    """Turns a layout from top to bottom into ``direction``."""
    height = layout.height
    turn = {
        "TB": lambda p: p,
        "BT": lambda p: (p[0], height - p[1]),
        "LR": lambda p: (p[1], p[0]),
        "RL": lambda p: (height - p[1], p[0]),
    }[direction]
    extent = (layout.width, height) if direction in ("TB", "BT") else (height, layout.width)
    centers = {node: turn(point) for node, point in layout.centers.items()}
    routes = tuple(replace(r, points=tuple(map(turn, r.points))) for r in layout.routes)
    return Layout(centers, routes, *extent)
