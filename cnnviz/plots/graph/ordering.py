"""The second step of the layered layout: the order within ranks, so that few lines cross."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from statistics import median

import numpy as np

from cnnviz.plots.graph.layout import Node
from cnnviz.plots.graph.ranks import Dummy, Grid

ORDER_SWEEPS = 16
# What nets of very many layers are given less care for: neighbours compared in a rank, and all sweeps.
MAX_EXCHANGES, MAX_LINES_SWEPT = 20_000, 400_000


def order_ranks(grid: Grid) -> None:
    """Orders each rank so that few lines cross: the best of several starts."""
    best, fewest = grid.ranks, None
    for start in (_by_depth, _by_depth_reversed, _by_breadth):
        grid.ranks = start(grid)
        ranks, crossings = _sweeporder_ranks(grid)
        if fewest is None or crossings < fewest:
            best, fewest = ranks, crossings
        if not fewest:
            break
    grid.ranks = best


def _by_depth(grid: Grid) -> list[list[Node]]:
    return _walk(grid, lambda node: grid.down[node])


def _by_depth_reversed(grid: Grid) -> list[list[Node]]:
    return _walk(grid, lambda node: grid.down[node][::-1])


def _by_breadth(grid: Grid) -> list[list[Node]]:
    """Follows lines both ways, boxes before dummy places, so that a box sits by what uses it."""
    return _walk(
        grid,
        lambda node: sorted(grid.down[node] + grid.up[node], key=lambda n: isinstance(n, Dummy)),
    )


def _walk(grid: Grid, neighbours) -> list[list[Node]]:
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


def _sweeporder_ranks(grid: Grid) -> tuple[list[list[Node]], int]:
    """Sweeps down and up from the present order; returns the best order met and its crossings."""
    position = positions(grid)
    best, fewest = [list(rank) for rank in grid.ranks], _crossings(grid, position)
    since_better = 0
    for sweep in range(min(ORDER_SWEEPS, max(2, MAX_LINES_SWEPT // max(len(grid.rank), 1)))):
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


def positions(grid: Grid) -> dict[Node, int]:
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


def _transpose(rank: list[Node], grid: Grid, position: dict[Node, int]) -> None:
    """Exchanges neighbours in ``rank`` as long as that takes crossings away."""
    up = [sorted(position[n] for n in grid.up[node]) for node in rank]
    down = [sorted(position[n] for n in grid.down[node]) for node in rank]
    for _ in range(min(len(rank), max(1, MAX_EXCHANGES // len(rank)))):
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


def _crossings(grid: Grid, position: dict[Node, int]) -> int:
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
