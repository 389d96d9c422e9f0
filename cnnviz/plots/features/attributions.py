"""Figures of attributions: which pixels are evidence for a class."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from cnnviz.analysis.features import Attribution, ImageFeatures, class_label
from cnnviz.formats.text import printable
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.mosaic import DIVERGING, ColorScale
from cnnviz.plots.common.panels import color_bar, inch_text
from cnnviz.plots.common.text import fit, wrap
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.features.overlay import blend, draw_image, grayscale

WIDTH = 9.6
_MARGIN = 0.35
_INNER = WIDTH - 2 * _MARGIN
_GAP = 0.2
_TITLE, _BAR, _LINE = 0.22, 0.36, 0.14  # inches of a panel's title, its colour bar and a line below
_LINES = 3
_PERCENTILE = 99.5  # of an attribution gets the strongest colour, so that single pixels do not dominate

# By the names of the command line: titles, and what the values are.
METHOD_TITLES = {
    "saliency": "saliency",
    "guided": "guided backpropagation",
    "deconvolution": "deconvolution",
    "gradcam": "Grad-CAM",
    "occlusion": "occlusion",
    "integrated": "integrated gradients",
}
_VALUES = {
    "saliency": "absolute gradient of the score",
    "guided": "gradient of the score where gradient and activation are positive",
    "deconvolution": "gradient of the score where it is positive",
    "gradcam": "maps weighted by their gradients",
    "occlusion": "drop of the score when hidden",
    "integrated": "contribution to the score",
}


def attribution_figure(features: ImageFeatures, *, theme: Theme) -> Figure:
    """Draws the attributions of an image beside the image, laid over it."""
    seen, attributions = features.seen, features.attributions
    height, width = seen.shape[:2]
    panels = 1 + len(attributions)
    columns = min(4, panels)
    cell = min(2.9, (_INNER - _GAP * (columns - 1)) / columns)
    cell_height = cell * height / width
    row_height = _TITLE + cell_height + _BAR + _LINE * _LINES + 0.3
    figure = new_figure(WIDTH, 0.6 + -(-panels // columns) * row_height, theme)
    title = fit(attribution_title(attributions, os.path.basename(features.path)), _INNER, 14 / 72, bold=True)
    inch_text(figure, _MARGIN, 0.2, title, 14, theme.text, weight="bold")
    for k in range(panels):
        row, column = divmod(k, columns)
        left, top = _MARGIN + column * (cell + _GAP), 0.7 + row * row_height
        if k == 0:
            inch_text(figure, left, top, "image", 10, theme.text)
            draw_image(figure, seen, left, top + _TITLE, cell, cell_height, theme)
        else:
            _draw_attribution(figure, attributions[k - 1], seen, (left, top, cell, cell_height), theme)
    return figure


def attribution_title(attributions: Sequence[Attribution], name: str = "") -> str:
    """Returns e.g. "cat.jpg: evidence for tabby (281)"."""
    if not attributions:
        return name
    called = printable(class_label(attributions[0].target, attributions[0].target_name))
    return f"{printable(name)}: evidence for {called}" if name else f"Evidence for {called}"


def attribution_note(attribution: Attribution) -> str:
    """Returns what an attribution's values are and how it was made, or why it is zero everywhere."""
    if not np.any(attribution.values):
        return f"zero everywhere: {attribution.note}" if attribution.note else "zero everywhere"
    values = _VALUES.get(attribution.method, "")
    return "; ".join(part for part in (values, attribution.note) if part)


def _draw_attribution(
    figure: Figure,
    attribution: Attribution,
    seen: np.ndarray,
    box: tuple[float, float, float, float],
    theme: Theme,
) -> None:
    left, top, width, height = box
    scale, pixels = attribution_overlay(attribution, seen, theme)
    title = METHOD_TITLES.get(attribution.method, attribution.method)
    inch_text(figure, left, top, title, 10, theme.text)
    draw_image(figure, pixels, left, top + _TITLE, width, height, theme)
    below = top + _TITLE + height + 0.08
    if np.any(attribution.values):
        color_bar(figure, left, below, scale, theme, "", width=width)
        below += _BAR
    # At few dots per inch, text is wider than its metrics say.
    lines = wrap(printable(attribution_note(attribution)), 0.93 * width, 8 / 72, max_lines=_LINES)
    for k, line in enumerate(lines):
        inch_text(figure, left, below + k * _LINE, line, 8, theme.muted)


def attribution_overlay(
    attribution: Attribution, seen: np.ndarray, theme: Theme
) -> tuple[ColorScale, np.ndarray]:
    """Returns the scale of an attribution and its colours laid over the image, uint8 (H, W, 3).

    On images above 64 pixels, single pixels would look like noise: there neighbours are averaged, over
    about a hundredth of the image.
    """
    values = np.where(np.isfinite(attribution.values), attribution.values, 0)
    values = _averaged(values, min(values.shape) // 64)
    strongest = float(np.percentile(np.abs(values), _PERCENTILE)) or float(np.abs(values).max()) or 1.0
    low, table = (-strongest, DIVERGING) if attribution.signed else (0.0, "inferno")
    scale = ColorScale(low, strongest, table)
    return scale, blend(grayscale(seen), np.clip(values / strongest, -1, 1), scale)


def _averaged(values: np.ndarray, reach: int) -> np.ndarray:
    """Mean of the 2 reach + 1 neighbours along both axes."""
    if reach < 1:
        return values
    for axis in (0, 1):
        edges = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        sums = np.cumsum(np.pad(values, edges, mode="edge"), axis=axis)
        size = values.shape[axis]
        upper = np.take(sums, np.arange(2 * reach + 1, 2 * reach + 1 + size), axis)
        values = (upper - np.take(sums, np.arange(size), axis)) / (2 * reach + 1)
    return values
