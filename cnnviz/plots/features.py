"""Pictures of what a net makes of an image: feature maps, predictions, attributions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cnnviz.analysis.attribution import Attribution
from cnnviz.analysis.features import FeatureMaps, ImageFeatures, Looker, class_text
from cnnviz.analysis.preprocessing import load_picture
from cnnviz.errors import CnnvizError
from cnnviz.plots._text import fit, text_width, visible
from cnnviz.plots.style import Theme, new_figure, save_figure, style_axes, theme
from cnnviz.plots.tiles import (
    ColorScale,
    TileLayout,
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
_LABEL = 0.125  # inches above each tile for its number
_GAP = 0.06  # between tiles, as a share of a tile's longer side: a number stands nearest to its own tile
_LABEL_SIZE = 5.5
_MOST_COLUMNS = 16
_MOST_HIGH = 400.0  # inches; a picture higher than this helps nobody
_PERCENTILE = 99.5  # of an attribution is shown as the strongest, so that one pixel does not rule
_WIDEST_TABLE = 800  # columns of a table that are drawn; more are averaged

# Named as the command line names them, described as headings.
METHOD_TITLES = {
    "saliency": "saliency",
    "guided": "guided backpropagation",
    "deconvolution": "deconvolution",
    "gradcam": "Grad-CAM",
    "occlusion": "occlusion",
    "integrated": "integrated gradients",
}


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
    limit: int | None = None,
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
        layers: names or patterns of those to show; default: see Looker.look.
        top: show only so many channels, the most active ones.
        by: what active means: "mean" or "energy" (mean square).
        normalize: "tile" scales each map by itself, "layer" all maps of a layer together.
        limit: most maps of a layer that are drawn; the heading says what is left out. Default: 64, of
            nets with more than 10 layers to show 32, with more than 30 16.
        overlay: whether maps are laid over the image.
        style: "light" or "dark".
        looker_options: preprocessing, class_names, size, device: see Looker.

    Raises:
        CnnvizError: unreadable files, an unknown layer or option.
    """
    if isinstance(model, Looker):
        looker = model
    elif weights is None:
        raise CnnvizError("Feature maps need weights: give a .caffemodel.")
    else:
        looker = Looker(model, weights, **looker_options)
    if isinstance(image, np.ndarray):
        features = looker.look(image, "", layers)
    else:
        features = looker.look(load_picture(image), str(image), layers)
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
    limit: int | None = None,
    overlay: bool = False,
) -> Figure:
    """Draws one image's features; arguments as in ``plot_features``."""
    if normalize not in ("tile", "layer"):
        raise CnnvizError(f"normalize is {normalize!r}; 'tile' or 'layer' is known.")
    if by not in ("mean", "energy"):
        raise CnnvizError(f"by is {by!r}; 'mean' or 'energy' is known.")
    limit = limit or default_limit(len(features.maps))
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


def default_limit(layers: int) -> int:
    """Returns how many maps of a layer are drawn of a net with so many layers to show."""
    return 64 if layers <= 10 else 32 if layers <= 30 else 16


def _draw_head(figure: Figure, features: ImageFeatures, look: Theme) -> None:
    """The image as the net saw it, its name, and the predictions as bars."""
    height, width = features.seen.shape[:2]
    side = _HEAD - 0.65
    thumb = min(side, 2.6 * side * height / max(width, 1))
    _draw_seen(figure, features.seen, _MARGIN, 0.35, thumb * width / height, thumb, look)
    left = _MARGIN + thumb * width / height + 0.35
    room = WIDTH - _MARGIN - left
    name = visible(os.path.basename(features.path)) or "image"
    inch_text(figure, left, 0.33, fit(name, room, 14 / 72, bold=True), 14, look.text, weight="bold")
    facts = f"{width} × {height} pixels, as the net sees it"
    if features.predictions and not features.are_probabilities:
        facts += " · scores, as the net ends without a softmax"
    if features.omitted:
        facts += f" · {features.omitted} layers between blocks left out"
    inch_text(figure, left, 0.62, fit(facts, room, 9 / 72), 9, look.muted)
    for k, (share, text) in enumerate(zip(prediction_bars(features), features.texts(), strict=True)):
        top = 0.92 + 0.2 * k
        axes = inch_axes(figure, left, top, 1.6, 0.13)
        axes.set_xlim(0, 1)
        axes.barh([0], [share], height=1, color=look.accent if k == 0 else look.edge)
        axes.set_ylim(-0.5, 0.5)
        axes.set_facecolor(look.grid)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        color = look.text if k == 0 else look.muted
        inch_text(figure, left + 1.7, top - 0.015, fit(visible(text), room - 1.75, 9 / 72), 9, color)


