"""Figures of what a net makes of an image: feature maps, predictions, detections."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from cnnviz.analysis.detections import Detections
from cnnviz.analysis.features import ImageFeatures, class_label
from cnnviz.analysis.preprocessing import GREY
from cnnviz.errors import CnnvizError
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.mosaic import ColorScale
from cnnviz.plots.common.panels import color_bar, inch_axes, inch_text
from cnnviz.plots.common.text import counted, fit, wrap
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.features.options import FeatureOptions
from cnnviz.plots.features.overlay import draw_box, draw_image
from cnnviz.plots.features.rows import (
    GRID_LEFT,
    MARGIN,
    WIDTH,
    FeatureRow,
    MapsRow,
    make_row,
)

# Inches (height, width) that the image may take in the head; a detector's is larger, for its boxes.
_IMAGE, _FOUND_IMAGE = (1.5, 3.3), (3.55, 5.2)
_BARS = 0.5  # inches of the colour bars of all maps
_MOST_NOTES = 3
_MOST_BOXES = 12  # on the image; the rest is counted
_MOST_HIGH = 400.0  # inches; a higher figure is of no use


def features_figure(
    features: ImageFeatures, options: FeatureOptions | None = None, *, theme: Theme
) -> Figure:
    """Draws one image's features: its predictions, and below them a row for each layer.

    Raises CnnvizError if there are too many layers for one figure.
    """
    options = options or FeatureOptions()
    options = replace(options, limit=options.limit or default_limit(len(features.maps)))
    rows = [make_row(maps, features.seen, options, theme) for maps in features.maps]
    scales = _common_scales(rows) if options.normalize == "tile" else []
    head = _Head(features)
    place = head.height + (_BARS if scales else 0)
    height = place + sum(row.height for row in rows)
    if height > _MOST_HIGH:
        raise CnnvizError(
            f"{len(rows)} layers make a figure {height:.0f} inches high; choose some with layers (--layer)."
        )
    figure = new_figure(WIDTH, height, theme)
    head.draw(figure, theme)
    _draw_common_bars(figure, scales, head.height, theme)
    for row in rows:
        row.draw(figure, place)
        place += row.height
    return figure


def default_limit(layers: int) -> int:
    """Returns how many maps of a layer are drawn of a net with so many layers to show."""
    return 64 if layers <= 10 else 32 if layers <= 16 else 16


def _common_scales(rows: Sequence[FeatureRow]) -> list[ColorScale]:
    """The scales of maps that are each divided by their largest value: from 0, and around 0."""
    signed = {row.scale.is_signed: row.scale for row in rows if isinstance(row, MapsRow)}
    return [signed[is_signed].relative for is_signed in sorted(signed)]


def _draw_common_bars(figure: Figure, scales: Sequence[ColorScale], top: float, theme: Theme) -> None:
    left = GRID_LEFT
    for k, scale in enumerate(scales):
        is_last = k == len(scales) - 1
        label = "share of each map's largest value" if is_last else ""
        color_bar(figure, left, top, scale, theme, label, width=1.8)
        left += 2.1


class _Head:
    """The image as the net saw it, its name, and what the net finds in it.

    Attributes:
        height: inches.
    """

    def __init__(self, features: ImageFeatures):
        self.features = features
        rows, columns = features.seen.shape[:2]
        highest, widest = _IMAGE if features.detections is None else _FOUND_IMAGE
        scale = min(highest / rows, widest / columns)
        self.image = rows * scale, columns * scale
        self.left = MARGIN + self.image[1] + 0.35
        self.room = WIDTH - MARGIN - self.left
        self.facts = wrap(_head_facts(features), self.room, 9 / 72, max_lines=2, after=" ")
        self.notes = _note_lines(features.notes, self.room)
        found = features.predictions if features.detections is None else features.detections.found
        lines = len(found[:_MOST_BOXES]) + (0 if features.detections is None else 2)
        self.list_top = 0.76 + 0.16 * (len(self.facts) + len(self.notes))
        self.height = max(0.35 + self.image[0], self.list_top + 0.2 * lines) + 0.3

    def draw(self, figure: Figure, theme: Theme) -> None:
        features, left = self.features, self.left
        height, width = self.image
        axes = draw_image(figure, features.seen, MARGIN, 0.35, width, height, theme)
        name = fit(printable(os.path.basename(features.path)) or "image", self.room, 14 / 72, bold=True)
        inch_text(figure, left, 0.33, name, 14, theme.text, weight="bold")
        for k, line in enumerate(self.facts):
            inch_text(figure, left, 0.62 + 0.16 * k, line, 9, theme.muted)
        for k, line in enumerate(self.notes, len(self.facts)):
            inch_text(figure, left, 0.62 + 0.16 * k, line, 9, theme.warning)
        if features.detections is not None:
            _draw_detections(figure, axes, features.detections, left, self.list_top, theme)
        else:
            _draw_predictions(figure, features, left, self.list_top, theme)


def _note_lines(notes: Sequence[str], room: float) -> list[str]:
    """The notes on the net and its weights, in lines of at most ``room`` inches."""
    shown = [
        line for note in notes[:_MOST_NOTES] for line in wrap(printable(note), room, 9 / 72, max_lines=4)
    ]
    more = len(notes) - _MOST_NOTES
    return [*shown, f"and {counted(more, 'more note')}"] if more > 0 else shown


def _head_facts(features: ImageFeatures) -> str:
    height, width = features.seen.shape[:2]
    facts = [features.origin or f"{width} × {height} pixels, as the net sees it"]
    if features.predictions and not features.are_probabilities:
        facts.append("raw scores: the net has no softmax")
    if features.omitted:
        facts.append(f"{len(features.maps)} of {len(features.maps) + features.omitted} layers shown")
    return " · ".join(facts)


def _draw_predictions(figure: Figure, features: ImageFeatures, left: float, top: float, theme: Theme) -> None:
    room = WIDTH - MARGIN - left
    for k, (share, text) in enumerate(zip(prediction_bars(features), features.texts(), strict=True)):
        axes = inch_axes(figure, left, top + 0.2 * k, 1.6, 0.13)
        axes.set_xlim(0, 1)
        axes.barh([0], [share], height=1, color=theme.accent if k == 0 else theme.edge)
        axes.set_ylim(-0.5, 0.5)
        axes.set_facecolor(theme.grid)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        color = theme.text if k == 0 else theme.muted
        words = fit(printable(text), room - 1.75, 9 / 72)
        inch_text(figure, left + 1.7, top + 0.2 * k + 0.07, words, 9, color, va="center_baseline")


def prediction_bars(features: ImageFeatures) -> list[float]:
    """Returns the lengths of the predictions' bars, 0 to 1: probabilities, or fractions of the top score."""
    scores = [score if np.isfinite(score) else 0.0 for _, _, score in features.predictions]
    whole = 1.0 if features.are_probabilities else max(scores, default=1.0)
    return [min(max(score / whole, 0.0), 1.0) if whole > 0 else 0.0 for score in scores]


