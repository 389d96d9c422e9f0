"""Many small arrays as one image: filters, feature maps. One mosaic for figures and pages.

Pixels are RGBA bytes. Gaps are clear or a faint grey, so that the same bytes look well on light and on dark.
Nothing here needs matplotlib: see panels.py for how a figure shows a mosaic; a page shows ``png`` of it.
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from cnnviz.errors import CnnvizError
from cnnviz.plots.common.theme import SERIES, channels_of

Tiles = Sequence[np.ndarray] | np.ndarray

MOST_PIXELS = 1 << 24  # of a mosaic; larger tiles are averaged down, and the layout's note says so
GAP = 0.1  # of a tile's longer side
BAD_COLOR = "#FF00FF"  # of nan and inf: in no colour table of ours, and seen on both backgrounds
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"  # colour tables of values from 0, and around 0
_SMALLEST_TILE = 28  # pixels that a tile's longer side takes at least, so that gaps are thin
_LEVELS = 251  # colours of a scale: 0 has one, and all of a mosaic fit the palette of a PNG
_LINE = (128, 128, 128, 96)  # around tiles, which may be white or black as the background is
_FRAME = (*channels_of(SERIES[1]), 255)

# Evenly spaced colours of matplotlib's maps of these names; between them, colours are interpolated.
COLOR_TABLES = {
    "RdBu_r": "053061 2166AC 4393C3 92C5DE D1E5F0 F7F7F7 FDDBC7 F4A582 D6604D B2182B 67001F",
    "viridis": (
        "440154 471365 482475 463480 414487 3B528B 355F8D 2F6C8E 2A788E 25848E 21918C "
        "1E9C89 22A884 2FB47C 44BF70 5EC962 7AD151 9BD93C BDDF26 DFE318 FDE725"
    ),
    "inferno": (
        "000004 07051B 160B39 2B0B57 420A68 57106E 6A176E 7F1E6C 932667 A82E5F BC3754 "
        "CC4248 DD513A EA632A F37819 F98E09 FCA50A FBBE23 F6D746 F1EF75 FCFFA4"
    ),
    "gray": "000000 FFFFFF",
}  # fmt: skip


@dataclass(frozen=True)
class ColorScale:
    """Values to colours: ``low`` to ``high`` on a colour table; nan and inf have a colour of their own.

    Attributes:
        low, high: the ends; symmetric around 0 on a diverging table.
        table: a key of COLOR_TABLES.
    """

    low: float
    high: float
    table: str

    @property
    def is_signed(self) -> bool:
        return self.low < 0

    @property
    def relative(self) -> ColorScale:
        """The scale of values that have been divided by their largest absolute value."""
        return ColorScale(-1.0 if self.is_signed else 0.0, 1.0, self.table)

    def colors(self, values: np.ndarray) -> np.ndarray:
        """Returns (..., 4) bytes for values of any shape."""
        is_finite = np.isfinite(values)
        shares = (np.where(is_finite, values, 0).astype(np.float64) - self.low) / (self.high - self.low)
        pixels = _levels(self.table)[np.rint(np.clip(shares, 0, 1) * (_LEVELS - 1)).astype(np.intp)]
        pixels[~is_finite] = (*channels_of(BAD_COLOR), 255)
        return pixels


@functools.cache
def _levels(table: str) -> np.ndarray:
    """Returns the (_LEVELS, 4) bytes of a colour table."""
    anchors = np.array([channels_of(f"#{color}") for color in COLOR_TABLES[table].split()])
    places = np.linspace(0, len(anchors) - 1, _LEVELS)
    channels = [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T]
    return np.rint(np.stack([*channels, np.full(_LEVELS, 255)], axis=-1)).astype(np.uint8)


def color_scale(values: np.ndarray) -> ColorScale:
    """Returns the scale for ``values``: diverging around 0 if any is negative, otherwise from 0."""
    low, high = _ends(values)
    bound = max(-low, high) or 1.0
    return ColorScale(-bound, bound, DIVERGING) if low < 0 else ColorScale(0.0, bound, SEQUENTIAL)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """Returns the least and the largest of the finite values and 0."""
    finite = np.isfinite(values)
    return float(np.min(values, where=finite, initial=0)), float(np.max(values, where=finite, initial=0))


def gray_scale(high: float) -> ColorScale:
    """Returns the scale of one channel of coloured tiles: 0 is middle grey, -high black, high full."""
    return ColorScale(-high, high, "gray")


def largest(values: np.ndarray) -> float:
    """Returns the largest absolute value among the finite ones, 0 if there is none."""
    low, high = _ends(values)
    return max(-low, high)


def own_divisors(tiles: Tiles) -> np.ndarray:
    """Returns (N,) each tile's largest absolute value: divided by it, a tile has the whole scale."""
    return np.array([largest(tile) or 1.0 for tile in tiles])


