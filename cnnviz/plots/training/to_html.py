"""Training charts for the browser: SVG that follows the viewer's light or dark setting, and a page of it.

The SVG is the static chart itself with its colours turned into CSS variables, so that page and picture
show the same thing. The page works without scripts; the script adds a read-out and curves that can be
switched off, by mouse, touch or keyboard. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.training import (
    CHARTS,
    ChartLine,
    as_logs,
    chart_lines,
    chart_name,
    chart_number,
    x_unit,
)
from cnnviz.formats.log_curves import TrainingLog, readable
from cnnviz.plots.common.figure import render
from cnnviz.plots.common.html import document, escape, json_element, template
from cnnviz.plots.common.theme import Theme, get_theme
from cnnviz.plots.training.chart import draw_chart

# More points than this on a curve change neither what a page shows nor what its read-out says.
MOST_POINTS = 4000
_PLAIN_COLORS = ("background", "text", "muted", "grid", "edge", "warning")


def training_svg(
    chart_type: int | str,
    logs: TrainingLog | str | os.PathLike | Iterable,
    style: str = "auto",
    *,
    smooth: float = 0.0,
    log_scale: bool | None = None,
    full_range: bool = False,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
) -> str:
    """Returns a chart as SVG text to put into a page; arguments as for plot_training_log.

    Args:
        style: "light", "dark", or "auto", which follows prefers-color-scheme.
    """
    number = chart_number(chart_type)
    lines = chart_lines(number, as_logs(logs), outputs)
    heading = readable(title) if title is not None else chart_name(number, lines)
    view: dict[str, Any] = {"smooth": smooth, "log_scale": log_scale, "full_range": full_range}
    return _svg(number, lines, style, heading, view)[0]


def training_page(number: int, lines: list[ChartLine], heading: str, **view: Any) -> str:
    """Returns a self-contained HTML page of chart type ``number`` showing ``lines``; see draw_chart."""
    svg, figure = _svg(number, lines, "auto", heading, view)
    x_name, unit = x_unit(CHARTS[number][1], lines)
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
    css = _theme_rules(":root", "auto") + ":root{color-scheme:light dark}" + template("training.css")
    return document(f"{heading} - {names}", css, body, template("training.js"))


def _svg(
    number: int, lines: list[ChartLine], style: str, heading: str, view: dict[str, Any]
) -> tuple[str, Figure]:
    theme = get_theme("light" if style == "auto" else style)
    figure = draw_chart(number, lines, theme, heading, most_points=MOST_POINTS, **view)
    text = render(figure, "svg", title=heading).decode("utf-8")
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    name = f"chart{number}"
    variables = {color.lower(): variable for variable, color in _variables(theme).items()}
    text = re.sub(r"<[^>]*>", lambda tag: _adapt_tag(tag[0], name, variables), text)
    rules = _theme_rules(f"#{name}", style)
    head_end = text.index(">") + 1
    return f"{text[:head_end]}<style>{rules}</style>{text[head_end:]}", figure


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


def _theme_rules(selector: str, style: str) -> str:
    def rule(name: str) -> str:
        values = "".join(f"--{k}:{v};" for k, v in _variables(get_theme(name)).items())
        return f"{selector}{{{values}--font:system-ui,'DejaVu Sans',sans-serif}}"

    if style != "auto":
        return rule(style)
    return f"{rule('light')}@media screen and (prefers-color-scheme:dark){{{rule('dark')}}}"


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
    shown = lines[i].thinned(MOST_POINTS)
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
    """Returns what a curve is called among ``lines``, and the number of its colour, as in the picture."""
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
<summary>Numbers</summary>
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
