"""One self-contained page of everything: graph, table, filters, feature maps, training curves.

No network, no chart library: pictures are inside the file, layouts are worked out here, and the page
reads without scripts. Nothing of a model's file becomes markup: see ``cnnviz.gallery.html``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cnnviz.analysis.features import Looker
from cnnviz.analysis.filters import Report, filter_report
from cnnviz.analysis.inputs import Value
from cnnviz.analysis.model import load_graph
from cnnviz.analysis.preprocessing import Preprocessing, find_pictures, load_input, preprocessing_of
from cnnviz.analysis.summary import NetSummary, graph_to_show, short_number
from cnnviz.api.graph import NetPicture, net_picture
from cnnviz.engine.device import Device
from cnnviz.engine.weights_check import unfilled_layers, unfilled_text
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.files import require_folder_of, write_text
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.formats.prototxt import NetDefinition, read_net
from cnnviz.formats.training_log import read_log
from cnnviz.formats.weights import Weights
from cnnviz.gallery.charts import best_accuracy, chart_cards
from cnnviz.gallery.filters import filter_cards, filter_words, shown_layers
from cnnviz.gallery.html import Anchors, numbers, whole_page
from cnnviz.gallery.index import ModelCard, card_data, thumbnail
from cnnviz.gallery.maps import MapSection
from cnnviz.plots.common.html import template, text
from cnnviz.plots.common.text import visible
from cnnviz.plots.graph.to_html import graph_css, graph_script, graph_section

MOST_IMAGES = 8

log = logging.getLogger("cnnviz")

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
    anchors: Anchors = field(default_factory=lambda: Anchors(*ORDER, *(f"{key}-title" for key in ORDER)))
    parts: list[_Part] = field(default_factory=list)
    # Where the page shows more of each layer, by kind.
    places: dict[str, dict[str, Link]] = field(default_factory=dict)
    switch: str = ""
    unfilled: str = ""  # says which layers the weights lack

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
    images: str | os.PathLike | Sequence[str | os.PathLike] = (),
    logs: str | os.PathLike | Sequence[str | os.PathLike] = (),
    path: str | os.PathLike | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: str | os.PathLike | Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Value] | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    device: Device | None = None,
    progress: Progress | None = None,
) -> str:
    """Returns a page of pictures of a net as HTML, and writes it where ``path`` is given.

    Args:
        model: path of a prototxt in deploy or training form, or a NetDefinition.
        weights: path of a .caffemodel: adds the filters and their health.
        images: pictures or folders, or one of them, with weights: adds feature maps, predictions and
            attributions of the first MOST_IMAGES. This part alone needs an OpenCL device.
        logs: training logs, or one: adds the charts.
        path: the .html file to write.
        preprocessing, class_names, size, inputs, level, stages, device: see Looker.
        progress: called with what is being done.

    Raises:
        CnnvizError: a file that cannot be read, weights of another net, images without weights.
    """
    images, logs = (
        [given] if isinstance(given, (str, os.PathLike)) else list(given) for given in (images, logs)
    )
    definition = model if isinstance(model, NetDefinition) else read_net(model)
    if images and weights is None:
        raise CnnvizError("Feature maps need weights: give the .caffemodel beside the images.")
    if path is not None:  # said before the work rather than after it
        require_folder_of(path)
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise FileError(f"{path}: is to be a page; let its name end in .html.")
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
    picture = net_picture(definition, level=level, stages=stages, weights=page.weights)
    for detail in picture.details:
        page.link("graph", detail.row.name, detail.box)
    report = _report(page, level, stages)
    # Each part links to those made before it: filters to maps, the graph to both.
    if page.images:
        _add_features(page, preprocessing, class_names, size, inputs, device, level, stages)
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
    links = page.links("filters", "maps")
    words = "Each box is a layer. Choose one to see its settings, shapes and costs; the table holds the same."
    if any(links.values()):
        words += " Its links lead to the layer's filters and maps."
    section = graph_section(
        picture.scene, picture.details, picture.summaries, links if any(links.values()) else None
    )
    page.add("graph", "Graph", words, section)


def _facts(page: _Page, summary: NetSummary) -> list[tuple[str, str]]:
    facts = [
        ("layers", str(len(summary.layers))),
        ("parameters", short_number(summary.parameters)),
        ("MACs per input", short_number(summary.macs // max(summary.batch or 1, 1))),
        ("weights", short_number(summary.parameter_memory, "B")),
    ]
    best = best_accuracy(page.logs)
    return facts + ([("best test accuracy", f"{best:.2%}")] if best is not None else [])


def _report(page: _Page, level: int, stages: Sequence[str]) -> Report | None:
    """The health of all filters; says where the page will show those of each layer."""
    if page.weights is None:
        return None
    graph = load_graph(graph_to_show(page.definition, None, level, stages), page.weights)
    report = filter_report(page.weights, graph)
    unfilled = unfilled_layers(graph, page.weights) if graph is not None else []
    if unfilled:
        page.unfilled = f"{unfilled_text(unfilled, page.weights_path)}."
        if not page.images:  # else said where the net is run
            log.warning("%s", page.unfilled)
    for name in shown_layers(report):
        page.link("filters", name, page.anchors.id("filters", name))
    return report


def _add_filters(page: _Page, report: Report) -> None:
    cards = filter_cards(report, page.anchors, page.links("graph", "maps"), page.progress)
    words = f"{filter_words(report)} {page.unfilled}".rstrip()
    page.add("filters", "Filters", words, cards)


def _add_features(page: _Page, preprocessing, class_names, size, inputs, device, level, stages) -> None:
    looker = Looker(
        page.definition,
        page.weights_path,
        preprocessing or preprocessing_of(page.definition),
        class_names,
        size,
        device,
        gradients=True,
        inputs=inputs,
        level=level,
        stages=stages,
    )
    section = MapSection([Path(path).name for path in page.images], page.anchors)
    for path in page.images:
        page.progress(f"feature maps of {Path(path).name}")
        section.add(looker, looker.look(load_input(path), path))
    for layer, id in section.places():
        page.link("maps", layer, id)
    words = "The classes that the net finds in an image, the pixels that speak for the first, and what each "
    words += "layer makes of it. Blue is negative, red positive; where nothing is negative dark is 0."
    if page.left_out:
        words += f" The first {MOST_IMAGES} of {MOST_IMAGES + page.left_out} images are shown."
    page.switch = section.switch()
    page.add("features", "Feature maps", words, section.html(page.links("graph", "filters")))


def _add_charts(page: _Page) -> None:
    names = ", ".join(log.name for log in page.logs)
    words = f"From the training log{'s' if len(page.logs) > 1 else ''} {names}."
    page.add("training", "Training", words, chart_cards(page.logs))


# The whole


def _page_text(page: _Page, picture: NetPicture) -> str:
    title = page.definition.proto.name or Path(page.definition.path).stem
    files = [Path(page.definition.path).name]
    files += [Path(page.weights_path).name] if page.weights_path else []
    facts = _facts(page, picture.summaries[0])
    navigation = "".join(f'<li><a href="#{part.key}">{text(part.title)}</a></li>' for part in page.parts)
    sections = "\n".join(
        f'<section class="part" id="{part.key}" aria-labelledby="{part.key}-title">'
        f'<h2 id="{part.key}-title">{text(part.title)}</h2><p>{text(part.text)}</p>{part.html}</section>'
        for part in page.parts
    )
    model = ModelCard(visible(title), visible(" · ".join(files)), facts, thumbnail(picture))
    return whole_page(
        title,
        text(model.files) + numbers(facts),
        f"<ul>{navigation}</ul>{page.switch}" if len(page.parts) > 1 else "",
        f"{sections}\n{card_data(model)}",
        "This page needs no network and can be mailed as it is.",
        css=graph_css([picture.scene]),
        script=graph_script() + template("page.js", "cnnviz.gallery"),
    )