def prediction_bars(features: ImageFeatures) -> list[float]:
    """Returns the lengths of the predictions' bars, 0 to 1: probabilities, or shares of the best score."""
    scores = [score if np.isfinite(score) else 0.0 for _, _, score in features.predictions]
    whole = 1.0 if features.are_probabilities else max(scores, default=1.0)
    return [min(max(score / whole, 0.0), 1.0) if whole > 0 else 0.0 for score in scores]


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
        self.values = maps.tiles
        self.is_grid = not (maps.is_flat or maps.is_table)
        self.channels = maps.top_channels(top, by) if top else np.arange(len(self.values))
        self.is_top = bool(top)
        self.shown = self.channels[:limit]
        self.columns = _column_count(len(self.shown), limit)
        self.grid_left = _MARGIN + _THUMB + 0.25
        self.grid_width = WIDTH - self.grid_left - _MARGIN
        if self.is_grid:
            self.layout = self._layout()
            self.grid_height = self.layout.height_at(self.grid_width)
        else:
            self.grid_height = 0.9
        below = 0.15 if maps.is_flat else 0.62 if maps.is_table else 0.5  # room for ticks and colour bar
        self.height = 0.36 + max(self.grid_height + below, _THUMB if self._box() else 0) + 0.22

    def _layout(self, count: int = 0) -> TileLayout:
        """The tiles' places; fewer tiles than columns leave the rest of the row empty, for one size."""
        height, width = self.seen.shape[:2] if self.overlay else self.values.shape[1:]
        count = count or max(len(self.shown), self.columns)
        plain = tile_layout(count, height, width, columns=self.columns, gap=_GAP)
        tile = plain.tile_width_at(self.grid_width) * height / width
        return tile_layout(count, height, width, columns=self.columns, strip=_LABEL / tile, gap=_GAP)

    def _box(self) -> tuple[float, float, float, float] | None:
        """What the layer's strongest unit sees of the image."""
        field = self.maps.field
        if field is None or self.maps.values.ndim != 3 or not self.is_grid:
            return None
        unit = strongest_unit(self.values)
        return None if unit is None else field.box(*unit)

    def draw(self, figure: Figure, top: float) -> None:
        look = self.look
        facts = layer_facts(self.maps, self.shown, self.is_top)
        room = _INNER - text_width(facts, 8.5 / 72) - 0.2
        if room < 1.5:  # a long name and long facts: the facts give way
            room = 3.0
            facts = fit(facts, _INNER - room - 0.2, 8.5 / 72)
        title = fit(visible(self.maps.layer), room, 11 / 72, bold=True)
        inch_text(figure, _MARGIN, top, title, 11, look.text, weight="bold")
        inch_text(figure, WIDTH - _MARGIN, top + 0.03, facts, 8.5, look.muted, ha="right")
        axes = inch_axes(figure, _MARGIN, top + 0.24, _INNER, 0.001)
        style_axes(axes, look, None)
        axes.set_axis_off()
        axes.axhline(0, color=look.grid)
        top += 0.36
        if self.maps.is_flat:
            self._draw_values(figure, top)
        elif self.maps.is_table:
            self._draw_table(figure, top)
        else:
            self._draw_box(figure, top)
            scale, inset = self._draw_tiles(figure, top)
            below = top + self.grid_height + 0.1
            color_bar(figure, self.grid_left + inset, below, scale, look, self._bar_label())

    def _draw_tiles(self, figure: Figure, top: float) -> tuple[ColorScale, float]:
        """Returns the scale and how far the first tile stands from the grid's left edge."""
        rows = -(-len(self.shown) // self.columns)
        columns = min(self.columns, len(self.shown))
        size = self._layout(rows * columns).size
        width = self.grid_width * size[1] / self.layout.size[1]
        axes = inch_axes(figure, self.grid_left, top, width, width * size[0] / size[1])
        tiles: Any = self.values[self.shown]
        scale = color_scale(self.values[self.channels], self.look)
        tile = self.layout.tile_width_at(self.grid_width) * self.layout.height / self.layout.width
        options: dict[str, Any] = {
            "columns": columns, "strip": _LABEL / tile, "gap": _GAP, "label_size": _LABEL_SIZE,
            "labels": [str(channel) for channel in self.shown], "noun": "maps",
        }  # fmt: skip
        if self.overlay:
            tiles = _overlays(tiles, self.seen, self.normalize, scale)
        elif self.normalize == "layer":
            options |= {"normalize": "all", "scale": scale}
        tile_grid(axes, tiles, self.look, **options)
        inset = self.grid_width * self.layout.gap / self.layout.size[1]
        if self.normalize == "layer":
            return scale, inset
        return ColorScale(-1.0 if scale.is_signed else 0.0, 1.0, scale.cmap, scale.bad), inset

    def _bar_label(self) -> str:
        finite = self.values[np.isfinite(self.values)]
        if self.normalize == "layer" or not finite.size:
            return "activation"
        low, high = plain_number(float(finite.min())), plain_number(float(finite.max()))
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
        for line, color in ((2.6, "white"), (1.3, "#C1272D")):  # seen on dark and on light pictures
            axes.add_patch(
                Rectangle((left, upper), right - left, lower - upper, fill=False, lw=line, ec=color)
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
        _small_ticks(axes, look)

    def _draw_table(self, figure: Figure, top: float) -> None:
        """Rows and columns, the longer side along the page, many columns averaged."""
        table = self.values.reshape(-1, self.values.shape[-1])
        table = table.T if table.shape[0] > table.shape[1] else table
        axes = inch_axes(figure, self.grid_left, top, self.grid_width, self.grid_height)
        scale = color_scale(table, self.look)
        rows, columns = table.shape
        block = -(-columns // _WIDEST_TABLE)
        starts = np.arange(0, columns, block)
        sums = np.add.reduceat(table.astype(np.float64), starts, axis=1)
        means = sums / np.diff([*starts, columns])
        pixels = scale.colors(means)
        axes.imshow(pixels, extent=(-0.5, columns - 0.5, rows - 0.5, -0.5), aspect="auto",
                    interpolation="nearest")  # fmt: skip
        style_axes(axes, self.look, None)
        _small_ticks(axes, self.look)
        averaged = f"; each column averages {block}" if block > 1 else ""
        color_bar(figure, self.grid_left, top + self.grid_height + 0.24, scale, self.look,
                  f"values of {rows} rows and {columns} columns{averaged}")  # fmt: skip


def _column_count(shown: int, limit: int) -> int:
    """As many columns as keep tiles near half an inch to an inch wide."""
    if limit <= _MOST_COLUMNS:
        return _MOST_COLUMNS if limit == _MOST_COLUMNS else max(8, limit)
    return max(8, min(_MOST_COLUMNS, round(np.sqrt(shown * 2.2))))


def _small_ticks(axes: Axes, look: Theme) -> None:
    axes.tick_params(labelsize=7.5, colors=look.muted)
    axes.xaxis.set_major_locator(MaxNLocator(9, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=axes.images != []))


def plain_number(value: float) -> str:
    """Returns a number in three digits, up to a million without an exponent."""
    return f"{value:,.0f}".replace("-", "−") if 1000 <= abs(value) < 1e6 else number_label(value)


def strongest_unit(maps: np.ndarray) -> tuple[int, int] | None:
    """Returns (row, column) of the largest finite value of (N, H, W), or None if there is none."""
    flat = np.where(np.isfinite(maps), maps, -np.inf)
    place = int(flat.argmax())
    if not np.isfinite(flat.flat[place]):
        return None
    _, row, column = np.unravel_index(place, maps.shape)
    return int(row), int(column)


def layer_facts(maps: FeatureMaps, shown: np.ndarray, is_top: bool = False) -> str:
    """Returns a layer's type, number and size of maps, receptive field and oddities, in words.

    Args:
        shown: the channels that are drawn; is_top: whether they are the most active ones.
    """
    values = maps.values
    facts = [maps.type]
    if maps.is_flat:
        facts += [f"{len(values)} values", _greatest(values)]
    elif maps.is_table:
        facts.append(" × ".join(map(str, values.shape)))
    else:
        total, height, width = maps.tiles.shape
        count = f"{total} maps" if is_top or len(shown) == total else f"{len(shown)} of {total} maps"
        if is_top:
            count = f"{len(shown)} most active of {count}" if len(shown) < total else f"{count}, best first,"
        facts.append(f"{count} of {height} × {width}")
        if maps.field is not None:
            facts.append("a unit sees {:g} × {:g} pixels".format(*maps.field.size))
    zeros = float((values == 0).mean())
    if zeros > 0.01:
        facts.append(f"{zeros:.0%} zeros")
    if not np.isfinite(values).all():
        facts.append("not finite values" + ("" if maps.is_flat else " in magenta"))
    return " · ".join(facts)


def _greatest(values: np.ndarray) -> str:
    """The numbers of the three greatest values."""
    best = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")[:3]
    return "greatest: " + ", ".join(map(str, best))


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
    """Draws attributions beside the image, laid over it.

    Args:
        seen: the image as the net saw it.
        attributions: of that image.
        name: what the heading calls the image.
    """
    height, width = seen.shape[:2]
    columns = min(4, 1 + len(attributions))
    cell = min(2.9, (_INNER - 0.2 * (columns - 1)) / columns)
    cell_height = cell * height / width
    rows = -(-(1 + len(attributions)) // columns)
    row_height = cell_height + 0.85
    figure = new_figure(WIDTH, 0.75 + rows * row_height, look)
    title = fit(attribution_title(attributions, name), _INNER, 14 / 72, bold=True)
    inch_text(figure, _MARGIN, 0.2, title, 14, look.text, weight="bold")
    for k in range(1 + len(attributions)):
        row, column = divmod(k, columns)
        left, top = _MARGIN + column * (cell + 0.2), 0.7 + row * row_height
        if k == 0:
            inch_text(figure, left, top, "image", 10, look.text)
            _draw_seen(figure, seen, left, top + 0.22, cell, cell_height, look)
        else:
            _draw_attribution(figure, attributions[k - 1], seen, (left, top, cell, cell_height), look)
    return figure


def attribution_title(attributions: Sequence[Attribution], name: str = "") -> str:
    """Returns e.g. "cat.jpg: what speaks for tabby (281)?"."""
    if not attributions:
        return name
    called = visible(class_text(attributions[0].target, attributions[0].target_name))
    return f"{visible(name)}: what speaks for {called}?" if name else f"What speaks for {called}?"


def _draw_attribution(
    figure: Figure,
    attribution: Attribution,
    seen: np.ndarray,
    box: tuple[float, float, float, float],
    look: Theme,
) -> None:
    left, top, width, height = box
    scale, pixels = attribution_overlay(attribution, seen, look)
    is_empty = not np.any(attribution.values)
    title = METHOD_TITLES.get(attribution.method, attribution.method)
    inch_text(figure, left, top, title + (": zero everywhere" if is_empty else ""), 10, look.text)
    _draw_seen(figure, pixels, left, top + 0.22, width, height, look)
    if not is_empty:
        color_bar(figure, left, top + 0.3 + height, scale, look, "", width=width)


def attribution_overlay(
    attribution: Attribution, seen: np.ndarray, look: Theme
) -> tuple[ColorScale, np.ndarray]:
    """Returns the scale of an attribution and its colours laid over the image, uint8 (H, W, 3).

    On images above 64 pixels single pixels would be specks: there neighbours are averaged, over about
    a hundredth of the image.
    """
    values = np.where(np.isfinite(attribution.values), attribution.values, 0)
    values = _averaged(values, min(values.shape) // 64)
    strongest = float(np.percentile(np.abs(values), _PERCENTILE)) or float(np.abs(values).max()) or 1.0
    cmap = look.diverging if attribution.signed else "inferno"
    scale = ColorScale(-strongest if attribution.signed else 0.0, strongest, cmap, "#FF00FF")
    return scale, _blend(_gray_rgb(seen), np.clip(values / strongest, -1, 1), scale)


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
