"""One self-contained page of everything: graph, table, filters, feature maps, training curves.

No network, no chart library: pictures are inside the file, layouts are worked out here, and the page
reads without scripts. Nothing of a model's file becomes markup: every name goes through ``escape``.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape
from importlib import resources
from pathlib import Path

from matplotlib.figure import Figure

from cnnviz.analysis.attribution import attribute
from cnnviz.analysis.features import ImageFeatures, Looker
from cnnviz.analysis.filters import Report, filter_report
from cnnviz.analysis.preprocessing import Preprocessing, find_pictures, load_picture, preprocessing_of
from cnnviz.analysis.summary import NetSummary, short_number
from cnnviz.engine.device import Device
from cnnviz.engine.graph import build_graph
from cnnviz.engine.weights_check import check_weights_fit
from cnnviz.errors import CnnvizError
from cnnviz.formats.caffemodel import Weights, read_weights
from cnnviz.formats.files import write_text
from cnnviz.formats.prototxt import NetDefinition, read_net
from cnnviz.formats.training_log import TrainingLog, read_log
from cnnviz.plots.features import attribution_figure, features_figure
from cnnviz.plots.graph import net_picture
from cnnviz.plots.graph_html import graph_css, graph_script, graph_section
from cnnviz.plots.style import render, theme
from cnnviz.plots.training_html import training_svg
from cnnviz.plots.weights import plot_weights

MOST_FILTER_LAYERS = 16
MOST_IMAGES = 8
DPI = 100
# Test accuracy, train loss, test loss and learning rate, each against iterations.
CHART_TYPES = (6, 2, 0, 4)
ATTRIBUTIONS = ("saliency", "gradcam", "integrated")

Progress = Callable[[str], None]


@dataclass
class _Part:
    """A section of the page."""

    key: str
    title: str
    text: str
    html: str


@dataclass
class _Page:
    """What the sections are made from."""

    definition: NetDefinition
    weights: Weights | None
    weights_path: str
    images: list[tuple[str, object]]
    logs: list[TrainingLog]
    progress: Progress
    parts: list[_Part] = field(default_factory=list)

    def add(self, key: str, title: str, text: str, html: str) -> None:
        self.parts.append(_Part(key, title, text, html))


def build_gallery(
    model: str | os.PathLike | NetDefinition,
    weights: str | os.PathLike | None = None,
    images: Sequence[str | os.PathLike] = (),
    logs: Sequence[str | os.PathLike] = (),
    path: str | os.PathLike | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: str | os.PathLike | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    device: Device | None = None,
    progress: Progress | None = None,
) -> str:
    """Returns a page of pictures of a net as HTML, and writes it where ``path`` is given.

    Args:
        model: path of a prototxt in deploy or training form, or a NetDefinition.
        weights: path of a .caffemodel: adds the filters and their health.
        images: pictures or folders, with weights: adds feature maps, predictions and attributions.
            This part alone needs an OpenCL device.
        logs: training logs: adds the charts.
        path: the .html file to write.
        preprocessing, class_names, size, device: see Looker.
        progress: called with what is being done.

    Raises:
        CnnvizError: a file that cannot be read, weights of another net, images without weights.
    """
    definition = model if isinstance(model, NetDefinition) else read_net(model)
    if images and weights is None:
        raise CnnvizError("Feature maps need weights: give the .caffemodel beside the images.")
    page = _Page(
        definition,
        read_weights(weights) if weights is not None else None,
        str(weights or ""),
        [(p, load_picture(p)) for p in find_pictures(images)[:MOST_IMAGES]] if images else [],
        [read_log(log) for log in logs],
        progress or (lambda what: None),
    )
    picture_css, script = _add_graph(page)
    if page.weights is not None:
        _add_filters(page)
    if page.images:
        _add_features(page, preprocessing, class_names, size, device)
    if page.logs:
        _add_charts(page)
    html = _fill_template(page, picture_css, script)
    if path is not None:
        write_text(path, html)
    return html


# Sections


def _add_graph(page: _Page) -> tuple[str, str]:
    """The graph with its table; returns the style and the script that it needs."""
    page.progress("graph")
    picture = net_picture(page.definition, phase="TEST")
    section = graph_section(picture.scene, picture.details, picture.summaries)
    text = "Each box is a layer. Choose one to see its settings, shapes and costs; the table holds the same."
    page.add("graph", "Graph", text, _numbers(page, picture.summaries[0]) + section)
    return graph_css([picture.scene]), graph_script()


def _numbers(page: _Page, summary: NetSummary) -> str:
    facts = [
        ("layers", str(len(summary.layers))),
        ("parameters", short_number(summary.parameters)),
        ("MACs", short_number(summary.macs // max(summary.batch or 1, 1))),
        ("weights", short_number(summary.parameter_memory, "B")),
    ]
    best = _best_accuracy(page.logs)
    if best is not None:
        facts.append(("best test accuracy", f"{best:.2%}"))
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts)
    return f'<dl class="numbers">{items}</dl>'


def _best_accuracy(logs: Iterable[TrainingLog]) -> float | None:
    from cnnviz.analysis.training import chart_lines

    try:
        lines = chart_lines(0, list(logs), None)
    except CnnvizError:
        return None
    values = [float(v) for line in lines for v in line.y if 0 <= v <= 1]
    return max(values, default=None)


def _add_filters(page: _Page) -> None:
    assert page.weights is not None
    graph = build_graph(page.definition, "TEST", splits=False, strict=False)
    check_weights_fit(graph, page.weights)
    report = filter_report(page.weights, graph)
    banks = [layer.bank for layer in report.layers]
    layers = list(dict.fromkeys(bank.layer for bank in banks))
    cards = []
    for name in layers[:MOST_FILTER_LAYERS]:
        page.progress(f"filters of {name}")
        picture = _themed(
            lambda style, name=name: plot_weights(graph, page.weights, layers=[name], style=style),
            f"Filters of layer {name}",
        )
        body = _findings(report, [bank.title for bank in banks if bank.layer == name]) + picture
        cards.append(_card("filters", name, "", body, open=len(cards) < 3))
    left = len(layers) - MOST_FILTER_LAYERS
    text = "Smooth, structured filters speak of good training, noisy ones of too little of it or overfitting."
    if left > 0:
        text += f" The first {MOST_FILTER_LAYERS} of {len(layers)} layers are shown."
    page.add("filters", "Filters", text, "".join(cards))


def _findings(report: Report, titles: Sequence[str]) -> str:
    messages = [finding.message for finding in report.findings if finding.layer in titles]
    if not messages:
        return ""
    return f'<ul class="findings">{"".join(f"<li>{escape(m)}</li>" for m in messages)}</ul>'


def _add_features(page: _Page, preprocessing, class_names, size, device) -> None:
    looker = Looker(
        page.definition,
        page.weights_path,
        preprocessing or preprocessing_of(page.definition),
        class_names,
        size,
        device,
        gradients=True,
    )
    cards = []
    for number, (path, picture) in enumerate(page.images):
        page.progress(f"feature maps of {Path(path).name}")
        features = looker.look(picture, path)
        name = Path(path).name
        body = _themed(
            lambda style, f=features: features_figure(f, look=theme(style)), f"Feature maps for {name}"
        )
        body += _attributions(looker, features)
        best = (
            f"{features.predictions[0][2]:.1%} {features.predictions[0][1]}" if features.predictions else ""
        )
        cards.append(_card("image", name, best, body, open=number == 0, key=str(number)))
    text = "What each layer makes of an image, the classes it finds, and the pixels that speak for the first."
    page.add("features", "Feature maps", text, "".join(cards))


def _attributions(looker: Looker, features: ImageFeatures) -> str:
    if not features.predictions:
        return ""
    found = []
    for method in ATTRIBUTIONS:
        try:
            found.append(attribute(looker, method))
        except CnnvizError:  # such as Grad-CAM of a net without convolutions
            continue
    name = Path(features.path).name
    return _themed(
        lambda style: attribution_figure(features.seen, found, look=theme(style)), f"Attributions for {name}"
    )


def _add_charts(page: _Page) -> None:
    charts = []
    for kind in CHART_TYPES:
        try:
            svg = training_svg(kind, page.logs)
        except CnnvizError:  # a log without tests has no test charts
            continue
        charts.append(f'<div class="card"><div class="body">{svg}</div></div>')
    names = ", ".join(escape(log.name) for log in page.logs)
    text = f"From the training log{'s' if len(page.logs) > 1 else ''} {names}."
    page.add("training", "Training", text, f'<div class="charts">{"".join(charts)}</div>')


# Pieces of HTML


def anchor(kind: str, name: str) -> str:
    """Returns an id for a layer's card: letters, digits and dashes whatever the name holds."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower()
    return f"{kind}-{plain}"


