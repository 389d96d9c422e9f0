"""A net from whichever file has one: a net's prototxt, a solver's, or a caffemodel."""

from __future__ import annotations

import os
import re
from pathlib import Path

from cnnviz.errors import FileError
from cnnviz.formats.caffemodel import read_definition
from cnnviz.formats.files import describe_os_error
from cnnviz.formats.prototxt import NetDefinition, read_net, read_solver
from cnnviz.formats.sniff import looks_like_text

_LONGEST_TEXT = 64 << 20  # bytes searched for the fields that tell a net from a solver
_NET_FIELD = re.compile(rb"^\s*(layers?\s*[:{]|input\s*:)", re.MULTILINE)
_SOLVER_FIELD = re.compile(rb"^\s*(net|train_net)(_param)?\s*[:{]", re.MULTILINE)


def read_model(path: str | os.PathLike) -> NetDefinition:
    """Returns the net that ``path`` holds or names, whatever kind of file it is.

    Args:
        path: a prototxt of any age; a solver's prototxt, for the net that it trains; or a caffemodel,
            for the net that is saved in it beside the weights.
    Raises:
        FileError: the file cannot be read, or holds no net.
        NetError: the text is wrong.
    """
    try:
        with Path(path).open("rb") as file:
            head = file.read(512)
            text = head + file.read(_LONGEST_TEXT) if looks_like_text(head) else b""
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {describe_os_error(error)}.") from None
    if head and not text and Path(path).suffix.lower() != ".prototxt":
        return read_definition(path)
    if _SOLVER_FIELD.search(text) and not _NET_FIELD.search(text):
        return read_solver(path).net()
    return read_net(path)
