"""Makes overview.png, the picture of the README, out of the demonstration's net."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from PIL import Image

import cnnviz
from cnnviz.analysis.attribution import attribute
from cnnviz.analysis.features import FeatureMaps
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.preprocessing import preprocessing_of, read_image
from cnnviz.analysis.training import chart_lines
from cnnviz.api.training import as_logs
from cnnviz.plots.common.figure import new_figure, render, style_axes
from cnnviz.plots.common.mosaic import color_scale, mosaic, own_divisors, tile_layout
from cnnviz.plots.common.panels import inch_axes, inch_text, show_mosaic
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.attributions import METHOD_TITLES, attribution_overlay
from make_pictures._workspace import TrainedNet, Workspace

# Inches, of which a page shows about half a hundred pixels each: small words would be lost.
WIDTH, HEIGHT, DPI = 16.4, 9.5, 100
LEFT, GAP, COLUMN = 0.35, 0.55, 4.87
TITLE, WORDS = 19, 13
THEME = get_theme("light")
PICTURES = {"overview.png": {"inches": [WIDTH, HEIGHT], "dpi": DPI}}


def place_image(figure: Figure, pixels: np.ndarray, left: float, top: float, width: float) -> float:
    """Shows an image ``width`` inches wide; returns its height."""
    height = width * pixels.shape[0] / pixels.shape[1]
    axes = inch_axes(figure, left, top, width, height)
    axes.imshow(pixels, cmap="gray", interpolation="nearest" if max(pixels.shape) < 100 else "lanczos")
    axes.set_axis_off()
    return height


def place_tiles(
    figure: Figure, tiles: np.ndarray, columns: int, left: float, top: float, width: float
) -> None:
    rows = -(-len(tiles) // columns)
    height = width * rows * tiles.shape[1] / (columns * tiles.shape[2])
    layout = tile_layout(len(tiles), *tiles.shape[1:3], columns=columns)
    scale = None if tiles.ndim == 4 else color_scale(tiles).relative
    pixels = mosaic(tiles, layout, scale, own_divisors(tiles))
    show_mosaic(inch_axes(figure, left, top, width, height), pixels)


def heading(figure: Figure, column: int, top: float, title: str, words: str) -> float:
    """Writes a heading; returns where its column begins."""
    left = LEFT + column * (COLUMN + GAP)
    inch_text(figure, left, top, title, TITLE, THEME.text, weight="bold")
    inch_text(figure, left, top + 0.36, words, WORDS, THEME.muted)
    return left


def draw_net(figure: Figure, model: Path, folder: Path) -> None:
    """The graph from left to right over the whole width, without its own heading and legend."""
    path = folder / "graph.png"
    cnnviz.draw_net(model, path, rankdir="LR", costs=False, dpi=300)
    pixels = np.asarray(Image.open(path).convert("RGB"))
    inked = np.flatnonzero((pixels != 255).any(axis=(1, 2)))
    # Blank rows part the heading, the boxes and the legend.
    parts = np.split(inked, np.flatnonzero(np.diff(inked) > 20) + 1)
    boxes = max(parts, key=len)
    pixels = pixels[boxes[0] : boxes[-1] + 1]
    place_image(figure, pixels, LEFT, 0.75, WIDTH - 2 * LEFT)


def draw_maps(figure: Figure, maps: dict[str, FeatureMaps], seen: np.ndarray, top: float) -> None:
    left = heading(figure, 0, top, "Feature maps", "what each layer makes of an image")
    place_image(figure, seen, left, top + 0.9, 1.35)
    for name, count, columns, across, down, width in (
        ("conv1", 20, 5, 1.6, 0.9, COLUMN - 1.6),
        ("conv2", 50, 10, 0.0, 3.8, COLUMN),
    ):
        tiles = maps[name].tiles[:count]
        strongest = np.abs(tiles).max(axis=(1, 2), keepdims=True)
        place_tiles(figure, tiles / strongest, columns, left + across, top + down, width)
    inch_text(figure, left, top + 2.4, "conv1 on\nthe right,\nconv2 below", WORDS, THEME.muted)


def draw_filters(figure: Figure, filters: np.ndarray, top: float) -> None:
    left = heading(figure, 1, top, "Filters", "what training has made of random numbers")
    place_tiles(figure, filters, 10, left, top + 0.9, COLUMN)


def draw_reasons(figure: Figure, inspector: Inspector, seen: np.ndarray, top: float) -> None:
    left = heading(figure, 1, top, "Attribution", "which pixels are evidence for a 3, and which against it")
    methods = ("saliency", "guided", "gradcam", "integrated", "occlusion", "deconvolution")
    width = (COLUMN - 0.5) / 3
    for number, method in enumerate(methods):
        _, pixels = attribution_overlay(attribute(inspector, method), seen, THEME)
        across, down = left + number % 3 * (width + 0.25), top + 0.85 + number // 3 * (width + 0.4)
        place_image(figure, pixels, across, down, width)
        name = METHOD_TITLES[method].replace("propagation", "prop")
        inch_text(figure, across, down + width + 0.03, name, WORDS - 2, THEME.muted)


def draw_curves(figure: Figure, log: Path, top: float) -> None:
    left = heading(figure, 2, top, "Training", "and how well it does on digits not learned from")
    for kind, down, name, color in ((6, 0.95, "training loss", 0), (0, 3.85, "test accuracy", 1)):
        line = chart_lines(kind, as_logs(log), None)[0]
        axes = inch_axes(figure, left + 0.7, top + down, COLUMN - 0.75, 2.3)
        style_axes(axes, THEME)
        axes.plot(line.x, line.y, color=THEME.series[color], linewidth=2)
        axes.set_yscale("log" if kind == 6 else "linear")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.tick_params(labelsize=WORDS - 2)
        axes.set_xlim(0, max(line.x))
        axes.text(0.97, 0.9 if kind == 6 else 0.12, name, transform=axes.transAxes, ha="right",
                  size=WORDS, color=THEME.series[color])  # fmt: skip


def overview(trained: TrainedNet) -> Image.Image:
    """Returns graph, maps, filters, reasons and curve of the demonstration's net in one picture."""
    folder, model, weights = trained.folder, trained.net, trained.weights
    options = ImageOptions(preprocessing_of(cnnviz.read_net(model)))
    inspector = Inspector(model, weights, options, gradients=True)
    features = inspector.run(read_image(str(folder / "digits" / "digit_3.png")))
    figure = new_figure(WIDTH, HEIGHT, THEME)
    heading(figure, 0, 0.3, "The net", "")
    draw_net(figure, model, folder)
    top = 2.65
    draw_maps(figure, {m.layer: m for m in features.maps}, features.seen, top)
    draw_filters(figure, cnnviz.read_weights(weights)["conv1"][0][:, 0], top)
    draw_reasons(figure, inspector, features.seen, top + 2.35)
    draw_curves(figure, folder / "train.log", top)
    return Image.open(io.BytesIO(render(figure, "png", DPI))).convert("RGB")


def make(workspace: Workspace) -> None:
    for name, settings in PICTURES.items():
        workspace.save(overview(workspace.nets.lenet), name, settings, colors=256)
