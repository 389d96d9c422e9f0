"""Nets and solvers as text: reading any age of them, and writing them back without a loss.

The path "-" reads standard input.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from cnnviz.errors import FileError, NetError
from cnnviz.formats import upgrade
from cnnviz.formats.files import STANDARD_INPUT, read_standard_input, write_text
from cnnviz.formats.paths import find_beside, missing_hint
from cnnviz.formats.schema import LayerParameter, NetParameter, SolverParameter
from cnnviz.formats.templates import explain
from cnnviz.formats.text import checked_text, read_text
from cnnviz.formats.text_format import ParsedText, Unknown, format_text, parse_text

log = logging.getLogger("cnnviz")

_NAMED_IN_WARNING = 3  # more would not fit one line; all are in NetDefinition.unknown
_reported: set[str] = set()


class _Definition:
    """A message with the file it came from; whatever is not found here is asked of the message."""

    proto: Any
    path: str
    unknown: list[Unknown]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "proto":  # copy and pickle ask before proto exists
            raise AttributeError(name)
        return getattr(self.proto, name)

    def resolve(self, name: str) -> str:
        """Returns the path of the file or folder ``name`` that this definition mentions.

        Caffe takes it from the current folder; where nothing is there, see find_beside.
        """
        return find_beside(name, None if self.path == "<text>" else self.path)


@dataclass(eq=False)
class NetDefinition(_Definition):
    """A net as written in a file, in today's form (V2) whatever its age was.

    Attributes:
        proto: the NetParameter.
        path: the file as it was named by the caller, or "<text>".
        lines: for each layer of proto.layer the line where it stands in the file, or None.
        unknown: fields and enum values that the schema lacks; to_text writes them back.
        upgraded: what had to be brought up to date, one clause each; empty for a net of today.
    """

    proto: NetParameter
    path: str = "<text>"
    lines: list[int | None] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    upgraded: list[str] = field(default_factory=list)

    def where(self, index: int) -> str:
        """Returns the place of layer ``index``, e.g. "lenet.prototxt:41"; only the path if unknown."""
        line = self.lines[index] if index < len(self.lines) else None
        return f"{self.path}:{line}" if line else self.path

    def unknown_in(self, index: int) -> list[Unknown]:
        """Returns what the schema lacks in layer ``index``."""
        return self._unknown_by_layer.get(f"layer[{index}]", [])

    @cached_property
    def _unknown_by_layer(self) -> dict[str, list[Unknown]]:
        found: dict[str, list[Unknown]] = {}
        for item in self.unknown:
            found.setdefault(item.path.partition(".")[0], []).append(item)
        return found

    def part(self, proto: NetParameter, places: Sequence[int | None]) -> NetDefinition:
        """Returns a net made from layers of this one.

        Args:
            proto: the new net.
            places: for each of its layers which of this net's it was, None for a new one.
        """
        lines: list[int | None] = []
        unknown: list[Unknown] = []
        for new, old in enumerate(places):
            known = old is not None and old < len(self.lines)
            lines.append(self.lines[old] if known and old is not None else None)
            for item in self.unknown_in(old) if old is not None else ():
                unknown.append(replace(item, path=item.path.replace(f"layer[{old}]", f"layer[{new}]", 1)))
        return NetDefinition(proto, self.path, lines, unknown)

    def with_layers(self, layers: Iterable[LayerParameter], places: Sequence[int | None]) -> NetDefinition:
        """Returns this net with ``layers`` in place of its own; ``places``: see ``part``."""
        proto = NetParameter()
        proto.CopyFrom(self.proto)
        del proto.layer[:]
        proto.layer.extend(layers)
        return self.part(proto, places)


@dataclass(eq=False)
class SolverDefinition(_Definition):
    """A solver as written in a file, with the string ``type`` in place of the old enum.

    Attributes:
        proto: the SolverParameter; file names in it stay as written.
        path: the file as it was named by the caller, or "<text>".
        unknown: fields and enum values that the schema lacks; to_text writes them back.
        upgraded: what had to be brought up to date, one clause each.
        lines: path of a message in the text to its line.
    """

    proto: SolverParameter
    path: str = "<text>"
    unknown: list[Unknown] = field(default_factory=list)
    upgraded: list[str] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)

    def net(self) -> NetDefinition:
        """Returns the training net: ``net``, ``train_net``, ``net_param`` or ``train_net_param``.

        Raises:
            NetError: the solver names none.
            FileError: the file it names cannot be read.
        """
        for name in ("net", "train_net"):
            if self.proto.HasField(name):
                return self.named_net(getattr(self.proto, name))
        for name in ("net_param", "train_net_param"):
            if self.proto.HasField(name):
                return self.inline_net(name)
        raise NetError(f'{self.path}: the solver names no net; add net: "FILE".')

    def named_net(self, name: str) -> NetDefinition:
        """Returns the net in the file ``name``, which the solver file mentions.

        Raises:
            NetError: the text of the net is wrong.
            FileError: the file is not there, or cannot be read.
        """
        found = self.resolve(name)
        if not os.path.lexists(found):
            raise FileError(
                f"{self.path}: its net {name!r} is not there, counted from the current folder, the solver's "
                f"or one above it. Correct the path, or run where it is right.{missing_hint(name)}"
            )
        return read_net(found)

    def inline_net(self, name: str) -> NetDefinition:
        """Returns the net that stands inside the solver file, in field ``name`` ("net_param")."""
        prefix = f"{name}."
        parsed = ParsedText(
            lines={p[len(prefix) :]: n for p, n in self.lines.items() if p.startswith(prefix)},
            unknown=[
                Unknown(u.path[len(prefix) :], u.line, u.column, u.text, u.hint, u.is_value)
                for u in self.unknown
                if u.path.startswith(prefix)
            ],
        )
        proto = NetParameter()
        proto.CopyFrom(getattr(self.proto, name))
        return _net_definition(proto, parsed, self.path)


def read_net(path: str | os.PathLike) -> NetDefinition:
    """Reads a net of any age from a text file.

    Args:
        path: a .prototxt file. A solver's file is not a net: see read_solver(path).net().
    Raises:
        FileError: the file cannot be read, or is not text.
        NetError: the text is wrong; the message carries file, line and column.
    """
    return parse_net(_read_text(path, "a net definition (.prototxt)"), str(path))


def parse_net(text: str, path: str = "<text>") -> NetDefinition:
    """Reads a net of any age from ``text``; ``path`` is its name in errors.

    Raises:
        NetError: the text is wrong; the message carries file, line and column.
    """
    proto = NetParameter()
    parsed = _parse(text, proto, path)
    if _is_solver(proto, parsed):
        raise NetError(
            f"{path}:{parsed.unknown[0].line}: this is a solver definition, not a net; "
            "give the file that its field 'net' names."
        )
    return _checked_net(proto, parsed, path)


def read_prototxt(path: str | os.PathLike) -> NetDefinition | SolverDefinition:
    """Reads a net or a solver from a text file, whichever it holds.

    Raises:
        FileError: the file cannot be read, or is not text.
        NetError: the text is wrong; the message carries file, line and column.
    """
    text = _read_text(path, "a net or solver definition (.prototxt)")
    proto = NetParameter()
    parsed = _parse(text, proto, str(path))
    if _is_solver(proto, parsed):
        return parse_solver(text, str(path))
    return _checked_net(proto, parsed, str(path))


def read_solver(path: str | os.PathLike) -> SolverDefinition:
    """Reads a solver from a text file.

    Raises:
        FileError: the file cannot be read, or is not text.
        NetError: the text is wrong, or it is a net; the message carries the place.
    """
    return parse_solver(_read_text(path, "a solver definition (.prototxt)"), str(path))


def parse_solver(text: str, path: str = "<text>") -> SolverDefinition:
    """Reads a solver from ``text``; ``path`` is its name in errors.

    Raises:
        NetError: the text is wrong, or it is a net; the message carries the place.
    """
    proto = SolverParameter()
    parsed = _parse(text, proto, path)
    for item in parsed.unknown:
        if item.path in ("layer", "layers"):
            raise NetError(
                f"{path}:{item.line}: this is a net definition, not a solver; "
                f'a solver names it: net: "{Path(path).name}".'
            )
    steps = upgrade.upgrade_solver(proto, path)
    _report(path, parsed.unknown, parsed.notes)
    return SolverDefinition(proto, path, parsed.unknown, steps, parsed.lines)


def to_text(definition: NetDefinition | SolverDefinition | Any) -> str:
    """Returns a definition, or any message of Caffe's schema, as text that Caffe reads.

    A definition's unknown fields are written back at the end of the message they stood in.
    """
    if isinstance(definition, _Definition):
        return format_text(definition.proto, definition.unknown)
    return format_text(definition)


def write_prototxt(path: str | os.PathLike, definition: NetDefinition | SolverDefinition | Any) -> None:
    """Writes a definition, or any message of Caffe's schema, to ``path`` as text.

    Raises:
        FileError: the file cannot be written.
    """
    write_text(path, to_text(definition))


def _read_text(path: str | os.PathLike, expected: str) -> str:
    words = expected, ", perhaps a caffemodel", "Give the .prototxt that belongs to it."
    if str(path) == STANDARD_INPUT:
        return checked_text(read_standard_input(), path, *words)
    return read_text(path, *words)


def _parse(text: str, proto: Any, path: str) -> ParsedText:
    try:
        return parse_text(text, proto, path)
    except NetError as error:
        raise explain(text, path, error) from None


def _is_solver(proto: NetParameter, parsed: ParsedText) -> bool:
    known = SolverParameter.DESCRIPTOR.fields_by_name
    return not (proto.layer or proto.layers) and any(item.path in known for item in parsed.unknown)


def _checked_net(proto: NetParameter, parsed: ParsedText, path: str) -> NetDefinition:
    definition = _net_definition(proto, parsed, path)
    _report(path, definition.unknown, parsed.notes)
    return definition


def _net_definition(proto: NetParameter, parsed: ParsedText, path: str) -> NetDefinition:
    upgraded = upgrade.upgrade_net(proto, parsed.unknown, path, parsed.lines)
    lines = [parsed.lines.get(place) if place else None for place in upgraded.places]
    return NetDefinition(proto, path, lines, upgraded.unknown, upgraded.steps)


def _report(path: str, unknown: list[Unknown], notes: list[str]) -> None:
    """Logs one line about what the schema lacks and what is odd, once per process."""
    clauses = notes[:_NAMED_IN_WARNING]
    if unknown:
        names = [f"{u.path} (line {u.line}{u.hint})" for u in unknown[:_NAMED_IN_WARNING]]
        more = len(unknown) - len(names)
        tail = f" and {more} more" if more > 0 else ""
        count = "1 unknown field is" if len(unknown) == 1 else f"{len(unknown)} unknown fields are"
        clauses.insert(0, f"{count} kept but without effect: {', '.join(names)}{tail}")
    message = f"{path}: {'; '.join(clauses)}"
    if clauses and message not in _reported:
        _reported.add(message)
        log.warning("%s", message)
