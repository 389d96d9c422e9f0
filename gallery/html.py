"""Pieces of HTML: safe text, unique ids, cards, pictures inside the page.

Nothing of a model's file becomes markup: every name goes through ``text``.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable, Sequence
from html import escape
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image

from cnnviz.formats.images import encode_image
from cnnviz.plots._text import visible
from cnnviz.plots.style import render
from cnnviz.plots.tiles import ColorScale

DPI = 100
_COLORS = 256  # of a palette
# The last three of a mosaic: what is not finite, gaps between tiles (a faint grey), and nothing.
_BAD, _GAP, _EMPTY = 253, 254, 255
_LEVELS = _BAD
_OPACITY = bytes([255] * _GAP + [96, 0])
_SMALLEST_SIDE = 28  # pixels that a tile's longer side takes at least, so that gaps are thin


def text(value: object) -> str:
    """Returns a name as harmless text: markup escaped, control and direction marks made visible."""
    return escape(visible(str(value)))


class Anchors:
    """Ids of a page: letters, digits and dashes whatever a name holds, and never the same twice."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, str], str] = {}
        self._taken: set[str] = set()

    def id(self, kind: str, name: str) -> str:
        """Returns the id of what ``kind`` shows of ``name``, the same one each time."""
        if (kind, name) not in self._ids:
            plain = re.sub(r"[^A-Za-z0-9]+", "-", f"{kind}-{name}").strip("-").lower()
            found, number = plain, 2
            while found in self._taken:
                found, number = f"{plain}-{number}", number + 1
            self._taken.add(found)
            self._ids[kind, name] = found
        return self._ids[kind, name]


def card(id: str, title: str, remark: str, body: str, *, open: bool = False) -> str:
    """Returns a part of a section that can be folded; ``title`` and ``remark`` are plain text."""
    small = f"<small>{text(remark)}</small>" if remark else ""
    return (
        f'<details class="card" id="{id}"{" open" if open else ""}>'
        f'<summary><h3>{text(title)}{small}</h3></summary><div class="body">{body}</div></details>\n'
    )


def themed(draw: Callable[[str], Any], alt: str) -> str:
    """Returns a figure in two versions: the page's reader sees the one for light or for dark.

    Args:
        draw: gives the figure for "light" and "dark".
        alt: what the picture shows, in words.
    """
    light, dark = (data_uri(_small_png(draw(style))) for style in ("light", "dark"))
    return (
        f'<picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{text(alt)}" loading="lazy"></picture>'
    )


def _small_png(figure: Any) -> bytes:
    """A figure as PNG with a palette: about a third of the bytes, colours mostly exact."""
    with Image.open(io.BytesIO(render(figure, "png", DPI))) as image:
        reduced = image.convert("RGB").quantize(_COLORS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def data_uri(data: bytes, type: str = "png") -> str:
    """Returns bytes as an address that holds them."""
    return f"data:image/{type};base64,{base64.b64encode(data).decode('ascii')}"


def photo(pixels: np.ndarray) -> str:
    """Returns an image (H, W) or (H, W, 3) as a data address: exact if it is small, else JPEG."""
    kind = "png" if max(pixels.shape[:2]) <= 64 else "jpeg"
    return data_uri(encode_image(np.ascontiguousarray(pixels), kind), kind)


def mosaic(tiles: np.ndarray, scale: ColorScale, columns: int) -> bytes:
    """Returns tiles as a PNG with one dot (or a few) for each number; gaps are faint.

    Args:
        tiles: (N, H, W), each divided already by what the scale is of.
        scale: the colours.
        columns: of the grid.
    """
    count, height, width = tiles.shape
    zoom = max(1, -(-_SMALLEST_SIDE // max(height, width)))
    gap = max(2, round(0.07 * zoom * max(height, width)))
    rows = -(-count // columns)
    down, across = height * zoom + gap, width * zoom + gap
    grid = np.full((rows * down + gap, columns * across + gap), _EMPTY, np.uint8)
    shares = (np.nan_to_num(tiles, posinf=0, neginf=0) - scale.low) / (scale.high - scale.low)
    levels = np.rint(np.clip(shares, 0, 1) * (_LEVELS - 1)).astype(np.uint8)
    levels[~np.isfinite(tiles)] = _BAD
    levels = levels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    for k in range(count):
        top, left = k // columns * down, k % columns * across
        grid[top : top + down + gap, left : left + across + gap] = _GAP
    for k, tile in enumerate(levels):
        top, left = gap + k // columns * down, gap + k % columns * across
        grid[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    colors = scale.colors(np.linspace(scale.low, scale.high, _LEVELS))[:, :3]
    bad = scale.colors(np.array([np.nan]))[:, :3]
    image = Image.fromarray(grid, "P")
    image.putpalette(np.concatenate([colors, bad, np.full((2, 3), 128)]).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, transparency=_OPACITY)
    return buffer.getvalue()


def averaged(tiles: np.ndarray, most: int) -> tuple[np.ndarray, int]:
    """Returns (N, H, W) with blocks averaged until no side is above ``most``, and the blocks' side."""
    block = -(-max(tiles.shape[1:]) // most)
    if block <= 1:
        return tiles, 1
    starts = [np.arange(0, side, block) for side in tiles.shape[1:]]
    sums = np.add.reduceat(np.add.reduceat(tiles.astype(np.float64), starts[0], 1), starts[1], 2)
    counts = [np.diff([*s, side]) for s, side in zip(starts, tiles.shape[1:], strict=True)]
    return sums / np.outer(*counts), block


def links(found: Sequence[tuple[str, str]]) -> str:
    """Returns links beside a heading: (text, address) each."""
    return "".join(f' <a class="more" href="{escape(address)}">{text(name)}</a>' for name, address in found)


def template(name: str) -> str:
    """Returns a file of the templates folder."""
    return (resources.files("cnnviz.gallery") / "templates" / name).read_text(encoding="utf-8")


def fill(template_name: str, values: dict[str, str]) -> str:
    """Returns a template with each @NAME@ replaced; in one pass, so that nothing filled in is searched."""
    return re.sub(r"@([A-Z_]+)@", lambda m: values.get(m[1], m[0]), template(template_name))
