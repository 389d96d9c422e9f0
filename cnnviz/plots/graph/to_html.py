"""The graph as a page: search, zoom and a panel for each layer; without scripts a figure and a table.

Everything is in a single file. Names from the net enter as escaped text only, and as JSON in which
"<" is escaped, so nothing in a model's file becomes markup or script.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from cnnviz.analysis.summary import (
    LayerSummary,
    NetSummary,
    pair_text,
    shape_text,
    short_number,
    total_lines,
)
from cnnviz.formats.text import printable
from cnnviz.plots.common.html import document, json_element, template, theme_css
from cnnviz.plots.common.text import FONTS
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.graph.layer_detail import LayerDetail
from cnnviz.plots.graph.scene import Scene, color_of
from cnnviz.plots.graph.sheets import paper_section
from cnnviz.plots.graph.to_svg import svg_element, xml

# Name of a layer -> (text, address) of each place that shows more of it.
Links = Mapping[str, Sequence[tuple[str, str]]]

UI_ROLES = ("background", "panel", "text", "muted", "grid", "edge", "accent", "warning")

_PAGE_CSS = f"""body {{ margin: 0; padding: 16px; background: var(--background); color: var(--text); \
font: 14px/1.45 {FONTS}; }}
main {{ max-width: 1600px; margin: 0 auto; }}
@page {{ margin: 12mm; }}
@media print {{ body {{ padding: 0; }} }}
"""

_TOOLS = """<div class="tools" role="toolbar" aria-label="Graph">
<input type="search" placeholder="Search layers ( / )" aria-label="Search layers by name, type or blob">
<button type="button" data-do="in" aria-label="Zoom in" title="Zoom in (+)">+</button>
<button type="button" data-do="out" aria-label="Zoom out" title="Zoom out (-)">−</button>
<button type="button" data-do="all" title="Fit the whole net (0)">Whole net</button>
<button type="button" data-do="start" title="Go to the start of the net">Start</button>
<span class="count" role="status"></span>
</div>"""


def page_text(
    scene: Scene, details: Sequence[LayerDetail], summaries: Sequence[NetSummary], theme: Theme
) -> str:
    """Returns the whole page; with a light ``theme`` it follows the reader's preference for light or dark."""
    style = "dark" if theme.name == "dark" else "auto"
    body = f"<main>\n{graph_section(scene, details, summaries)}</main>"
    return document(scene.title, _PAGE_CSS + graph_css([scene], style), body, graph_script())


def graph_section(
    scene: Scene,
    details: Sequence[LayerDetail],
    summaries: Sequence[NetSummary],
    links: Links | None = None,
) -> str:
    """Returns one graph with its tools, panel and table, for a page with graph_css and graph_script.

    Args:
        links: places on the page that show more of a layer, for its row and its panel.
    """
    links = links or {}
    first_row: dict[str, str] = {}
    for detail in details:
        first_row.setdefault(detail.box, f"#{_row_id(scene, detail)}")
    svg = svg_element(scene, _paint, first_row)
    data = json_element([_panel_data(d, links) for d in details])
    tables = "".join(
        _table(scene, [d for d in details if d.panel == i], summary, links)
        for i, summary in enumerate(summaries)
    )
    name = escape(scene.title)
    return f"""<div class="cnnviz-graph" id="{escape(scene.prefix)}-graph">
{_TOOLS}
<div class="stage" tabindex="0" role="region" \
aria-label="Graph of {name}. Arrow keys move between boxes, plus and minus zoom, slash searches.">
{svg}</div>
{paper_section(scene, _paint)}\
<div class="panel" role="region" aria-label="Selected layer" aria-live="polite"></div>
<div class="table">
{tables}</div>
{data}
</div>
"""


def graph_css(scenes: Iterable[Scene], style: str = "auto") -> str:
    """Returns the style of the ``scenes``' sections.

    Args:
        style: "light", "dark", or "auto", which follows the viewer.
    """
    roles = sorted(_roles(scenes))
    colors = theme_css(":root", style, lambda theme: {_class(role): color_of(role, theme) for role in roles})
    css = f":root {{ color-scheme: {'light dark' if style == 'auto' else style}; }}\n{colors}\n"
    for role in roles:
        name = _class(role)
        css += f".f-{name} {{ fill: var(--{name}); }} .s-{name} {{ stroke: var(--{name}); }}\n"
    return css + ".f-none { fill: none; }\n" + template("graph.css")


def graph_script() -> str:
    """Returns the script of all graph sections of a page."""
    return template("graph.js")


# --- colours as classes -------------------------------------------------------------------------


def _class(role: str) -> str:
    return role.replace(":", "-").replace(".", "").replace(" ", "-")


def _paint(fill: str | None, stroke: str | None) -> str:
    stroke_class = f" s-{_class(stroke)}" if stroke else ""
    return f'class="f-{_class(fill) if fill else "none"}{stroke_class}"'


