"""BlobProto, the message that holds every array of Caffe: weights, solver history, means.

Reading checks all sizes first and hands out views of the mapped file; writing streams the numbers from
the arrays. Both go past protobuf, which would parse and copy every float.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import IO

import numpy as np

from cnnviz.formats.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    VARINT,
    Field,
    WireReader,
    encode_header,
    encode_varint,
    signed,
)

MAX_AXES = 32  # as in Caffe
_LONGEST_AXIS = 2**31 - 1  # as in Caffe
_LEGACY = (1, 2, 3, 4)  # num, channels, height, width
_DATA, _DIFF, _SHAPE, _DOUBLE_DATA, _DOUBLE_DIFF = 5, 6, 7, 8, 9
_RAW_DATA_TYPE, _RAW_DIFF_TYPE, _RAW_DATA, _RAW_DIFF = 10, 11, 12, 13
# NVCaffe's storage types by their number: double, float, half, signed and unsigned integer.
_RAW_DTYPES = ("<f8", "<f4", "<f2", "<i4", "<u4")
_NUMBERS = {_DATA: "<f4", _DIFF: "<f4", _DOUBLE_DATA: "<f8", _DOUBLE_DIFF: "<f8"}


@dataclass
class _Run:
    """Numbers that stand in the file at equal distances."""

    start: int
    count: int
    dtype: str
    stride: int


@dataclass
class StoredBlob:
    """One BlobProto in a mapped file: its shape, and where its numbers are.

    Attributes:
        shape: the axes; those of the old form are (num, channels, height, width).
        start: offset of the message in the file.
        end: offset after it.
    """

    reader: WireReader
    start: int
    end: int
    shape: tuple[int, ...] = ()
    runs: dict[int, list[_Run]] = field(default_factory=dict)

    def data(self) -> np.ndarray:
        """Returns the numbers as float32: a read-only view of the file where they are stored so."""
        return self._array((_DATA, _DOUBLE_DATA, _RAW_DATA))

    def diff(self) -> np.ndarray | None:
        """Returns the gradient as float32, or None if the file has none."""
        kinds = (_DIFF, _DOUBLE_DIFF, _RAW_DIFF)
        return self._array(kinds) if any(kind in self.runs for kind in kinds) else None

    def _array(self, kinds: Iterable[int]) -> np.ndarray:
        runs = next((self.runs[kind] for kind in kinds if kind in self.runs), [])
        parts = [self._view(run) for run in runs]
        whole = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, "<f4"), *parts])
        array = to_float32(whole.reshape(self.shape))
        array.flags.writeable = False
        return array

    def _view(self, run: _Run) -> np.ndarray:
        if not run.count:
            return np.empty(0, run.dtype)
        return np.ndarray(run.count, run.dtype, self.reader.data, run.start, run.stride)


def scan_blob(reader: WireReader, start: int, end: int, whole: bool = True) -> StoredBlob:
    """Finds shape and numbers of the BlobProto between two offsets, without reading the numbers.

    Raises FileError if the message is cut off or damaged, or if shape and numbers disagree.
    """
    blob = StoredBlob(reader, start, end)
    legacy: dict[int, int] = {}
    dims: list[int] | None = None
    raw_types = {_RAW_DATA: 1, _RAW_DIFF: 1}
    raw: dict[int, Field] = {}
    at = start
    while at < end:
        item = reader.field(at, end, whole)
        if not item.whole:
            reader.fail_short()
        at = item.end
        if item.number in _NUMBERS:
            run = _numbers(reader, item, end)
            blob.runs.setdefault(item.number, []).append(run)
            if item.wire != BYTES:  # the run has gone over many fields at once
                at = item.key + run.count * run.stride
        elif item.number in _LEGACY and item.wire == VARINT:
            legacy[item.number] = signed(item.value)
        elif item.number == _SHAPE and item.wire == BYTES:
            dims = (dims or []) + _dims(reader, item)
        elif item.number in (_RAW_DATA_TYPE, _RAW_DIFF_TYPE) and item.wire == VARINT:
            raw_types[item.number + 2] = item.value
        elif item.number in (_RAW_DATA, _RAW_DIFF) and item.wire == BYTES:
            raw[item.number] = item
    for number, item in raw.items():
        blob.runs[number] = [_raw_run(reader, item, raw_types[number])]
    if dims is None and legacy:
        dims = [legacy.get(number, 0) for number in _LEGACY]
    blob.shape = _checked_shape(reader, blob, dims)
    return blob


def _numbers(reader: WireReader, item: Field, end: int) -> _Run:
    """Returns the numbers of a packed field, or of a row of unpacked ones that starts at ``item``."""
    dtype = _NUMBERS[item.number]
    size = int(dtype[2])
    length = item.end - item.start
    if item.wire == BYTES:
        if length % size:
            reader.fail(f"{length} bytes are no whole count of {size}-byte numbers", item.start)
        return _Run(item.start, length // size, dtype, size)
    if item.wire != (FIXED32 if size == 4 else FIXED64):
        reader.fail(f"field {item.number} holds no numbers of {size} bytes", item.key)
    # Unpacked numbers each have a key of their own: take all that follow at once.
    stride = item.end - item.key
    keys = np.ndarray((end - item.key) // stride, "u1", reader.data, item.key, stride)
    other = np.flatnonzero(keys != reader.data[item.key])
    return _Run(item.start, int(other[0]) if len(other) else len(keys), dtype, stride)


def _raw_run(reader: WireReader, item: Field, kind: int) -> _Run:
    if kind >= len(_RAW_DTYPES):
        reader.fail(f"storage type {kind} is unknown", item.key)
    dtype = _RAW_DTYPES[kind]
    size, length = int(dtype[2]), item.end - item.start
    if length % size:
        reader.fail(f"{length} bytes are no whole count of {size}-byte numbers", item.start)
    return _Run(item.start, length // size, dtype, size)


def _dims(reader: WireReader, shape: Field) -> list[int]:
    dims: list[int] = []
    for item in reader.fields(shape.start, shape.end):
        if item.number == 1 and item.wire == VARINT:
            dims.append(signed(item.value))
        elif item.number == 1 and item.wire == BYTES:
            at = item.start
            while at < item.end and len(dims) <= MAX_AXES:
                value, at = reader.varint(at, item.end, True)
                dims.append(signed(value))
        if len(dims) > MAX_AXES:
            reader.fail(f"the shape has more than {MAX_AXES} axes", shape.start)
    return dims


def _checked_shape(reader: WireReader, blob: StoredBlob, dims: list[int] | None) -> tuple[int, ...]:
    counts = {number: sum(run.count for run in runs) for number, runs in blob.runs.items()}
    # No shape at all stands for a flat row of what is there.
    shape = (max(counts.values(), default=0),) if dims is None else tuple(dims)
    if any(dim < 0 for dim in shape):
        reader.fail(f"the shape {shape} has a negative axis", blob.start)
    if any(dim > _LONGEST_AXIS for dim in shape):
        reader.fail(f"the shape {shape} has an axis of more than {_LONGEST_AXIS}", blob.start)
    expected = math.prod(shape)
    if _DATA not in counts and _DOUBLE_DATA not in counts and _RAW_DATA not in counts:
        counts[_DATA] = 0
    for count in counts.values():
        if count != expected:
            reader.fail(f"shape {shape} needs {expected} values, but {count} are stored", blob.start)
    return shape


def to_float32(array: np.ndarray) -> np.ndarray:
    """Returns ``array`` as float32, itself if it is; numbers out of range become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(array, "<f4")


