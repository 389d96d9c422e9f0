"""The page's section of feature maps: what the net makes of each image."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cnnviz.gallery.html import Anchors
from cnnviz.gallery.maps import MapSection
from cnnviz.gallery.section import Links, Material, Section


class FeatureSection(Section):
    """The classes that the net finds in each image, why, and what each layer makes of it."""

    key, title, link, rank = "features", "Feature maps", "maps", 3

    def __init__(self, material: Material, anchors: Anchors) -> None:
        self.shown, self.omitted = len(material.images), material.omitted
        self.maps = MapSection([Path(path).name for path in material.images], anchors)
        for features in material.features:
            self.maps.add(features)

    @staticmethod
    def has(material: Material) -> bool:
        return bool(material.images)

    def places(self) -> Iterable[tuple[str, str]]:
        return self.maps.places()

    def switch(self) -> str:
        return self.maps.switch()

    def draw(self, elsewhere: Links) -> tuple[str, str]:
        words = "The top predictions of an image, the pixels that support the first, and what each layer "
        words += "makes of it. Blue is negative, red positive; where nothing is negative dark is 0."
        if self.omitted:
            words += f" The first {self.shown} of {self.shown + self.omitted} images are shown."
        return words, self.maps.html(elsewhere)


SECTION = FeatureSection
