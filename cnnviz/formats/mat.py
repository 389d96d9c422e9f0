"""MATLAB's .mat files (level 5), as far as weights need it: one struct array, text, cells, numbers.

A file is a header of 128 bytes and a row of elements: type and size (4 bytes each, or 2 and 2 with up to
4 bytes of content), then the content, padded to 8 bytes. Numbers stand in column-major order.
"""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import parts_size, to_float32, write_parts
from cnnviz.formats.files import UnpackLimit, atomic_write
from cnnviz.formats.wire import map_file

_HEADER = b"MATLAB 5.0 MAT-file, written by cnnviz".ljust(124) + b"\x00\x01IM"
_INT8, _INT32, _UINT32, _SINGLE, _MATRIX, _COMPRESSED, _UTF16, _UTF8 = 1, 5, 6, 7, 14, 15, 17, 16
_DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CELL, _STRUCT, _CHAR, _DOUBLE_CLASS, _SINGLE_CLASS, _LAST_NUMERIC = 1, 2, 4, 6, 7, 15
_NAME_LENGTH = 32
_MAX_DEPTH = 8
_VARIABLES = (_MATRIX, _COMPRESSED)
_HEAD = 1024  # of a packed variable, in which its name stands
_MOST_COMPRESSED = 1032  # deflate packs no better
_LARGEST = 2**31 - 1

Parts = list[Any]


# Writing


