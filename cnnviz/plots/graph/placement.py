"""Where the boxes and lines of one net go: each repeated block is laid out first, then the net around it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from cnnviz.formats.text import printable
from cnnviz.plots.graph.boxes import LabelledBlock, Panel
from cnnviz.plots.graph.labels import Label
from cnnviz.plots.graph.layered import layered_layout
from cnnviz.plots.graph.layout import Layout
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.scene import (
    CARD_STEP,
    CARDS,
    PAD_X,
    Frame,
    Link,
    PlacedBox,
    labels_size,
    link_between,
    shift,
)

ENTRY, EXIT = "entry", "exit"


@dataclass
class Group:
    """Part of a scene in coordinates of its own, from (0, 0) to (width, height)."""

    width: float = 0.0
    height: float = 0.0
    nodes: list[PlacedBox] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)

    def add(self, other: Group, dx: float, dy: float) -> None:
        """Takes over the parts of ``other``, moved by (dx, dy)."""
        self.nodes += [replace(n, x=n.x + dx, y=n.y + dy) for n in other.nodes]
        self.frames += [replace(f, x=f.x + dx, y=f.y + dy) for f in other.frames]
        self.links += [_moved(link, dx, dy) for link in other.links]


def _moved(link: Link, dx: float, dy: float) -> Link:
    arrow = tuple((x + dx, y + dy) for x, y in link.arrow)
    return replace(link, commands=shift(link.commands, dx, dy), arrow=arrow)


def place_panel(panel: Panel, options: GraphOptions) -> Group:
    """Returns the boxes, blocks and lines of one net in their places."""
    home: dict[int, str] = {}
    blocks: dict[str, Group] = {}
    pairs, edges_at = list(panel.edges), _edges_at(panel)
    for block in panel.blocks:
        key = panel.boxes[block.block.shown[0]].key + "-block"
        home.update((unit, key) for copy in block.block.copies for unit in copy)
        own = sorted({number for unit in block.block.shown for number in edges_at[unit]})
        blocks[key] = _place_block(panel, [pairs[number] for number in own], block, key, options)
    sizes: dict = {home.get(unit, unit): labels_size(box.labels) for unit, box in panel.boxes.items()}
    sizes.update((key, (block.width, block.height)) for key, block in blocks.items())
    edges: dict[tuple, list[str]] = {}
    for (a, b), blobs in panel.edges.items():
        pair = (home.get(a, a), home.get(b, b))
        if pair[0] != pair[1]:
            edges.setdefault(pair, []).extend(blobs)
    layout = _algorithm(options)(sizes, edges, options.rankdir)
    return _laid_out(panel, blocks, layout, edges, options)


def _algorithm(options: GraphOptions) -> Callable[..., Layout]:
    if options.layout == "own":
        return partial(layered_layout, columns=options.columns)
    from cnnviz.plots.graph.graphviz import dot_layout

    return dot_layout


def _edges_at(panel: Panel) -> dict[int, list[int]]:
    """Returns the edges, by number, that begin or end at each unit."""
    edges_at: dict[int, list[int]] = defaultdict(list)
    for number, pair in enumerate(panel.edges):
        for unit in pair:
            edges_at[unit].append(number)
    return edges_at


def _laid_out(
    panel: Panel, blocks: dict[str, Group], layout: Layout, edges: dict, options: GraphOptions
) -> Group:
    """Returns boxes, blocks and lines in the places of ``layout``."""
    group = Group(layout.width, layout.height)
    for node, center in layout.centers.items():
        if node in blocks:
            inner = blocks[node]
            group.add(inner, center[0] - inner.width / 2, center[1] - inner.height / 2)
        else:
            group.nodes.append(panel.boxes[node].at(center))
    for route in layout.routes:
        ends = route.source, route.target
        keys = [end if end in blocks else panel.boxes[end].key for end in ends]
        arrow = route.target not in blocks
        link = link_between((keys[0], keys[1]), _tooltip(edges[ends]), route, options.rankdir, arrow)
        group.links.append(link)
    return group


def _tooltip(blobs: Sequence[str]) -> str:
    return printable(", ".join(dict.fromkeys(blobs)))


# --- repeated blocks ----------------------------------------------------------------------------


def _place_block(
    panel: Panel,
    own_edges: Sequence[tuple[int, int]],
    labelled: LabelledBlock,
    key: str,
    options: GraphOptions,
) -> Group:
    """Lays out the first copy of a block, which ``own_edges`` touch, in a frame like a pile of cards."""
    shown, labels = labelled.block.shown, labelled.labels
    inside = set(shown)
    sizes: dict = {unit: labels_size(panel.boxes[unit].labels) for unit in shown}
    edges: dict[tuple, list[str]] = {}
    for a, b in own_edges:
        pair = (a if a in inside else ENTRY, b if b in inside else EXIT)
        edges.setdefault(pair, []).extend(panel.edges[a, b])
    sizes.update((port, (0.0, 0.0)) for port in (ENTRY, EXIT) if any(port in pair for pair in edges))
    layout = layered_layout(sizes, edges, options.rankdir)
    group, (x, y) = _framed(layout, labels, options)
    frame = Frame(key, labelled.tooltip, 0.0, 0.0, group.width, group.height, labels, True)
    group.frames.append(frame)
    for unit in shown:
        center = layout.centers[unit]
        group.nodes.append(panel.boxes[unit].at((center[0] + x, center[1] + y)))
    names: dict[Any, str] = {unit: panel.boxes[unit].key for unit in shown} | {ENTRY: key, EXIT: key}
    for route in layout.routes:
        points = [(px + x, py + y) for px, py in route.points]
        if route.source == ENTRY:
            points[:2] = _port(points[0], group, options.rankdir, entry=True)
        if route.target == EXIT:
            points[-2:] = _port(points[-1], group, options.rankdir, entry=False)
        tooltip = _tooltip(edges[route.source, route.target])
        ends = names[route.source], names[route.target]
        moved, arrow = replace(route, points=tuple(points)), route.target != EXIT
        group.links.append(link_between(ends, tooltip, moved, options.rankdir, arrow))
    return group


def _framed(
    layout: Layout, labels: Sequence[Label], options: GraphOptions
) -> tuple[Group, tuple[float, float]]:
    """Returns an empty group with space for ``layout`` in a frame, and where in it the layout begins.

    Lines enter and leave in the middle of a side; the layout's first box lies there, so they run straight.
    """
    header_width, header_height = labels_size(labels)
    pile = (CARDS - 1) * CARD_STEP
    centre = layout.centers.get(ENTRY, (layout.width / 2, layout.height / 2))
    if options.across:
        half = max(header_height + centre[1], layout.height - centre[1] + PAD_X + pile)
        width = max(layout.width, header_width) + 2 * PAD_X
        return Group(width + pile, 2 * half), ((width - layout.width) / 2, half - centre[1])
    # The header keeps to the left half.
    half = max(max(centre[0], layout.width - centre[0] + pile) + PAD_X, header_width)
    return Group(2 * half, layout.height + header_height + pile), (half - centre[0], header_height)


def _port(inner: tuple[float, float], group: Group, direction: str, entry: bool):
    """The two points by which a line enters (or leaves) a frame in the middle of its side."""
    along = 1 if direction in ("TB", "BT") else 0
    extent = (group.width, group.height)
    start = entry == (direction in ("TB", "LR"))
    border, bend = [e / 2 for e in extent], [e / 2 for e in extent]
    border[along] = 0.0 if start else extent[along]
    bend[along] = inner[along]
    points = (border[0], border[1]), (bend[0], bend[1])
    return points if entry else points[::-1]