def blob_parts(array: np.ndarray, diff: np.ndarray | None = None) -> list[bytes | np.ndarray]:
    """Returns a BlobProto as a row of parts to write one after the other; arrays stand for their bytes.

    Args:
        array: the numbers; they are written as float32.
        diff: the gradient, of the same shape, or None to omit it.
    """
    parts: list[bytes | np.ndarray] = []
    for number, numbers in ((_DATA, array), (_DIFF, diff)):
        if numbers is not None and numbers.size:
            parts += [encode_header(number, 4 * numbers.size), numbers]
    dims = b"".join(encode_varint(dim) for dim in array.shape)
    packed = encode_header(1, len(dims)) + dims if dims else b""
    return [*parts, encode_header(_SHAPE, len(packed)) + packed]


def legacy_blob_parts(array: np.ndarray) -> list[bytes | np.ndarray]:
    """Returns a BlobProto with num, channels, height and width in place of a shape, as parts.

    Args:
        array: at most four axes; (C, H, W) gets num 1.
    """
    shape = (1,) * (4 - array.ndim) + array.shape
    axes = b"".join(
        encode_varint(number << 3) + encode_varint(dim) for number, dim in zip(_LEGACY, shape, strict=True)
    )
    return [axes, encode_header(_DATA, 4 * array.size), array]


def parts_size(parts: Iterable[bytes | np.ndarray | memoryview]) -> int:
    """Returns how many bytes ``parts`` take in a file."""
    return sum(4 * part.size if isinstance(part, np.ndarray) else len(part) for part in parts)


def write_parts(file: IO[bytes], parts: Iterable[bytes | np.ndarray | memoryview]) -> None:
    """Writes parts to ``file``; an array is made float32 only when its turn comes."""
    for part in parts:
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(to_float32(part)).reshape(-1).view("u1").data
        file.write(part)
