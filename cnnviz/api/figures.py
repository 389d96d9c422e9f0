"""Figures written to files."""

from __future__ import annotations

import os

from cnnviz.errors import CnnvizError
from cnnviz.formats.files import write_bytes
from cnnviz.plots.common.figure import Figure, render
from cnnviz.plots.common.theme import figure_format


def save_figure(figure: Figure, path: str | os.PathLike, dpi: float = 150, title: str | None = None) -> None:
    """Writes ``figure`` to ``path`` in the format of its extension, as a whole or not at all.

    SVG keeps text as text; nothing in the file depends on the time or the machine's clock.

    Args:
        dpi: pixels per inch of pixel formats (and of pixels inside vector formats).
        title: its name for screen readers and PDF viewers.
    Raises: FileError for an extension of no known format, a path that cannot be written or a figure
        too large for the format; CnnvizError for an impossible ``dpi``.
    """
    suffix = figure_format(path)
    if not 10 <= dpi <= 2400:
        raise CnnvizError(f"dpi is {dpi:g}, expected 10 to 2400.")
    write_bytes(path, render(figure, suffix, dpi, title, name=str(path)))