@dataclass(frozen=True)
class TileLayout:
    """Where ``count`` tiles lie in a mosaic, in its pixels.

    Attributes:
        rows, columns: of the grid.
        height, width: of a tile, in values drawn, before zoom.
        zoom: pixels per value drawn.
        gap: pixels around and between tiles.
        strip: pixels above each tile for its label.
        block: the side of the squares of a tile's values that are averaged into one drawn.
    """

    count: int
    rows: int
    columns: int
    height: int
    width: int
    zoom: int
    gap: int
    strip: int = 0
    block: int = 1

    @property
    def tile_pixels(self) -> tuple[int, int]:
        return self.height * self.zoom, self.width * self.zoom

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the mosaic."""
        height, width = self.tile_pixels
        return (
            self.rows * (height + self.strip + self.gap) + self.gap,
            self.columns * (width + self.gap) + self.gap,
        )

    @property
    def note(self) -> str:
        """What is not shown as it is, in words; "" if all is."""
        return f"each pixel averages {self.block} × {self.block} values" if self.block > 1 else ""

    def corner(self, index: int) -> tuple[int, int]:
        """Returns (top, left) of a tile."""
        height, width = self.tile_pixels
        row, column = divmod(index, self.columns)
        top = self.gap + row * (height + self.strip + self.gap) + self.strip
        return top, self.gap + column * (width + self.gap)

    def height_at(self, width_in: float) -> float:
        """Returns the mosaic's height in inches if it is ``width_in`` wide."""
        height, width = self.size
        return width_in * height / width

    def tile_width_at(self, width_in: float) -> float:
        """Returns a tile's width in inches if the mosaic is ``width_in`` wide."""
        return width_in * self.tile_pixels[1] / self.size[1]


def tile_layout(
    count: int,
    height: int,
    width: int,
    columns: int | None = None,
    *,
    aspect: float = 1.0,
    strip: float = 0.0,
    gap: float = GAP,
    side: int | None = None,
) -> TileLayout:
    """Lays out ``count`` tiles of ``height`` by ``width`` values.

    Args:
        columns: of the grid; by default as many as make it about ``aspect`` times as wide as high, and full.
        strip: space above each tile for a label, as a share of the tile's height.
        gap: between tiles, as a share of a tile's longer side.
        side: values of a tile's longer side from which blocks of them are averaged.
    Raises: CnnvizError if there is nothing to lay out.
    """
    if min(count, height, width) < 1:
        raise CnnvizError(f"{count} tiles of {height} x {width} values make no image; give one or more.")
    columns = columns or _columns(count, math.sqrt(count * aspect * height * (1 + strip) / width))
    columns = min(max(1, columns), count)
    rows = math.ceil(count / columns)
    most = MOST_PIXELS / (rows * columns)  # pixels of a tile
    block = max(
        1, math.ceil(math.sqrt(height * width / most)), math.ceil(max(height, width) / (side or math.inf))
    )
    height, width = math.ceil(height / block), math.ceil(width / block)
    zoom = max(1, math.ceil(_SMALLEST_TILE / max(height, width)))
    while zoom > 1 and height * width * zoom**2 > most:
        zoom -= 1
    strip_pixels = round(strip * height * zoom)
    return TileLayout(
        count,
        rows,
        columns,
        height,
        width,
        zoom,
        gap_pixels(height * zoom, width * zoom, gap),
        strip_pixels,
        block,
    )


def gap_pixels(height: int, width: int, share: float = GAP) -> int:
    """Returns the gap between tiles of ``height`` by ``width`` pixels."""
    return max(1, round(share * max(height, width)))


def _columns(count: int, target: float) -> int:
    """Returns a number of columns near ``target``, one that fills all rows if there is one not far off."""
    near = range(math.ceil(0.7 * target), math.floor(1.45 * target) + 1)
    even = [n for n in near if n > 0 and count % n == 0]
    return min(even, key=lambda n: (abs(math.log(n / target)), -n)) if even else round(target)


