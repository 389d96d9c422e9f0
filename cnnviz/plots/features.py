"""Pictures of what a net makes of an image: feature maps, predictions, attributions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz.analysis.attribution import Attribution
from cnnviz.analysis.features import FeatureMaps, ImageFeatures, Looker
from cnnviz.errors import CnnvizError
from cnnviz.plots.style import Theme, new_figure, save_figure, style_axes, theme
from cnnviz.plots.tiles import (
    ColorScale,
    color_bar,
    color_scale,
    inch_axes,
    inch_text,
    number_label,
    tile_grid,
    tile_layout,
)

WIDTH = 9.6
_MARGIN = 0.35
_INNER = WIDTH - 2 * _MARGIN
_THUMB = 1.15
_HEAD = 2.15
_MOST_HIGH = 400.0  # inches; a picture higher than this helps nobody
_PERCENTILE = 99.5  # of an attribution is shown as the strongest, so that one pixel does not rule


def plot_features(
    model: str | os.PathLike | Looker,
    weights: str | os.PathLike | None,
    image: str | os.PathLike | np.ndarray,
    path: str | os.PathLike | None = None,
    *,
    layers: Sequence[str] | None = None,
    top: int | None = None,
    by: str = "mean",
    normalize: str = "tile",
    limit: int = 64,
    overlay: bool = False,
    style: str = "light",
    dpi: float = 150,
    **looker_options: Any,
) -> Figure:
    """Draws the feature maps of every layer for an image, with the predictions.

    Args:
        model: path of a prototxt in deploy or training form, or a Looker (then weights are not read).
        weights: path of a .caffemodel.
        image: path of a picture, or an array (H, W) or (H, W, 3), RGB, 0 to 255.
        path: where to write the picture; its suffix gives the format.
        layers: which to show; default: each that changes the maps.
        top: show only so many channels, the most active ones.
        by: what active means: "mean" or "energy" (mean square).
        normalize: "tile" scales each map by itself, "layer" all maps of a layer together.
        limit: most maps of a layer that are drawn; the heading says what is left out.
        overlay: whether maps are laid over the image.
        style: "light" or "dark".
        looker_options: preprocessing, class_names, size, device: see Looker.

    Raises:
        CnnvizError: unreadable files, an unknown layer or option.
    """
    from cnnviz.formats.images import load_image

    if isinstance(model, Looker):
        looker = model
    elif weights is None:
        raise CnnvizError("Feature maps need weights: give a .caffemodel.")
    else:
        looker = Looker(model, weights, **looker_options)
    if isinstance(image, np.ndarray):
        features = looker.look(image, "", layers)
    else:
        picture = load_image(image, None)
        features = looker.look(picture[..., :3] if picture.ndim == 3 else picture, str(image), layers)
    figure = features_figure(features, top=top, by=by, normalize=normalize, limit=limit, overlay=overlay,
                             look=theme(style))  # fmt: skip
    if path is not None:
        save_figure(figure, path, dpi)
    return figure


def features_figure(
    features: ImageFeatures,
    *,
    look: Theme,
    top: int | None = None,
    by: str = "mean",
    normalize: str = "tile",
    limit: int = 64,
    overlay: bool = False,
) -> Figure:
    """Draws one image's features; arguments as in ``plot_features``."""
    if normalize not in ("tile", "layer"):
        raise CnnvizError(f"normalize is {normalize!r}; 'tile' or 'layer' is known.")
    if by not in ("mean", "energy"):
        raise CnnvizError(f"by is {by!r}; 'mean' or 'energy' is known.")
    sections = [
        _Section(maps, features.seen, look, top, by, normalize, limit, overlay) for maps in features.maps
    ]
    height = _HEAD + sum(section.height for section in sections) + 0.1
    if height > _MOST_HIGH:
        raise CnnvizError(
            f"{len(sections)} layers make a picture {height:.0f} inches high; "
            "choose some with layers (--layer)."
        )
    figure = new_figure(WIDTH, height, look)
    _draw_head(figure, features, look)
    place = _HEAD
    for section in sections:
        section.draw(figure, place)
        place += section.height
    return figure


