"""The scene of a graph: every box, text and line with its place, worked out once for all renderers.

Lengths are in pixels, y runs downwards. Colours are named by roles ("text", "fill:convolution",
"heat:0.40"), which a renderer looks up in its theme.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cnnviz.plots.common.theme import KIND_COLORS, Theme, kind_fill, mix
from cnnviz.plots.graph.labels import Label
from cnnviz.plots.graph.layout import Route

Point = tuple[float, float]
# ("M", x, y), ("L", x, y) or ("C", x1, y1, x2, y2, x, y), as in SVG.
Command = tuple

PAD_X, PAD_Y = 10.0, 6.5
ASCENT = 0.98  # from the top of a line of text to its baseline, in parts of the font's size
CARD_STEP = 4.0  # between the cards of a pile that stands for a repeated block
CARDS = 3


@dataclass(frozen=True)
class Rect:
    """A rectangle with round corners; ``fill`` None leaves it open."""

    x: float
    y: float
    width: float
    height: float
    fill: str | None
    stroke: str | None = None
    line_width: float = 1.2
    radius: float = 6.0
    dash: bool = False


@dataclass(frozen=True)
class Words:
    """One line of text; (x, y) is the left end of its baseline."""

    x: float
    y: float
    text: str
    size: float
    bold: bool = False
    role: str = "text"


@dataclass(frozen=True)
class Stroke:
    """A line along ``commands``."""

    commands: tuple[Command, ...]
    role: str = "edge"
    line_width: float = 1.3


@dataclass(frozen=True)
class Shape:
    """A filled polygon."""

    points: tuple[Point, ...]
    role: str = "edge"


Primitive = Rect | Words | Stroke | Shape


# Left, top, right and bottom.
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Box:
    """The box of a layer before it has a place.

    Attributes:
        key: unique in the scene; connects box, links and the panel of the interactive page.
    """

    key: str
    name: str
    tooltip: str
    labels: tuple[Label, ...]
    fill: str
    stroke: str
    dash: bool = False
    strong: bool = False

    def at(self, center: Point) -> PlacedBox:
        width, height = labels_size(self.labels)
        x, y = center[0] - width / 2, center[1] - height / 2
        return PlacedBox(**vars(self), x=x, y=y, width=width, height=height)


@dataclass(frozen=True, kw_only=True)
class PlacedBox(Box):
    """The box of a layer."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width, self.y + self.height

    def primitives(self) -> Iterator[Primitive]:
        weight = 2.6 if self.strong else 1.2
        yield Rect(self.x, self.y, self.width, self.height, self.fill, self.stroke, weight, dash=self.dash)
        yield from place_labels(self.labels, self.x + PAD_X, self.y + PAD_Y)


@dataclass(frozen=True)
class Link:
    """The line from one box to another; it ends in an arrow unless it ends at a frame's inner port."""

    source: str
    target: str
    tooltip: str
    commands: tuple[Command, ...]
    arrow: tuple[Point, ...]

    @property
    def bounds(self) -> Bounds:
        """Around the points that steer the line, which runs inside."""
        values = [value for _, *command in self.commands for value in command]
        values += [value for point in self.arrow for value in point]
        return min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])

    def primitives(self) -> Iterator[Primitive]:
        yield Stroke(self.commands)
        if self.arrow:
            yield Shape(self.arrow)


@dataclass(frozen=True)
class Frame:
    """A frame around boxes: a repeated block (drawn as a pile of cards) or one phase of two."""

    key: str
    tooltip: str
    x: float
    y: float
    width: float
    height: float
    labels: tuple[Label, ...]
    pile: bool

    @property
    def bounds(self) -> Bounds:
        return self.x, self.y, self.x + self.width, self.y + self.height

    def primitives(self) -> Iterator[Primitive]:
        cards = CARDS if self.pile else 1
        step = CARD_STEP if self.pile else 0.0
        inner_width, inner_height = self.width - (cards - 1) * step, self.height - (cards - 1) * step
        for card in reversed(range(cards)):
            x, y = self.x + card * step, self.y + card * step
            yield Rect(x, y, inner_width, inner_height, "panel", "edge", 1.0, 8.0)
        yield from place_labels(self.labels, self.x + PAD_X, self.y + PAD_Y)


SWATCH = 12.0


@dataclass(frozen=True)
class LegendEntry:
    """A colour (``fill``, ``stroke``) and its meaning."""

    text: str
    fill: str
    stroke: str
    dash: bool = False

    def swatch(self, x: float, y: float) -> Rect:
        return Rect(x, y, SWATCH, SWATCH, self.fill, self.stroke, 1.2, 3.0, self.dash)


@dataclass
class Scene:
    """Everything in the figure; ``extras`` are heading and legend as they are painted.

    Attributes:
        title, description: for screen readers and file information.
        direction: where lines run, "TB", "BT", "LR" or "RL".
        prefix: begins all keys, so that several scenes can stand in one page.
        heading: lines under the title.
    """

    title: str
    description: str
    direction: str
    prefix: str = "net"
    heading: Sequence[str] = ()
    legend: Sequence[LegendEntry] = ()
    width: float = 0.0
    height: float = 0.0
    nodes: list[PlacedBox] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    extras: list[Primitive] = field(default_factory=list)

    def primitives(self) -> Iterator[Primitive]:
        """Yields what to paint, from the back to the front."""
        parts: list[Frame | Link | PlacedBox] = [*self.frames, *self.links, *self.nodes]
        for part in parts:
            yield from part.primitives()
        yield from self.extras

    def link_key(self, index: int) -> str:
        """Returns the key of the line ``links[index]``."""
        return f"{self.prefix}-line{index}"


