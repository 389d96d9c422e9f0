"""A net from whatever file describes one: its prototxt, a solver's, or a caffemodel."""

from __future__ import annotations

import os
from pathlib import Path

from cnnviz.errors import FileError
from cnnviz.formats.caffemodel import read_definition, upgrade_weights
from cnnviz.formats.files import STANDARD_INPUT
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition, read_prototxt, write_prototxt
from cnnviz.formats.sniff import looks_like_text
from cnnviz.formats.wire import map_file

_TEXTS = (".prototxt", ".txt", ".pbtxt", ".prototext", ".pt")
_WEIGHTS_IN_OTHER_KINDS = (".h5", ".hdf5", ".npz", ".npy", ".mat", ".safetensors")


def holds_text(path: str | os.PathLike) -> bool:
    """Returns True if the file is text, False if it is binary; standard input, "-", has to be text.

    Raises FileError if the file cannot be read or is empty.
    """
    return str(path) == STANDARD_INPUT or looks_like_text(bytes(map_file(path)[:512]))


def open_net(path: str | os.PathLike) -> NetDefinition:
    """Reads a net of any age.

    Args:
        path: a net's prototxt; a solver's, which gives its training net; or a binary caffemodel, which
            gives the net it was saved from. "-" reads a prototxt from standard input.
    Raises:
        FileError: the file cannot be read, or is none of these.
        NetError: the text is wrong; the message carries file, line and column.
    """
    if not holds_text(path):
        return _without_rules(read_definition(path))
    definition = read_prototxt(path)
    return definition.net() if isinstance(definition, SolverDefinition) else definition


def upgrade_file(source: str | os.PathLike, target: str | os.PathLike) -> list[str]:
    """Writes a net, solver or binary caffemodel of any age in today's form.

    Args:
        source: the file to read.
        target: a text for a text; for a caffemodel a caffemodel or, by the extension, the text of its net.
    Returns:
        What was old, one clause each, as NetDefinition.upgraded.
    Raises:
        FileError: ``source`` cannot be read, ``target`` cannot be written or has another kind's extension.
        NetError: the text is wrong; the message carries file, line and column.
    """
    suffix = Path(target).suffix.lower()
    if suffix in _WEIGHTS_IN_OTHER_KINDS:
        raise FileError(f"{target}: upgrade writes no {suffix}; use: cnnviz convert IN OUT")
    if not holds_text(source):
        if suffix not in _TEXTS:
            return upgrade_weights(source, target)
        definition: NetDefinition | SolverDefinition = open_net(source)
    elif suffix in (".caffemodel", ".binaryproto", ".solverstate"):
        raise FileError(
            f"{source}: is a text file, which cannot become a {suffix}; give OUT the extension .prototxt."
        )
    else:
        definition = read_prototxt(source)
    write_prototxt(target, definition)
    return definition.upgraded


def _without_rules(definition: NetDefinition) -> NetDefinition:
    """A net was saved in one state, so that every layer in it belongs to it, whatever the phase is now."""
    for layer in definition.proto.layer:
        for field in ("include", "exclude", "phase"):
            layer.ClearField(field)
    return definition
