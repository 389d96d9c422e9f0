"""Protobuf's text format: text into messages and back, losing nothing.

Messages are filled by reflection. What the schema does not know (a field of a fork, an enum value of a
later version) is not an error: it is kept as an Unknown beside the message and written back with it.
Everything else that is wrong raises NetError with file, line, column and the offending text.

One module of more than 400 lines, as it is one recursive parser and its inverse: a cut would pass its
state around.
"""

from __future__ import annotations

import bisect
import math
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

from google.protobuf.descriptor import FieldDescriptor

from cnnviz.errors import NetError, did_you_mean

MAX_DEPTH = 100
MOST_HINTS = 1000
_IN_A_PATH = r"For a backslash, as in a path of Windows, write '/' or '\\'"

# Names, numbers (with whatever wrongly sticks to them), strings, comments, any other character.
_TOKEN = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*"
    r"|\.?[0-9](?:[eE][+-]|[A-Za-z0-9_.])*"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'(?:[^'\\\n]|\\.)*'"
    r"|#[^\n]*"
    r"|\S"
)
_INTEGER = re.compile(r"0[xX][0-9a-fA-F]{1,17}|0[0-7]{0,23}|[1-9][0-9]{0,20}")
_FLOAT = re.compile(r"((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fF]?")
_FLOAT_NAMES = {"inf": math.inf, "infinity": math.inf, "nan": math.nan}
_BOOLS = {"true": True, "t": True, "True": True, "1": True}
_BOOLS |= {"false": False, "f": False, "False": False, "0": False}
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))")
_ESCAPED = dict(zip("abfnrtv\\'\"?", b"\a\b\f\n\r\t\v\\'\"?", strict=True))
_CLOSING = {"{": "}", "<": ">"}

_MESSAGE = FieldDescriptor.CPPTYPE_MESSAGE
_ENUM = FieldDescriptor.CPPTYPE_ENUM
_STRING = FieldDescriptor.CPPTYPE_STRING
_BOOL = FieldDescriptor.CPPTYPE_BOOL
_FLOATS = (FieldDescriptor.CPPTYPE_FLOAT, FieldDescriptor.CPPTYPE_DOUBLE)
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1, "a 32-bit integer"),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1, "a 64-bit integer"),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1, "a 32-bit integer that is not negative"),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1, "a 64-bit integer that is not negative"),
}


@dataclass
class Unknown:
    """Something in a text that the schema lacks, kept word by word.

    Attributes:
        path: where it stands, e.g. "layer[3].pooling_param.ceil_mode"; top level without dots.
        line: its line, from 1.
        column: its column, from 1.
        text: the field as it is written back, e.g. "ceil_mode: false"; several lines for a message.
        hint: "; did you mean 'num_output'?" where a known field is spelled almost like it, or "".
        is_value: True if the field is known and only its enum value is not.
    """

    path: str
    line: int
    column: int
    text: str
    hint: str = ""
    is_value: bool = False

    @property
    def parent(self) -> str:
        """The path of the message that holds it; "" for the top level."""
        return self.path.rpartition(".")[0]


@dataclass
class ParsedText:
    """What parse_text learns besides the message itself.

    Attributes:
        lines: path of a message, e.g. "layer[3]" or "layer[3].pooling_param", to its line.
        unknown: what the schema lacks, in the order of the text.
        notes: what is odd but has a meaning, e.g. a field given twice; one clause each.
    """

    lines: dict[str, int] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def is_repeated(descriptor: Any) -> bool:
    """Returns True if the field takes a list; protobuf before 7 and after 6 say so differently."""
    return descriptor.is_repeated if hasattr(descriptor, "is_repeated") else descriptor.label == 3


def _is_required(descriptor: Any) -> bool:
    return descriptor.is_required if hasattr(descriptor, "is_required") else descriptor.label == 2


class _Field:
    """What the parser needs of a field's descriptor, looked up once."""

    def __init__(self, descriptor: Any):
        self.name = descriptor.name
        self.repeated = is_repeated(descriptor)
        self.kind = descriptor.cpp_type
        self.is_message = self.kind == _MESSAGE
        self.is_bytes = descriptor.type == FieldDescriptor.TYPE_BYTES
        self.enum = {}
        if self.kind == _ENUM:
            values = descriptor.enum_type.values
            self.enum = {v.name: v.number for v in values} | {str(v.number): v.number for v in values}


