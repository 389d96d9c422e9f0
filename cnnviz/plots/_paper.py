"""A drawn net for printing: cut between its boxes into pieces that can be read on a sheet of paper.

The pieces show parts of the picture that is already in the page: they name what they show, and add no
second copy of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cnnviz.plots._render_svg import Paint, number, rect_element, xml
from cnnviz.plots._scene import Frame, Link, NodeBox, Scene

# What A4 and Letter both hold inside margins of 12 mm, less a heading, in pixels of a page.
SHEET = (700.0, 860.0)
LEAST_SCALE = 0.7  # at which a net is shrunk to fit one sheet, or several pieces to stand side by side
EDGE = 4.0  # around the picture
COST_OF_LINE = 0.12  # in parts of a sheet, for each line that leads on to the next piece
BETWEEN = 12.0  # pieces that stand side by side

Part = NodeBox | Frame | Link


@dataclass(frozen=True)
class Piece:
    """Part of a picture and the size at which it is printed."""

    left: float
    top: float
    width: float
    height: float
    scale: float

    def shows(self, part: Part) -> bool:
        left, top, right, bottom = part.bounds
        inside = left < self.left + self.width and right > self.left
        return inside and top < self.top + self.height and bottom > self.top


def paper_section(scene: Scene, paint: Paint) -> str:
    """Returns the part of a page that is printed instead of the picture on the screen."""
    lines = ['<div class="paper" aria-hidden="true">', f"<h2>{xml(scene.title)}</h2>"]
    lines += [f"<p>{xml(text)}</p>" for text in scene.heading]
    keys = "".join(
        f'<span><svg width="13" height="13">{rect_element(entry.swatch(0.5, 0.5), paint)}</svg>'
        f" {xml(entry.text)}</span> "
        for entry in scene.legend
    )
    lines.append(f'<p class="keys">{keys}</p>')
    lines += [_piece_element(scene, piece) for piece in paper_pieces(scene)]
    return "\n".join([*lines, "</div>"]) + "\n"


def paper_pieces(scene: Scene) -> list[Piece]:
    """Cuts the picture across the way in which it is too long; no box is cut that fits one sheet."""
    everything: list[Part] = [*scene.nodes, *scene.frames, *scene.links]
    parts = [part.bounds for part in everything]
    if not parts:
        return []
    low = [min(part[axis] for part in parts) - EDGE for axis in (0, 1)]
    size = [max(part[axis + 2] for part in parts) + EDGE - low[axis] for axis in (0, 1)]
    fitting = min(1.0, SHEET[0] / size[0], SHEET[1] / size[1])
    if fitting >= LEAST_SCALE:
        return [Piece(low[0], low[1], size[0], size[1], fitting)]
    along = 0 if size[0] / SHEET[0] > size[1] / SHEET[1] else 1
    beside = _beside(size[0]) if along else 1
    room = (SHEET[0] - BETWEEN * (beside - 1)) / beside if along else SHEET[1]
    scale = min(1.0, room / size[1 - along])
    ends = _ends(scene, along, low[along], low[along] + size[along], SHEET[along] / scale)
    pieces = []
    for start, end in zip([low[along], *ends], ends, strict=False):
        corner, extent = list(low), list(size)
        corner[along], extent[along] = start, end - start
        pieces.append(Piece(corner[0], corner[1], extent[0], extent[1], scale))
    return pieces


def _beside(width: float) -> int:
    """How many pieces of this width stand side by side on a sheet."""
    return max(1, int((SHEET[0] + BETWEEN) / (width * LEAST_SCALE + BETWEEN)))


def _ends(scene: Scene, along: int, start: float, end: float, most: float) -> list[float]:
    """Where pieces end: between boxes where few lines lead on, or in a box that is longer than a piece."""
    lines = [(b[along], b[along + 2]) for b in (link.bounds for link in scene.links)]

    def worth(place: float) -> float:
        return place - most * COST_OF_LINE * sum(low < place < high for low, high in lines)

    solid: list[Part] = [*scene.nodes, *(frame for frame in scene.frames if frame.pile)]
    spans = sorted((b[along], b[along + 2]) for b in (part.bounds for part in solid))
    spans = [(low, high) for low, high in spans if high - low <= most]
    ends: list[float] = []
    while end - start > most:
        start = max(_free(spans, start, start + most), key=worth, default=start + most)
        ends.append(start)
    return [*ends, end]


def _free(spans: Sequence[tuple[float, float]], start: float, limit: float) -> Iterator[float]:
    """The middles of gaps between ``spans`` from ``start`` to ``limit``."""
    reach = start
    for low, high in spans:
        if reach < low and start < (reach + low) / 2 <= limit and reach > start:
            yield (reach + low) / 2
        reach = max(reach, high)


def _piece_element(scene: Scene, piece: Piece) -> str:
    shown = [frame.key for frame in scene.frames if piece.shows(frame)]
    shown += [scene.link_key(i) for i, link in enumerate(scene.links) if piece.shows(link)]
    shown += [node.key for node in scene.nodes if piece.shows(node)]
    view = " ".join(map(number, (piece.left, piece.top, piece.width, piece.height)))
    width, height = number(piece.width * piece.scale), number(piece.height * piece.scale)
    uses = "".join(f'<use href="#{xml(key)}"/>' for key in shown)
    return f'<svg viewBox="{view}" width="{width}" height="{height}">{uses}</svg>'
