"""The page's section of feature maps: what each layer makes of each image.

Maps have one pixel per value, enlarged by the browser: exact, the same in light and dark, and small.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnnviz.analysis.detections import Detections
from cnnviz.analysis.features import FeatureMaps, ImageFeatures
from cnnviz.gallery.html import Anchors, legend, links, photo, picture
from cnnviz.plots.common.html import escape
from cnnviz.plots.common.mosaic import (
    block_means,
    color_scale,
    mosaic,
    own_divisors,
    png,
    tile_layout,
)
from cnnviz.plots.common.text import counted, number_label
from cnnviz.plots.common.theme import SERIES, get_theme
from cnnviz.plots.features.attributions import METHOD_TITLES, attribution_overlay, attribution_title
from cnnviz.plots.features.maps import prediction_bars
from cnnviz.plots.features.rows import layer_facts, strongest_unit

MOST_VALUES = 6_000_000  # in all mosaics of a page
LARGEST_SIDE = 64  # pixels of a map's longer side; larger maps are averaged
LEAST_MAPS, MOST_MAPS = 8, 64  # of a layer
MOST_BOXES = 20  # of objects found
_WIDEST = 1000  # pixels of a table and bars of a fully connected layer
_THEME = get_theme("light")  # its colour maps are those of the dark theme too

Links = Mapping[str, Sequence[tuple[str, str]]]


@dataclass
class _Layer:
    """One layer's maps of all images.

    Attributes:
        names: the layer's, and of those that write its blob in place.
        facts: those of the maps of each image.
        bodies: the markup of the maps of each image.
    """

    title: str
    names: list[str]
    facts: list[list[str]] = field(default_factory=list)
    bodies: list[str] = field(default_factory=list)


class MapSection:
    """The section of feature maps: the images with what is found in them, then layer by layer.

    Args:
        names: of the images, which are added one after the other; only their markup is kept.
        anchors: of the page.
    """

    def __init__(self, names: Sequence[str], anchors: Anchors):
        self.names, self.anchors = names, anchors
        self.layers: dict[str, _Layer] = {}
        self.heads: list[str] = []

    def add(self, features: ImageFeatures) -> None:
        """Takes the features of the next image."""
        number = len(self.heads)
        self.heads.append(self._head(features, number))
        limit = _map_limit(features.maps, len(self.names))
        for maps in features.maps:
            layer = self.layers.setdefault(maps.layer, _Layer(maps.layer, maps.layer.split(" + ")))
            shown = np.arange(len(maps.tiles))[:limit]
            layer.facts.append(layer_facts(maps, shown).split(" · "))
            layer.bodies.append(self._body(maps, features.seen, number, shown))

    def place(self, layer: _Layer) -> str:
        """Returns the id of a layer's maps."""
        return self.anchors.id("maps", layer.title)

    def places(self) -> Iterator[tuple[str, str]]:
        """Yields (name of a layer, id of what shows its maps)."""
        for layer in self.layers.values():
            yield from ((name, self.place(layer)) for name in layer.names)

    def html(self, elsewhere: Links) -> str:
        """Returns the section; ``elsewhere``: other places of the page by layer."""
        layers = "".join(self._layer(layer, elsewhere) for layer in self.layers.values())
        return f'{"".join(self.heads)}<h3 class="between">Layer by layer</h3>{layers}'

    def switch(self) -> str:
        """Returns controls that show only one image, without a script; "" if there is only one."""
        if len(self.names) < 2:
            return ""
        rules = "".join(
            f"body:has(#only-{k}:checked) .of:not(.of-{k}){{display:none}}" for k in range(len(self.names))
        )
        choices = "".join(
            f'<label title="{escape(name)}"><input type="radio" name="only" id="only-{k}" autocomplete="off">'
            f'<span class="seen tiny seen-{k}"></span><span class="name">{escape(name)}</span></label>'
            for k, name in enumerate(self.names)
        )
        return (
            f'<style>{rules}</style><fieldset class="switch"><legend>Image</legend>'
            '<label><input type="radio" name="only" id="only-all" autocomplete="off" checked>'
            f"<span>all</span></label>{choices}</fieldset>"
        )

    def _head(self, features: ImageFeatures, number: int) -> str:
        """What is found in one image."""
        name = Path(features.path).name
        height, width = features.seen.shape[:2]
        alt = f"{name} as the net sees it, {features.origin or f'{width} × {height} pixels'}"
        return (
            f"<style>.seen-{number}{{background-image:url({photo(features.seen)})}}</style>"
            f'<article class="card image of of-{number}" id="image-{number}"><h3>{escape(name)}'
            f'<small>{escape(_best(features))}</small></h3><div class="body"><div class="head">'
            f'<div class="seen big seen-{number}" role="img" aria-label="{escape(alt)}" '
            f'style="aspect-ratio:{width}/{height}">{_boxes(features)}</div>'
            f"{_findings(features)}</div>{_attributions(features)}</div></article>\n"
        )

    def _layer(self, layer: _Layer, elsewhere: Links) -> str:
        found = dict.fromkeys(link for name in layer.names for link in elsewhere.get(name, ()))
        common = [fact for fact in layer.facts[0] if all(fact in facts for facts in layer.facts)]
        rows = ""
        for number, (facts, body) in enumerate(zip(layer.facts, layer.bodies, strict=True)):
            own = " · ".join(fact for fact in facts if fact not in common)
            name = f"<b>{escape(self.names[number])}</b> " if len(self.names) > 1 else ""
            note = f'<p class="note">{name}{escape(own)}</p>' if name or own else ""
            rows += f'<div class="of of-{number}" id="{self.anchors.id(f"maps-{number}", layer.title)}">'
            rows += f'{note}<div class="maps">{body}</div></div>'
        return (
            f'<section class="layer" id="{self.place(layer)}"><h4>{escape(layer.title)}{links(list(found))}'
            f"<small>{escape(' · '.join(common))}</small></h4>{rows}</section>\n"
        )

    def _body(self, maps: FeatureMaps, seen: np.ndarray, number: int, shown: np.ndarray) -> str:
        if maps.is_flat:
            return _bars(maps)
        return _table(maps) if maps.is_table else _field(maps, seen, number) + _tiles(maps, shown)


