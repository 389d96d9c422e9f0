"""How wide text is, before any renderer has seen it, and how it is broken into lines.

The widths are those of DejaVu Sans, which matplotlib brings along and whose letters are as wide as
Verdana's; the scalable pictures ask for these two first. Other fonts in use are narrower, so text that
fits by these numbers fits everywhere.
"""

from __future__ import annotations

import functools
import re
import unicodedata

NO_BREAK = "\u00a0"  # a space at which ``wrap`` does not break; a plain space in its result
FONTS = "DejaVu Sans, Verdana, Geneva, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"

# Widths of the letters from U+0020 to U+007E in hundredths of the font's size.
_PLAIN = (
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 29, 29, 66, 56, 86, 75, 79, 60, 79, 69, 63,
    61, 73, 68, 99, 69, 61, 69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97,
    63, 61, 63, 63, 41, 52, 39, 63, 59, 82, 59, 59, 52, 64, 34, 64, 84,
)  # fmt: skip
_BOLD = (
    35, 46, 52, 84, 70, 100, 87, 31, 46, 46, 52, 84, 38, 42, 38, 37, 70, 70, 70, 70, 70, 70, 70, 70, 70, 70,
    40, 40, 84, 84, 84, 58, 100, 77, 76, 73, 83, 68, 68, 82, 84, 37, 37, 77, 64, 100, 84, 85, 73, 85, 77, 72,
    68, 81, 77, 110, 77, 72, 73, 46, 37, 46, 84, 50, 50, 67, 72, 59, 72, 68, 44, 72, 71, 34, 34, 67, 34, 104,
    71, 69, 72, 72, 49, 60, 48, 71, 65, 92, 65, 65, 58, 71, 37, 71, 84,
)  # fmt: skip
_OTHERS = {NO_BREAK: 35, "×": 84, "→": 84, "…": 100, "·": 38, "–": 50, "−": 84}


@functools.cache
def _letter_width(letter: str, bold: bool) -> int:
    code = ord(letter)
    if 32 <= code < 127:
        return (_BOLD if bold else _PLAIN)[code - 32]
    if letter in _OTHERS:
        return _OTHERS[letter]
    if unicodedata.combining(letter):
        return 0
    # Full width for East Asian letters and for everything unheard of.
    return 100 if unicodedata.east_asian_width(letter) in "WFA" else 80


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Returns the width of ``text`` in pixels at a font ``size`` in pixels."""
    return sum(_letter_width(letter, bold) for letter in text) * size / 100


def visible(text: str) -> str:
    """Returns ``text`` with line ends and other control characters made visible as "�"."""
    return "".join(c if c.isprintable() or c == NO_BREAK else "�" for c in text)


def percent(share: float) -> str:
    """Returns a share in whole per cent; 100% is said only of all."""
    return f"{min(share, 0.99) if share < 1 else 1:.0%}"


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """Returns ``text``, with its middle replaced by "…" if it is wider than ``width``."""
    if text_width(text, size, bold) <= width:
        return text
    keep = len(text) - 1
    while keep > 1:
        short = text[: (keep + 1) // 2] + "…" + text[len(text) - keep // 2 :]
        if text_width(short, size, bold) <= width:
            return short
        keep -= 1
    return "…"


def wrap(
    text: str, width: float, size: float, bold: bool = False, most: int = 3, after: str = " /_,-"
) -> list[str]:
    """Returns ``text`` as lines not wider than ``width``, broken after one of the letters ``after``.

    A piece that is too wide by itself is broken anywhere. If there would be more than ``most`` lines the
    rest goes into the last one, with "…" in its middle.
    """
    lines = [""]
    rest = re.findall(f"[^{re.escape(after)}]*[{re.escape(after)}]?", text)
    while rest:
        piece = rest.pop(0)
        if text_width((lines[-1] + piece).rstrip(), size, bold) <= width:
            lines[-1] += piece
        elif lines[-1]:
            if len(lines) == most:
                lines[-1] = fit(lines[-1] + piece + "".join(rest), width, size, bold)
                break
            lines.append("")
            rest.insert(0, piece)
        else:
            cut = next(
                n for n in range(len(piece), 0, -1) if n == 1 or text_width(piece[:n], size, bold) <= width
            )
            lines[-1] = piece[:cut]
            rest.insert(0, piece[cut:])
    return [line.strip().replace(NO_BREAK, " ") for line in lines]
