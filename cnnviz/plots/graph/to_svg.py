"""Scene to SVG: text stays text in the viewer's fonts, every name escaped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from cnnviz.plots.common.text import FONTS
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.graph.scene import (
    Command,
    Frame,
    Link,
    PlacedBox,
    Point,
    Primitive,
    Rect,
    Scene,
    Shape,
    Stroke,
    Words,
    color_of,
)

# Gives the attributes for a fill role and a stroke role (either may be None).
Paint = Callable[[str | None, str | None], str]


def svg_text(scene: Scene, theme: Theme) -> str:
    """Returns the scene as a complete SVG document with the colours of ``theme``."""

    def paint(fill: str | None, stroke: str | None) -> str:
        fill_text = f'fill="{color_of(fill, theme) if fill else "none"}"'
        return f'{fill_text} stroke="{color_of(stroke, theme)}"' if stroke else fill_text

    return '<?xml version="1.0" encoding="UTF-8"?>\n' + svg_element(scene, paint)


def svg_element(
    scene: Scene, paint: Paint, links: Mapping[str, str] | None = None, attributes: str = ""
) -> str:
    """Returns the scene as one <svg> element.

    Args:
        paint: gives colours as attributes.
        links: makes boxes links: the key of a box -> the address it leads to. Without it the figure is
            one image for screen readers, with a background.
        attributes: more attributes for the element.
    """
    width, height = number(scene.width), number(scene.height)
    title, desc = xml(f"{scene.prefix}-title"), xml(f"{scene.prefix}-desc")
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="{"img" if links is None else "group"}" aria-labelledby="{title} {desc}" '
        f'font-family="{escape(FONTS)}"{attributes}>',
        f'<title id="{title}">{xml(scene.title)}</title>',
        f'<desc id="{desc}">{xml(scene.description)}</desc>',
    ]
    if links is None:
        lines.append(f'<rect width="{width}" height="{height}" {paint("background", None)}/>')
    for frame in scene.frames:
        lines.append(_group(f'g class="frame" id="{xml(frame.key)}"', frame.tooltip, frame, paint))
    for i, link in enumerate(scene.links):
        tag = f'g class="link" data-from="{xml(link.source)}" data-to="{xml(link.target)}"'
        if links is not None:
            tag += f' id="{xml(scene.link_key(i))}"'
        lines.append(_group(tag, link.tooltip, link, paint))
    for node in scene.nodes:
        tag = f'g class="node" id="{xml(node.key)}"'
        if links is not None:
            tag = f'a class="node" id="{xml(node.key)}" href="{xml(links[node.key])}"'
        lines.append(_group(tag, node.tooltip, node, paint))
    lines += [_primitive(item, paint) for item in scene.extras]
    return "\n".join([*lines, "</svg>"]) + "\n"


def _group(tag: str, tooltip: str, part: Frame | Link | PlacedBox, paint: Paint) -> str:
    title = f"<title>{xml(tooltip)}</title>" if tooltip else ""
    body = "".join(_primitive(item, paint) for item in part.primitives())
    return f"<{tag}>{title}{body}</{tag[0]}>"


def _primitive(item: Primitive, paint: Paint) -> str:
    if isinstance(item, Words):
        weight = ' font-weight="bold"' if item.bold else ""
        place = f'x="{number(item.x)}" y="{number(item.y)}" font-size="{number(item.size)}"'
        return f"<text {place}{weight} {paint(item.role, None)}>{xml(item.text)}</text>"
    if isinstance(item, Rect):
        return rect_element(item, paint)
    if isinstance(item, Stroke):
        width = number(item.line_width)
        return f'<path d="{path_data(item.commands)}" {paint(None, item.role)} stroke-width="{width}"/>'
    assert isinstance(item, Shape)
    return f'<polygon points="{_points(item.points)}" {paint(item.role, None)}/>'


def rect_element(item: Rect, paint: Paint) -> str:
    """Returns one rectangle as an element."""
    place = f'x="{number(item.x)}" y="{number(item.y)}" width="{number(item.width)}"'
    dash = ' stroke-dasharray="5 3"' if item.dash else ""
    width = f' stroke-width="{number(item.line_width)}"' if item.stroke else ""
    return (
        f'<rect {place} height="{number(item.height)}" rx="{number(item.radius)}" '
        f"{paint(item.fill, item.stroke)}{width}{dash}/>"
    )


def path_data(commands: Sequence[Command]) -> str:
    """Returns ``commands`` in the syntax of SVG's attribute d."""
    return "".join(name + " ".join(map(number, values)) for name, *values in commands)


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{number(x)},{number(y)}" for x, y in points)


def number(value: float) -> str:
    """Returns ``value`` with at most one digit after the point."""
    text = f"{value:.1f}"
    return text.removesuffix(".0") if text != "-0.0" else "0"


def xml(text: str) -> str:
    """Returns ``text`` safe for XML: markup escaped, characters that XML forbids replaced."""
    allowed = "".join(c if c in "\t\n" or (" " <= c <= "\ud7ff") or c >= "\ue000" else "�" for c in text)
    return escape(allowed.replace("\ufffe", "�").replace("\uffff", "�"))