_tables: dict[str, tuple[dict[str, _Field], list[str]]] = {}


def _table(message: Any) -> tuple[dict[str, _Field], list[str]]:
    """Returns the fields of ``message``'s type by name, and the names of the required ones."""
    descriptor = message.DESCRIPTOR
    if descriptor.full_name not in _tables:
        fields = {f.name: _Field(f) for f in descriptor.fields}
        _tables[descriptor.full_name] = fields, [f.name for f in descriptor.fields if _is_required(f)]
    return _tables[descriptor.full_name]


def parse_text(text: str, message: Any, path: str) -> ParsedText:
    """Fills ``message`` from ``text`` in protobuf's text format.

    Args:
        text: the text.
        message: a protobuf message; it is filled in place.
        path: the name of the file, for errors.
    Raises:
        NetError: the text is wrong; the message starts with "path:line:column: ".
    """
    return _Parser(text, path).parse(message)


class _Parser:
    def __init__(self, text: str, path: str):
        self.text, self.path = text, path
        self.words: list[str] = []
        self.starts: list[int] = []
        for match in _TOKEN.finditer(text):
            word = match.group()
            if word[0] != "#":
                self.words.append(word)
                self.starts.append(match.start())
            if word in "\"'":  # nothing can be read after a string that is not closed
                break
        self.words.append("")  # the end of the text: no token is empty
        self.starts.append(len(text.rstrip()))
        self.newlines = [m.start() for m in re.finditer("\n", text)]
        self.at = 0
        self.parsed = ParsedText()
        self.hints: dict[tuple[int, str], str] = {}

    def parse(self, message: Any) -> ParsedText:
        self.read_fields(message, "", "", 0)
        return self.parsed

    # Places and errors

    def line(self, token: int) -> int:
        return bisect.bisect_left(self.newlines, self.starts[token]) + 1

    def column(self, token: int) -> int:
        newline = self.line(token) - 2
        return self.starts[token] - (self.newlines[newline] if newline >= 0 else -1)

    def fail(self, expected: str, token: int) -> NoReturn:
        """Raises: at ``token`` stands something other than ``expected``."""
        word = self.words[token]
        if not word:
            found = "the file ends"
        elif word in "\"'":
            found = "this string has no closing quote on its line"
        else:
            found = f"found {_shortened(word)}"
        start = self.starts[token]
        line = self.text[self.text.rfind("\n", 0, start) + 1 :].partition("\n")[0].strip()
        where = f" in {_shortened(line)!r}" if word and line != word else ""
        self.fail_with(f"{found}{where}, but {expected} was expected", token)

    def fail_with(self, sentence: str, token: int) -> NoReturn:
        raise NetError(f"{self.path}:{self.line(token)}:{self.column(token)}: {sentence}.")

    # Messages and fields

    def read_fields(self, message: Any, prefix: str, closing: str, depth: int) -> None:
        """Reads the fields of ``message`` up to ``closing`` ("" for the end of the text)."""
        if depth > MAX_DEPTH:
            self.fail_with(f"messages are nested deeper than {MAX_DEPTH}", self.at)
        words, opened = self.words, max(self.at - 1, 0)
        fields, required = _table(message)
        seen: set[str] = set()
        while (name := words[self.at]) != closing:
            known = fields.get(name)
            if known is None:
                self.read_unknown(prefix + self.field_name(closing), fields, depth)
            else:
                if not known.repeated:
                    if name in seen:
                        note = (
                            f"{prefix}{name} (line {self.line(self.at)}) is given twice, the last one counts"
                        )
                        self.parsed.notes.append(note)
                    seen.add(name)
                self.at += 1
                self.read_field(message, known, prefix + name, depth)
            if words[self.at] in (",", ";"):
                self.at += 1
        for name in required:
            if name not in seen:
                self.fail_with(f"field {prefix + name!r} is missing, and it is required", opened)
        self.at += 1

    def field_name(self, closing: str) -> str:
        """Returns the name at the current token, which may be an extension's: [package.name]."""
        start = self.at
        if self.words[start] == "[":
            while self.words[self.at] not in ("]", ""):
                self.at += 1
            name = "".join(self.words[start : self.at + 1])
            if re.fullmatch(r"\[[\w./-]+\]", name):
                self.at += 1
                return name
        elif re.match(r"[A-Za-z_]", self.words[start]):
            self.at += 1
            return self.words[start]
        self.fail(f"a field name or '{closing}'" if closing else "a field name", start)

    def read_field(self, message: Any, known: _Field, path: str, depth: int) -> None:
        token = self.at - 1
        colon = self.words[self.at] == ":"
        self.at += colon
        if not (colon or known.is_message):
            self.fail(f"':' after {known.name!r}", self.at)
        if self.words[self.at] != "[":
            self.read_value(message, known, path, depth, token)
            return
        if not known.repeated:
            self.fail_with(f"field {known.name!r} takes one value, not a list", self.at)
        for _ in self.list_items():
            self.read_value(message, known, path, depth, token)

    def list_items(self) -> Iterator[None]:
        """Steps over "[", the commas and "]"; the caller reads one item per turn."""
        self.at += 1
        if self.words[self.at] == "]":
            self.at += 1
            return
        while True:
            yield
            self.at += 1
            if self.words[self.at - 1] == "]":
                return
            if self.words[self.at - 1] != ",":
                self.fail("',' or ']'", self.at - 1)

    def read_value(self, message: Any, known: _Field, path: str, depth: int, token: int) -> None:
        if known.is_message:
            self.read_message(message, known, path, depth, token)
            return
        value: Any
        if known.kind == _ENUM:
            value = self.enum_value(known, path, token)
            if value is None:
                return
        elif known.kind == _STRING:
            value = self.string(known)
        elif known.kind in _FLOATS:
            value = self.float_value(known)
        elif known.kind == _BOOL:
            value = _BOOLS.get(self.words[self.at])
            if value is None:
                self.fail(f"true or false for {known.name!r}", self.at)
            self.at += 1
        else:
            value = self.integer(known)
        if known.repeated:
            getattr(message, known.name).append(value)
        else:
            setattr(message, known.name, value)

    def read_message(self, message: Any, known: _Field, path: str, depth: int, token: int) -> None:
        closing = _CLOSING.get(self.words[self.at])
        if closing is None:
            self.fail(f"'{{' after {known.name!r}", self.at)
        self.at += 1
        child = getattr(message, known.name)
        if known.repeated:
            path = f"{path}[{len(child)}]"
            child = child.add()
        else:
            child.SetInParent()
        self.parsed.lines[path] = self.line(token)
        self.read_fields(child, path + ".", closing, depth + 1)

    # Values

    def sign(self) -> int:
        if self.words[self.at] != "-":
            return 1
        self.at += 1
        return -1

    def integer(self, known: _Field) -> int:
        low, high, kind = _RANGES[known.kind]
        token, sign = self.at, self.sign()
        word = self.words[self.at]
        if not _INTEGER.fullmatch(word):
            self.fail(f"an integer for {known.name!r}", self.at)
        base = 16 if word[1:2] in ("x", "X") else 8 if word[0] == "0" else 10
        value = sign * int(word, base)
        if not low <= value <= high:
            self.fail_with(f"{value} is out of range for {known.name!r}, which is {kind}", token)
        self.at += 1
        return value

    def float_value(self, known: _Field) -> float:
        sign, word = self.sign(), self.words[self.at]
        if match := _FLOAT.fullmatch(word):
            value = float(match[1])
        elif word.lower() in _FLOAT_NAMES:
            value = _FLOAT_NAMES[word.lower()]
        elif _INTEGER.fullmatch(word):
            value = float(int(word, 16))
        else:
            self.fail(f"a number for {known.name!r}", self.at)
        self.at += 1
        return sign * value

    def enum_value(self, known: _Field, path: str, token: int) -> int | None:
        """Returns the number of an enum value; keeps a value that is not in the schema as unknown."""
        start, sign = self.at, self.sign()
        word = self.words[self.at]
        if not re.fullmatch(r"[A-Za-z_]\w*" if sign > 0 else "[0-9]+", word) and not word.isdigit():
            self.fail(f"the name of a value for {known.name!r}", self.at)
        self.at += 1
        if sign > 0 and word in known.enum:
            return known.enum[word]
        text = f"{known.name}: {''.join(self.words[start : self.at])}"
        self.keep(path, token, text, word, known.enum, is_value=True)
        return None

    def string(self, known: _Field) -> str | bytes:
        start, parts = self.at, []
        while self.words[self.at][:1] in ('"', "'") and len(self.words[self.at]) > 1:
            parts.append(self.words[self.at][1:-1])
            self.at += 1
        if not parts or self.words[self.at] in ('"', "'"):
            self.fail(f"a string in quotes for {known.name!r}", self.at)
        if not known.is_bytes and not any("\\" in part for part in parts):
            return "".join(parts)
        raw = b"".join(self.unescape(part, start) for part in parts)
        if known.is_bytes:
            return raw
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.fail_with(f"the escapes in {_shortened(self.words[start])} make no valid UTF-8", start)

    def unescape(self, text: str, token: int) -> bytes:
        result, end = bytearray(), 0
        for match in _ESCAPE.finditer(text):
            result += text[end : match.start()].encode("utf-8")
            end = match.end()
            octal, hexadecimal, short, long, letter = match.groups()
            if octal or hexadecimal:
                result.append((int(octal, 8) if octal else int(hexadecimal, 16)) & 255)
            elif letter:
                if letter not in _ESCAPED:
                    self.fail_with(
                        f"string {_shortened(text)} has the unknown escape '\\{letter}'. {_IN_A_PATH}", token
                    )
                result.append(_ESCAPED[letter])
            else:
                code = int(short or long, 16)
                if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                    self.fail_with(
                        f"string {_shortened(text)} names no character: {match[0]}. {_IN_A_PATH}", token
                    )
                result += chr(code).encode("utf-8")
        return bytes(result + text[end:].encode("utf-8"))

    # What the schema lacks

    def read_unknown(self, path: str, fields: dict[str, _Field], depth: int) -> None:
        token = self.at - 1
        name = path.rpartition(".")[2] if not path.endswith("]") else path[path.rindex("[") :]
        for text in self.unknown_values(name, depth):
            self.keep(path, token, text, name, fields)

    def keep(self, path: str, token: int, text: str, word: str, known: Iterable[str], **more: Any) -> None:
        hint = self.hint(word, known)
        self.parsed.unknown.append(Unknown(path, self.line(token), self.column(token), text, hint, **more))

    def hint(self, word: str, known: Iterable[str]) -> str:
        """Returns _hint's clause; a file of very many unknown words has the first ones explained."""
        key = (id(known), word)  # the tables of fields and values outlive the parser
        if key not in self.hints:
            self.hints[key] = _hint(word, known) if len(self.hints) < MOST_HINTS else ""
        return self.hints[key]

    def unknown_values(self, name: str, depth: int) -> list[str]:
        """Steps over the value of an unknown field; returns "name: value" as text, one per value."""
        if depth > MAX_DEPTH:
            self.fail_with(f"messages are nested deeper than {MAX_DEPTH}", self.at)
        colon = self.words[self.at] == ":"
        self.at += colon
        if self.words[self.at] == "[":
            return [text for _ in self.list_items() for text in [self.unknown_value(name, colon, depth)]]
        return [self.unknown_value(name, colon, depth)]

    def unknown_value(self, name: str, colon: bool, depth: int) -> str:
        closing = _CLOSING.get(self.words[self.at])
        if closing is None:
            if not colon:
                self.fail(f"':' or '{{' after {name!r}", self.at)
            return f"{name}: {self.unknown_scalar(name)}"
        self.at += 1
        body: list[str] = []
        while self.words[self.at] != closing:
            body += self.unknown_values(self.field_name(closing), depth + 1)
            if self.words[self.at] in (",", ";"):
                self.at += 1
        self.at += 1
        return _nested(name, body)

    def unknown_scalar(self, name: str) -> str:
        start = self.at
        self.sign()
        word = self.words[self.at]
        if word[:1] in ('"', "'") and len(word) > 1 and start == self.at:
            while self.words[self.at + 1][:1] in ('"', "'") and len(self.words[self.at + 1]) > 1:
                self.at += 1
            self.at += 1
            return " ".join(self.words[start : self.at])
        if (
            not re.fullmatch(r"[A-Za-z_]\w*", word)
            and not _INTEGER.fullmatch(word)
            and not _FLOAT.fullmatch(word)
        ):
            self.fail(f"a value for {name!r}", self.at)
        self.at += 1
        return "".join(self.words[start : self.at])


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "..."


