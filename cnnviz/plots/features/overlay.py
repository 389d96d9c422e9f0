"""The image that a net saw, alone, with boxes on it, or under colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnnviz.analysis.preprocessing import GREY
from cnnviz.plots.common.mosaic import ColorScale
from cnnviz.plots.common.panels import inch_axes
from cnnviz.plots.common.theme import Theme

Box = tuple[float, float, float, float]


def draw_image(
    figure: Figure, seen: np.ndarray, left: float, top: float, width: float, height: float, theme: Theme
) -> Axes:
    """Draws an image, uint8 (H, W) or (H, W, 3), into a rectangle given in inches."""
    axes = inch_axes(figure, left, top, width, height)
    axes.imshow(seen, cmap="gray", vmin=0, vmax=255, aspect="auto", interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(theme.edge)
        spine.set_linewidth(0.6)
    return axes


def draw_box(axes: Axes, box: Box, color: str, width: float) -> None:
    """Draws (left, top, right, bottom) in pixels, with a white outline that shows on dark images."""
    left, top, right, bottom = box
    for line, edge in ((2 * width, "white"), (width, color)):
        # Pixel 0 reaches from -0.5 to 0.5.
        corner = (left - 0.5, top - 0.5)
        axes.add_patch(Rectangle(corner, right - left, bottom - top, fill=False, lw=line, ec=edge))


def grayscale(seen: np.ndarray) -> np.ndarray:
    """Returns an image without its colours, float (H, W, 3)."""
    gray = seen if seen.ndim == 2 else seen @ np.array(GREY)
    return np.repeat(np.asarray(gray, np.float64)[..., None], 3, axis=2)


def enlarge_nearest(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Returns (H, W) enlarged to ``shape`` without new values."""
    rows = (np.arange(shape[0]) * values.shape[0] // shape[0]).astype(int)
    columns = (np.arange(shape[1]) * values.shape[1] // shape[1]).astype(int)
    return values[rows][:, columns]


def blend(image: np.ndarray, shares: np.ndarray, scale: ColorScale) -> np.ndarray:
    """Returns colours of ``shares`` (-1 to 1) over an image, uint8 (H, W, 3).

    The larger a share, the more opaque its colour: where shares are small, the image stays visible.
    """
    colors = scale.relative.colors(shares)[..., :3].astype(np.float64)
    weight = (0.15 + 0.7 * np.clip(np.abs(shares), 0, 1))[..., None]
    return np.round(image * (1 - weight) + colors * weight).astype(np.uint8)
