"""A net from whatever file describes one: its prototxt, a solver's, or a caffemodel."""

from __future__ import annotations

import os

from cnnviz.formats.caffemodel import read_definition
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition, read_prototxt
from cnnviz.formats.sniff import looks_like_text
from cnnviz.formats.wire import map_file


def holds_text(path: str | os.PathLike) -> bool:
    """Returns True if the file is text, False if it is binary.

    Raises FileError if the file cannot be read or is empty.
    """
    return looks_like_text(bytes(map_file(path)[:512]))


def open_net(path: str | os.PathLike) -> NetDefinition:
    """Reads a net of any age.

    Args:
        path: a net's prototxt; a solver's, which gives its training net; or a binary caffemodel, which
            gives the net it was saved from.
    Raises:
        FileError: the file cannot be read, or is none of these.
        NetError: the text is wrong; the message carries file, line and column.
    """
    if not holds_text(path):
        return _without_rules(read_definition(path))
    definition = read_prototxt(path)
    return definition.net() if isinstance(definition, SolverDefinition) else definition


def _without_rules(definition: NetDefinition) -> NetDefinition:
    """A net was saved in one state, so that every layer in it belongs to it, whatever the phase is now."""
    for layer in definition.proto.layer:
        for field in ("include", "exclude", "phase"):
            layer.ClearField(field)
    return definition
