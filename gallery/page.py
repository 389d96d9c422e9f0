"""One self-contained page of everything: graph, table, filters, feature maps, training curves.

No network, no chart library: pictures are inside the file, layouts are worked out here, and the page
reads without scripts. Nothing of a model's file becomes markup: see ``cnnviz.gallery.html``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnviz.analysis.features import Looker
from cnnviz.analysis.filters import Report, filter_report
from cnnviz.analysis.inputs import Value
from cnnviz.analysis.preprocessing import Preprocessing, find_pictures, load_picture, preprocessing_of
from cnnviz.analysis.summary import NetSummary, short_number
from cnnviz.analysis.training import chart_lines, chart_name
from cnnviz.engine.device import Device
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.weights_check import check_weights_fit
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.caffemodel import Weights, read_weights
from cnnviz.formats.files import write_text
from cnnviz.formats.prototxt import NetDefinition, read_net
from cnnviz.formats.training_log import TrainingLog, read_log
from cnnviz.gallery.html import Anchors, card, fill, links, template, text, themed
from cnnviz.gallery.index import ModelCard, card_data, thumbnail
from cnnviz.gallery.maps import image_card
from cnnviz.plots.graph import NetPicture, net_picture
from cnnviz.plots.graph_html import graph_css, graph_script, graph_section
from cnnviz.plots.training_html import training_svg
from cnnviz.plots.weights import plot_weights

MOST_FILTER_LAYERS = 16
MOST_FILTER_TILES = 400  # of one layer
MOST_IMAGES = 8
# Train loss, test loss, test accuracy and learning rate, each against iterations.
CHART_TYPES = (6, 2, 0, 4)

ORDER = ("graph", "filters", "features", "training")

Progress = Callable[[str], None]
Link = tuple[str, str]


@dataclass
class _Part:
    """A section of the page."""

    key: str
    title: str
    text: str
    html: str


@dataclass
class _Page:
    """What the sections are made from, and the sections."""

    definition: NetDefinition
    weights: Weights | None
    weights_path: str
    images: list[str]
    left_out: int
    logs: list[TrainingLog]
    progress: Progress
    anchors: Anchors = field(default_factory=Anchors)
    parts: list[_Part] = field(default_factory=list)
    # Where the page shows more of each layer, by kind.
    places: dict[str, dict[str, Link]] = field(default_factory=dict)

    def add(self, key: str, title: str, text: str, html: str) -> None:
        self.parts.append(_Part(key, title, text, html))

    def link(self, kind: str, layer: str, id: str) -> None:
        self.places.setdefault(layer, {}).setdefault(kind, (kind, f"#{id}"))

    def links(self, *kinds: str) -> dict[str, list[Link]]:
        """The links of each layer to places of some kinds."""
        return {
            layer: [found[kind] for kind in kinds if kind in found] for layer, found in self.places.items()
        }


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
    inputs: Mapping[str, Value] | None = None,
    device: Device | None = None,
    progress: Progress | None = None,
) -> str:
    """Returns a page of pictures of a net as HTML, and writes it where ``path`` is given.

    Args:
        model: path of a prototxt in deploy or training form, or a NetDefinition.
        weights: path of a .caffemodel: adds the filters and their health.
        images: pictures or folders, with weights: adds feature maps, predictions and attributions of
            the first MOST_IMAGES. This part alone needs an OpenCL device.
        logs: training logs: adds the charts.
        path: the .html file to write.
        preprocessing, class_names, size, inputs, device: see Looker.
        progress: called with what is being done.

    Raises:
        CnnvizError: a file that cannot be read, weights of another net, images without weights.
    """
    definition = model if isinstance(model, NetDefinition) else read_net(model)
    if images and weights is None:
        raise CnnvizError("Feature maps need weights: give the .caffemodel beside the images.")
    if path is not None and not Path(path).resolve().parent.is_dir():
        # Said before the work rather than after it.
        raise FileError(f"{path}: cannot be written: there is no such folder.")
    pictures = find_pictures(images)
    page = _Page(
        definition,
        read_weights(weights) if weights is not None else None,
        str(weights or ""),
        pictures[:MOST_IMAGES],
        max(len(pictures) - MOST_IMAGES, 0),
        [read_log(log) for log in logs],
        progress or (lambda what: None),
    )
    page.progress("graph")
    picture = net_picture(definition, phase="TEST", weights=page.weights)
    for detail in picture.details:
        page.link("graph", detail.row.name, detail.box)
    report = _report(page)
    # Each part links to those made before it: filters to maps, the graph to both.
    if page.images:
        _add_features(page, preprocessing, class_names, size, inputs, device)
    if report is not None:
        _add_filters(page, report)
    if page.logs:
        _add_charts(page)
    _add_graph(page, picture)
    page.parts.sort(key=lambda part: ORDER.index(part.key))
    html = _page_text(page, picture)
    if path is not None:
        write_text(path, html)
    return html


# Sections


def _add_graph(page: _Page, picture: NetPicture) -> None:
    links = page.links("filters", "maps") if page.parts else None
    section = graph_section(picture.scene, picture.details, picture.summaries, links)
    words = "Each box is a layer. Choose one to see its settings, shapes and costs; the table holds the same."
    if page.parts:
        words += " Its links lead to the layer's filters and maps."
    numbers = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>"
        for name, value in _facts(page, picture.summaries[0])
    )
    page.add("graph", "Graph", words, f'<dl class="numbers">{numbers}</dl>{section}')


def _facts(page: _Page, summary: NetSummary) -> list[tuple[str, str]]:
    facts = [
        ("layers", str(len(summary.layers))),
        ("parameters", short_number(summary.parameters)),
        ("MACs", short_number(summary.macs // max(summary.batch or 1, 1))),
        ("weights", short_number(summary.parameter_memory, "B")),
    ]
    best = _best_accuracy(page.logs)
    return facts + ([("best test accuracy", f"{best:.2%}")] if best is not None else [])


def _best_accuracy(logs: Iterable[TrainingLog]) -> float | None:
    try:
        lines = chart_lines(0, list(logs), None)
    except CnnvizError:
        return None
    values = [float(v) for line in lines for v in line.y if 0 <= v <= 1]
    return max(values, default=None)


def _report(page: _Page) -> Report | None:
    """The health of all filters; says where the page will show those of each layer."""
    if page.weights is None:
        return None
    check_weights_fit(_plain_graph(page), page.weights)
    report = filter_report(page.weights, _plain_graph(page))
    for name in _filter_layers(report)[:MOST_FILTER_LAYERS]:
        page.link("filters", name, page.anchors.id("filters", name))
    return report


def _plain_graph(page: _Page) -> Graph:
    return build_graph(page.definition, "TEST", splits=False, strict=False)


def _filter_layers(report: Report) -> list[str]:
    return list(dict.fromkeys(layer.bank.layer for layer in report.layers))


def _add_filters(page: _Page, report: Report) -> None:
    graph, layers = _plain_graph(page), _filter_layers(report)
    cards: list[str] = []
    for name in layers[:MOST_FILTER_LAYERS]:
        page.progress(f"filters of {name}")
        cards.append(_filter_card(page, graph, report, name, is_open=len(cards) < 3))
    words = "Smooth, structured filters speak of good training, noisy ones of too little or of overfitting."
    if len(layers) > MOST_FILTER_LAYERS:
        words += f" The first {MOST_FILTER_LAYERS} of {len(layers)} layers with weights are shown."
    page.add("filters", "Filters", words, "".join(cards))


def _filter_card(page: _Page, graph: Graph, report: Report, name: str, is_open: bool) -> str:
    titles = [layer.bank.title for layer in report.layers if layer.bank.layer == name]
    messages = [finding.message for finding in report.findings if finding.layer in titles]
    items = "".join(f"<li>{text(message)}</li>" for message in messages)
    findings = f'<ul class="findings">{items}</ul>' if items else ""
    assert page.weights is not None
    weights = page.weights
    picture = themed(
        lambda style: plot_weights(graph, weights, layers=[name], limit=MOST_FILTER_TILES, style=style),
        f"Filters of layer {name} with histogram and statistics. "
        + (messages[0] if messages else "No findings."),
    )
    elsewhere = links(page.links("graph", "maps").get(name, []))
    remark = f"{len(messages)} finding{'s' if len(messages) != 1 else ''}" if messages else ""
    body = f'<p class="links">This layer elsewhere:{elsewhere}</p>{findings}{picture}'
    return card(page.anchors.id("filters", name), name, remark, body, open=is_open)


def _add_features(page: _Page, preprocessing, class_names, size, inputs, device) -> None:
    looker = Looker(
        page.definition,
        page.weights_path,
        preprocessing or preprocessing_of(page.definition),
        class_names,
        size,
        device,
        gradients=True,
        inputs=inputs,
    )
    cards = []
    more = page.links("graph", "filters")
    for number, path in enumerate(page.images):
        page.progress(f"feature maps of {Path(path).name}")
        features = looker.look(load_picture(path), path)
        for maps in features.maps:
            for name in maps.layer.split(" + "):
                page.link("maps", name, page.anchors.id(f"maps-{number}", maps.layer))
        cards.append(image_card(looker, features, number, len(page.images), page.anchors, more))
    words = (
        "What each layer makes of an image, the classes it finds, and the pixels that speak for the first."
    )
    words += " Blue is negative, red positive; where nothing is negative dark is 0 and yellow the most."
    if page.left_out:
        words += f" The first {MOST_IMAGES} of {MOST_IMAGES + page.left_out} images are shown."
    page.add("features", "Feature maps", words, "".join(cards))


def _add_charts(page: _Page) -> None:
    charts = []
    for kind in CHART_TYPES:
        try:
            svg = training_svg(kind, page.logs)
        except CnnvizError:  # a log without tests has no test charts
            continue
        # The picture's own title is its axes; the words for those who do not see it are these.
        svg = svg.replace('role="img"', f'role="img" aria-label="{text(_chart_words(kind, page.logs))}"', 1)
        charts.append(f'<div class="card"><div class="body">{svg}</div></div>')
    names = ", ".join(log.name for log in page.logs)
    words = f"From the training log{'s' if len(page.logs) > 1 else ''} {names}."
    page.add("training", "Training", words, f'<div class="charts">{"".join(charts)}</div>')


def _chart_words(kind: int, logs: Sequence[TrainingLog]) -> str:
    """What a chart shows: its name, and where each curve begins and ends."""
    curves = [
        f"{line.name} from {float(line.y[0]):.4g} to {float(line.y[-1]):.4g}"
        for line in chart_lines(kind, list(logs), None)
        if line.segments
    ]
    return f"{chart_name(kind)}: {'; '.join(curves)}"


# The whole


def _page_text(page: _Page, picture: NetPicture) -> str:
    title = page.definition.proto.name or Path(page.definition.path).stem
    facts = [Path(page.definition.path).name]
    facts += [Path(page.weights_path).name] if page.weights_path else []
    navigation = "".join(f'<li><a href="#{part.key}">{text(part.title)}</a></li>' for part in page.parts)
    sections = "\n".join(
        f'<section class="part" id="{part.key}" aria-labelledby="{part.key}-title">'
        f'<h2 id="{part.key}-title">{text(part.title)}</h2><p>{text(part.text)}</p>{part.html}</section>'
        for part in page.parts
    )
    model = ModelCard(
        title,
        " · ".join(facts),
        _facts(page, picture.summaries[0]),
        thumbnail(picture),
    )
    return fill(
        "page.html",
        {
            "TITLE": text(title),
            "FACTS": text(" · ".join(facts)),
            "NAV": navigation,
            "SECTIONS": sections,
            "FOOTER": "Made by cnnviz. This page needs no network and can be mailed as it is.",
            "GRAPH_CSS": graph_css([picture.scene]),
            "CSS": template("page.css"),
            "GRAPH_SCRIPT": graph_script(),
            "SCRIPT": template("page.js"),
            "CARD": card_data(model),
        },
    )
