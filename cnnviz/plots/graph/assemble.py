"""From boxes and lines to a scene: lays them out, and adds frames, heading and legend around them."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.analysis.summary import NetSummary, short_number
from cnnviz.formats.text import printable
from cnnviz.plots.common.text import NO_BREAK, text_width, wrap
from cnnviz.plots.graph.boxes import Panel
from cnnviz.plots.graph.labels import Label
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.placement import Group, place_panel
from cnnviz.plots.graph.scene import (
    PAD_X,
    SWATCH,
    Frame,
    LegendEntry,
    Primitive,
    Scene,
    Words,
    labels_size,
    place_labels,
)

MARGIN = 16.0
MIN_WIDTH = 340.0  # of the whole figure, so that its heading does not break into many lines
PANEL_GAP = 36.0
TITLE_SIZE, HEADING_SIZE, LEGEND_SIZE = 17.0, 11.0, 10.5


def assemble(
    summaries: Sequence[NetSummary],
    panels: Sequence[Panel],
    legend: Sequence[LegendEntry],
    options: GraphOptions,
) -> Scene:
    """Returns the scene of ``panels``, one for each of ``summaries``, under a heading with their totals."""
    title = printable(summaries[0].name) or "Unnamed net"
    heading = [_totals(summary) for summary in summaries]
    plain = [line.replace(NO_BREAK, " ") for line in heading]
    description = " ".join(f"{line}." for line in (f"Graph of the net {title}", *plain))
    body = _side_by_side([place_panel(panel, options) for panel in panels], panels, options)
    scene = Scene(title, description, options.rankdir, options.prefix, plain, legend)
    scene.width = max(body.width, MIN_WIDTH) + 2 * MARGIN
    top, above = _heading(title, heading, scene.width - 2 * MARGIN)
    placed = Group()
    placed.add(body, (scene.width - body.width) / 2, top)
    scene.nodes, scene.links, scene.frames = placed.nodes, placed.links, placed.frames
    bottom, below = _legend(legend, scene.width - 2 * MARGIN, top + body.height + 18)
    scene.extras = [*above, *below]
    scene.height = bottom + MARGIN
    return scene


def _side_by_side(groups: Sequence[Group], panels: Sequence[Panel], options: GraphOptions) -> Group:
    """Returns all panels as one group, each in a frame with its heading if there are several."""
    if len(groups) == 1:
        return groups[0]
    result, offset = Group(), 0.0
    for i, (group, panel) in enumerate(zip(groups, panels, strict=True)):
        labels = (Label(panel.heading, 13, bold=True),)
        header = labels_size(labels)[1] + 6
        width = max(group.width, labels_size(labels)[0]) + 2 * PAD_X
        height = group.height + header + PAD_X
        x, y = (0.0, offset) if options.across else (offset, 0.0)
        key = f"{options.prefix}{i}-panel"
        result.frames.append(Frame(key, panel.heading, x, y, width, height, labels, False))
        result.add(group, x + (width - group.width) / 2, y + header)
        result.width, result.height = max(result.width, x + width), max(result.height, y + height)
        offset += (height if options.across else width) + PANEL_GAP
    return result


def _totals(summary: NetSummary) -> str:
    """The line of the heading for one net; its parts do not break."""
    parts = [f"{summary.phase} phase", f"{len(summary.layers)} layers"]
    if summary.unknown and not (summary.parameters or summary.memory):
        parts.append("shapes unknown")
        return " · ".join(parts)
    parts.append(f"{short_number(summary.parameters)} parameters")
    parts.append(f"{short_number(summary.macs)} MACs")
    parts.append(f"{short_number(summary.memory, 'B')} of blobs")
    if (summary.batch or 1) > 1:
        parts.append(f"batch of {summary.batch}")
    if summary.unknown:
        parts.append(f"{summary.unknown} layers of unknown shape omitted")
    return f"{NO_BREAK}· ".join(part.replace(" ", NO_BREAK) for part in parts)


def _heading(title: str, lines: Sequence[str], width: float) -> tuple[float, list[Primitive]]:
    """Returns where the graph may start and the texts above it."""
    labels = [Label(text, TITLE_SIZE, bold=True) for text in wrap(title, width, TITLE_SIZE, bold=True)]
    for line in lines:
        labels += [
            Label(text, HEADING_SIZE, role="muted")
            for text in wrap(line, width, HEADING_SIZE, max_lines=8, after=" ")
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
