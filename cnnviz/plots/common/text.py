"""The width of text before it is rendered, and how it is broken into lines.

The widths are those of DejaVu Sans, which matplotlib brings along and whose letters are as wide as
Verdana's; scalable figures ask for these two first. Other fonts in use are narrower, so text that
fits by these numbers fits everywhere.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate

NO_BREAK = "\u00a0"  # ``wrap`` does not break there, and returns a plain space
FONTS = "DejaVu Sans, Verdana, Geneva, Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif"

# Widths of the characters from U+0020 to U+007E in hundredths of the font's size.
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
    # Full width for East Asian letters and for unknown scripts.
    return 100 if unicodedata.east_asian_width(letter) in "WFA" else 80


def text_width(text: str, size: float, bold: bool = False) -> float:
    """Returns the width of ``text`` in pixels at a font ``size`` in pixels."""
    return sum(_letter_width(letter, bold) for letter in text) * size / 100


def number_label(value: float) -> str:
    """Returns ``value`` in three digits with a true minus sign, e.g. "−0.0123"; up to a million "12,345"."""
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"
    return text.replace("-", "\N{MINUS SIGN}")


def counted(number: int, noun: str) -> str:
    """Returns "1 model", "2 models", "3 boxes"."""
    return f"{number} {noun}{'' if number == 1 else 'es' if noun.endswith('x') else 's'}"


def percent(share: float) -> str:
    """Returns a share in whole per cent; 100% is said only of all."""
    return f"{min(share, 0.99) if share < 1 else 1:.0%}"


def fit(text: str, width: float, size: float, bold: bool = False) -> str:
    """Returns ``text``, with its middle replaced by "…" if it is wider than ``width``."""
    until, limit = _widths_until(text, bold), _in_hundredths(width, size)
    if until[-1] <= limit:
        return text
    ellipsis = _letter_width("…", bold)

    def shortened_width(keep: int) -> int:
        return until[(keep + 1) // 2] + ellipsis + until[-1] - until[len(text) - keep // 2]

    keep = bisect_right(range(len(text)), limit, lo=2, key=shortened_width) - 1 if len(text) > 2 else 0
    return text[: (keep + 1) // 2] + "…" + text[len(text) - keep // 2 :] if keep > 1 else "…"


def _widths_until(text: str, bold: bool) -> list[int]:
    """Returns the widths of all beginnings of ``text``, from "" to the whole, in hundredths of the size."""
    return list(accumulate((_letter_width(letter, bold) for letter in text), initial=0))


def _in_hundredths(width: float, size: float) -> int:
    """Returns ``width`` in hundredths of the font's size."""
    limit = int(width * 100 / size) + 1
    while limit * size / 100 > width:
        limit -= 1
    return limit


def wrap(
    text: str, width: float, size: float, bold: bool = False, max_lines: int = 3, after: str = " /_,-"
) -> list[str]:
    """Returns ``text`` as lines not wider than ``width``, broken after one of the characters ``after``.

    A piece that is too wide by itself is broken anywhere. If there would be more than ``max_lines`` lines the
    rest goes into the last one, with "…" in its middle.
    """
    pieces = re.compile(f"[^{re.escape(after)}]*[{re.escape(after)}]?")
    until, limit = _widths_until(text, bold), _in_hundredths(width, size)
    whole = until[len(text.rstrip())]
    lines: list[str] = []
    start = 0
    while len(lines) < max_lines - 1 and whole - until[start] > limit:
        end = _line_end(text, start, pieces, until, limit)
        lines.append(text[start:end])
        start = end
    lines.append(text[start:] if whole - until[start] <= limit else fit(text[start:], width, size, bold))
    return [line.strip().replace(NO_BREAK, " ") for line in lines]


def _line_end(text: str, start: int, pieces: re.Pattern, until: list[int], limit: int) -> int:
    """Returns where the line that begins at ``start`` ends: before the first piece that is too much."""
    end = start
    for piece in pieces.finditer(text, start):
        seen = end + len(piece[0].rstrip())  # a blank at the end of a line takes no space
        if seen > end and until[seen] - until[start] > limit:
            break
        end = piece.end()
    return end if end > start else max(bisect_right(until, until[start] + limit) - 1, start + 1)
