"""How reports say things on a terminal: lists, numbers, tables and JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from cnnviz.analysis.summary import text_cells
from cnnviz.formats.text import json_for_terminals, printable

MOST_NAMED = 4  # layers in a sentence


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Returns the first names for a terminal: "conv1, conv2, ..."."""
    return ", ".join(map(printable, names[:most])) + (", ..." if len(names) > most else "")


def number_text(value: float, digits: int) -> str:
    """Returns ``value`` with ``digits`` after the point; "" for nan."""
    return "" if math.isnan(value) else f"{value:.{digits}f}"


def text_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns rows under their headings, first and last column flush left, the others right."""
    table = [headings, *rows]
    widths = [max(map(text_cells, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = []
        for i, (cell, width) in enumerate(zip(row, widths, strict=True)):
            space = " " * (width - text_cells(cell))
            cells.append(cell + space if i in (0, len(widths) - 1) else space + cell)
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def to_json(data: Any) -> str:
    """Returns ``data`` as JSON text, with null for nan and infinities, which JSON lacks."""
    return json_for_terminals(_json_value(data), indent=1)


def _json_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json_value(item) for item in value]
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else None
    return value
