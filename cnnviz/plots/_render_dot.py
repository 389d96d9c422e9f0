"""Scene to text for Graphviz, with the same boxes, colours and (for neato -n) places."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.plots._labels import Label
from cnnviz.plots._scene import Frame, NodeBox, Scene, color_of
from cnnviz.plots.style import Theme

POINTS_PER_INCH = 72


def dot_text(scene: Scene, look: Theme) -> str:
    """Returns the scene as a digraph; repeated blocks and phases are clusters."""
    ground, text, edge = (color_of(role, look) for role in ("background", "text", "edge"))
    title = quote(scene.title)
    lines = [
        f"digraph {title} {{",
        f'  graph [rankdir={scene.direction}, bgcolor="{ground}", fontcolor="{text}", label={title}, '
        'labelloc=t, fontname="DejaVu Sans", nodesep=0.25, ranksep=0.33];',
        f'  node [shape=box, style="filled,rounded", fontname="DejaVu Sans", fontcolor="{text}", '
        "fontsize=10.5, margin=0];",
        f'  edge [color="{edge}", arrowsize=0.6];',
    ]
    inside = {node.key: _frame_of(node, scene.frames) for node in scene.nodes}
    for node in scene.nodes:
        if inside[node.key] is None:
            lines.append("  " + _node(node, scene, look))
    for frame in scene.frames:
        lines += _cluster(frame, [n for n in scene.nodes if inside[n.key] is frame], scene, look)
    lines += _edges(scene, inside)
    return "\n".join([*lines, "}"]) + "\n"


def _frame_of(node: NodeBox, frames: Sequence[Frame]) -> Frame | None:
    """The smallest frame around the centre of ``node``."""
    x, y = node.x + node.width / 2, node.y + node.height / 2
    around = [f for f in frames if f.x < x < f.x + f.width and f.y < y < f.y + f.height]
    return min(around, key=lambda f: f.width * f.height, default=None)


def _cluster(frame: Frame, nodes: Sequence[NodeBox], scene: Scene, look: Theme) -> list[str]:
    head = "\n".join(label.text for label in frame.labels)
    edge, text = color_of("edge", look), color_of("text", look)
    return [
        f"  subgraph {quote('cluster_' + frame.key)} {{",
        f'    label={quote(head)}; labeljust=l; color="{edge}"; fontcolor="{text}"; style=rounded;',
        *("    " + _node(node, scene, look) for node in nodes),
        "  }",
    ]


def _node(node: NodeBox, scene: Scene, look: Theme) -> str:
    width, height = node.width / POINTS_PER_INCH, node.height / POINTS_PER_INCH
    x, y = node.x + node.width / 2, scene.height - node.y - node.height / 2
    stroke, fill = color_of(node.stroke, look), color_of(node.fill, look)
    style = "filled,rounded,dashed" if node.dash else "filled,rounded"
    return (
        f'{quote(node.key)} [label={_label(node.labels)}, tooltip={quote(node.title)}, fillcolor="{fill}", '
        f'color="{stroke}", style="{style}", width={width:.3f}, height={height:.3f}, pos="{x:.1f},{y:.1f}"];'
    )


def _label(labels: Sequence[Label]) -> str:
    return quote("\n".join(label.text for label in labels))


def _edges(scene: Scene, inside: dict[str, Frame | None]) -> list[str]:
    """Lines between boxes; those that end at a frame are led to the first or last box in it."""
    blocks = {frame.key: [n.key for n in scene.nodes if inside[n.key] is frame] for frame in scene.frames}
    lines = []
    for link in scene.links:
        source, target = link.source, link.target
        if source in blocks and target in blocks[source]:
            continue  # from the frame's border to a box in it
        if target in blocks and source in blocks[target]:
            continue
        if source in blocks:
            source = _ends_at(scene, source, blocks)
        if target in blocks:
            target = _starts_at(scene, target, blocks)
        lines.append(f"  {quote(source)} -> {quote(target)} [tooltip={quote(link.title)}];")
    return lines


def _starts_at(scene: Scene, frame: str, blocks: dict[str, list[str]]) -> str:
    return next(link.target for link in scene.links if link.source == frame and link.target in blocks[frame])


def _ends_at(scene: Scene, frame: str, blocks: dict[str, list[str]]) -> str:
    return next(link.source for link in scene.links if link.target == frame and link.source in blocks[frame])


def quote(text: str) -> str:
    """Returns ``text`` as a quoted string of the dot language, line ends as \\n."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