def block_means(values: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Returns the means of blocks of ``rows`` by ``columns`` values of (H, W) or (H, W, 3).

    The last blocks may be smaller.
    """
    if rows == columns == 1:
        return values
    starts = [np.arange(0, side, block) for side, block in zip(values.shape, (rows, columns), strict=False)]
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), starts[0], 0), starts[1], 1)
    counts = [np.diff([*start, side]) for start, side in zip(starts, values.shape, strict=False)]
    return sums / np.outer(*counts).reshape(sums.shape[:2] + (1,) * (values.ndim - 2))


def mosaic(
    tiles: Tiles,
    layout: TileLayout,
    scale: ColorScale | None = None,
    divisors: np.ndarray | None = None,
    framed: Iterable[range] = (),
) -> np.ndarray:
    """Returns tiles as the (height, width, 4) bytes of an image, with whole pixels for each value.

    Args:
        tiles: (H, W) values each, or (H, W, 3) colours: bytes as they are, floats with 0 as middle grey.
        scale: colours of the values; None for tiles that are colours.
        divisors: (N,) what each tile's values are divided by; None leaves values as they are, and divides
            float colours by the largest of all.
        framed: neighbours in a row with a frame around them.
    """
    pixels = np.zeros((*layout.size, 4), np.uint8)
    _draw_lines(pixels, layout, framed)
    if scale is None and divisors is None and np.asarray(tiles[0]).dtype != np.uint8:
        divisors = np.full(len(tiles), max(map(largest, tiles)) or 1.0)
    height, width = layout.tile_pixels
    for i, tile in enumerate(tiles):
        values = block_means(np.asarray(tile), layout.block, layout.block)
        if scale is None:
            colors = _true_colors(values, divisors[i] if divisors is not None else None)
        else:
            colors = scale.colors(values if divisors is None else values / divisors[i])
        top, left = layout.corner(i)
        colors = colors.repeat(layout.zoom, axis=0).repeat(layout.zoom, axis=1)
        pixels[top : top + height, left : left + width] = colors
    return pixels


def _draw_lines(pixels: np.ndarray, layout: TileLayout, framed: Iterable[range]) -> None:
    """Draws a thin line around each tile, and frames in the gaps."""
    height, width = layout.tile_pixels
    line, frame = max(1, layout.gap // 3), min(layout.gap, 4)
    corners = [layout.corner(i) for i in range(layout.count)]

    def fill(first: int, last: int, edge: int, color: tuple[int, ...]) -> None:
        (top, left), right = corners[first], corners[last][1] + width
        pixels[top - edge : top + height + edge, left - edge : right + edge] = color

    for i in range(layout.count):
        fill(i, i, line, _LINE)
    for group in framed:
        fill(group[0], group[-1], frame, _FRAME)
        fill(group[0], group[-1], 0, _LINE)


def _true_colors(values: np.ndarray, divisor: float | None) -> np.ndarray:
    """Returns (H, W, 4) bytes of colours (H, W, 3): as they are, or of values from -divisor to divisor."""
    pixels = np.full((*values.shape[:2], 4), 255, np.uint8)
    if divisor is None:
        pixels[..., :3] = np.rint(values)
        return pixels
    is_finite = np.isfinite(values).all(axis=-1)
    shares = np.where(is_finite[..., None], values, 0) / (2 * divisor) + 0.5
    pixels[..., :3] = np.rint(255 * np.clip(shares, 0, 1))
    pixels[~is_finite] = (*channels_of(BAD_COLOR), 255)
    return pixels


def png(pixels: np.ndarray) -> bytes:
    """Returns (H, W, 4) bytes as a PNG file, with a palette where they have at most 256 colours."""
    flat = np.ascontiguousarray(pixels).reshape(-1, 4)
    colors, places = np.unique(flat.view(np.uint32), return_inverse=True)
    buffer = io.BytesIO()
    if len(colors) > 256:
        Image.fromarray(pixels, "RGBA").save(buffer, "PNG", optimize=True)
        return buffer.getvalue()
    palette = colors.view(np.uint8).reshape(-1, 4)
    image = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8), "P")
    image.putpalette(palette[:, :3].tobytes())
    opacity = {} if palette[:, 3].min() == 255 else {"transparency": palette[:, 3].tobytes()}
    image.save(buffer, "PNG", optimize=True, **opacity)
    return buffer.getvalue()
