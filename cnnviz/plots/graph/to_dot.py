"""Scene to text for Graphviz, with the same boxes, words, colours and (for neato -n) places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnnviz.plots.common.theme import Theme
from cnnviz.plots.graph.assemble import HEADING_SIZE, LEGEND_SIZE, TITLE_SIZE
from cnnviz.plots.graph.labels import Label
from cnnviz.plots.graph.scene import PAD_X, PAD_Y, Frame, PlacedBox, Scene, color_of
from cnnviz.plots.graph.to_svg import xml

POINTS_PER_INCH = 72


def dot_text(scene: Scene, theme: Theme) -> str:
    """Returns the scene as a digraph; repeated blocks and phases are clusters."""
    background, edge = (color_of(role, theme) for role in ("background", "edge"))
    margin = f"{PAD_X / POINTS_PER_INCH:.3f},{PAD_Y / POINTS_PER_INCH:.3f}"
    lines = [
        f"digraph {quote(scene.title)} {{",
        f'  graph [rankdir={scene.direction}, bgcolor="{background}", label={_head(scene, theme)}, '
        'labelloc=t, labeljust=l, fontname="DejaVu Sans", nodesep=0.25, ranksep=0.33];',
        f'  node [shape=box, fontname="DejaVu Sans", margin="{margin}"];',
        f'  edge [color="{edge}", arrowsize=0.6];',
    ]
    inside = _frames_of(scene)
    members: dict[str, list[PlacedBox]] = {frame.key: [] for frame in scene.frames}
    for node in scene.nodes:
        if (home := inside[node.key]) is None:
            lines.append("  " + _node(node, scene, theme))
        else:
            members[home.key].append(node)
    for frame in scene.frames:
        lines += _cluster(frame, members[frame.key], scene, theme)
    lines += _edges(scene, inside)
    return "\n".join([*lines, "}"]) + "\n"


def _frames_of(scene: Scene) -> dict[str, Frame | None]:
    """Returns for each box the smallest frame around its centre."""
    along = 0 if scene.direction in ("LR", "RL") else 1
    waiting = sorted(scene.frames, key=lambda frame: -frame.bounds[along])
    open_frames: list[Frame] = []  # those that the centres of the boxes have come to, in their order
    found = {}
    for node in sorted(scene.nodes, key=lambda node: _centre(node)[along]):
        centre = _centre(node)
        while waiting and waiting[-1].bounds[along] < centre[along]:
            open_frames.append(waiting.pop())
        open_frames = [frame for frame in open_frames if frame.bounds[along + 2] > centre[along]]
        around = [
            f for f in open_frames if f.x < centre[0] < f.x + f.width and f.y < centre[1] < f.y + f.height
        ]
        found[node.key] = min(around, key=lambda f: f.width * f.height, default=None)
    return found


def _centre(node: PlacedBox) -> tuple[float, float]:
    return node.x + node.width / 2, node.y + node.height / 2


# --- words --------------------------------------------------------------------------------------


def _head(scene: Scene, theme: Theme) -> str:
    """Title, totals and legend as a table."""
    labels = [Label(scene.title, TITLE_SIZE, bold=True)]
    labels += [Label(text, HEADING_SIZE, role="muted") for text in scene.heading]
    rows = [_words(label, theme) for label in labels]
    cells = [
        f'<TD BGCOLOR="{color_of(entry.fill, theme)}">{_words(Label(entry.text, LEGEND_SIZE), theme)}</TD>'
        for entry in scene.legend
    ]
    rows += [f'<TABLE BORDER="0" CELLSPACING="5"><TR>{"".join(cells)}</TR></TABLE>'] if cells else []
    table = "".join(f'<TR><TD ALIGN="LEFT">{row}</TD></TR>' for row in rows)
    return f'<<TABLE BORDER="0" CELLSPACING="0">{table}</TABLE>>'


def _lines(labels: Sequence[Label], theme: Theme) -> str:
    """Lines of text below each other, all from the left."""
    return "<" + "".join(_words(label, theme) + '<BR ALIGN="LEFT"/>' for label in labels) + ">"


def _words(label: Label, theme: Theme) -> str:
    text = f"<B>{xml(label.text)}</B>" if label.bold else xml(label.text)
    return f'<FONT POINT-SIZE="{label.size:g}" COLOR="{color_of(label.role, theme)}">{text}</FONT>'


def quote(text: str) -> str:
    """Returns ``text`` as a quoted string of the dot language, line ends as \\n."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


# --- boxes --------------------------------------------------------------------------------------


def _node(node: PlacedBox, scene: Scene, theme: Theme) -> str:
    width, height = node.width / POINTS_PER_INCH, node.height / POINTS_PER_INCH
    place = _place(node.x + node.width / 2, node.y + node.height / 2, scene)
    stroke, fill = color_of(node.stroke, theme), color_of(node.fill, theme)
    style = "filled,rounded,dashed" if node.dash else "filled,rounded"
    return (
        f"{quote(node.key)} [label={_lines(node.labels, theme)}, tooltip={quote(node.tooltip)}, "
        f'fillcolor="{fill}", color="{stroke}", style="{style}", penwidth={2.6 if node.strong else 1.2}, '
        f"width={width:.3f}, height={height:.3f}, {place}];"
    )


def _place(x: float, y: float, scene: Scene) -> str:
    return f'pos="{x:.1f},{scene.height - y:.1f}"'


def _cluster(frame: Frame, nodes: Sequence[PlacedBox], scene: Scene, theme: Theme) -> Iterator[str]:
    edge, background = color_of("edge", theme), color_of("panel", theme)
    yield f"  subgraph {quote('cluster_' + frame.key)} {{"
    yield (
        f'    label={_lines(frame.labels, theme)}; labeljust=l; color="{edge}"; '
        f'bgcolor="{background}"; style=rounded;'
    )
    for name, (x, y) in _ports(frame, scene).items() if frame.pile else ():
        yield (
            f'    {quote(name)} [shape=point, width=0.02, label="", color="{edge}", {_place(x, y, scene)}];'
        )
    yield from ("    " + _node(node, scene, theme) for node in nodes)
    yield "  }"


def _ports(frame: Frame, scene: Scene) -> dict[str, tuple[float, float]]:
    """The points where lines enter and leave a repeated block."""
    across = scene.direction in ("LR", "RL")
    middle = frame.y + frame.height / 2 if across else frame.x + frame.width / 2
    ends = (frame.x, frame.x + frame.width) if across else (frame.y, frame.y + frame.height)
    first, last = ends if scene.direction in ("TB", "LR") else ends[::-1]
    places = [(end, middle) if across else (middle, end) for end in (first, last)]
    return dict(zip(_port_names(frame.key), places, strict=True))


def _port_names(key: str) -> tuple[str, str]:
    return f"{key}-in", f"{key}-out"


def _edges(scene: Scene, inside: dict[str, Frame | None]) -> Iterator[str]:
    """Lines between boxes; at a repeated block they end at the points where they enter and leave it."""
    piles = {frame.key for frame in scene.frames if frame.pile}
    for link in scene.links:
        source, target = link.source, link.target
        leaves, enters = source in piles, target in piles
        source_home, target_home = inside.get(source), inside.get(target)
        if leaves:
            from_inside = target_home is not None and target_home.key == source
            source = _port_names(source)[0 if from_inside else 1]
        if enters:
            to_inside = source_home is not None and source_home.key == target
            target = _port_names(target)[1 if to_inside else 0]
        head = ", arrowhead=none" if enters else ""
        yield f"  {quote(source)} -> {quote(target)} [tooltip={quote(link.tooltip)}{head}];"