def layer_figure(
    maps: FeatureMaps, seen: np.ndarray, *, look: Theme, limit: int = 64, normalize: str = "tile"
) -> Figure:
    """Draws the maps of one layer alone."""
    section = _Section(maps, seen, look, None, "mean", normalize, limit, False)
    figure = new_figure(WIDTH, section.height, look)
    section.draw(figure, 0.05)
    return figure


def _draw_head(figure: Figure, features: ImageFeatures, look: Theme) -> None:
    """The image as the net saw it, its name, and the predictions as bars."""
    height, width = features.seen.shape[:2]
    side = _HEAD - 0.65
    thumb = min(side, 2.6 * side * height / max(width, 1))
    _draw_seen(figure, features.seen, _MARGIN, 0.35, thumb * width / height, thumb, look)
    left = _MARGIN + thumb * width / height + 0.35
    name = os.path.basename(features.path) or "image"
    inch_text(figure, left, 0.33, name, 14, look.text, weight="bold")
    inch_text(figure, left, 0.62, f"{width} × {height} pixels, as the net sees it", 9, look.muted)
    for k, (_, label, share) in enumerate(features.predictions):
        top = 0.92 + 0.2 * k
        share = share if np.isfinite(share) else 0.0
        axes = inch_axes(figure, left, top, 1.6, 0.13)
        axes.set_xlim(0, 1)
        axes.barh([0], [share], height=1, color=look.accent if k == 0 else look.edge)
        axes.set_ylim(-0.5, 0.5)
        axes.set_facecolor(look.grid)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        text = f"{share:.1%}  {label}"
        inch_text(figure, left + 1.7, top - 0.015, text, 9, look.text if k == 0 else look.muted)