def write_mat(path: str | os.PathLike, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a struct array, as a whole or not at all.

    Args:
        path: the file to write.
        name: the variable.
        rows: the elements; all have the same fields, each a str, an array, or a list of arrays (a cell).
    Raises:
        FileError: the file cannot be written, or is too large for the format (2 GiB).
    """
    fields = list(rows[0]) if rows else ["name"]
    names = b"".join(field.encode("ascii").ljust(_NAME_LENGTH, b"\0") for field in fields)
    content = [_NAME_LENGTH.to_bytes(4, "little"), *_element(_INT8, [names])]
    content[0] = (4 << 16 | _INT32).to_bytes(4, "little") + content[0]
    for row in rows:
        for field in fields:
            content += _value(row[field])
    _write(path, _matrix(_STRUCT, (1, len(rows)), content, name))


def write_mat_array(path: str | os.PathLike, name: str, array: np.ndarray) -> None:
    """Writes one array in single precision, as a whole or not at all.

    Raises FileError as write_mat does.
    """
    _write(path, _value(array, name))


def _write(path: str | os.PathLike, matrix: Parts) -> None:
    if parts_size(matrix) > _LARGEST:
        raise FileError(f"{path}: the weights are too large for a .mat file (2 GiB); use .h5 instead.")
    with atomic_write(path) as file:
        write_parts(file, [_HEADER, *matrix])


def _value(value: Any, name: str = "") -> Parts:
    if isinstance(value, str):
        text = value.encode("utf-16-le")
        return _matrix(_CHAR, (1, len(text) // 2), _element(_UTF16, [text]))
    if isinstance(value, list):
        return _matrix(_CELL, (1, len(value)), [part for item in value for part in _value(item)])
    array = to_float32(value)
    shape = (1,) * (2 - array.ndim) + array.shape  # MATLAB has no arrays of less than two axes
    return _matrix(_SINGLE_CLASS, shape, _element(_SINGLE, [array.T]), name)


def _matrix(kind: int, dims: Sequence[int], content: Parts, name: str = "") -> Parts:
    flags = kind.to_bytes(4, "little") + bytes(4)
    axes = np.array(dims, "<i4").tobytes()
    head = [_element(_UINT32, [flags]), _element(_INT32, [axes]), _element(_INT8, [name.encode("ascii")])]
    return _element(_MATRIX, [*(part for element in head for part in element), *content])


def _element(kind: int, content: Parts) -> Parts:
    size = parts_size(content)
    tag = kind.to_bytes(4, "little") + min(size, 2**32 - 1).to_bytes(4, "little")
    return [tag, *content, bytes(-size % 8)]


# Reading


def is_mat(head: bytes) -> bool:
    """Returns whether a file that starts with ``head``, 128 bytes, is a .mat of any level."""
    return head.startswith(b"MATLAB 7.3") or (len(head) >= 128 and head[126:128] == b"IM")


def read_mat(path: str | os.PathLike, name: str) -> tuple[list[dict[str, Any]], list[str]]:
    """Reads the struct array ``name``: for each element its fields as str, float32 array or list.

    Returns the elements, and the names of the other variables in the file.

    Raises FileError if the file cannot be read, is of another level, or has no such variable.
    """
    reader = _MatReader(_level_5(path, name), UnpackLimit(path))
    try:
        names = reader.names()
        found = reader.variable(name)
    except ValueError as error:
        raise _unreadable(path, error) from None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise FileError(f"{path}: has no struct array {name!r}. Write the file with: cnnviz convert")
    return found, [other for other in names if other != name]


def mat_names(path: str | os.PathLike) -> list[str]:
    """Returns the names of the variables in a .mat file.

    Raises FileError if the file cannot be read or is of another level.
    """
    try:
        return _MatReader(_level_5(path, "x"), UnpackLimit(path)).names()
    except ValueError as error:
        raise _unreadable(path, error) from None


def read_mat_array(path: str | os.PathLike, preferred: str) -> np.ndarray:
    """Returns the array of numbers called ``preferred``, or the only one in the file, as float32.

    Raises FileError if the file cannot be read, is of another level, or has no such array.
    """
    reader = _MatReader(_level_5(path, preferred), UnpackLimit(path))
    try:
        names = reader.names()
        found = reader.variable(preferred if preferred in names or len(names) != 1 else names[0])
    except ValueError as error:
        raise _unreadable(path, error) from None
    if not isinstance(found, np.ndarray):
        there = ", ".join(names[:5]) or "nothing"
        raise FileError(f"{path}: holds {there}, but one array of numbers called {preferred!r} was expected.")
    return found


def _level_5(path: str | os.PathLike, name: str) -> memoryview:
    data = map_file(path)
    if bytes(data[:10]) == b"MATLAB 7.3":
        raise FileError(f"{path}: is a MATLAB 7.3 file. Save it with: save(file, '{name}', '-v7')")
    if not is_mat(bytes(data[:128])):
        raise FileError(f"{path}: is not a .mat file of level 5 or 7. Fetch it again, or save it with: '-v7'")
    return data


def _unreadable(path: str | os.PathLike, error: ValueError) -> FileError:
    return FileError(f"{path}: cannot be read as .mat: {error}. Fetch the file again.")


class _MatReader:
    """Reads the elements of one file; raises ValueError with the reason where they make no sense."""

    def __init__(self, data: memoryview, limit: UnpackLimit):
        self.data, self.limit = data, limit

    def names(self) -> list[str]:
        """Returns the names of all variables; of packed ones no more than the beginning is unpacked."""
        return [self.name(kind, content) for kind, content in self.elements() if kind in _VARIABLES]

    def variable(self, name: str) -> Any:
        for kind, content in self.elements():
            if kind in _VARIABLES and self.name(kind, content) == name:
                if kind == _COMPRESSED:
                    _, content, _ = _split(self.inflated(content), 0)
                return self.matrix(content, 0)[1]
        return None

    def elements(self) -> Iterator[tuple[int, memoryview]]:
        at = 128
        while at < len(self.data):
            kind, content, at = _split(self.data, at)
            yield kind, content

    def name(self, kind: int, content: memoryview) -> str:
        if kind == _COMPRESSED:
            head = _unpacked(content, _HEAD)
            content = head[_split_tag(head, 0)[1] :]
        at = 0
        for _ in range(2):  # flags and axes stand before the name
            _, _, at = _split(content, at)
        return bytes(_split(content, at)[1]).decode("latin-1")

    def inflated(self, content: memoryview) -> memoryview:
        unpacked = _unpacked(content, min(len(content) * _MOST_COMPRESSED + 64, self.limit.left + 1))
        self.limit.take(len(unpacked))
        return unpacked

    def matrix(self, data: memoryview, depth: int) -> tuple[str, Any]:
        """Returns name and value."""
        if depth > _MAX_DEPTH:
            self.fail("its cells are nested too deep")
        if not data:  # an empty cell
            return "", np.zeros((0, 0), "<f4")
        _, flags, at = _split(data, 0)
        _, axes, at = _split(data, at)
        _, name, at = _split(data, at)
        dims = [int(dim) for dim in np.frombuffer(axes[: len(axes) // 4 * 4], "<i4")]
        found = bytes(name).decode("latin-1")
        if not flags or not 2 <= len(dims) <= 32 or min(dims) < 0:
            self.fail("an array has no sensible shape")
        return found, self.value(flags[0], dims, data, at, depth)

    def value(self, kind: int, dims: list[int], data: memoryview, at: int, depth: int) -> Any:
        count = math.prod(dims)
        if kind == _CELL:
            return self.matrices(count, data, at, depth)
        if kind == _STRUCT:
            return self.struct(count, data, at, depth)
        if kind == _CHAR:
            stored, text, _ = _split(data, at)
            return bytes(text).decode("utf-8" if stored == _UTF8 else "utf-16-le", "replace")
        if not _DOUBLE_CLASS <= kind <= _LAST_NUMERIC:
            self.fail(f"an array is of class {kind}, not of numbers")
        stored, numbers, _ = _split(data, at)
        dtype = np.dtype(_DTYPES.get(stored, "V1")).newbyteorder("<")
        if dtype.kind == "V" or count * dtype.itemsize != len(numbers):
            self.fail(f"an array of shape {tuple(dims)} does not fit into {len(numbers)} bytes")
        return to_float32(np.frombuffer(numbers, dtype).reshape(dims, order="F"))

    def struct(self, count: int, data: memoryview, at: int, depth: int) -> list[dict[str, Any]]:
        _, length, at = _split(data, at)
        _, names, at = _split(data, at)
        width = int.from_bytes(length[:4], "little")
        if not 0 < width <= 64:
            self.fail("the names of a struct's fields make no sense")
        fields = [
            bytes(names[i : i + width]).split(b"\0")[0].decode("latin-1") for i in range(0, len(names), width)
        ]
        values = self.matrices(count * len(fields), data, at, depth)
        return [
            dict(zip(fields, values[i * len(fields) :], strict=False)) for i in range(count if fields else 0)
        ]

    def matrices(self, count: int, data: memoryview, at: int, depth: int) -> list[Any]:
        if count * 8 > len(data) - at:
            self.fail(f"{count} cells do not fit into {len(data) - at} bytes")
        values = []
        for _ in range(count):
            kind, content, at = _split(data, at)
            if kind != _MATRIX:
                self.fail("a cell holds no array")
            values.append(self.matrix(content, depth + 1)[1])
        return values

    def fail(self, reason: str) -> NoReturn:
        raise ValueError(reason)


def _split_tag(data: memoryview, at: int) -> tuple[int, int, int, int]:
    """Returns type, start, size and end of the element at ``at``."""
    tag = int.from_bytes(data[at : at + 4], "little")
    size = tag >> 16
    if size > 4:
        raise ValueError("an element has no sensible size")
    if size:
        return tag & 0xFFFF, at + 4, size, at + 8
    size, start = int.from_bytes(data[at + 4 : at + 8], "little"), at + 8
    return tag, start, size, start + size + (0 if tag == _COMPRESSED else -size % 8)


def _split(data: memoryview, at: int) -> tuple[int, memoryview, int]:
    """Returns type and content of the element at ``at``, and the offset after it."""
    kind, start, size, end = _split_tag(data, at)
    if start + size > len(data):
        raise ValueError(f"an element of {size} bytes does not fit")
    return kind, data[start : start + size], end


def _unpacked(content: memoryview, limit: int) -> memoryview:
    try:
        return memoryview(zlib.decompressobj().decompress(content, limit))
    except zlib.error as error:
        raise ValueError(f"a packed element is damaged ({error})") from None
