"""What a section of the page is. The page finds all sections by walking the folder ``sections``.

A section is made in two steps, so that none has to know which others there are: it measures what it shows
and gives the place of each layer on the page; then, with the places of all others, it draws.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from cnnviz.analysis.features import ImageFeatures
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.formats.caffemodel import Weights
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.gallery.html import Anchors
from cnnviz.plots.graph.builder import GraphPicture

Links = Mapping[str, Sequence[tuple[str, str]]]  # (text, address) for each layer
Facts = list[tuple[str, str]]  # name and value


@dataclass(frozen=True)
class Material:
    """What a page is made of: files read, and the graph drawn.

    Attributes:
        options: the net's state, and how images enter it.
        images: paths of those that are shown; omitted: how many more were given.
        features: what the net makes of each image, one after the other; it runs as they are taken.
        progress: called with what is being done.
    """

    definition: NetDefinition
    options: ImageOptions
    weights: Weights | None
    weights_path: str
    images: list[str]
    omitted: int
    logs: list[TrainingLog]
    picture: GraphPicture
    features: Iterable[ImageFeatures]
    progress: Callable[[str], None]


class Section(ABC):
    """A section of the page; making one measures what it shows.

    Class attributes:
        key: its id in the page, where sections stand by ``rank``.
        title: its heading.
        link: what links to its places are called; "" if it shows no layer.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    link: ClassVar[str] = ""
    rank: ClassVar[int]

    @staticmethod
    @abstractmethod
    def has(material: Material) -> bool:
        """Whether there is anything that the section could show."""

    @abstractmethod
    def __init__(self, material: Material, anchors: Anchors) -> None:
        """Measures; ``anchors`` gives ids for the places that the section is going to have."""

    @abstractmethod
    def draw(self, elsewhere: Links) -> tuple[str, str]:
        """Returns what stands below the heading (plain text) and the section's markup.

        Args:
            elsewhere: other places of the page for each layer.
        """

    def places(self) -> Iterable[tuple[str, str]]:
        """Returns (name of a layer, id of what shows it)."""
        return ()

    def facts(self) -> Facts:
        """Returns the section's facts for the head of the page."""
        return []

    def switch(self) -> str:
        """Returns controls for the bar at the top of the page."""
        return ""


def all_sections() -> list[type[Section]]:
    """Returns the section of each module in ``sections``, in the order of the page."""
    folder = importlib.import_module("cnnviz.gallery.sections")
    names = [module.name for module in pkgutil.iter_modules(folder.__path__)]
    found = [importlib.import_module(f"{folder.__name__}.{name}").SECTION for name in names]
    return sorted(found, key=lambda section: section.rank)
