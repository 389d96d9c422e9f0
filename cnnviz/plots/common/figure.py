"""Figures: how one is begun, how its axes look, and how it becomes a file.

Figures are plain matplotlib ``Figure`` objects on the Agg canvas; nothing here touches pyplot or the
user's global settings. The same figure gives the same bytes on every run.
"""

from __future__ import annotations

import contextlib
import functools
import io
import re
import unicodedata
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager, get_font
from matplotlib.text import Text

from cnnviz.errors import FileError
from cnnviz.plots.common.theme import Theme


def new_figure(width_in: float, height_in: float, theme: Theme) -> Figure:
    """Returns an empty figure of ``width_in`` by ``height_in`` inches on the theme's background."""
    figure = Figure(figsize=(width_in, height_in), facecolor=theme.background)
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes, theme: Theme, grid: str | None = "y") -> None:
    """Gives ``axes`` the theme's look: no box, a quiet grid along ``grid`` ("x", "y", "both" or None)."""
    axes.set_facecolor(theme.background)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(theme.edge)
        spine.set_linewidth(0.8)
    axes.tick_params(colors=theme.muted, which="both", length=3, width=0.8, labelsize=10)
    axes.tick_params(axis="y", which="both", length=0)
    axes.xaxis.label.set_color(theme.text)
    axes.yaxis.label.set_color(theme.text)
    axes.title.set_color(theme.text)
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(True, axis=grid, color=theme.grid, linewidth=0.8)  # type: ignore[arg-type]


def render(
    figure: Figure, suffix: str, dpi: float = 150, title: str | None = None, name: str = "figure"
) -> bytes:
    """Returns ``figure`` as the bytes of a file of the format ``suffix``; ``name`` is for errors."""
    fit_fonts(figure)
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "cnnviz", "pdf.fonttype": 42}
    buffer = io.BytesIO()
    boxes = contextlib.nullcontext() if suffix == "svg" else boxes_for_missing_characters(figure)
    with matplotlib.rc_context(settings), quiet_about_characters(), boxes:
        try:
            figure.savefig(
                buffer,
                format=suffix,
                dpi=dpi,
                facecolor=figure.get_facecolor(),
                metadata=_metadata(suffix, title),
            )
        except (ValueError, OSError, MemoryError) as error:
            width, height = (round(side * dpi) for side in figure.get_size_inches())
            raise FileError(
                f"{name}: {width} x {height} pixels exceed what .{suffix} can store "
                f"({error}); choose a lower dpi or .svg."
            ) from None
    data = buffer.getvalue()
    # This format alone has no switch for its time stamp.
    return re.sub(rb"%%CreationDate:.*\n", b"", data) if suffix == "eps" else data


def _metadata(suffix: str, title: str | None) -> dict[str, str | None] | None:
    named: dict[str, str | None] = {"Title": title} if title else {}
    if suffix == "svg":
        return {"Date": None, "Creator": "cnnviz"} | named
    if suffix == "pdf":
        return {"CreationDate": None, "Creator": "cnnviz", "Producer": None} | named
    if suffix == "png":
        return {"Software": "cnnviz"} | named
    return None


@contextlib.contextmanager
def quiet_about_characters() -> Iterator[None]:
    """Keeps matplotlib from warning of each character that a font lacks: ``fit_fonts`` says it once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        yield


def fit_fonts(figure: Figure) -> None:
    """Gives texts with characters that the standard font lacks (Chinese, say) installed fonts that have them.

    Warns once, naming the characters, if no installed font has them.
    """
    texts = [text for text in figure.findobj(Text) if not text.get_text().isascii()]
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            texts += [tick for tick in axis.get_ticklabels() if not tick.get_text().isascii()]
    characters = frozenset("".join(text.get_text() for text in texts))
    families = font_families(characters)
    if len(families) > 1:
        # The generic name at the end is for viewers of SVG that have none of these fonts.
        fonts = [*families, "sans-serif"]
        for text in texts:
            text.set_fontfamily(fonts)
        for axes in figure.axes:
            axes.tick_params(labelfontfamily=fonts)


@contextlib.contextmanager
def boxes_for_missing_characters(figure: Figure) -> Iterator[None]:
    """Shows a narrow box for each character that no installed font has, until the block ends.

    Left to itself matplotlib takes a box wider than any character, which does not fit into what was measured.
    """
    texts = [(text, text.get_text()) for text in figure.findobj(Text) if not text.get_text().isascii()]
    characters = frozenset("".join(content for _, content in texts))
    boxes = dict.fromkeys(_cover(characters)[1], "▯") if characters else {}
    for text, content in texts:
        text.set_text(content.translate(boxes))
    try:
        yield
    finally:
        for text, content in texts:
            text.set_text(content)


@functools.lru_cache(maxsize=256)
def font_families(characters: frozenset[str]) -> tuple[str, ...]:
    """Returns font families, the standard one first, that together have all ``characters``.

    Warns once if some character is in no installed font.
    """
    families, missing = _cover(characters)
    if missing:
        some = "".join(sorted(map(chr, missing)))[:12]
        script = unicodedata.name(some[0], "unnamed").split()[0]
        warnings.warn(
            f"no installed font has the characters {some} ({script}); boxes replace them in PNG and PDF. "
            "Install one, e.g. Noto Sans, or write SVG, which uses the viewer's fonts.",
            stacklevel=2,
        )
    return families


def _cover(characters: frozenset[str]) -> tuple[tuple[str, ...], frozenset[int]]:
    """Returns the families that together have ``characters``, and the characters that none has."""
    standard = "DejaVu Sans"
    missing = {ord(c) for c in characters if c.isprintable() and not c.isspace()}
    missing -= _charmap(fontManager.findfont(standard))
    families = [standard]
    for family, path in _fallback_fonts():
        if not missing:
            break
        found = missing & _charmap(path)
        if found and family not in families:
            families.append(family)
            missing -= found
    return tuple(families), frozenset(missing)


def _fallback_fonts() -> Iterator[tuple[str, str]]:
    """Yields (family, path) of upright regular fonts, those made for many scripts first."""
    regular = [
        f for f in fontManager.ttflist if f.style == "normal" and f.weight in (400, "normal", "regular")
    ]
    # Matplotlib's own last resort has a box for every character, which is what we want to warn of.
    regular = [f for f in regular if not f.name.startswith("Last Resort")]
    favourites = (
        "CJK SC",
        "CJK",
        "Noto Sans",
        "Unifont",
        "Arial Unicode",
        "Microsoft YaHei",
        "PingFang",
        "Sans",
    )
    ranks = {f.fname: next((i for i, w in enumerate(favourites) if w in f.name), 99) for f in regular}
    for font in sorted(regular, key=lambda f: (ranks[f.fname], f.name, f.fname)):
        yield font.name, font.fname


@functools.lru_cache(maxsize=64)
def _charmap(path: str) -> frozenset[int]:
    try:
        return frozenset(get_font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