def _draw_seen(
    figure: Figure, seen: np.ndarray, left: float, top: float, width: float, height: float, look: Theme
) -> Any:
    axes = inch_axes(figure, left, top, width, height)
    axes.imshow(seen, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(look.edge)
        spine.set_linewidth(0.6)
    return axes


class _Section:
    """One layer: heading, the image with the field of the strongest unit, the maps, the colour bar."""

    def __init__(
        self,
        maps: FeatureMaps,
        seen: np.ndarray,
        look: Theme,
        top: int | None,
        by: str,
        normalize: str,
        limit: int,
        overlay: bool,
    ):
        self.maps, self.seen, self.look = maps, seen, look
        self.normalize, self.overlay = normalize, overlay
        self.channels = maps.top_channels(top, by) if top else np.arange(len(maps.values))
        self.is_top = bool(top)
        self.limit = limit
        self.grid_left = _MARGIN + _THUMB + 0.25
        self.grid_width = WIDTH - self.grid_left - _MARGIN
        self.grid_height = self._grid_height()
        below = 0.1 if maps.is_flat else 0.5  # room for the axis' numbers or the colour bar
        self.height = 0.5 + max(self.grid_height + below, _THUMB if self._box() else 0) + 0.25

    def _grid_height(self) -> float:
        if self.maps.is_flat:
            return 0.9
        self.columns = self._columns()
        return self._layout().height_at(self.grid_width)

    def _columns(self) -> int:
        """As many columns as keep tiles near half an inch to an inch wide."""
        count = min(len(self.channels), self.limit)
        best = max(4, min(16, round(np.sqrt(count * 2.2))))
        return best

    def _layout(self):
        count = min(len(self.channels), self.limit)
        height, width = self.maps.values.shape[1:]
        if self.overlay:
            height, width = self.seen.shape[:2]
        # Fewer tiles than columns leave the rest of the row empty: tiles stay of one size.
        layout = tile_layout(max(count, self.columns), height, width, columns=self.columns)
        return layout

    def _box(self) -> tuple[float, float, float, float] | None:
        """What the layer's strongest unit sees of the image."""
        field, values = self.maps.field, self.maps.values
        if field is None or values.ndim != 3 or not np.isfinite(values).any():
            return None
        flat = np.where(np.isfinite(values), values, -np.inf)
        _, row, column = np.unravel_index(int(flat.argmax()), values.shape)
        return field.box(int(row), int(column))

    def draw(self, figure: Figure, top: float) -> None:
        look, values = self.look, self.maps.values
        inch_text(figure, _MARGIN, top, self.maps.layer, 11, look.text, weight="bold")
        inch_text(figure, WIDTH - _MARGIN, top + 0.03, self._facts(), 8.5, look.muted, ha="right")
        axes = inch_axes(figure, _MARGIN, top + 0.24, _INNER, 0.001)
        style_axes(axes, look, None)
        axes.set_axis_off()
        axes.axhline(0, color=look.grid)
        top += 0.36
        if values.ndim == 1:
            self._draw_values(figure, top)
            return
        self._draw_box(figure, top)
        shown = values[self.channels]
        grid_top = top
        labels_scale = self._draw_tiles(figure, shown, grid_top)
        below = grid_top + self.grid_height + 0.12
        scale, label = labels_scale
        color_bar(figure, self.grid_left, below, scale, look, label)

    def _facts(self) -> str:
        values = self.maps.values
        if self.maps.is_flat:
            return f"{self.maps.type} · {len(values)} values"
        shown = min(len(self.channels), self.limit)
        count = f"{len(values)} maps" if shown == len(values) else f"{shown} of {len(values)} maps"
        if self.is_top:
            count = f"{shown} most active of {len(values)} maps"
        facts = [self.maps.type, f"{count} of {values.shape[1]} × {values.shape[2]}"]
        if self.maps.field is not None:
            rows, columns = self.maps.field.size
            facts.append(f"a unit sees {rows:g} × {columns:g} pixels")
        zeros = float((values == 0).mean())
        if zeros > 0.01:
            facts.append(f"{zeros:.0%} zeros")
        if not np.isfinite(values).all():
            facts.append("NOT FINITE values in magenta")
        return " · ".join(facts)

    def _draw_tiles(self, figure: Figure, shown: np.ndarray, top: float) -> tuple[ColorScale, str]:
        layout = self._layout()
        count = min(len(shown), self.limit)
        rows = -(-count // self.columns)
        columns = min(self.columns, count)
        size = tile_layout(rows * columns, layout.height, layout.width, columns=columns).size
        width = self.grid_width * size[1] / layout.size[1]
        axes = inch_axes(figure, self.grid_left, top, width, width * size[0] / size[1])
        scale = color_scale(shown, self.look)
        if self.overlay:
            tiles = _overlays(shown[:count], self.seen, self.normalize, scale)
            grid = tile_grid(axes, tiles, self.look, columns=columns, noun="maps")
            unit = ColorScale(-1.0 if scale.is_signed else 0.0, 1.0, scale.cmap, scale.bad)
            return (scale if self.normalize == "layer" else unit), self._bar_label()
        if self.normalize == "layer":
            grid = tile_grid(axes, shown, self.look, normalize="all", scale=scale, columns=columns,
                             limit=self.limit, noun="maps")  # fmt: skip
        else:
            grid = tile_grid(axes, shown, self.look, columns=columns, limit=self.limit, noun="maps")
        assert grid.scale is not None
        return grid.scale, self._bar_label()

    def _bar_label(self) -> str:
        finite = self.maps.values[np.isfinite(self.maps.values)]
        if self.normalize == "layer" or not finite.size:
            return "activation"
        low, high = number_label(float(finite.min())), number_label(float(finite.max()))
        return f"share of each map's largest value; the layer spans {low} to {high}"

    def _draw_box(self, figure: Figure, top: float) -> None:
        box = self._box()
        if box is None:
            return
        height, width = self.seen.shape[:2]
        scale = _THUMB / max(height, width)
        axes = _draw_seen(figure, self.seen, _MARGIN, top, width * scale, height * scale, self.look)
        upper, left, lower, right = box
        # Drawn inside the picture: part of a field may lie in the padding.
        left, upper = max(left, 0) - 0.5, max(upper, 0) - 0.5
        right, lower = min(right, width) - 0.5, min(lower, height) - 0.5
        axes.add_patch(
            Rectangle((left, upper), right - left, lower - upper, fill=False, lw=1.4, ec=self.look.warning)
        )
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(height - 0.5, -0.5)

    def _draw_values(self, figure: Figure, top: float) -> None:
        """A fully connected layer: a bar for each value, or a line where there are many."""
        values, look = self.maps.values, self.look
        axes = inch_axes(figure, self.grid_left, top, self.grid_width, self.grid_height)
        style_axes(axes, look, "y")
        where = np.arange(len(values))
        shown = np.where(np.isfinite(values), values, np.nan)
        axes.vlines(where, 0, shown, color=look.accent, linewidth=max(0.4, min(8, 360 / len(values))))
        axes.set_xlim(-0.5 - 0.01 * len(values), len(values) - 0.5 + 0.01 * len(values))
        axes.axhline(0, color=look.edge, linewidth=0.6)
        axes.tick_params(labelsize=7.5, colors=look.muted)
        axes.locator_params(axis="y", nbins=4)


def _overlays(maps: np.ndarray, seen: np.ndarray, normalize: str, scale: ColorScale) -> list[np.ndarray]:
    """Each map enlarged and laid over the image, as bytes (H, W, 3)."""
    picture = _gray_rgb(seen)
    tiles = []
    for values in maps:
        finite = np.where(np.isfinite(values), values, 0)
        largest = scale.high if normalize == "layer" else max(float(np.abs(finite).max()), 1e-30)
        tiles.append(_blend(picture, _nearest(finite / largest, picture.shape[:2]), scale))
    return tiles


def _gray_rgb(seen: np.ndarray) -> np.ndarray:
    gray = seen if seen.ndim == 2 else seen @ np.array([0.299, 0.587, 0.114])
    return np.repeat(np.asarray(gray, np.float64)[..., None], 3, axis=2)


def _nearest(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    rows = (np.arange(shape[0]) * values.shape[0] // shape[0]).astype(int)
    columns = (np.arange(shape[1]) * values.shape[1] // shape[1]).astype(int)
    return values[rows][:, columns]


def _blend(picture: np.ndarray, shares: np.ndarray, scale: ColorScale) -> np.ndarray:
    """Colours weigh as much as the share is strong, so that the image stays visible where it is not."""
    unit = ColorScale(-1.0 if scale.is_signed else 0.0, 1.0, scale.cmap, scale.bad)
    colors = unit.colors(shares)[..., :3].astype(np.float64)
    weight = (0.15 + 0.7 * np.clip(np.abs(shares), 0, 1))[..., None]
    return np.round(picture * (1 - weight) + colors * weight).astype(np.uint8)


def attribution_figure(
    seen: np.ndarray, attributions: Sequence[Attribution], *, look: Theme, name: str = ""
) -> Figure:
    """Draws attributions beside the image, each as a map and laid over the image.

    Args:
        seen: the image as the net saw it.
        attributions: of that image.
        name: what the heading calls the image.
    """
    height, width = seen.shape[:2]
    columns = min(4, 1 + len(attributions))
    cell = (WIDTH - 2 * _MARGIN - 0.2 * (columns - 1)) / columns
    cell_height = cell * height / width
    rows = -(-(1 + len(attributions)) // columns)
    row_height = cell_height + 0.85
    figure = new_figure(WIDTH, 0.75 + rows * row_height, look)
    target = attributions[0].target_name if attributions else ""
    inch_text(figure, _MARGIN, 0.2, f"{name}: why {target!r}?" if name else f"Why {target!r}?", 14, look.text,
              weight="bold")  # fmt: skip
    for k in range(1 + len(attributions)):
        row, column = divmod(k, columns)
        left, top = _MARGIN + column * (cell + 0.2), 0.7 + row * row_height
        if k == 0:
            inch_text(figure, left, top, "image", 10, look.text)
            _draw_seen(figure, seen, left, top + 0.22, cell, cell_height, look)
        else:
            _draw_attribution(figure, attributions[k - 1], seen, (left, top, cell, cell_height), look)
    return figure


def _draw_attribution(
    figure: Figure,
    attribution: Attribution,
    seen: np.ndarray,
    box: tuple[float, float, float, float],
    look: Theme,
) -> None:
    left, top, width, height = box
    values = np.where(np.isfinite(attribution.values), attribution.values, 0)
    strongest = float(np.percentile(np.abs(values), _PERCENTILE)) or float(np.abs(values).max()) or 1.0
    low = -strongest if attribution.signed else 0.0
    cmap = look.diverging if attribution.signed else "inferno"
    scale = ColorScale(low, strongest, cmap, "#FF00FF")
    inch_text(figure, left, top, attribution.method, 10, look.text)
    shares = np.clip(values / strongest, -1, 1)
    _draw_seen(figure, _blend(_gray_rgb(seen), shares, scale), left, top + 0.22, width, height, look)
    color_bar(figure, left, top + 0.3 + height, scale, look, "", width=width)
