"""Lines of logs as Caffe printed them: without what wraps them at a width or leads each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

_STAMP = rb"[IWEF](?:\d{4})?\d{4} \d\d:\d\d:\d\d\.\d{6}"
# What tells who printed a line: "[0] " (Intel's MPI), "[1,0]<stderr>:" (Open MPI), "caffe_1  | " (compose).
_SOURCE = rb"(?:\[(\d{1,6})\] |\[\d{1,6},(\d{1,6})\]<std(?:err|out)>: ?|([\w.-]{1,60}) +\| )"
_LED = re.compile(rb"^(?:" + _SOURCE + rb"|[^\n]{1,160}?(?=" + _STAMP + rb"))", re.M)
# How lines begin, but for those that go on with the one before.
_BEGINS = re.compile(rb"(?:" + _SOURCE + rb"|[^\n]{0,160}?" + _STAMP + rb")")
_FIRST_STAMP = re.compile(rb"^[^\n]{0,160}?" + _STAMP, re.M)
# Narrower consoles are not in use, and so many lines must end at the same place to tell.
_NARROWEST, _LEAST = 40, 3


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
