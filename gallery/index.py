"""A page over several models: a card for each gallery page of a folder."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.files import describe_os_error, read_bytes, write_text
from cnnviz.gallery.html import numbers, whole_page
from cnnviz.plots.common.html import GENERATOR, escape, json_element, template
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.text import counted
from cnnviz.plots.common.theme import KIND_COLORS
from cnnviz.plots.graph.builder import GraphPicture
from cnnviz.plots.graph.to_html import graph_css

_MARK = ' id="cnnviz-model"'
_KINDS = list(KIND_COLORS)
_MOST_BOXES = 400  # of a thumbnail
_SIDE = 1000  # of a thumbnail's longer side, in its own units

Box = tuple[int, int, int, int, int]


@dataclass
class ModelCard:
    """What a page holds for the index about its model.

    Attributes:
        title: the net's name; files: what it was made from.
        facts: (name, value) pairs such as ("parameters", "1.2 M").
        boxes: the thumbnail of the graph: (left, top, width, height, kind) of each box.
    """

    title: str
    files: str
    facts: list[tuple[str, str]]
    boxes: list[Box]


def thumbnail(picture: GraphPicture) -> list[Box]:
    """Returns the boxes of a graph, its longer side scaled to 1000; a tall graph is laid on its side."""
    scene = picture.scene
    kinds = {detail.box: _KINDS.index(kind_of(detail.row.type)) for detail in reversed(picture.details)}
    scale = _SIDE / max(scene.width, scene.height, 1)
    is_tall = scene.height > scene.width
    boxes = []
    for node in scene.nodes[:_MOST_BOXES]:
        x, y, width, height = (round(v * scale) for v in (node.x, node.y, node.width, node.height))
        kind = kinds.get(node.key, len(_KINDS) - 1)
        width, height = max(width, 1), max(height, 1)
        boxes.append((y, x, height, width, kind) if is_tall else (x, y, width, height, kind))
    return boxes


def card_data(model: ModelCard) -> str:
    """Returns the card as an element for the model's page; "<" is escaped, so it cannot end early."""
    return json_element(asdict(model), _MARK)


def build_index(folder: str | os.PathLike, title: str = "Models") -> Path:
    """Writes index.html over the gallery pages of a folder and the folders in it; returns its path.

    Raises FileError if the folder cannot be read or contains no gallery page.
    """
    root = Path(folder)
    target = root / "index.html"
    models = [(path.relative_to(root), _read_card(path)) for path in _pages(root) if path != target]
    found = [(path, model) for path, model in models if model is not None]
    if not found:
        raise FileError(
            f"{folder}: contains no page made by cnnviz gallery. Make one first: "
            f"cnnviz gallery MODEL --out {root / 'NAME.html'}"
        )
    _check_target(target)
    write_text(target, _index_page(title, found))
    return target


def _check_target(target: Path) -> None:
    """Raises FileError if ``target`` exists and is not an index."""
    if _read_card(target) is not None:
        raise FileError(f"{target}: is the page of a model; move it, the index is written there.")
    if os.path.exists(target) and GENERATOR not in _page_content(target):
        raise FileError(f"{target}: was not made by cnnviz; move it, the index is written there.")


def _index_page(title: str, found: list[tuple[Path, ModelCard]]) -> str:
    kinds = "".join(f".k{i}{{fill:{color}}}" for i, color in enumerate(KIND_COLORS.values()))
    cards = "".join(_card(path, model) for path, model in found)
    return whole_page(
        title,
        counted(len(found), "model"),
        "",
        f'<ul class="models">{cards}</ul>\n<section class="part" aria-labelledby="table-title">'
        '<h2 id="table-title">Side by side</h2>'
        f'<div class="scroll"><table class="models">{_table(found)}</table></div></section>',
        "This page links to the models' pages beside it.",
        css=graph_css([]) + kinds,
        script=template("index.js", "cnnviz.gallery"),
    )


def _pages(root: Path) -> list[Path]:
    try:
        if not os.path.isdir(root):
            raise FileError(f"{root}: is not a folder; give the one that contains the pages.")
        return sorted([*root.glob("*.html"), *root.glob("*/*.html")])
    except OSError as error:
        raise FileError(f"{root}: cannot be read: {describe_os_error(error)}.") from None


def _read_card(path: Path) -> ModelCard | None:
    """Returns a page's model; None for a page that is not ours, whatever it holds."""
    if not os.path.isfile(path):
        return None
    match = re.search(rf"<script [^>]*{_MARK}>(.*?)</script>", _page_content(path), re.DOTALL)
    if match is None:
        return None
    try:
        data = json.loads(match[1])
        facts = [(str(name), str(value)) for name, value in data["facts"]][:12]
        boxes = [_box(values) for values in data["boxes"][:_MOST_BOXES]]
        return ModelCard(str(data["title"]), str(data["files"]), facts, boxes)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, CnnvizError):
        return None


def _page_content(path: Path) -> str:
    return read_bytes(path).decode("utf-8", errors="replace")


def _box(values: list) -> Box:
    left, top, width, height, kind = (int(value) for value in values)
    if not 0 <= kind < len(_KINDS) or max(map(abs, (left, top, width, height))) > 10 * _SIDE:
        raise CnnvizError("not a box of a graph")
    return left, top, width, height, kind


def _address(path: Path) -> str:
    return escape(quote(os.fsencode(path.as_posix())))


def _card(path: Path, model: ModelCard) -> str:
    return (
        f'<li class="card"><a href="{_address(path)}">{_drawing(model)}<h2>{escape(model.title)}</h2></a>'
        f'<p class="files">{escape(model.files)}</p>{numbers(model.facts)}</li>\n'
    )


def _drawing(model: ModelCard) -> str:
    left, top = (min((box[axis] for box in model.boxes), default=0) for axis in (0, 1))
    right, bottom = (max((box[axis] + box[axis + 2] for box in model.boxes), default=1) for axis in (0, 1))
    boxes = "".join(
        f'<rect class="k{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{min(w, h) // 6}"/>'
        for x, y, w, h, kind in model.boxes
    )
    return f'<svg viewBox="{left} {top} {right - left} {bottom - top}" aria-hidden="true">{boxes}</svg>'


def _table(found: list[tuple[Path, ModelCard]]) -> str:
    """The same facts as a table, a column for each that any model has; the page's script sorts it."""
    names = list(dict.fromkeys(name for _, model in found for name, _ in model.facts))
    head = "".join(f'<th scope="col" class="n">{escape(name)}</th>' for name in names)
    rows = ""
    for path, model in found:
        values = dict(model.facts)
        cells = "".join(
            f'<td class="n" data-order="{_size(values.get(name, ""))}">{escape(values.get(name, ""))}</td>'
            for name in names
        )
        link = f'<a href="{_address(path)}">{escape(model.title)}</a>'
        rows += f'<tr><th scope="row">{link}</th><td class="files">{escape(model.files)}</td>{cells}</tr>\n'
    head = f'<th scope="col">model</th><th scope="col" class="files">files</th>{head}'
    return f"<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody>"


def _size(value: str) -> str:
    """A fact's value as a number to sort by: "25.6 M" as 25600000; "" if it is not a number."""
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?) ?([KMGTP]?)B?%?", value.replace(",", ""))
    return f"{float(match[1]) * 1000 ** ' KMGTP'.index(match[2] or ' '):.12g}" if match else ""
