"""MNIST's idx files: images and labels, plain or gzipped."""

from __future__ import annotations

import math
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.files import open_to_read, read_bytes, write_bytes

_UINT8 = 8
_MAX_AXES = 4
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31  # zlib's code for a window of 32 KiB with gzip's header


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Returns the array of an idx file of unsigned bytes, e.g. (60000, 28, 28) or (60000,).

    The file starts with two zeros, the type 8 and the number of axes, then the axes as big-endian
    32-bit numbers, then the values.

    Raises:
        FileError: unreadable, not an idx file of bytes, or of another size than its header says.
    """
    data = read_bytes(path)
    start = _unpacked(data, 4 + 4 * _MAX_AXES, path)
    axes = start[3] if len(start) > 4 and start[:3] == bytes((0, 0, _UINT8)) else 0
    header = 4 + 4 * axes
    if not 1 <= axes <= _MAX_AXES or len(start) < header:
        raise FileError(
            f"{path}: is not an idx file of bytes, it starts with {start[:4].hex(' ') or 'nothing'}."
        )
    shape = struct.unpack(f">{axes}I", start[4:header])
    expected = header + math.prod(shape)
    # Beyond a ratio of 1032 gzip cannot pack, so a larger size is false and need not be unpacked.
    values = _unpacked(data, expected + 1, path) if expected < 1040 * len(data) + header else start
    if len(values) != expected:
        raise FileError(
            f"{path}: holds {len(values)} bytes where its header says {expected}; fetch it again."
        )
    return np.frombuffer(values, np.uint8, offset=header).reshape(shape)


def write_idx(path: str | os.PathLike, values: np.ndarray) -> None:
    """Writes unsigned bytes, e.g. images (N, H, W) or labels (N,), as an idx file."""
    header = struct.pack(f">4B{values.ndim}I", 0, 0, _UINT8, values.ndim, *values.shape)
    write_bytes(path, header + values.astype(np.uint8).tobytes())


def is_idx(path: str | os.PathLike) -> bool:
    """Whether ``path`` is an idx file of bytes, by its first bytes."""
    try:
        with open_to_read(path) as file:
            return _unpacked(file.read(512), 3, path)[:3] == bytes((0, 0, _UINT8))
    except FileError:
        return False


def labels_path(images: str | os.PathLike) -> Path:
    """Returns where the labels of an images file lie by MNIST's naming.

    "train-images-idx3-ubyte.gz" goes with "train-labels-idx1-ubyte.gz".
    """
    path = Path(images)
    return path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))


def read_digits(images: str | os.PathLike, labels: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns images (N, H, W) and labels (N,) of a pair of idx files.

    Raises:
        FileError: one of them is unreadable, or they do not belong together.
    """
    pixels, classes = read_idx(images), read_idx(labels)
    if pixels.ndim != 3 or classes.ndim != 1 or len(pixels) != len(classes) or not pixels.size:
        raise FileError(
            f"{images}: is of shape {pixels.shape} and {labels} of {classes.shape}; "
            "expected (N, H, W) images and N labels."
        )
    return pixels, classes


def _unpacked(data: bytes, limit: int, path: str | os.PathLike) -> bytes:
    """Returns ``data``, or up to ``limit`` bytes of what is gzipped in it."""
    if not data.startswith(_GZIP_MAGIC):
        return data
    try:
        return zlib.decompressobj(_GZIP_WINDOW).decompress(data, limit)
    except zlib.error as error:
        raise FileError(f"{path}: is damaged inside its gzip form ({error}); fetch it again.") from None