def place_labels(labels: Sequence[Label], x: float, y: float) -> Iterator[Words]:
    """Yields ``labels`` as lines of text below each other from the top left corner (x, y)."""
    for label in labels:
        yield Words(x, y + ASCENT * label.size, label.text, label.size, label.bold, label.role)
        y += label.height


def labels_size(labels: Sequence[Label]) -> tuple[float, float]:
    """Returns the width and height that a box needs for ``labels``."""
    width = max((label.width for label in labels), default=0.0) + 2 * PAD_X
    return round(width, 1), round(sum(label.height for label in labels) + 2 * PAD_Y, 1)


# --- colours ------------------------------------------------------------------------------------

# From the least to the greatest value; dark enough to distinguish, light enough for text.
HEAT = {"light": ("#FFF8F0", "#F08A24"), "dark": ("#23272E", "#A8520A")}
PLAIN_ROLES = ("background", "panel", "text", "muted", "edge", "accent", "warning")


def color_of(role: str, theme: Theme) -> str:
    """Returns the colour that ``role`` has in ``theme``, as "#RRGGBB"."""
    kind, _, detail = role.partition(":")
    if kind == "fill":
        return mix(theme.background, theme.warning, 0.12) if detail == "fault" else kind_fill(detail, theme)
    if kind == "kind":
        return mix(KIND_COLORS[detail], theme.text, 0.0 if theme.name == "light" else 0.35)
    if kind == "heat":
        return mix(*HEAT[theme.name], float(detail))
    return getattr(theme, role)


# --- lines --------------------------------------------------------------------------------------

ARROW_LENGTH, ARROW_WIDTH = 7.0, 6.0
CORNER = 8.0  # radius


DIRECTION_VECTORS = {"TB": (0.0, 1.0), "BT": (0.0, -1.0), "LR": (1.0, 0.0), "RL": (-1.0, 0.0)}


def arrow_at(tip: Point, vector: Point) -> tuple[Point, ...]:
    """Returns the triangle of an arrow that ends at ``tip`` and points along ``vector``, of length 1."""
    dx, dy = vector
    back = (tip[0] - dx * ARROW_LENGTH, tip[1] - dy * ARROW_LENGTH)
    half = ARROW_WIDTH / 2
    return (tip, (back[0] + dy * half, back[1] - dx * half), (back[0] - dy * half, back[1] + dx * half))


def smooth(points: Sequence[Point], direction: str, corners: Sequence[int] = ()) -> tuple[Command, ...]:
    """Returns a line through ``points`` that leaves and enters every point along ``direction``.

    Points whose index is in ``corners`` are joined by straight lines, with round corners.
    """
    commands: list[Command] = [("M", *points[0])]
    for i, (start, end) in enumerate(pairwise(points)):
        if i + 1 in corners:
            commands += _round_corner(start, end, points[i + 2])
        elif i in corners:
            commands.append(("L", *end))
        else:
            commands += _step(start, end, direction)
    return tuple(commands)


def _step(start: Point, end: Point, direction: str) -> Iterator[Command]:
    (x0, y0), (x1, y1) = start, end
    along_y = direction in ("TB", "BT")
    if abs(x1 - x0) < 0.05 and abs(y1 - y0) < 0.05:
        return
    if abs(x1 - x0 if along_y else y1 - y0) < 0.05:
        yield ("L", x1, y1)
    elif along_y:
        middle = (y0 + y1) / 2
        yield ("C", x0, middle, x1, middle, x1, y1)
    else:
        middle = (x0 + x1) / 2
        yield ("C", middle, y0, middle, y1, x1, y1)


def _round_corner(before: Point, corner: Point, after: Point) -> Iterator[Command]:
    """A straight line nearly to ``corner`` and a curve around it, towards ``after``."""
    ends = []
    for other in (before, after):
        length = math.dist(other, corner)
        share = min(CORNER, length / 2) / length if length else 0.0
        ends.append(tuple(c + (o - c) * share for c, o in zip(corner, other, strict=True)))
    yield ("L", *ends[0])
    yield ("C", *corner, *corner, *ends[1])


def bezier(points: Sequence[Point]) -> tuple[tuple[Command, ...], tuple[Point, ...]]:
    """Returns the chain of Bezier curves through an end, then two controls and an end each, and its arrow."""
    curves = (points[i : i + 3] for i in range(1, len(points) - 2, 3))
    commands = (("M", *points[0]), *(("C", *a, *b, *c) for a, b, c in curves))
    tip = points[-1]
    before = next(point for point in reversed(points) if math.dist(point, tip) > 1)
    length = math.dist(before, tip)
    return commands, arrow_at(tip, ((tip[0] - before[0]) / length, (tip[1] - before[1]) / length))


def link_between(
    ends: tuple[str, str], tooltip: str, route: Route, direction: str, arrow: bool = True
) -> Link:
    """Returns the link along ``route``, shortened for its arrow if it has one."""
    if route.bezier:
        return Link(*ends, tooltip, *bezier(route.points))
    points = list(route.points)
    tip = points[-1]
    axis, sign = (1 if direction in ("TB", "BT") else 0), (1 if direction in ("TB", "LR") else -1)
    limit = tip[axis] - sign * (ARROW_LENGTH - 1)
    for i in (-2, -1) if arrow else ():
        if (points[i][axis] - limit) * sign > 0:
            points[i] = (points[i][0], limit) if axis else (limit, points[i][1])
    head = arrow_at(tip, DIRECTION_VECTORS[direction]) if arrow else ()
    return Link(*ends, tooltip, smooth(points, direction, route.corners), head)


def shift(commands: Sequence[Command], dx: float, dy: float) -> tuple[Command, ...]:
    """Returns ``commands`` moved by (dx, dy)."""
    return tuple(
        (name, *(value + (dy if i % 2 else dx) for i, value in enumerate(values)))
        for name, *values in commands
    )
