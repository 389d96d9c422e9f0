"""The page's section of the graph and its table."""

from __future__ import annotations

from collections.abc import Iterable

from cnnviz.analysis.summary import short_number
from cnnviz.gallery.html import Anchors
from cnnviz.gallery.section import Facts, Links, Material, Section
from cnnviz.plots.graph.to_html import graph_section


class GraphSection(Section):
    """The net as a graph that leads to everything else that the page shows of a layer."""

    key, title, link, rank = "graph", "Graph", "graph", 1

    def __init__(self, material: Material, anchors: Anchors) -> None:
        self.picture = material.picture

    @staticmethod
    def has(material: Material) -> bool:
        return True

    def places(self) -> Iterable[tuple[str, str]]:
        return [(detail.row.name, detail.box) for detail in self.picture.details]

    def facts(self) -> Facts:
        summary = self.picture.summaries[0]
        return [
            ("layers", str(len(summary.layers))),
            ("parameters", short_number(summary.parameters)),
            ("MACs per input", short_number(summary.macs // max(summary.batch or 1, 1))),
            ("weights", short_number(summary.parameter_memory, "B")),
        ]

    def draw(self, elsewhere: Links) -> tuple[str, str]:
        words = (
            "Each box is a layer. Choose one to see its settings, shapes and costs; the table holds the same."
        )
        links = elsewhere if any(elsewhere.values()) else None
        if links is not None:
            words += " Its links lead to the layer's filters and maps."
        picture = self.picture
        return words, graph_section(picture.scene, picture.details, picture.summaries, links)


SECTION = GraphSection
