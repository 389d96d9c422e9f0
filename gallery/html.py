"""Pieces of pages: unique ids, cards, images inside the page. See ``plots.common.html`` for escaping."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from cnnviz.formats.images import encode_image
from cnnviz.plots.common.html import data_uri, document, escape, template
from cnnviz.plots.common.mosaic import ColorScale
from cnnviz.plots.common.text import number_label


class Anchors:
    """Ids of a page: letters, digits and dashes whatever a name holds, each of them unique."""

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
    """Returns a part of a section that can be collapsed; ``title`` and ``remark`` are plain text."""
    small = f"<small>{escape(remark)}</small>" if remark else ""
    return (
        f'<details class="card" id="{id}"{" open" if open else ""}>'
        f'<summary><h3>{escape(title)}{small}</h3></summary><div class="body">{body}</div></details>\n'
    )


def photo(pixels: np.ndarray) -> str:
    """Returns an image (H, W) or (H, W, 3) as a data address: exact if it is small, otherwise JPEG."""
    kind = "png" if max(pixels.shape[:2]) <= 64 else "jpeg"
    return data_uri(encode_image(np.ascontiguousarray(pixels), kind), kind)


def links(found: Sequence[tuple[str, str]]) -> str:
    """Returns links beside a heading: (text, address) each."""
    return "".join(f' <a class="more" href="{escape(address)}">{escape(name)}</a>' for name, address in found)


def picture(png: bytes, alt: str, width: int = 0, height: int = 0) -> str:
    """Returns a PNG as an element; its size is given, so that nothing moves when it appears.

    Args:
        alt: what it shows, plain text.
        width, height: in pixels of the page instead of the PNG's own; narrow pages show it smaller.
    """
    sizes = (int.from_bytes(png[start : start + 4], "big") for start in (16, 20))
    width, height = (given or own for given, own in zip((width, height), sizes, strict=True))
    return (
        f'<img class="pixels" src="{data_uri(png)}" alt="{escape(alt)}" width="{width}" height="{height}" '
        f'style="width:{width}px;aspect-ratio:{width}/{height}">'
    )


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
        below: markup under the title; navigation: of the bar that stays visible; main: of the rest.
        css, script: what the parts need beside the gallery's own style.
    """
    bar = f'<nav aria-label="Sections"><div>{navigation}</div></nav>\n' if navigation else ""
    body = f"""<a class="skip" href="#main">Skip to content</a>
<header>
<h1>{escape(title)}</h1>
<div class="facts">{below}</div>
</header>
{bar}<main id="main">
{main}
</main>
<footer><p>Made by cnnviz. {escape(remark)}</p></footer>"""
    return document(title, css + template("page.css", "cnnviz.gallery"), body, script)