def _hint(word: str, known: Iterable[str]) -> str:
    """Returns did_you_mean's clause if ``word`` looks misspelled, or ""."""
    if len(word) <= 3 or re.search(r"[0-9]", word):
        return ""
    # Forks name their fields after Caffe's: roi_pooling_param is not a misspelled pooling_param.
    return did_you_mean(word, [k for k in known if k.count("_") == word.count("_")], cutoff=0.85)


def _nested(name: str, body: list[str]) -> str:
    inside = "".join(f"  {line}\n" for text in body for line in text.split("\n"))
    return f"{name} {{\n{inside}}}"


def format_text(message: Any, unknown: Iterable[Unknown] = ()) -> str:
    """Returns ``message`` in protobuf's text format, fields in the order of their numbers.

    Floats are printed in the shortest form that reads back as the same number.

    Args:
        message: a protobuf message.
        unknown: what parse_text kept; each stands at the end of the message it was found in.
    """
    places: dict[str, list[str]] = {}
    for item in unknown:
        places.setdefault(item.parent, []).append(item.text)
    lines: list[str] = []
    _format_fields(message, "", "", places, lines)
    return "".join(lines)


def _format_fields(
    message: Any, path: str, indent: str, places: dict[str, list[str]], lines: list[str]
) -> None:
    for descriptor, values in message.ListFields():
        name = descriptor.name
        repeated = is_repeated(descriptor)
        for index, value in enumerate(values if repeated else (values,)):
            if descriptor.cpp_type != _MESSAGE:
                lines.append(f"{indent}{name}: {_format_scalar(descriptor, value)}\n")
                continue
            lines.append(f"{indent}{name} {{\n")
            inner = f"{path}.{name}" if path else name
            _format_fields(value, f"{inner}[{index}]" if repeated else inner, indent + "  ", places, lines)
            lines.append(f"{indent}}}\n")
    for text in places.get(path, ()):
        lines.extend(f"{indent}{line}\n" for line in text.split("\n"))


