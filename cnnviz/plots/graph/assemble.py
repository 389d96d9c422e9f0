"""From boxes and connections to a scene: measures, lays out, and adds frames, heading and legend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cnnviz.formats.text import printable
from cnnviz.plots.common.text import NO_BREAK, text_width, wrap
from cnnviz.plots.graph.grouping import Block
from cnnviz.plots.graph.labels import Label
from cnnviz.plots.graph.layered import layered_layout
from cnnviz.plots.graph.layout import Layout
from cnnviz.plots.graph.scene import (
    CARD_STEP,
    CARDS,
    PAD_X,
    SWATCH,
    Box,
    Frame,
    LegendEntry,
    Link,
    PlacedBox,
    Primitive,
    Scene,
    Words,
    labels_size,
    link_between,
    place_labels,
    shift,
)

Engine = Callable[..., Layout]

MARGIN = 16.0
LEAST_WIDTH = 340.0  # of the whole picture, so that its heading is not broken into many lines
PANEL_GAP = 36.0
TITLE_SIZE, HEADING_SIZE, LEGEND_SIZE = 17.0, 11.0, 10.5
ENTRY, EXIT = "entry", "exit"


@dataclass(frozen=True)
class Panel:
    """One net before it has a place.

    Attributes:
        boxes: the box of each unit that is drawn.
        edges: (unit, unit) -> names of the blobs.
        blocks: repeated blocks with their labels and their title.
        heading: stands above the panel if there are several.
    """

    boxes: dict[int, Box]
    edges: dict[tuple[int, int], list[str]]
    blocks: list[tuple[Block, tuple[Label, ...], str]]
    heading: str = ""


@dataclass
class _Group:
    """Part of a scene in its own coordinates."""

    width: float = 0.0
    height: float = 0.0
    nodes: list[PlacedBox] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def add(self, other: _Group, dx: float, dy: float) -> None:
        """Takes over the parts of ``other``, moved by (dx, dy)."""
        self.nodes += [replace(n, x=n.x + dx, y=n.y + dy) for n in other.nodes]
        self.frames += [replace(f, x=f.x + dx, y=f.y + dy) for f in other.frames]
        self.links += [_moved(link, dx, dy) for link in other.links]


def _moved(link: Link, dx: float, dy: float) -> Link:
    arrow = tuple((x + dx, y + dy) for x, y in link.arrow)
    return replace(link, commands=shift(link.commands, dx, dy), arrow=arrow)


def compose(
    title: str,
    description: str,
    heading: Sequence[str],
    panels: Sequence[Panel],
    legend: Sequence[LegendEntry],
    direction: str = "TB",
    engine: Engine = layered_layout,
    prefix: str = "net",
) -> Scene:
    """Returns the scene of one or more nets.

    Args:
        heading: lines under the title.
        engine: works out places; ``layered_layout`` or one like it.
        prefix: begins the keys of the boxes.
    """
    pictures = [_panel(panel, direction, engine) for panel in panels]
    body = _side_by_side(pictures, panels, direction, prefix)
    scene = Scene(title, description, direction, prefix, plain_lines(heading), legend)
    scene.width = max(body.width, LEAST_WIDTH) + 2 * MARGIN
    top, extras = _heading(title, heading, scene.width - 2 * MARGIN)
    placed = _Group()
    placed.add(body, (scene.width - body.width) / 2, top)
    scene.nodes, scene.links, scene.frames = placed.nodes, placed.links, placed.frames
    below, swatches = _legend(legend, scene.width - 2 * MARGIN, top + body.height + 18)
    scene.extras = [*extras, *swatches]
    scene.height = below + MARGIN
    return scene


# --- one net ------------------------------------------------------------------------------------


def _panel(panel: Panel, direction: str, engine: Engine) -> _Group:
    """Lays out one net, each repeated block by itself first."""
    home: dict[int, str] = {}
    blocks: dict[str, _Group] = {}
    pairs, edges_at = list(panel.edges), _edges_at(panel)
    for block, labels, title in panel.blocks:
        key = panel.boxes[block.shown[0]].key + "-block"
        home.update((unit, key) for copy in block.copies for unit in copy)
        own = sorted({number for unit in block.shown for number in edges_at[unit]})
        blocks[key] = _block_picture(
            panel, [pairs[number] for number in own], block, labels, title, key, direction
        )
    sizes: dict = {home.get(unit, unit): labels_size(box.labels) for unit, box in panel.boxes.items()}
    sizes.update((key, (block.width, block.height)) for key, block in blocks.items())
    edges: dict[tuple, list[str]] = {}
    for (a, b), blobs in panel.edges.items():
        pair = (home.get(a, a), home.get(b, b))
        if pair[0] != pair[1]:
            edges.setdefault(pair, []).extend(blobs)
    return _laid_out(panel, blocks, engine(sizes, edges, direction), edges, direction)


def _edges_at(panel: Panel) -> dict[int, list[int]]:
    """Returns the edges, by number, that begin or end at each unit."""
    edges_at: dict[int, list[int]] = defaultdict(list)
    for number, pair in enumerate(panel.edges):
        for unit in pair:
            edges_at[unit].append(number)
    return edges_at


def _laid_out(panel: Panel, blocks: dict[str, _Group], layout: Layout, edges, direction: str) -> _Group:
    """Returns the picture of boxes, blocks and lines in the places of ``layout``."""
    picture = _Group(layout.width, layout.height)
    for node, center in layout.centers.items():
        if node in blocks:
            inner = blocks[node]
            picture.add(inner, center[0] - inner.width / 2, center[1] - inner.height / 2)
        else:
            picture.nodes.append(panel.boxes[node].at(center))
    for route in layout.routes:
        ends = route.source, route.target
        keys = [end if end in blocks else panel.boxes[end].key for end in ends]
        arrow = route.target not in blocks
        picture.links.append(link_between((keys[0], keys[1]), _told(edges[ends]), route, direction, arrow))
    return picture


def _told(blobs: Sequence[str]) -> str:
    """What a pointer resting on a line reads."""
    return printable(", ".join(dict.fromkeys(blobs)))


def _block_picture(
    panel: Panel,
    own_edges: Sequence[tuple[int, int]],
    block: Block,
    labels: Sequence[Label],
    title: str,
    key: str,
    direction: str,
) -> _Group:
    """Lays out the first copy of a block, which ``own_edges`` touch, inside a frame that looks like a pile
    of cards.
    """
    inside = set(block.shown)
    sizes: dict = {unit: labels_size(panel.boxes[unit].labels) for unit in block.shown}
    edges: dict[tuple, list[str]] = {}
    for a, b in own_edges:
        pair = (a if a in inside else ENTRY, b if b in inside else EXIT)
        edges.setdefault(pair, []).extend(panel.edges[a, b])
    sizes.update((port, (0.0, 0.0)) for port in (ENTRY, EXIT) if any(port in pair for pair in edges))
    layout = layered_layout(sizes, edges, direction)
    picture, (x, y) = _framed(layout, labels, direction)
    picture.frames.append(Frame(key, title, 0.0, 0.0, picture.width, picture.height, tuple(labels), True))
    names: dict[Any, str] = {unit: panel.boxes[unit].key for unit in block.shown}
    names |= {ENTRY: key, EXIT: key}
    for unit in block.shown:
        center = layout.centers[unit]
        picture.nodes.append(panel.boxes[unit].at((center[0] + x, center[1] + y)))
    for route in layout.routes:
        points = [(px + x, py + y) for px, py in route.points]
        if route.source == ENTRY:
            points[:2] = _port(points[0], picture, direction, entry=True)
        if route.target == EXIT:
            points[-2:] = _port(points[-1], picture, direction, entry=False)
        told = _told(edges[route.source, route.target])
        ends = names[route.source], names[route.target]
        way = replace(route, points=tuple(points))
        picture.links.append(link_between(ends, told, way, direction, arrow=route.target != EXIT))
    return picture


def _framed(layout: Layout, labels: Sequence[Label], direction: str) -> tuple[_Group, tuple[float, float]]:
    """Returns an empty picture with room for ``layout`` in a frame, and where in it the layout begins.

    Lines enter and leave in the middle of a side; the layout's first box lies there, so they run straight.
    """
    across = direction in ("LR", "RL")
    header_width, header_height = labels_size(labels)
    pile = (CARDS - 1) * CARD_STEP
    centre = layout.centers.get(ENTRY, (layout.width / 2, layout.height / 2))
    if across:
        half = max(header_height + centre[1], layout.height - centre[1] + PAD_X + pile)
        width = max(layout.width, header_width) + 2 * PAD_X
        return _Group(width + pile, 2 * half), ((width - layout.width) / 2, half - centre[1])
    # The header keeps to the left half.
    half = max(max(centre[0], layout.width - centre[0] + pile) + PAD_X, header_width)
    return _Group(2 * half, layout.height + header_height + pile), (half - centre[0], header_height)


def _port(inner: tuple[float, float], picture: _Group, direction: str, entry: bool):
    """The two points by which a line enters (or leaves) a frame in the middle of its side."""
    along = 1 if direction in ("TB", "BT") else 0
    extent = (picture.width, picture.height)
    start = entry == (direction in ("TB", "LR"))
    border, bend = [e / 2 for e in extent], [e / 2 for e in extent]
    border[along] = 0.0 if start else extent[along]
    bend[along] = inner[along]
    points = (border[0], border[1]), (bend[0], bend[1])
    return points if entry else points[::-1]


# --- around the nets ----------------------------------------------------------------------------


def _side_by_side(pictures: Sequence[_Group], panels: Sequence[Panel], direction: str, prefix: str) -> _Group:
    """Returns one picture of all panels, each in a frame with its heading if there are several."""
    if len(pictures) == 1:
        return pictures[0]
    result, offset = _Group(), 0.0
    across = direction in ("LR", "RL")
    for i, (picture, panel) in enumerate(zip(pictures, panels, strict=True)):
        labels = (Label(panel.heading, 13, bold=True),)
        header = labels_size(labels)[1] + 6
        width = max(picture.width, labels_size(labels)[0]) + 2 * PAD_X
        height = picture.height + header + PAD_X
        x, y = (0.0, offset) if across else (offset, 0.0)
        result.frames.append(Frame(f"{prefix}{i}-panel", panel.heading, x, y, width, height, labels, False))
        result.add(picture, x + (width - picture.width) / 2, y + header)
        result.width, result.height = max(result.width, x + width), max(result.height, y + height)
        offset += (height if across else width) + PANEL_GAP
    return result


def plain_lines(lines: Sequence[str]) -> list[str]:
    """Returns ``lines`` with plain spaces throughout."""
    return [line.replace(NO_BREAK, " ") for line in lines]


def _heading(title: str, lines: Sequence[str], width: float) -> tuple[float, list[Primitive]]:
    """Returns where the graph may start and the texts above it."""
    labels = [Label(text, TITLE_SIZE, bold=True) for text in wrap(title, width, TITLE_SIZE, bold=True)]
    for line in lines:
        labels += [
            Label(text, HEADING_SIZE, role="muted")
            for text in wrap(line, width, HEADING_SIZE, most=8, after=" ")
        ]
    below = MARGIN + sum(label.height for label in labels) + 14
    return below, list(place_labels(labels, MARGIN, MARGIN))


def _legend(entries: Sequence[LegendEntry], width: float, top: float) -> tuple[float, list[Primitive]]:
    """Returns where the legend ends and its parts, set in lines of at most ``width``."""
    parts: list[Primitive] = []
    x, y = 0.0, top
    for entry in entries:
        step = SWATCH + 6 + text_width(entry.text, LEGEND_SIZE) + 16
        if x and x + step - 16 > width:
            x, y = 0.0, y + 19
        left = MARGIN + x
        parts.append(entry.swatch(left, y))
        parts.append(Words(left + SWATCH + 6, y + 10, entry.text, LEGEND_SIZE, role="muted"))
        x += step
    return (y + SWATCH if entries else top - 18), parts
