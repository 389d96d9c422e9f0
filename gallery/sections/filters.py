"""The page's section of filters and their health."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from cnnviz.analysis.filter_report import filter_report
from cnnviz.analysis.model import load_graph
from cnnviz.analysis.summary import graph_to_show
from cnnviz.engine.weights_check import unfilled_layers, unfilled_text
from cnnviz.gallery.filters import filter_cards, filter_words, shown_layers
from cnnviz.gallery.html import Anchors
from cnnviz.gallery.section import Links, Material, Section

log = logging.getLogger("cnnviz")


class FilterSection(Section):
    """The filters of each layer, their findings in words, and the layers that the weights lack."""

    key, title, link, rank = "filters", "Filters", "filters", 2

    def __init__(self, material: Material, anchors: Anchors) -> None:
        assert material.weights is not None
        self.anchors, self.progress = anchors, material.progress
        options = material.options
        shown = graph_to_show(material.definition, None, options.level, options.stages)
        graph = load_graph(shown, material.weights)
        self.report = filter_report(material.weights, graph)
        unfilled = unfilled_layers(graph, material.weights) if graph is not None else []
        self.lacking = f"{unfilled_text(unfilled, material.weights_path)}." if unfilled else ""
        if unfilled and not material.images:  # otherwise said where the net is run
            log.warning("%s", self.lacking)

    @staticmethod
    def has(material: Material) -> bool:
        return material.weights is not None

    def places(self) -> Iterable[tuple[str, str]]:
        return [(layer, self.anchors.id("filters", layer)) for layer in shown_layers(self.report)]

    def draw(self, elsewhere: Links) -> tuple[str, str]:
        cards = filter_cards(self.report, self.anchors, elsewhere, self.progress)
        return f"{filter_words(self.report)} {self.lacking}".rstrip(), cards


SECTION = FilterSection