def _roles(scenes: Iterable[Scene]) -> set[str]:
    roles = set(UI_ROLES)
    for scene in scenes:
        for item in scene.primitives():
            for name in ("fill", "stroke", "role"):
                role = getattr(item, name, None)
                if role:
                    roles.add(role)
    return roles


# --- the panel and the table --------------------------------------------------------------------


def _row_id(scene: Scene, detail: LayerDetail) -> str:
    return f"{scene.prefix}{detail.panel}-row{detail.row.index}"


def _panel_data(detail: LayerDetail, links: Links) -> dict:
    row = detail.row
    return {
        "links": [list(link) for link in links.get(row.name, ())],
        "box": detail.box,
        "name": printable(row.name),
        "type": printable(row.type),
        "blobs": [printable(blob) for blob in (*row.bottoms, *row.tops)],
        "fault": printable(detail.fault or ""),
        "facts": [[name, printable(value)] for name, value in _facts(detail)],
        "text": "\n".join(map(printable, detail.text.split("\n"))),
        "picture": detail.weights.picture if detail.weights else "",
        "caption": detail.weights.caption if detail.weights else "",
    }


def _facts(detail: LayerDetail) -> Iterable[tuple[str, str]]:
    row = detail.row
    yield from (("bottom", blob) for blob in row.bottoms)
    for top, shape in zip(row.tops, row.shapes, strict=True):
        yield "top", f"{top}: {'shape unknown' if shape is None else shape_text(shape)}"
    if row.parameters or row.statistics:
        yield "parameters", f"{row.parameters:,}"
    if row.statistics:
        yield "statistics", f"{row.statistics:,}"
    if row.macs is not None:
        yield "MACs", f"{row.macs:,}"
    if row.memory is not None:
        yield "memory", short_number(row.memory, "B") if row.memory else "in place"
    if row.field is not None:
        size, stride, offset = (pair_text(v) for v in (row.field.size, row.field.stride, row.field.offset))
        yield "receptive field", f"{size}, stride {stride}, first centre {offset}"
    if detail.weights is not None:
        yield from (("weights" if i == 0 else "", text) for i, text in enumerate(detail.weights.texts))
    if row.line:
        yield "line", str(row.line)
    yield from (("not in the schema", " ".join(text.split())) for text in detail.unknown)


def _table(scene: Scene, details: Sequence[LayerDetail], summary: NetSummary, links: Links) -> str:
    rows = "".join(_table_row(scene, detail, links) for detail in details)
    more = '<th scope="col">more</th>' if links else ""
    totals = (
        f'<tr><th scope="row" colspan="3">{len(summary.layers)} layers</th>'
        f'<td class="n">{summary.parameters:,}</td><td class="n">{short_number(summary.macs)}</td>'
        f'<td class="n">{short_number(summary.memory, "B")}</td><td colspan="{3 if links else 2}"></td></tr>'
    )
    totals_text = "; ".join(map(_squeeze, total_lines(summary)))
    caption = xml(f"{printable(summary.name) or 'Net'}, {summary.phase} phase: {totals_text}")
    return f"""<table>
<caption><span>{caption}</span></caption>
<thead><tr><th scope="col">layer</th><th scope="col">type</th><th scope="col">top shape</th>\
<th scope="col" class="n">parameters</th><th scope="col" class="n">MACs</th>\
<th scope="col" class="n">memory</th><th scope="col" class="n">field</th>\
<th scope="col" class="n">stride</th>{more}</tr></thead>
<tbody>
{rows}</tbody>
<tfoot>{totals}</tfoot>
</table>
"""


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _table_row(scene: Scene, detail: LayerDetail, links: Links) -> str:
    row: LayerSummary = detail.row
    fault = f' <span class="fault">{xml(printable(detail.fault))}</span>' if detail.fault else ""
    shapes = ", ".join(map(shape_text, row.shapes))
    count = row.parameters + row.statistics
    numbers = [
        f"{count:,}" if count else "",
        "" if row.macs == 0 else short_number(row.macs),
        "" if row.memory == 0 else short_number(row.memory, "B"),
        pair_text(row.field.size) if row.field else "",
        pair_text(row.field.stride) if row.field else "",
    ]
    cells = "".join(f'<td class="n">{number}</td>' for number in numbers)
    if links:
        cells += f"<td>{_link_texts(links.get(row.name, ()))}</td>"
    return (
        f'<tr id="{xml(_row_id(scene, detail))}" data-box="{xml(detail.box)}">'
        f'<th scope="row"><a href="#{xml(detail.box)}">{xml(printable(row.name))}</a>{fault}</th>'
        f"<td>{xml(printable(row.type))}</td><td>{shapes}</td>{cells}</tr>\n"
    )


def _link_texts(links: Iterable[tuple[str, str]]) -> str:
    return " ".join(f'<a href="{xml(address)}">{xml(text)}</a>' for text, address in links)