def _format_scalar(descriptor: Any, value: Any) -> str:
    kind = descriptor.cpp_type
    if kind == _BOOL:
        return "true" if value else "false"
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return format_float(value)
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _shortest(value, 15, 17, "d")
    if kind == _ENUM:
        known = descriptor.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if kind == _STRING:
        return _quoted(value)
    return str(value)


def format_float(value: float) -> str:
    """Returns the shortest of C's %.6g to %.9g that reads back as the same 32-bit float."""
    return _shortest(value, 6, 9, "f")


def _shortest(value: float, fewest: int, limit: int, code: str) -> str:
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    raw = struct.pack(code, value)
    for digits in range(fewest, limit):
        text = f"{value:.{digits}g}"
        if _packs_to(raw, code, float(text)):
            return text
    return f"{value:.{limit}g}"


def _packs_to(raw: bytes, code: str, value: float) -> bool:
    try:
        return struct.pack(code, value) == raw
    except OverflowError:  # rounding up the largest float leaves the range of 32 bits
        return False


def _quoted(value: str | bytes) -> str:
    if isinstance(value, bytes):
        text = value.decode("latin-1")
        return '"' + re.sub(r'[\\"]|[^ -~]', lambda m: _escaped(m[0]), text) + '"'
    return '"' + re.sub(r'[\\"\x00-\x1f\x7f]', lambda m: _escaped(m[0]), value) + '"'


def _escaped(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
    return named.get(character) or f"\\{ord(character):03o}"
