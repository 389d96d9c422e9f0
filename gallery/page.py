"""One self-contained page of everything: graph, table, filters, feature maps, training curves.

No network, no chart library: images are inside the file, layouts are computed here, and the page
works without scripts. Nothing of a model's file becomes markup: see ``plots.common.html``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cnnviz.analysis.image_options import ClassNames, ImageOptions
from cnnviz.analysis.inputs import Value
from cnnviz.analysis.preprocessing import Preprocessing, find_images
from cnnviz.api.features import inspect_images
from cnnviz.api.graph import graph_picture
from cnnviz.api.training import as_logs
from cnnviz.engine.device import Device
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.files import require_folder_of, write_text
from cnnviz.formats.prototxt import NetDefinition, read_net
from cnnviz.formats.text import printable
from cnnviz.gallery.html import Anchors, numbers, whole_page
from cnnviz.gallery.index import ModelCard, card_data, thumbnail
from cnnviz.gallery.section import Links, Material, Section, all_sections
from cnnviz.plots.common.html import escape, template
from cnnviz.plots.graph.options import GraphOptions
from cnnviz.plots.graph.to_html import graph_css, graph_script

MOST_IMAGES = 8
ATTRIBUTIONS = ("saliency", "gradcam", "occlusion", "integrated")


def build_gallery(
    model: str | os.PathLike | NetDefinition,
    weights: str | os.PathLike | None = None,
    images: str | os.PathLike | Sequence[str | os.PathLike] = (),
    logs: str | os.PathLike | Sequence[str | os.PathLike] = (),
    path: str | os.PathLike | None = None,
    *,
    preprocessing: Preprocessing | None = None,
    class_names: ClassNames | None = None,
    size: tuple[int, int] | None = None,
    inputs: Mapping[str, Value] | None = None,
    level: int = 0,
    stages: Sequence[str] = (),
    device: Device | None = None,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Returns a page of everything that cnnviz shows of a net as HTML, and writes it where ``path`` is given.

    Args:
        model: path of a prototxt in deploy or training form, or a NetDefinition.
        weights: path of a .caffemodel: adds the filters and their health.
        images: images or folders, or one of them, with weights: adds feature maps, predictions and
            attributions of the first MOST_IMAGES. This part alone needs an OpenCL device.
        logs: training logs, or one: adds the charts.
        path: the .html file to write.
        preprocessing, class_names, size, inputs, level, stages: see ImageOptions; the preprocessing
            defaults to that of the net's data layer.
        device: what to run on.
        progress: called with what is being done.

    Raises:
        CnnvizError: a file that cannot be read, weights of another net, images without weights.
    """
    images, logs = _listed(images), _listed(logs)
    definition = model if isinstance(model, NetDefinition) else read_net(model)
    if images and weights is None:
        raise CnnvizError("Feature maps need weights: give the .caffemodel beside the images.")
    if path is not None:  # before the work rather than after it
        require_folder_of(path)
        if Path(path).suffix.lower() not in (".html", ".htm"):
            raise FileError(f"{path}: the output must be an .html file.")
    options = ImageOptions(preprocessing, class_names, size, inputs, level, stages)
    progress = progress or (lambda what: None)
    html = _page(_material(definition, weights, find_images(images), logs, options, device, progress))
    if path is not None:
        write_text(path, html)
    return html


def _listed(given: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str | os.PathLike]:
    return [given] if isinstance(given, (str, os.PathLike)) else list(given)


def _material(
    definition: NetDefinition,
    weights: str | os.PathLike | None,
    images: list[str],
    logs: Sequence[str | os.PathLike],
    options: ImageOptions,
    device: Device | None,
    progress: Callable[[str], None],
) -> Material:
    """Reads the files and draws the graph."""
    stored = read_weights(weights) if weights is not None else None
    read = as_logs(logs) if logs else []
    progress("graph")
    shown, weights_path = images[:MOST_IMAGES], str(weights or "")
    return Material(
        definition=definition,
        options=options,
        weights=stored,
        weights_path=weights_path,
        images=shown,
        omitted=len(images) - len(shown),
        logs=read,
        picture=graph_picture(definition, GraphOptions(level=options.level, stages=options.stages), stored),
        features=inspect_images(
            definition,
            weights_path,
            shown,
            options,
            methods=ATTRIBUTIONS,
            device=device,
            announce=progress,
        ),
        progress=progress,
    )


def _page(material: Material) -> str:
    """Measures all sections, then draws all, as each links to the others."""
    kinds = all_sections()
    anchors = Anchors(*(kind.key for kind in kinds), *(f"{kind.key}-title" for kind in kinds))
    sections = [kind(material, anchors) for kind in kinds if kind.has(material)]
    places: dict[str, dict[str, str]] = {}
    for section in sections:
        for layer, id in section.places():
            places.setdefault(layer, {}).setdefault(section.link, f"#{id}")
    parts = "\n".join(_part(section, _elsewhere(places, section)) for section in sections)
    title = material.definition.proto.name or Path(material.definition.path).stem
    files = [Path(path).name for path in (material.definition.path, material.weights_path) if path]
    facts = [fact for section in sections for fact in section.facts()]
    model = ModelCard(printable(title), printable(" · ".join(files)), facts, thumbnail(material.picture))
    return whole_page(
        title,
        escape(model.files) + numbers(facts),
        _navigation(sections) if len(sections) > 1 else "",
        f"{parts}\n{card_data(model)}",
        "This page needs no network and can be mailed as it is.",
        css=graph_css([material.picture.scene]),
        script=graph_script() + template("page.js", "cnnviz.gallery"),
    )


def _elsewhere(places: Mapping[str, Mapping[str, str]], section: Section) -> Links:
    return {
        layer: [(link, address) for link, address in found.items() if link != section.link]
        for layer, found in places.items()
    }


def _part(section: Section, elsewhere: Links) -> str:
    words, html = section.draw(elsewhere)
    key = section.key
    return (
        f'<section class="part" id="{key}" aria-labelledby="{key}-title">'
        f'<h2 id="{key}-title">{escape(section.title)}</h2><p>{escape(words)}</p>{html}</section>'
    )


def _navigation(sections: Sequence[Section]) -> str:
    entries = "".join(
        f'<li><a href="#{section.key}">{escape(section.title)}</a></li>' for section in sections
    )
    return f"<ul>{entries}</ul>{''.join(section.switch() for section in sections)}"