def _draw_detections(
    figure: Figure, axes: Any, detections: Detections, left: float, top: float, theme: Theme
) -> None:
    """Boxes on the image, numbered, and beside it the list of their classes and scores."""
    room = WIDTH - MARGIN - left - 0.3
    shown = detections.found[:_MOST_BOXES]
    classes = list(dict.fromkeys(d.target for d in shown))
    tag = {"weight": "bold", "ha": "center", "va": "center"}
    # The highest score is drawn last, over the others.
    for k, found in reversed(list(enumerate(shown))):
        color = theme.series[classes.index(found.target) % len(theme.series)]
        draw_box(axes, found.box, color, 1.6)
        corner = min(found.box[0], 0.95 * axes.get_xlim()[1]), min(found.box[1], 0.95 * axes.get_ylim()[0])
        axes.annotate(str(k + 1), corner, (7, -7), fontsize=8, textcoords="offset points",
                      color=_ink(color), bbox=_tag_box(color), **tag)  # fmt: skip
        y = top + 0.08 + 0.2 * k
        inch_text(figure, left + 0.1, y, str(k + 1), 8, _ink(color), bbox=_tag_box(color), **tag)
        words = f"{found.score:.1%} {class_label(found.target, found.name)}"
        inch_text(figure, left + 0.3, y, fit(printable(words), room, 9 / 72), 9, theme.text, va="center")
    top += 0.2 * len(shown) + 0.03
    for k, line in enumerate(wrap(_omitted(detections, len(shown)), room, 8 / 72, after=" ")):
        inch_text(figure, left, top + 0.14 * k, line, 8, theme.muted)


def _ink(background: str) -> str:
    """White or black, whichever is easier to read on a colour."""
    return "white" if float(np.dot(to_rgb(background), GREY)) < 0.6 else "black"


def _tag_box(color: str) -> dict[str, Any]:
    return {"facecolor": color, "edgecolor": "none", "boxstyle": "square,pad=0.2"}


def _omitted(detections: Detections, shown: int) -> str:
    more = len(detections.found) - shown
    texts = [f"{more} more"] if more else []
    if not detections.found:
        texts.append(f"no object with a score of {detections.threshold:g} or more")
    if detections.below:
        texts.append(f"{detections.below} boxes with scores below {detections.threshold:g} omitted")
    return " · ".join(texts)
