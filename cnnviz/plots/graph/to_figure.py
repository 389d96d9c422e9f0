"""Scene to PNG, PDF and the like, through a matplotlib figure with the same places as the SVG."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path
from matplotlib.text import Text

from cnnviz.errors import FileError
from cnnviz.plots.common.figure import new_figure, render
from cnnviz.plots.common.theme import Theme
from cnnviz.plots.graph.scene import Command, Primitive, Rect, Scene, Shape, Stroke, Words, color_of

POINTS_PER_INCH = 72  # a pixel of the scene is a point of the figure
# Agg's limit on each side of an image, in pixels.
LARGEST_SIDE = 2**16 - 1
LARGEST_AREA = 400e6
VECTOR_FORMATS = ("pdf", "eps", "svg")


def figure_bytes(scene: Scene, theme: Theme, suffix: str, dpi: float, name: str) -> bytes:
    """Returns the scene as the bytes of a ``suffix`` file; ``name`` is for errors.

    Raises FileError if the figure would have more pixels than the format can hold.
    """
    if suffix not in VECTOR_FORMATS:
        width, height = (side * dpi / POINTS_PER_INCH for side in (scene.width, scene.height))
        if max(width, height) > LARGEST_SIDE or width * height > LARGEST_AREA:
            raise FileError(
                f"{name}: {width:.0f} x {height:.0f} pixels exceed what .{suffix} can store; "
                "choose a lower dpi, fold the net, or write .svg or .pdf."
            )
    # Hinting widens letters at small sizes until text leaves its box.
    with matplotlib.rc_context({"text.hinting": "none"}):
        return render(scene_figure(scene, theme), suffix, dpi, scene.title, name)


def scene_figure(scene: Scene, theme: Theme) -> Figure:
    """Returns a figure with the scene's primitives as artists, y downwards, in points."""
    size = scene.width / POINTS_PER_INCH, scene.height / POINTS_PER_INCH
    figure = new_figure(*size, theme)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    for order, item in enumerate(scene.primitives()):
        for artist in _artists(item, theme):
            artist.set_zorder(order)
            artist.set_clip_on(False)
            axes.add_artist(artist)
    return figure


def _artists(item: Primitive, theme: Theme) -> Iterator[Artist]:
    if isinstance(item, Words):
        yield Text(
            item.x,
            item.y,
            item.text,
            fontsize=item.size,
            fontweight="bold" if item.bold else "normal",
            color=color_of(item.role, theme),
            verticalalignment="baseline",
            parse_math=False,
        )
    elif isinstance(item, Rect):
        yield FancyBboxPatch(
            (item.x, item.y),
            item.width,
            item.height,
            boxstyle=f"round,pad=0,rounding_size={item.radius}",
            facecolor=color_of(item.fill, theme) if item.fill else "none",
            edgecolor=color_of(item.stroke, theme) if item.stroke else "none",
            linewidth=item.line_width,
            linestyle=(0, (4, 2.4)) if item.dash else "-",
        )
    elif isinstance(item, Stroke):
        color = color_of(item.role, theme)
        yield PathPatch(_path(item.commands), fill=False, edgecolor=color, linewidth=item.line_width)
    elif isinstance(item, Shape):
        yield Polygon(item.points, closed=True, facecolor=color_of(item.role, theme), edgecolor="none")


def _path(commands: tuple[Command, ...]) -> Path:
    codes, points = [], []
    for name, *values in commands:
        pairs = list(zip(values[::2], values[1::2], strict=True))
        code = {"M": Path.MOVETO, "L": Path.LINETO, "C": Path.CURVE4}[name]
        codes += [code] * len(pairs)
        points += pairs
    return Path(points, codes)
