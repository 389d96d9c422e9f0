"""Training charts for the browser: SVG that follows the viewer's light or dark setting, and a page of it.

The SVG is the static chart itself with its colours turned into CSS variables, so that page and figure
show the same thing. The page works without scripts; the script adds a read-out and buttons that hide
curves, for mouse, touch and keyboard. Nothing is fetched.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.training import ChartLine, x_unit
from cnnviz.plots.common.figure import render
from cnnviz.plots.common.html import document, escape, json_element, template, theme_css
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.training.chart import draw_chart
from cnnviz.plots.training.options import ChartOptions

# More points than this on a curve change neither what a page shows nor what its read-out says.
MAX_POINTS = 4000
_PLAIN_COLORS = ("background", "text", "muted", "grid", "edge", "warning")


def training_svg(lines: list[ChartLine], options: ChartOptions) -> str:
    """Returns the chart of ``lines`` as SVG text to put into a page."""
    return _svg(lines, options)[0]


def training_page(lines: list[ChartLine], options: ChartOptions) -> str:
    """Returns a self-contained HTML page of the chart of ``lines``; its style is "auto"."""
    svg, figure = _svg(lines, replace(options, style="auto"))
    heading = options.heading(lines)
    x_name, unit = x_unit(options.x_axis, lines)
    names = ", ".join(dict.fromkeys(line.log for line in lines))
    data = {
        "x": {"name": x_name, "unit": unit},
        "axes": _axes_data(figure),
        "series": [_series_data(i, lines) for i in range(len(lines))],
    }
    body = _BODY.format(
        title=escape(heading),
        svg=svg,
        buttons="\n".join(_button(i, lines) for i in range(len(lines))),
        rows="\n".join(_row(line) for line in lines),
        data=json_element(data, ' id="data"'),
    )
    css = (
        theme_css(":root", "auto", _css_variables)
        + ":root{color-scheme:light dark}"
        + template("training.css")
    )
    return document(f"{heading} - {names}", css, body, template("training.js"))


def _svg(lines: list[ChartLine], options: ChartOptions) -> tuple[str, Figure]:
    style = "light" if options.style == "auto" else options.style
    figure = draw_chart(lines, replace(options, style=style, max_points=MAX_POINTS))
    svg = render(figure, "svg", title=options.heading(lines)).decode("utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    name = f"chart{options.number}"
    variables = {color.lower(): variable for variable, color in _variables(get_theme(style)).items()}
    svg = re.sub(r"<[^>]*>", lambda tag: _adapt_tag(tag[0], name, variables), svg)
    rules = theme_css(f"#{name}", options.style, _css_variables)
    head_end = svg.index(">") + 1
    return f"{svg[:head_end]}<style>{rules}</style>{svg[head_end:]}", figure


def _adapt_tag(tag: str, name: str, variables: dict[str, str]) -> str:
    """Rewrites one tag: own ids for each chart, meanings as classes, colours and fonts as variables."""
    if tag.startswith("<svg"):
        size = re.search(r'viewBox="[^"]*"', tag)
        box = size[0] if size else ""
        return f'<svg xmlns="http://www.w3.org/2000/svg" id="{name}" class="chart" role="img" {box}>'
    part = re.search(r' id="(series|label|leader)-(\d+)"', tag)
    if part is not None:
        tag = tag.replace(part[0], f' class="{part[1]}" data-series="{part[2]}"')
    tag = re.sub(r' id="((?:mark|key|not-finite)[^"]*)"', r' class="\1"', tag)
    tag = re.sub(r' id="([^"]+)"', rf' id="{name}-\1"', tag)
    tag = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", tag)
    tag = re.sub(r"(font(?:-family)?: [^';\"]*)'[^;\"]*", r"\1var(--font)", tag)
    return re.sub(
        r"#[0-9a-f]{6}\b", lambda c: f"var(--{variables[c[0]]})" if c[0] in variables else c[0], tag
    )


def _variables(theme: Theme) -> dict[str, str]:
    colors = {name: getattr(theme, name) for name in _PLAIN_COLORS}
    return colors | {f"series{i}": color for i, color in enumerate(theme.series)}


def _css_variables(theme: Theme) -> dict[str, str]:
    return _variables(theme) | {"font": "system-ui,'DejaVu Sans',sans-serif"}


def _axes_data(figure: Figure) -> dict:
    """Where the axes lie in the SVG's own units (72 to the inch, from the top) and what they span."""
    axes = figure.axes[0]
    box = axes.get_position()
    width, height = (72 * side for side in figure.get_size_inches())
    return {
        "left": box.x0 * width,
        "right": box.x1 * width,
        "top": (1 - box.y1) * height,
        "bottom": (1 - box.y0) * height,
        "x": list(axes.get_xlim()),
        "y": list(axes.get_ylim()),
        "log": axes.get_yscale() == "log",
    }


def _series_data(i: int, lines: list[ChartLine]) -> dict:
    shown = lines[i].thinned(MAX_POINTS)
    name, color = _name_and_color(i, lines)
    return {
        "name": name,
        "color": color,
        "x": [_plain(v) for v in shown.x],
        "y": [_plain(v) for v in shown.y],
    }


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _button(i: int, lines: list[ChartLine]) -> str:
    name, color = _name_and_color(i, lines)
    return (
        f'<button type="button" aria-pressed="true" data-series="{i}">'
        f'<i style="background:var(--series{color})"></i>{escape(name)}</button>'
    )


def _name_and_color(i: int, lines: list[ChartLine]) -> tuple[str, int]:
    """Returns what a curve is called among ``lines``, and the number of its colour, as in the figure."""
    line, logs = lines[i], list(dict.fromkeys(line.log for line in lines))
    if len(logs) == 1:
        name = line.name
    elif sum(other.log == line.log for other in lines) == 1:
        name = line.log
    else:
        name = f"{line.log}: {line.name}"
    return name, (logs.index(line.log) if len(logs) > 1 else i) % len(get_theme("light").series)


def _row(line: ChartLine) -> str:
    finite = line.y[np.isfinite(line.y)]
    values = [finite[-1], finite.min(), finite.max()] if len(finite) else [math.nan] * 3
    cells = "".join(f"<td>{value:.6g}</td>" for value in values)
    names = f"<td>{escape(line.log)}</td><th scope=row>{escape(line.name)}</th>"
    return f"<tr>{names}<td>{len(line.y)}</td>{cells}</tr>"


_BODY = """<main>
<h1>{title}</h1>
<figure>
{svg}
<div id="readout" role="status" hidden></div>
</figure>
<div class="legend">
{buttons}
</div>
<details>
<summary>Values</summary>
<div class="numbers"><table>
<thead><tr>
<td>Log</td><th scope="col">Curve</th><td>Points</td><td>Last</td><td>Lowest</td><td>Highest</td>
</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
</details>
</main>
{data}"""