def _card(kind: str, name: str, remark: str, body: str, open: bool = False, key: str | None = None) -> str:
    small = f"<small>{escape(remark)}</small>" if remark else ""
    return (
        f'<details class="card" id="{anchor(kind, key if key is not None else name)}"'
        f"{' open' if open else ''}><summary>{escape(name)}{small}</summary>"
        f'<div class="body">{body}</div></details>'
    )


def _themed(draw: Callable[[str], Figure], alt: str) -> str:
    """Returns a picture in two versions: the page's reader sees the one for light or dark."""
    light, dark = (_data_uri(draw(style)) for style in ("light", "dark"))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{escape(alt)}" loading="lazy"></picture>'
    )


def _data_uri(figure: Figure) -> str:
    data = base64.b64encode(render(figure, "png", DPI)).decode("ascii")
    return f"data:image/png;base64,{data}"


def _fill_template(page: _Page, picture_css: str, graph_code: str) -> str:
    title = page.definition.proto.name or Path(page.definition.path).stem
    facts = [Path(page.definition.path).name]
    facts += [Path(page.weights_path).name] if page.weights_path else []
    navigation = "".join(f'<li><a href="#{part.key}">{escape(part.title)}</a></li>' for part in page.parts)
    sections = "\n".join(
        f'<section class="part" id="{part.key}"><h2>{escape(part.title)}</h2>'
        f"<p>{escape(part.text)}</p>{part.html}</section>"
        for part in page.parts
    )
    filled = {
        "TITLE": escape(title),
        "FACTS": escape(" · ".join(facts)),
        "NAV": navigation,
        "SECTIONS": sections,
        "FOOTER": "Made by cnnviz. This page needs no network and can be mailed as it is.",
        "GRAPH_CSS": picture_css,
        "CSS": template("page.css"),
        "GRAPH_SCRIPT": graph_code,
        "SCRIPT": template("page.js"),
    }
    # One pass, so that nothing that is filled in is searched for marks again.
    return re.sub(r"@([A-Z_]+)@", lambda m: filled.get(m[1], m[0]), template("page.html"))


def template(name: str) -> str:
    """Returns a file of the templates folder."""
    return (resources.files("cnnviz.gallery") / "templates" / name).read_text(encoding="utf-8")
