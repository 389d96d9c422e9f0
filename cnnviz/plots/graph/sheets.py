"""A drawn net for printing: cut between its boxes into pieces that can be read on a sheet of paper.

The pieces show parts of the figure that is already in the page: they refer to what they show, and add no
second copy of it.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from cnnviz.plots.graph.scene import Frame, Link, PlacedBox, Scene
from cnnviz.plots.graph.to_svg import Paint, number, rect_element, xml

# What A4 and Letter both hold inside margins of 12 mm, less a heading, in pixels of a page.
SHEET = (700.0, 860.0)
MIN_SCALE = 0.7  # at which a net is shrunk to fit one sheet, or several pieces to stand side by side
EDGE = 4.0  # around the figure
COST_OF_LINE = 0.12  # in parts of a sheet, for each line that continues on the next piece
MAX_PIECES = 100  # nobody binds more sheets; longer ones are shrunk to one
BETWEEN = 12.0  # pieces that stand side by side

Part = PlacedBox | Frame | Link


@dataclass(frozen=True)
class Piece:
    """Part of the figure and the size at which it is printed."""

    left: float
    top: float
    width: float
    height: float
    scale: float


def paper_section(scene: Scene, paint: Paint) -> str:
    """Returns the part of a page that is printed instead of the figure on the screen."""
    lines = ['<div class="paper" aria-hidden="true">', f"<h2>{xml(scene.title)}</h2>"]
    lines += [f"<p>{xml(text)}</p>" for text in scene.heading]
    keys = "".join(
        f'<span><svg width="13" height="13">{rect_element(entry.swatch(0.5, 0.5), paint)}</svg>'
        f" {xml(entry.text)}</span> "
        for entry in scene.legend
    )
    lines.append(f'<p class="keys">{keys}</p>')
    pieces = paper_pieces(scene)
    lines += [_piece_element(piece, keys) for piece, keys in zip(pieces, _shown(scene, pieces), strict=True)]
    return "\n".join([*lines, "</div>"]) + "\n"


def paper_pieces(scene: Scene) -> list[Piece]:
    """Cuts the figure across its longer direction; no box is cut that fits one sheet.

    If more than MAX_PIECES would be needed, it is one piece.
    """
    everything: list[Part] = [*scene.nodes, *scene.frames, *scene.links]
    parts = [part.bounds for part in everything]
    if not parts:
        return []
    low = [min(part[axis] for part in parts) - EDGE for axis in (0, 1)]
    size = [max(part[axis + 2] for part in parts) + EDGE - low[axis] for axis in (0, 1)]
    fitting = min(1.0, SHEET[0] / size[0], SHEET[1] / size[1])
    if fitting >= MIN_SCALE:
        return [Piece(low[0], low[1], size[0], size[1], fitting)]
    along = 0 if size[0] / SHEET[0] > size[1] / SHEET[1] else 1
    beside = _beside(size[0]) if along else 1
    available = (SHEET[0] - BETWEEN * (beside - 1)) / beside if along else SHEET[1]
    scale = min(1.0, available / size[1 - along])
    ends = _ends(scene, along, low[along], low[along] + size[along], SHEET[along] / scale)
    if len(ends) > MAX_PIECES:
        return [Piece(low[0], low[1], size[0], size[1], fitting)]
    pieces = []
    for start, end in zip([low[along], *ends], ends, strict=False):
        corner, extent = list(low), list(size)
        corner[along], extent[along] = start, end - start
        pieces.append(Piece(corner[0], corner[1], extent[0], extent[1], scale))
    return pieces


def _beside(width: float) -> int:
    """How many pieces of this width stand side by side on a sheet."""
    return max(1, int((SHEET[0] + BETWEEN) / (width * MIN_SCALE + BETWEEN)))


def _ends(scene: Scene, along: int, start: float, end: float, limit: float) -> list[float]:
    """Where pieces end: between boxes where few lines cross, or inside a box that is longer than a piece."""
    bounds = [link.bounds for link in scene.links]
    long = [(b[along], b[along + 2]) for b in bounds if b[along] < b[along + 2]]
    lows, highs = (sorted(line[side] for line in long) for side in (0, 1))

    def score(place: float) -> float:
        return place - limit * COST_OF_LINE * (bisect_left(lows, place) - bisect_right(highs, place))

    solid: list[Part] = [*scene.nodes, *(frame for frame in scene.frames if frame.pile)]
    spans = sorted((b[along], b[along + 2]) for b in (part.bounds for part in solid))
    spans = [(low, high) for low, high in spans if high - low <= limit]
    free = _free(spans)
    ends: list[float] = []
    while end - start > limit:
        near = free[bisect_right(free, (start, start)) : bisect_right(free, (start + limit, math.inf))]
        start = max((place for place, reach in near if reach > start), key=score, default=start + limit)
        ends.append(start)
    return [*ends, end]


def _free(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The gaps between ``spans``, which are sorted: the middle of each, and where it begins."""
    reaches = accumulate((high for _, high in spans), max)
    gaps = ((reach, low) for reach, (low, _) in zip(reaches, spans[1:], strict=False))
    return [((reach + low) / 2, reach) for reach, low in gaps if reach < low]


def _shown(scene: Scene, pieces: Sequence[Piece]) -> list[list[str]]:
    """Returns for each of ``pieces``, which follow each other along one axis, the keys of what it shows."""
    keys: list[list[str]] = [[] for _ in pieces]
    along = 0 if len(pieces) > 1 and pieces[0].top == pieces[1].top else 1
    starts = [(piece.left, piece.top)[along] for piece in pieces]
    keyed: list[tuple[str, Part]] = [(frame.key, frame) for frame in scene.frames]
    keyed += [(scene.link_key(i), link) for i, link in enumerate(scene.links)]
    keyed += [(node.key, node) for node in scene.nodes]
    for key, part in keyed:
        low, high = part.bounds[along], part.bounds[along + 2]
        for i in range(max(bisect_right(starts, low) - 1, 0), bisect_left(starts, high)):
            keys[i].append(key)
    return keys


def _piece_element(piece: Piece, shown: Sequence[str]) -> str:
    view = " ".join(map(number, (piece.left, piece.top, piece.width, piece.height)))
    width, height = number(piece.width * piece.scale), number(piece.height * piece.scale)
    uses = "".join(f'<use href="#{xml(key)}"/>' for key in shown)
    return f'<svg viewBox="{view}" width="{width}" height="{height}">{uses}</svg>'
