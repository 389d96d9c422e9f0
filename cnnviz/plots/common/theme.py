"""What all figures share: themes, colours, and the formats of files.

Nothing here needs matplotlib, so that drawing a net as SVG starts at once; see figure.py for figures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnviz.errors import CnnvizError, FileError, did_you_mean

# Okabe and Ito's colour-blind-safe colours, the pale ones darkened until they hold on white.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#B8578F", "#B97700", "#2F96C9", "#6A51A3", "#5F6B76")
_SERIES_DARK = ("#4FA8E0", "#FF8A3D", "#2CC295", "#E59AC4", "#F2B134", "#86CEF5", "#B3A2E8", "#A9B4BE")

KIND_COLORS = {
    "data": "#5F6B76",
    "convolution": "#0072B2",
    "pooling": "#B8578F",
    "activation": "#D55E00",
    "normalization": "#009E73",
    "inner product": "#6A51A3",
    "recurrent": "#8C564B",
    "loss": "#C1272D",
    "arithmetic": "#B97700",
    "shape": "#2A9D9F",
    "other": "#8A8F98",
}

FORMATS = ("png", "svg", "pdf", "eps", "jpg", "jpeg", "webp", "tif", "tiff")


@dataclass(frozen=True)
class Theme:
    """Colours of a style: backgrounds, lines, text, and the cycle of series."""

    name: str
    background: str
    panel: str
    text: str
    muted: str
    grid: str
    edge: str
    accent: str
    warning: str
    series: tuple[str, ...]


_THEMES = {
    "light": Theme(
        name="light",
        background="#FFFFFF",
        panel="#F5F7F9",
        text="#1B1F24",
        muted="#545D68",
        grid="#E3E7EB",
        edge="#8C959F",
        accent="#0072B2",
        warning="#C1272D",
        series=SERIES,
    ),
    "dark": Theme(
        name="dark",
        background="#15181D",
        panel="#1E232A",
        text="#E8ECF0",
        muted="#AEB8C3",
        grid="#2C333C",
        edge="#6E7883",
        accent="#4FA8E0",
        warning="#FF6B6B",
        series=_SERIES_DARK,
    ),
}


def get_theme(name: str = "light") -> Theme:
    """Returns the theme called ``name``: "light" or "dark".

    Raises CnnvizError for another name.
    """
    try:
        return _THEMES[name]
    except KeyError:
        raise CnnvizError(
            f"unknown style {name!r}, expected 'light' or 'dark'{did_you_mean(str(name), _THEMES)}"
        ) from None


def mix(color: str, other: str, share: float) -> str:
    """Returns ``color`` with the ``share`` (0 to 1) of ``other`` mixed in, all as "#RRGGBB"."""
    pairs = zip(channels_of(color), channels_of(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02X}" for a, b in pairs)


def kind_fill(kind: str, theme: Theme) -> str:
    """Returns the background of a box of ``kind``: its colour, pale enough to read text on."""
    return mix(KIND_COLORS[kind], theme.background, 0.78 if theme.name == "light" else 0.60)


def channels_of(color: str) -> tuple[int, ...]:
    """Returns red, green and blue (0 to 255) of "#RRGGBB"."""
    return tuple(int(color[i : i + 2], 16) for i in (1, 3, 5))


def figure_format(path: str | os.PathLike, known: Sequence[str] = FORMATS) -> str:
    """Returns which of the ``known`` formats the suffix of ``path`` names, e.g. "png".

    Raises FileError if it names none.
    """
    suffix = Path(path).suffix.lower().removeprefix(".")
    if suffix in known:
        return suffix
    found = f"unknown file format '.{suffix}'" if suffix else "the name has no extension"
    expected = ", ".join(f".{name}" for name in known)
    raise FileError(f"{path}: {found}, expected one of {expected}{did_you_mean(suffix, known)}")
