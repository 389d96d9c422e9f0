"""The page's section of feature maps: what each layer makes of each image.

Maps are one dot a number, enlarged by the browser: exact, the same in light and dark, and small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cnnviz.analysis.attribution import attribute
from cnnviz.analysis.features import FeatureMaps, ImageFeatures, Looker
from cnnviz.errors import CnnvizError
from cnnviz.gallery.html import Anchors, averaged, card, data_uri, links, mosaic, photo, text
from cnnviz.plots.attributions import METHOD_TITLES, attribution_overlay, attribution_title
from cnnviz.plots.feature_rows import layer_facts, strongest_unit
from cnnviz.plots.features import prediction_bars
from cnnviz.plots.style import theme
from cnnviz.plots.tiles import ColorScale, color_scale, number_label

ATTRIBUTIONS = ("saliency", "gradcam", "occlusion", "integrated")
MOST_NUMBERS = 6_000_000  # in all mosaics of a page
LARGEST_SIDE = 64  # dots of a map's longer side; larger maps are averaged
LEAST_MAPS, MOST_MAPS = 8, 64  # of a layer
_WIDEST = 1000  # dots of a table and bars of a fully connected layer
_LOOK = theme("light")  # its colour maps are those of the dark theme too

Links = Mapping[str, Sequence[tuple[str, str]]]


def image_card(
    looker: Looker, features: ImageFeatures, number: int, images: int, anchors: Anchors, more: Links
) -> str:
    """Returns the card of one image: predictions, attributions, and the maps of every layer.

    Args:
        looker: has just looked at the image.
        features: what it found.
        number: of the image on the page, from 0; images: how many there are.
        anchors: of the page.
        more: where else the page shows a layer.
    """
    name = Path(features.path).name
    best = features.texts()[0] if features.predictions else ""
    limit = _map_limit(features.maps, images)
    body = _head(features, number)
    body += _attributions(looker, features)
    body += "".join(
        _layer(maps, features.seen, number, limit, anchors.id(f"maps-{number}", maps.layer), more)
        for maps in features.maps
    )
    style = f"<style>.seen-{number}{{background-image:url({photo(features.seen)})}}</style>"
    return style + card(anchors.id("image", str(number)), name, best, body, open=number == 0)


def _map_limit(maps: Sequence[FeatureMaps], images: int) -> int:
    """How many maps of a layer keep the page's mosaics within MOST_NUMBERS."""
    grids = [m.tiles.shape for m in maps if not (m.is_flat or m.is_table)]
    largest = sum(min(h, LARGEST_SIDE) * min(w, LARGEST_SIDE) for _, h, w in grids)
    limit = int(np.clip(MOST_NUMBERS // max(largest * images, 1), LEAST_MAPS, MOST_MAPS))
    return limit // 8 * 8  # full rows


def _head(features: ImageFeatures, number: int) -> str:
    height, width = features.seen.shape[:2]
    alt = f"{Path(features.path).name} as the net sees it, {width} × {height} pixels"
    rows = "".join(
        f'<li><span class="bar"><i style="width:{100 * share:.1f}%"></i></span>{text(words)}</li>'
        for share, words in zip(prediction_bars(features), features.texts(), strict=True)
    )
    note = ""
    if rows and not features.are_probabilities:
        note = '<p class="note">Scores, as the net ends without a softmax.</p>'
    if features.omitted:
        note += f'<p class="note">{features.omitted} layers between blocks are left out.</p>'
    return (
        f'<div class="head"><div class="seen big seen-{number}" role="img" aria-label="{text(alt)}" '
        f'style="aspect-ratio:{width}/{height}"></div>'
        f'<div><ol class="predictions">{rows}</ol>{note}</div></div>'
    )


def _attributions(looker: Looker, features: ImageFeatures) -> str:
    if not features.predictions:
        return ""
    found = []
    for method in ATTRIBUTIONS:
        try:
            found.append(attribute(looker, method))
        except CnnvizError:  # such as Grad-CAM of a net without convolutions
            continue
    if not found:
        return ""
    figures = ""
    for attribution in found:
        scale, pixels = attribution_overlay(attribution, features.seen, _LOOK)
        title = METHOD_TITLES[attribution.method]
        place = _place(attribution.values)
        signs = "red for, blue against" if attribution.signed else "the brighter, the more"
        figures += (
            f'<figure><img class="pixels" src="{photo(pixels)}" alt="{text(title)}: strongest {place}" '
            f'loading="lazy"><figcaption>{text(title)}<small>{signs}; strongest '
            f"{number_label(scale.high)}</small></figcaption></figure>"
        )
    heading = text(attribution_title(found))
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


def _layer(maps: FeatureMaps, seen: np.ndarray, number: int, limit: int, id: str, more: Links) -> str:
    shown = np.arange(len(maps.tiles))[:limit]
    names = maps.layer.split(" + ")
    elsewhere = dict.fromkeys(link for name in names for link in more.get(name, ()))
    heading = (
        f"<h4>{text(maps.layer)}{links(list(elsewhere))}<small>{text(layer_facts(maps, shown))}</small></h4>"
    )
    if maps.is_flat:
        body = _bars(maps)
    elif maps.is_table:
        body = _table(maps)
    else:
        body = _field(maps, seen, number) + _tiles(maps, shown)
    return f'<section class="layer" id="{id}">{heading}<div class="maps">{body}</div></section>\n'


def _field(maps: FeatureMaps, seen: np.ndarray, number: int) -> str:
    """The image with a box around what the strongest unit sees."""
    unit = strongest_unit(maps.tiles)
    if maps.field is None or unit is None:
        return ""
    height, width = seen.shape[:2]
    top, left, bottom, right = maps.field.box(*unit)
    top, left, bottom, right = max(top, 0), max(left, 0), min(bottom, height), min(right, width)
    place = (
        f"left:{100 * left / width:.1f}%;top:{100 * top / height:.1f}%;"
        f"width:{100 * (right - left) / width:.1f}%;height:{100 * (bottom - top) / height:.1f}%"
    )
    words = (
        f"The strongest unit sees rows {top:g} to {bottom:g} and columns {left:g} to {right:g} of the image"
    )
    return (
        f'<div class="seen small seen-{number}" role="img" aria-label="{words}" '
        f'style="aspect-ratio:{width}/{height}"><i style="{place}"></i></div>'
    )


def _tiles(maps: FeatureMaps, shown: np.ndarray) -> str:
    tiles, block = averaged(maps.tiles[shown], LARGEST_SIDE)
    strongest = np.abs(np.where(np.isfinite(tiles), tiles, 0)).max(axis=(1, 2), keepdims=True)
    common = color_scale(maps.tiles, _LOOK)
    scale = ColorScale(-1.0 if common.is_signed else 0.0, 1.0, common.cmap, common.bad)
    columns = 8 if len(shown) <= 24 else 16
    columns = min(columns, len(shown))
    picture = data_uri(mosaic(tiles / np.where(strongest > 0, strongest, 1), scale, columns))
    strength = np.abs(maps.tiles.reshape(len(maps.tiles), -1)).mean(axis=1)
    best = ", ".join(map(str, np.argsort(-np.nan_to_num(strength), kind="stable")[:3]))
    alt = f"Maps of {maps.layer}: the strongest on the whole are numbers {best}"
    note = f"From 0, {columns} in a row; each of its own scale. {_span(maps.values)}"
    note += f" Each dot averages {block} × {block} units." if block > 1 else ""
    return (
        f'<figure><img class="pixels" src="{picture}" alt="{text(alt)}" loading="lazy" '
        f'style="width:min(100%,{72 * columns}px)"><figcaption><span class="{_legend(scale)}"></span>'
        f"{text(note)}</figcaption></figure>"
    )


def _span(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "No value is finite."
    return f"The layer spans {number_label(float(finite.min()))} to {number_label(float(finite.max()))}."


def _legend(scale: ColorScale) -> str:
    return "legend signed" if scale.is_signed else "legend"


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
    left_out = f" The first {_WIDEST} of {len(maps.values)} values." if len(maps.values) > _WIDEST else ""
    words = _span(maps.values) + left_out
    return (
        f'<figure class="wide"><svg class="bars" viewBox="0 0 {len(values)} 100" preserveAspectRatio="none" '
        f'role="img" aria-label="{text(f"Values of {maps.layer}. {words}")}">'
        f'<path d="{path}" stroke-width="{width}"/><path class="axis" d="M0 {zero:.1f}H{len(values)}"/></svg>'
        f"<figcaption>From 0, left to right. {text(words)}</figcaption></figure>"
    )


def _table(maps: FeatureMaps) -> str:
    table = maps.values.reshape(-1, maps.values.shape[-1])
    table = table.T if table.shape[0] > table.shape[1] else table
    tiles, block = averaged(table[None], _WIDEST) if table.shape[0] > 16 else _thinned(table)
    scale = color_scale(table, _LOOK)
    note = f"{table.shape[0]} rows, {table.shape[1]} columns. {_span(table)}"
    note += f" Each dot averages {block} columns." if block > 1 else ""
    picture = data_uri(mosaic(tiles, scale, 1))
    return (
        f'<figure class="wide"><img class="pixels table" src="{picture}" loading="lazy" '
        f'alt="Values of {text(maps.layer)}">'
        f'<figcaption><span class="{_legend(scale)}"></span>{text(note)}</figcaption></figure>'
    )


def _thinned(table: np.ndarray) -> tuple[np.ndarray, int]:
    """(1, rows, columns) with columns averaged; few rows are kept as they are."""
    block = -(-table.shape[1] // _WIDEST)
    starts = np.arange(0, table.shape[1], block)
    sums = np.add.reduceat(table.astype(np.float64), starts, axis=1)
    return (sums / np.diff([*starts, table.shape[1]]))[None], block
