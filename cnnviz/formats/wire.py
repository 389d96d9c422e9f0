"""Protobuf's wire format, walked over a mapped file without copying or trusting it.

A message is a row of fields: a key (number << 3 | wire type), then a varint (type 0), 8 bytes (1),
a length and that many bytes (2), or 4 bytes (5).
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, NoReturn

from cnnviz.errors import FileError
from cnnviz.formats.files import open_to_read

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Field(NamedTuple):
    """One field of a message.

    Attributes:
        number: the field's number in the schema.
        wire: its wire type.
        key: offset of its key in the file.
        start: offset of its content in the file.
        end: offset after its content; never beyond the file's end.
        value: the number of a varint, otherwise 0.
        whole: False if the file ends inside of this field.
    """

    number: int
    wire: int
    key: int
    start: int
    end: int
    value: int = 0
    whole: bool = True


def map_file(path: str | os.PathLike) -> memoryview:
    """Returns the content of ``path`` as read-only memory that is loaded when it is touched.

    Raises FileError if the file cannot be read or is empty.
    """
    with open_to_read(path) as file:
        if os.fstat(file.fileno()).st_size == 0:
            raise FileError(f"{path}: is empty (0 bytes). The copy failed; fetch it again.")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class WireReader:
    """Walks the messages of one file and knows where it is, for errors.

    Attributes:
        data: the file's bytes.
        path: the file's name.
        places: what is being read, outermost first: ["layer 'ip1'", "blob 0"].
    """

    def __init__(self, data: memoryview, path: str | os.PathLike, root: str):
        self.data, self.path, self.root = data, path, root
        self.places: list[str] = []

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Names what is read inside of the block; not undone by an error, whose text needs it."""
        self.places.append(name)
        yield
        self.places.pop()

    @property
    def where(self) -> str:
        return " ".join(self.places) or self.root

    def fail_short(self) -> NoReturn:
        """Raises: the file ends too early."""
        raise FileError(
            f"{self.path}: ends inside {self.where}, after {len(self.data)} bytes. "
            "The copy was cut short; fetch it again."
        )

    def fail(self, what: str, offset: int) -> NoReturn:
        """Raises: the bytes at ``offset`` make no sense."""
        raise FileError(
            f"{self.path}: is damaged in {self.where}, at byte {offset}: {what}. Fetch the file again."
        )

    def varint(self, at: int, end: int, whole: bool) -> tuple[int, int]:
        """Returns the unsigned number at offset ``at`` and the offset after it."""
        value = shift = 0
        while at < end:
            byte = self.data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value & 0xFFFFFFFFFFFFFFFF, at
            shift += 7
            if shift > 63:
                self.fail("a number is longer than 10 bytes", at)
        if not whole:
            self.fail_short()
        self.fail("a message ends inside of a number", at)

    def field(self, at: int, end: int, whole: bool) -> Field:
        """Returns the field at offset ``at`` of a message that ends at ``end``.

        Args:
            whole: False if the file ends at ``end`` inside of this message; then a field that the
                end cuts off is returned with ``whole`` False, so that the caller can look into it
                for the place before calling fail_short.
        """
        key, start = self.varint(at, end, whole)
        number, wire = key >> 3, key & 7
        if wire == VARINT and number:
            value, after = self.varint(start, end, whole)
            return Field(number, wire, at, start, after, value)
        if wire == BYTES and number:
            length, start = self.varint(start, end, whole)
        elif wire in (FIXED32, FIXED64) and number:
            length = 4 if wire == FIXED32 else 8
        else:
            self.fail(f"no field has the key {key}", at)
        if length <= end - start:
            return Field(number, wire, at, start, start + length)
        if whole:
            self.fail(f"field {number} is said to have {length} bytes, which do not fit", at)
        return Field(number, wire, at, start, end, whole=False)

    def fields(self, start: int, end: int, whole: bool = True) -> Iterator[Field]:
        """Yields the fields between two offsets; raises after a field that the file's end cuts off."""
        while start < end:
            field = self.field(start, end, whole)
            yield field
            if not field.whole:
                self.fail_short()
            start = field.end


def signed(value: int) -> int:
    """Returns a varint's value as the signed 64-bit number it stands for."""
    return value - (1 << 64) if value >> 63 else value


def encode_varint(value: int) -> bytes:
    """Returns ``value`` (not negative) as a varint."""
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_header(number: int, length: int) -> bytes:
    """Returns key and length of a field of ``length`` bytes."""
    return encode_varint(number << 3 | BYTES) + encode_varint(length)


def without(reader: WireReader, start: int, end: int, removed: dict[int, dict | None]) -> bytes:
    """Returns a message without some of its fields.

    Args:
        removed: field number to None (removed), or to a dict of the same kind for the message in it.
    """
    parts: list[bytes] = []
    kept_from = start
    for field in reader.fields(start, end):
        if field.number not in removed or field.wire != BYTES:
            continue
        parts.append(bytes(reader.data[kept_from : field.key]))
        kept_from = field.end
        inner = removed[field.number]
        if inner is not None:
            content = without(reader, field.start, field.end, inner)
            parts += [encode_header(field.number, len(content)), content]
    parts.append(bytes(reader.data[kept_from:end]))
    return b"".join(parts)
