"""A layered layout for the graphs of nets: boxes in ranks, lines that run between them.

The steps, a module each:

- ranks: along the longest path; one chain of dummy places per source for all its long lines (its blob
  is one thing, so it is one line that branches late);
- ordering: within ranks, by median and transpose sweeps from several starts, fewest crossings first;
- coordinates: sweeps that draw neighbours together at the least separation, around a trunk in one
  straight line, then long straight runs, then a pass that removes needless width;
- columns, if asked for: a long layout broken into several.

No box overlaps another, and no line runs through a box: lines cross a rank only in places kept for
them, and bend only in the gaps between ranks.

Everything is worked out for the direction top to bottom; the other three are turned from it. The
result depends on the input alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cnnviz.plots.graph.columns import WIDE_SCREEN, in_columns
from cnnviz.plots.graph.coordinates import place_nodes
from cnnviz.plots.graph.layout import RANK_GAP, Layout, Node, Route, Sizes
from cnnviz.plots.graph.ordering import order_ranks
from cnnviz.plots.graph.ranks import Dummy, Grid

# Lines that run far sideways get a higher gap, so that they do not run flat onto each other.
SLOPE = 0.13
HIGHEST_GAP = 72.0


def layered_layout(
    sizes: Sizes,
    edges: Iterable[tuple[Node, Node]],
    direction: str = "TB",
    columns: int | str = 1,
) -> Layout:
    """Returns where to draw the boxes ``sizes`` (width, height) and the ``edges`` between them.

    Args:
        edges: pairs (source, target); repeated pairs are drawn once. They must not form a cycle.
        direction: where the lines run: "TB" from top to bottom, "BT", "LR" or "RL".
        columns: how many columns (for "LR" and "RL": rows) a long layout is broken into, or "auto".
    Raises: ValueError for a cycle, CnnvizError if lines pass more boxes than can be drawn.
    """
    across = direction in ("LR", "RL")
    turned = {n: (h, w) for n, (w, h) in sizes.items()} if across else dict(sizes)
    if not turned:
        return Layout({}, (), 0.0, 0.0)
    grid = Grid(turned, list(dict.fromkeys(edges)))
    order_ranks(grid)
    place_nodes(grid)
    layout = _finish(grid)
    if columns != 1:
        layout = in_columns(layout, turned, columns, 1 / WIDE_SCREEN if across else WIDE_SCREEN)
    return _turn(layout, direction)


def _finish(grid: Grid) -> Layout:
    """Works out y, shifts everything to start at (0, 0) and follows the chains of dummy places."""
    left = min(grid.x[n] - grid.width(n) / 2 for n in grid.x)
    right = max(grid.x[n] + grid.width(n) / 2 for n in grid.x)
    x = {node: value - left for node, value in grid.x.items()}
    top, bottom, y = [], [], 0.0
    for rank in grid.ranks:
        top.append(y)
        y += max((grid.sizes[n][1] for n in rank if not isinstance(n, Dummy)), default=0.0)
        bottom.append(y)
        longest = max((abs(x[n] - x[m]) for n in rank for m in grid.down[n]), default=0.0)
        y += min(max(RANK_GAP, SLOPE * longest), HIGHEST_GAP)
    centers = {n: (x[n], (top[grid.rank[n]] + bottom[grid.rank[n]]) / 2) for n in grid.sizes}
    routes = [_route(grid, edge, x, centers, top, bottom) for edge in grid.edges]
    return Layout(centers, tuple(routes), right - left, bottom[-1])


def _route(grid: Grid, edge, x, centers, top: Sequence[float], bottom: Sequence[float]) -> Route:
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
