"""What a layout of a graph is: the centres of its boxes and the routes of its lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Node = Any  # hashable
Point = tuple[float, float]
Sizes = Mapping[Node, tuple[float, float]]
"""(width, height) of each box."""

DIRECTIONS = ("TB", "BT", "LR", "RL")

# Least distances in pixels: between boxes of a rank, between ranks.
BOX_GAP = 18.0
RANK_GAP = 24.0


@dataclass(frozen=True)
class Route:
    """The route of one line, from the box ``source`` to the box ``target``.

    The points lie on the borders of ranks: from point 0 to 1, 2 to 3 and so on the line runs straight
    inside a rank; from 1 to 2, 3 to 4 and so on it crosses the gap to the next rank and may bend.
    ``corners`` are the indices of points where it turns in straight lines instead. With ``bezier``
    the points are those of a chain of cubic Bezier curves.
    """

    source: Node
    target: Node
    points: tuple[Point, ...]
    corners: tuple[int, ...] = ()
    bezier: bool = False


@dataclass(frozen=True)
class Layout:
    """Centres of boxes and routes of lines, from (0, 0) to (width, height), y downwards."""

    centers: dict[Node, Point]
    routes: tuple[Route, ...]
    width: float
    height: float
