"""Lines of logs as Caffe printed them: in UTF-8, without what wraps them or leads each of them."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator

import numpy as np

from cnnviz.formats.sniff import wide_encoding
from cnnviz.formats.text import decode_name

_STAMP = rb"[IWEF](?:\d{4})?\d{4} \d\d:\d\d:\d\d\.\d{6}"
# The source of a line: "[0] " (Intel's MPI), "[1,0]<stderr>:" (Open MPI), "caffe_1  | " (compose).
_SOURCE = rb"(?:\[(\d{1,6})\] |\[\d{1,6},(\d{1,6})\]<std(?:err|out)>: ?|([\w.-]{1,60}) +\| )"
_LED = re.compile(rb"^(?:" + _SOURCE + rb"|[^\n]{1,160}?(?=" + _STAMP + rb"))", re.M)
# How lines begin, except those that continue the one before.
_BEGINS = re.compile(rb"(?:" + _SOURCE + rb"|[^\n]{0,160}?" + _STAMP + rb")")
_FIRST_STAMP = re.compile(rb"^[^\n]{0,160}?" + _STAMP, re.M)
# Narrower consoles are not in use, and so many lines must end at the same place to be wrapped.
_NARROWEST, _LEAST = 40, 3

# Bytes that show the encoding, at least and at most.
_SHORTEST_START, _LONGEST_START = 8, 512
# What lines report, and words that report it.
_EVENTS = (
    ("snapshot", b"Snapshotting "),
    ("restore", b"Resuming from "),
    ("finetune", b"Finetuning from "),
    ("early stop", b"Optimization stopped early"),
    ("done", b"Optimization Done"),
    ("failure", b"Check failed"),
    ("failure", b"*** Aborted"),
)


class PlainBytes:
    """Turns a log, which comes in pieces, into UTF-8 with newlines only; some shells redirect in UTF-16."""

    def __init__(self) -> None:
        self._start: bytes | None = b""  # too few bytes to show the encoding
        self._decoder: codecs.IncrementalDecoder | None = None
        self._return = b""

    def feed(self, data: bytes, last: bool = False) -> bytes:
        """Returns ``data``, the next piece, as far as it can be read without the one after it."""
        if self._start is not None:
            data, self._start = self._start + data, None
            if len(data) < _SHORTEST_START and not last:
                self._start = data
                return b""
            if encoding := wide_encoding(data[:_LONGEST_START]):
                self._decoder = codecs.getincrementaldecoder(encoding)("replace")
            data = data.removeprefix(codecs.BOM_UTF8)
        if self._decoder is not None:
            text = self._decoder.decode(data, last)
            data = text.removeprefix("\ufeff").encode("utf-8", "replace")
        data, self._return = self._return + data, b""
        if data.endswith(b"\r") and not last:  # the "\n" that belongs to it may be in the next piece
            data, self._return = data[:-1], b"\r"
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


def wrap_width(data: bytes) -> int:
    """Returns the width at which a console has wrapped the lines of ``data``, 0 if none has.

    Then no line is longer, and what follows nearly all stamped lines of that length has no time stamp.
    """
    ends = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n"))
    lengths = np.diff(ends, prepend=-1) - 1
    if len(lengths) < _LEAST or (width := int(lengths.max())) < _NARROWEST:
        return 0
    alike = np.flatnonzero(lengths[:-1] == width).tolist()
    full = [i for i in alike if _BEGINS.match(data, int(ends[i]) - width) is not None]
    going_on = sum(_BEGINS.match(data, int(ends[i]) + 1) is None for i in full)
    return width if going_on >= _LEAST and going_on >= 0.9 * len(full) else 0


def joined(data: bytes, width: int) -> bytes:
    """Returns ``data`` with the lines that were wrapped at ``width`` in one piece again."""
    return re.sub(rb"(?m)^([^\n]{%d})\n(?!%b)" % (width, _BEGINS.pattern), rb"\1", data)


def is_led(data: bytes) -> bool | None:
    """Whether something leads the time stamp of the first line that has one; None if no line has."""
    found = _FIRST_STAMP.search(data)
    return None if found is None else _LED.match(found[0]) is not None


def by_source(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields who printed (a rank, the name of a container, or "") and its lines without what leads them."""
    parts: dict[str, list[bytes]] = {}
    for line in data.splitlines(keepends=True):
        match = _LED.match(line)
        source = (match[1] or match[2] or match[3] or b"").decode("ascii", "replace") if match else ""
        parts.setdefault(source, []).append(line[match.end() :] if match else line)
    for source, lines in parts.items():
        yield source, b"".join(lines)


def find_event(line: bytes) -> tuple[str, float | None, str] | None:
    """Returns the kind, the iteration (None if a file's name does not hold one) and the text of what ``line``
    reports; None if it reports nothing.
    """
    for kind, words in _EVENTS:
        _, found, tail = line.partition(words)
        if not found or tail.startswith(b"solver state"):
            continue
        text = (found if kind in ("failure", "early stop", "done") else b"") + tail
        name = decode_name((text.split() or [b""])[-1] if kind == "snapshot" else text.strip())
        number = re.search(r"_iter_(\d{1,15})", name) if kind in ("snapshot", "restore") else None
        return kind, None if number is None else float(number[1]), name
    return None


def number_of(text: bytes) -> float | None:
    """Returns the number that C++ printed as ``text`` (nan and inf in any spelling); None for other text."""
    try:
        return float(text)
    except ValueError:
        plain = text.upper()
    if b"#QNAN" in plain or b"#IND" in plain or b"NAN(" in plain:
        return math.nan
    if b"#INF" in plain:
        return -math.inf if plain.startswith(b"-") else math.inf
    return None
