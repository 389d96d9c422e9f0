"""Measured times of a net's layers, as ``cnnviz time`` and Caffe's ``caffe time`` write them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

from cnnviz.errors import FileError
from cnnviz.formats.text import read_text

# A row of the table of `cnnviz time`, and a line of `caffe time`.
_TIME_ROW = re.compile(r"(?P<name>\S.*?) {2,}\w+ {2,}(?P<forward>[0-9.]+) +(?P<backward>[0-9.]+)\s*$")
_TIME_LINE = re.compile(r"(?:^|\] )\s*(?P<name>\S+)\s+(?:for|back)ward: (?P<forward>[0-9.e+-]+) ms\.?\s*$")


def read_times(path: str | os.PathLike) -> dict[str, float]:
    """Returns milliseconds by layer name, forward and backward together.

    Args:
        path: what `cnnviz time` (or Caffe's `caffe time`) printed, or wrote by --json.
    Raises: FileError if the file cannot be read or holds no times.
    """
    text = read_text(path, "times of layers")
    times: dict[str, float] = {}
    for name, spent in _json_times(text) if text.startswith("{") else _printed_times(text):
        times[name] = times.get(name, 0.0) + spent
    if not times:
        raise FileError(
            f"{path}: holds no times of layers; expected the output of: cnnviz time MODEL --json FILE"
        )
    return times


def _printed_times(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        found = _TIME_ROW.match(line) or _TIME_LINE.search(line)
        if found:
            yield found["name"], float(found["forward"]) + float(found.groupdict().get("backward") or 0)


def _json_times(text: str) -> Iterator[tuple[str, float]]:
    try:
        for layer in json.loads(text)["layers"]:
            yield str(layer["name"]), float(layer["forward_ms"]) + float(layer["backward_ms"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return  # the caller reports that there are none
