"""Pieces of pages: unique ids, cards, images inside the page. See ``plots.common.html`` for escaping."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from cnnviz.formats.images import encode_image
from cnnviz.plots.common.html import document, escape, template
from cnnviz.plots.common.mosaic import ColorScale, number_label
from cnnviz.plots.common.theme import SERIES

# The last colours of a palette: of frames of tiles, of what is not finite, of gaps (a faint grey), and none.
_FRAME, _BAD, _GAP, _EMPTY = range(252, 256)
_LEVELS = _FRAME
_OPACITY = bytes([255] * _GAP + [96, 0])
_FRAME_COLOR = tuple(int(SERIES[1][i : i + 2], 16) for i in (1, 3, 5))
_SMALLEST_SIDE = 28  # dots that a tile's longer side takes at least, so that gaps are thin


class Anchors:
    """Ids of a page: letters, digits and dashes whatever a name holds, and never the same twice."""

    def __init__(self, *taken: str) -> None:
        self._ids: dict[tuple[str, str], str] = {}
        self._taken = set(taken)

    def id(self, kind: str, name: str) -> str:
        """Returns the id of what ``kind`` shows of ``name``, the same one each time."""
        if (kind, name) not in self._ids:
            plain = re.sub(r"[^A-Za-z0-9]+", "-", f"{kind}-{name}").strip("-").lower()[:80]
            found, number = plain, 2
            while found in self._taken:
                found, number = f"{plain}-{number}", number + 1
            self._taken.add(found)
            self._ids[kind, name] = found
        return self._ids[kind, name]


def card(id: str, title: str, remark: str, body: str, *, open: bool = False) -> str:
    """Returns a part of a section that can be folded; ``title`` and ``remark`` are plain text."""
    small = f"<small>{escape(remark)}</small>" if remark else ""
    return (
        f'<details class="card" id="{id}"{" open" if open else ""}>'
        f'<summary><h3>{escape(title)}{small}</h3></summary><div class="body">{body}</div></details>\n'
    )


def data_uri(data: bytes, type: str = "png") -> str:
    """Returns bytes as an address that holds them."""
    return f"data:image/{type};base64,{base64.b64encode(data).decode('ascii')}"


def photo(pixels: np.ndarray) -> str:
    """Returns an image (H, W) or (H, W, 3) as a data address: exact if it is small, else JPEG."""
    kind = "png" if max(pixels.shape[:2]) <= 64 else "jpeg"
    return data_uri(encode_image(np.ascontiguousarray(pixels), kind), kind)


def mosaic(
    tiles: np.ndarray,
    scale: ColorScale | None,
    columns: int,
    zoom: int | None = None,
    framed: Iterable[range] = (),
) -> bytes:
    """Returns tiles as a PNG with one dot (or a few) for each number.

    Gaps between tiles are a faint grey, so that the picture is good on light and on dark.

    Args:
        tiles: (N, H, W), each divided already by what the scale is of; or (N, H, W, 3) colours, bytes.
        scale: the colours of numbers; None for tiles that are colours.
        columns: of the grid.
        zoom: dots a number; by default enough for thin gaps.
        framed: neighbours in a row with a frame around them.
    """
    count, height, width = tiles.shape[:3]
    zoom = zoom or max(1, -(-_SMALLEST_SIDE // max(height, width)))
    gap = max(2, round(0.07 * zoom * max(height, width)))
    down, across = height * zoom + gap, width * zoom + gap
    corners = [(k // columns * down, k % columns * across) for k in range(count)]
    grid = np.full((-(-count // columns) * down + gap, columns * across + gap), _EMPTY, np.uint8)
    for top, left in corners:
        grid[top : top + down + gap, left : left + across + gap] = _GAP
    for tiles_within in framed:
        (top, left), right = corners[tiles_within[0]], corners[tiles_within[-1]][1] + across
        grid[top : top + down + gap, left : right + gap] = _FRAME
        grid[top + gap : top + down, left + gap : right] = _GAP
    dots = grid if scale is not None else _rgba(grid)
    pixels = _levels(tiles, scale) if scale is not None else np.insert(tiles, 3, 255, axis=3)
    pixels = pixels.repeat(zoom, axis=1).repeat(zoom, axis=2)
    for (top, left), tile in zip(corners, pixels, strict=True):
        dots[top + gap : top + gap + tile.shape[0], left + gap : left + gap + tile.shape[1]] = tile
    if scale is None:
        return _png(Image.fromarray(dots, "RGBA"))
    image = Image.fromarray(dots, "P")
    image.putpalette(_palette(scale).tobytes())
    return _png(image, transparency=_OPACITY)


def matrix(values: np.ndarray, scale: ColorScale) -> bytes:
    """Returns (H, W), divided already by what the scale is of, as a PNG with one dot for each number."""
    image = Image.fromarray(_levels(values, scale), "P")
    image.putpalette(_palette(scale).tobytes())
    return _png(image)


def _levels(values: np.ndarray, scale: ColorScale) -> np.ndarray:
    """Numbers as places in the palette."""
    shares = (np.nan_to_num(values, posinf=0, neginf=0) - scale.low) / (scale.high - scale.low)
    levels = np.rint(np.clip(shares, 0, 1) * (_LEVELS - 1)).astype(np.uint8)
    levels[~np.isfinite(values)] = _BAD
    return levels


def _palette(scale: ColorScale) -> np.ndarray:
    colors = scale.colors(np.linspace(scale.low, scale.high, _LEVELS))[:, :3]
    bad = scale.colors(np.array([np.nan]))[:, :3]
    return np.concatenate([colors, [_FRAME_COLOR], bad, np.full((2, 3), 128)]).astype(np.uint8)


def _rgba(grid: np.ndarray) -> np.ndarray:
    """The grid's frames, gaps and nothing in the palette's colours."""
    table = np.zeros((256, 4), np.uint8)
    table[_FRAME] = *_FRAME_COLOR, 255
    table[_GAP] = 128, 128, 128, _OPACITY[_GAP]
    return table[grid]


def _png(image: Image.Image, **options: bytes) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True, **options)
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
    return "".join(f' <a class="more" href="{escape(address)}">{escape(name)}</a>' for name, address in found)


def picture(png: bytes, alt: str, width: int = 0, height: int = 0) -> str:
    """Returns a PNG as an element; its size is told, so that nothing moves when it appears.

    Args:
        alt: what it shows, plain text.
        width, height: in pixels of the page instead of the PNG's dots; narrow pages show it smaller.
    """
    dots = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    width, height = (given or own for given, own in zip((width, height), dots, strict=True))
    return (
        f'<img class="pixels" src="{data_uri(png)}" alt="{escape(alt)}" width="{width}" height="{height}" '
        f'style="width:{width}px;aspect-ratio:{width}/{height}">'
    )


def counted(number: int, what: str) -> str:
    """Returns "1 model", "2 models", "3 boxes"."""
    return f"{number} {what}{'' if number == 1 else 'es' if what.endswith('x') else 's'}"


def legend(scale: ColorScale) -> str:
    """Returns the small bar of a scale's colours between its ends."""
    low, high = number_label(scale.low), number_label(scale.high)
    kind = "legend signed" if scale.is_signed else "legend"
    return f'<span class="scale">{low}<span class="{kind}"></span>{high}</span> '


def numbers(facts: Sequence[tuple[str, str]]) -> str:
    """Returns facts (name, value) as tiles with large values."""
    tiles = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f'<dl class="numbers">{tiles}</dl>'


def whole_page(
    title: str, below: str, navigation: str, main: str, remark: str, *, css: str, script: str
) -> str:
    """Returns a page of the gallery.

    Args:
        title, remark: plain text, at the top and at the end.
        below: markup under the title; navigation: of the bar that stays in sight; main: of the rest.
        css, script: what the parts need beside the gallery's own style.
    """
    bar = f'<nav aria-label="Sections"><div>{navigation}</div></nav>\n' if navigation else ""
    body = f"""<a class="skip" href="#main">Skip to the contents</a>
<header>
<h1>{escape(title)}</h1>
<div class="facts">{below}</div>
</header>
{bar}<main id="main">
{main}
</main>
<footer><p>Made by cnnviz. {escape(remark)}</p></footer>"""
    return document(title, css + template("page.css", "cnnviz.gallery"), body, script)
