"""Makes the picture of architecture.md: the rooms of the house, from the ground up."""

from __future__ import annotations

from typing import NamedTuple
from xml.sax.saxutils import escape

from make_pictures._workspace import Workspace

WIDTH, MARGIN, GAP, PAD = 960, 20, 10, 12
LOW, HIGH = 50, 84  # rooms without and with something in them
INK, MUTED, LINE, PAPER, ROOM = "#1c2733", "#566573", "#aab7c4", "#ffffff", "#f3f6f9"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


class Room(NamedTuple):
    name: str
    does: str
    holds: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return HIGH if self.holds else LOW


# From the roof down. Rooms of one floor stand side by side, and so do the parts of a room: each may use what
# stands to the right of it.
FLOORS = [
    [Room("cli/", "the commands: parse, one call, echo")],
    [
        Room("gallery/", "HTML pages that explain a whole net"),
        Room("cnnviz/pycaffe/", "what programs written for pycaffe import"),
    ],
    [Room("cnnviz/api/", "what a user calls: load, run, measure, draw, save")],
    [
        Room(
            "cnnviz/plots/",
            "arrays, tables, Graphs and finished values in; figures, SVG and HTML out",
            ("graph", "weights", "features", "training", "common"),
        )
    ],
    [
        Room(
            "cnnviz/analysis/",
            "the values that figures show: costs, filter health, maps, attributions, curves",
        )
    ],
    [
        Room(
            "cnnviz/engine/",
            "Caffe's Blob, Layer, Net and Solver; their kernels in OpenCL C are in cnnviz/kernels/",
            ("solver", "net", "graph", "layers", "ops", "layer", "blob", "device"),
        )
    ],
    [Room("cnnviz/formats/", "files in and out: prototxt, caffemodel, solverstate, databases, logs, images")],
    [Room("cnnviz/errors.py", "the kinds of errors that are raised on purpose")],
]
PICTURES = {"house.svg": FLOORS}


def make(workspace: Workspace) -> None:
    (workspace.out / "house.svg").write_text(house(), encoding="utf-8")


def house() -> str:
    """Returns the picture as SVG."""
    parts, top = [], MARGIN
    for rooms in FLOORS:
        width = (WIDTH - 2 * MARGIN - (len(rooms) - 1) * GAP) / len(rooms)
        for i, room in enumerate(rooms):
            parts += draw_room(room, MARGIN + i * (width + GAP), top, width)
        top += max(room.height for room in rooms) + GAP
    height = top - GAP + MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" font-family="{FONT}" role="img">\n<title>The rooms of cnnviz: each may use those '
        f'below it</title>\n<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def draw_room(room: Room, left: float, top: float, width: float) -> list[str]:
    parts = [
        rect(left, top, width, room.height, ROOM),
        text(left + PAD, top + 21, room.name, 15, INK, 'font-weight="bold"'),
        text(left + PAD, top + 39, room.does, 12, MUTED),
    ]
    each = (width - 2 * PAD - (len(room.holds) - 1) * GAP) / max(1, len(room.holds))
    for i, name in enumerate(room.holds):
        x = left + PAD + i * (each + GAP)
        parts += [
            rect(x, top + 49, each, 26, PAPER),
            text(x + each / 2, top + 66, name, 12, INK, 'text-anchor="middle"'),
        ]
    return parts


def rect(left: float, top: float, width: float, height: float, fill: str) -> str:
    return (
        f'<rect x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}" rx="6" fill="{fill}" '
        f'stroke="{LINE}"/>'
    )


def text(left: float, baseline: float, words: str, size: int, color: str, more: str = "") -> str:
    return (
        f'<text x="{left:g}" y="{baseline:g}" font-size="{size}" fill="{color}" {more}>{escape(words)}</text>'
    )
