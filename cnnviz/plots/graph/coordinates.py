"""The third step of the layered layout: coordinates across the direction in which the lines run."""

from __future__ import annotations

from statistics import median

from cnnviz.plots.graph.layout import BOX_GAP, Node
from cnnviz.plots.graph.ordering import positions
from cnnviz.plots.graph.ranks import Dummy, Grid, straight_runs

# How strongly a line draws its ends together, by the number of dummy places among them; and how
# strongly the trunk is drawn into one line.
PULLS = (2.0, 0.05, 0.1)
TRUNK_PULL = 1e6
PLACE_SWEEPS = 12


def place_nodes(grid: Grid) -> None:
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
    runs = straight_runs(grid)
    for _ in range(3):
        _straighten(grid, runs)
    _squeeze(grid)


def _settle(rank: list[Node], grid: Grid, up: bool, down: bool) -> None:
    """Moves the nodes of ``rank`` to where the squared lengths of their lines are least.

    Nodes that would come too close are pooled into blocks that move as one (pool adjacent violators
    on the places less the separations up to each node), which solves this exactly for one rank.
    """
    blocks: list[list[float]] = []  # weight, weighted sum of targets, number of nodes
    offsets, offset = [], 0.0
    for i, node in enumerate(rank):
        offset += grid.separation(rank[i - 1], node) if i else 0.0
        offsets.append(offset)
        weight, target = _target(node, grid, up, down)
        blocks.append([weight, weight * (target - offset), 1])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] > blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    i = 0
    for weight, total, number in blocks:
        for _ in range(int(number)):
            grid.x[rank[i]] = total / weight + offsets[i]
            i += 1


def _target(node: Node, grid: Grid, up: bool, down: bool) -> tuple[float, float]:
    """The best x of ``node`` and its weight: straight long lines matter more than centred boxes."""
    if node in grid.trunk:
        return TRUNK_PULL, 0.0
    total = weight = 0.0
    for beside in ([grid.up[node]] if up else []) + ([grid.down[node]] if down else []):
        for other in beside:
            dummies = isinstance(node, Dummy) + isinstance(other, Dummy)
            pull = PULLS[dummies] / len(beside)
            weight += pull
            total += pull * grid.x[other]
    if not weight:
        return 0.01, grid.x[node]
    return weight, total / weight


def _straighten(grid: Grid, runs: list[list[Node]]) -> None:
    """Moves each run to one x where all its ranks have space for it."""
    position = positions(grid)
    for run in runs:
        low, high = _free_space(grid, run, position)
        if low > high:
            continue
        target = _target_of_run(grid, run)
        for node in run:
            grid.x[node] = min(max(target, low), high)


def _target_of_run(grid: Grid, run: list[Node]) -> float:
    """The best x of ``run``: on the trunk if it is part of it, else between the boxes at its ends."""
    if not grid.trunk.isdisjoint(run):
        return 0.0
    ends = [*grid.up[run[0]], *grid.down[run[-1]]]
    boxes = [node for node in ends if not isinstance(node, Dummy)]
    return median(grid.x[node] for node in boxes or ends or run)


def _free_space(grid: Grid, run: list[Node], position: dict[Node, int]) -> tuple[float, float]:
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


def _squeeze(grid: Grid) -> None:
    """Removes needless width: upright strips that no box reaches into are narrowed to the least gap."""
    shift, reach = 0.0, None
    for node in sorted(grid.x, key=lambda n: grid.x[n] - grid.width(n) / 2):
        half = grid.width(node) / 2
        start, end = grid.x[node] - half, grid.x[node] + half
        if reach is not None and start > reach + BOX_GAP:
            shift += start - reach - BOX_GAP
        grid.x[node] -= shift
        reach = end if reach is None else max(reach, end)