def _map_limit(maps: Sequence[FeatureMaps], images: int) -> int:
    """How many maps of a layer keep the page's mosaics within MOST_VALUES."""
    grids = [m.tiles.shape for m in maps if not (m.is_flat or m.is_table)]
    largest = sum(min(h, LARGEST_SIDE) * min(w, LARGEST_SIDE) for _, h, w in grids)
    limit = int(np.clip(MOST_VALUES // max(largest * images, 1), LEAST_MAPS, MOST_MAPS))
    return limit // 8 * 8  # full rows


def _best(features: ImageFeatures) -> str:
    return features.texts()[0] if features.predictions else features.summary()


def _findings(features: ImageFeatures) -> str:
    """The classes as bars, or the objects found, in order."""
    found = features.detections
    rows, notes = _predictions(features) if found is None else _objects(found, features.texts())
    if features.omitted:
        notes.append(f"{counted(features.omitted, 'layer')} between blocks omitted below.")
    notes += map(escape, features.notes)
    shown = f'<ol class="predictions">{rows}</ol>' if rows else ""
    return f'<div>{shown}<p class="note">{" ".join(notes)}</p></div>' if notes else f"<div>{shown}</div>"


def _predictions(features: ImageFeatures) -> tuple[str, list[str]]:
    """List entries of the classes, and notes."""
    rows = "".join(
        f'<li><span class="bar"><i style="width:{100 * share:.1f}%"></i></span>'
        f"<span>{escape(words)}</span></li>"
        for share, words in zip(prediction_bars(features), features.texts(), strict=True)
    )
    is_raw = rows and not features.are_probabilities
    return rows, ["Raw scores: the net has no softmax."] if is_raw else []


def _objects(found: Detections, texts: Sequence[str]) -> tuple[str, list[str]]:
    """List entries of the objects found, and notes."""
    notes = []
    rows = "".join(
        f'<li><span class="tag" style="border-color:{_box_color(k, found)}">{k + 1}</span>'
        f"<span>{escape(words)}</span></li>"
        for k, words in enumerate(texts[:MOST_BOXES])
    )
    if len(found.found) > MOST_BOXES:
        notes.append(f"{len(found.found) - MOST_BOXES} more objects are omitted.")
    if not found.found:
        notes.append(f"No object has a score of {found.threshold:g} or more.")
    if found.below:
        notes.append(f"{counted(found.below, 'box')} with scores below {found.threshold:g} omitted.")
    return rows, notes


def _boxes(features: ImageFeatures) -> str:
    """The objects found as boxes over the image, the highest score on top."""
    if features.detections is None:
        return ""
    height, width = features.seen.shape[:2]
    shown = list(enumerate(features.detections.found[:MOST_BOXES]))
    return "".join(
        f'<i class="object" style="{_box_style(found.box, width, height)};'
        f'border-color:{_box_color(k, features.detections)}"><span class="tag">{k + 1}</span></i>'
        for k, found in reversed(shown)
    )


def _box_style(box: tuple[float, float, float, float], width: int, height: int) -> str:
    """Where (left, top, right, bottom) lies in an image."""
    left, top, right, bottom = box
    return (
        f"left:{100 * left / width:.1f}%;top:{100 * top / height:.1f}%;"
        f"width:{100 * (right - left) / width:.1f}%;height:{100 * (bottom - top) / height:.1f}%"
    )


def _box_color(number: int, detections: Detections) -> str:
    """One colour for each class."""
    classes = list(dict.fromkeys(found.target for found in detections.found))
    return SERIES[classes.index(detections.found[number].target) % len(SERIES)]


def _attributions(features: ImageFeatures) -> str:
    if not features.attributions:
        return ""
    figures = ""
    for attribution in features.attributions:
        scale, pixels = attribution_overlay(attribution, features.seen, _THEME)
        title = METHOD_TITLES[attribution.method]
        place = _place(attribution.values)
        signs = "red: for, blue: against" if attribution.signed else "brighter means stronger"
        figures += (
            f'<figure><img class="pixels" src="{photo(pixels)}" alt="{escape(title)}: strongest {place}" '
            f'width="{pixels.shape[1]}" height="{pixels.shape[0]}"><figcaption>{escape(title)}'
            f"<small>{signs}; strongest {number_label(scale.high)}</small></figcaption></figure>"
        )
    heading = escape(attribution_title(features.attributions))
    return f'<section class="layer"><h4>{heading}</h4><div class="attributions">{figures}</div></section>\n'


def _place(values: np.ndarray) -> str:
    """Where on the image the largest values lie, in words."""
    weights = np.abs(np.nan_to_num(values))
    if not weights.any():
        return "nowhere, it is zero"
    row, column = np.unravel_index(int(weights.argmax()), weights.shape)
    vertical = ("at the top", "in the middle", "at the bottom")[min(3 * row // weights.shape[0], 2)]
    horizontal = (" left", "", " right")[min(3 * column // weights.shape[1], 2)]
    return vertical + horizontal


def _field(maps: FeatureMaps, seen: np.ndarray, number: int) -> str:
    """The image with a box around the receptive field of the strongest unit."""
    unit = strongest_unit(maps.tiles)
    if maps.field is None or unit is None:
        return ""
    height, width = seen.shape[:2]
    top, left, bottom, right = maps.field.box(*unit)
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    box = _box_style((left, top, right, bottom), width, height)
    label = "Receptive field of the strongest unit: "
    label += f"rows {top:g} to {bottom:g}, columns {left:g} to {right:g}"
    return (
        f'<div class="seen small seen-{number}" role="img" aria-label="{label}" '
        f'style="aspect-ratio:{width}/{height}"><i style="{box}"></i></div>'
    )


def _tiles(maps: FeatureMaps, shown: np.ndarray) -> str:
    tiles, columns = maps.tiles[shown], _columns(len(shown))
    layout = tile_layout(len(tiles), *tiles.shape[1:], columns=columns, side=LARGEST_SIDE)
    scale = color_scale(maps.tiles).relative
    pixels = mosaic(tiles, layout, scale, own_divisors(tiles))
    strength = np.abs(maps.tiles.reshape(len(maps.tiles), -1)).mean(axis=1)
    best = ", ".join(map(str, np.argsort(-np.nan_to_num(strength), kind="stable")[:3]))
    alt = f"Maps of {maps.layer}: the strongest on average are channels {best}"
    note = f"From 0, {columns} in a row, each divided by its largest value."
    note += f" {layout.note.capitalize()}." if layout.note else ""
    width = min(72, 2 * _WIDEST // columns) * columns
    image = picture(png(pixels), alt, width, round(layout.height_at(width)))
    return f"<figure>{image}<figcaption>{legend(scale)}{escape(note)}</figcaption></figure>"


def _columns(count: int) -> int:
    """How many maps stand in a row: rows are full if they can be."""
    if count <= 16:
        return count
    return next((n for n in range(16, 7, -1) if count % n == 0), 16)


def _span(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "No value is finite."
    return f"Values from {number_label(float(finite.min()))} to {number_label(float(finite.max()))}."


def _bars(maps: FeatureMaps) -> str:
    """A bar for each value as one path."""
    values = np.nan_to_num(maps.values.astype(np.float64), posinf=0, neginf=0)[:_WIDEST]
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    span = high - low or 1.0
    zero = 100 * high / span
    path = "".join(
        f"M{k + 0.5:g} {zero:.1f}V{100 * (high - v) / span:.1f}" for k, v in enumerate(values) if v
    )
    width = max(1, min(12, 500 // len(values)))
    omitted = f" The first {_WIDEST} of {len(maps.values)} values." if len(maps.values) > _WIDEST else ""
    words = _span(maps.values) + omitted
    return (
        f'<figure class="wide"><svg class="bars" style="max-width:{max(8, 2 * len(values))}rem" '
        f'viewBox="0 0 {len(values)} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(f"Values of {maps.layer}. {words}")}">'
        f'<path d="{path}" stroke-width="{width}"/><path class="axis" d="M0 {zero:.1f}H{len(values)}"/></svg>'
        f"<figcaption>From 0, left to right. {escape(words)}</figcaption></figure>"
    )


def _table(maps: FeatureMaps) -> str:
    table = maps.values.reshape(-1, maps.values.shape[-1])
    table = table.T if table.shape[0] > table.shape[1] else table
    block = -(-max(table.shape) // _WIDEST)
    down = block if table.shape[0] > 16 else 1  # few rows are kept as they are
    values = block_means(table, down, block)
    scale = color_scale(table)
    note = f"{table.shape[0]} rows, {table.shape[1]} columns. {_span(table)}"
    note += f" Each pixel averages {block} columns." if block > 1 else ""
    rows, columns = values.shape
    across, down = max(1, min(12, _WIDEST // columns)), max(1, min(24, 160 // rows))
    image = picture(png(scale.colors(values)), f"Values of {maps.layer}", across * columns, down * rows)
    return f'<figure class="wide">{image}<figcaption>{legend(scale)}{escape(note)}</figcaption></figure>'
