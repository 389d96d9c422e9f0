"""NumPy's .npy arrays and .npz archives, read with every size checked before memory is taken."""

from __future__ import annotations

import math
import os
import re
import zipfile
import zlib
from collections.abc import Callable
from functools import partial

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import to_float32
from cnnviz.formats.files import UnpackLimit
from cnnviz.formats.wire import map_file

_MAGIC = b"\x93NUMPY"
_MOST_COMPRESSED = 1032  # deflate packs no better, so a member that claims more is false
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
)


def is_npy(head: bytes) -> bool:
    """Returns whether a file that starts with ``head`` is a .npy."""
    return head.startswith(_MAGIC)


def read_npy(path: str | os.PathLike) -> np.ndarray:
    """Returns the array of a .npy file, a read-only view of the mapped file.

    Raises FileError if the file cannot be read or holds no array of numbers.
    """
    try:
        return _array(map_file(path))
    except ValueError as error:
        raise FileError(f"{path}: is not a NumPy array of numbers: {error}. Fetch it again.") from None


def open_npz(path: str | os.PathLike) -> dict[str, Callable[[], np.ndarray]]:
    """Returns a loader of a float32 array for each member of an .npz archive, by its name.

    Raises FileError if the file is not an archive or claims more than it can hold.
    """
    map_file(path)  # for its errors: absent, empty
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            limit = UnpackLimit(path)
            if len({member.filename for member in members}) < len(members):
                raise ValueError("two of its arrays have one name")
            for member in members:
                limit.take(max(member.file_size - member.compress_size, 0))
    except _ZIP_ERRORS as error:
        raise FileError(f"{path}: is not a readable .npz: {error}. Fetch the file again.") from None
    except OSError:  # an offset of the archive leads out of the file
        raise FileError(f"{path}: is not a readable .npz. Fetch the file again.") from None
    return {info.filename.removesuffix(".npy"): partial(_load_member, path, info) for info in members}


def _load_member(path: str | os.PathLike, info: zipfile.ZipInfo) -> np.ndarray:
    try:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError("it is packed in an uncommon way")
        if info.compress_size > os.path.getsize(path):
            raise ValueError(f"it is said to have {info.compress_size} bytes, which are not there")
        if info.file_size > info.compress_size * _MOST_COMPRESSED:
            raise ValueError(f"{info.compress_size} bytes cannot unpack to {info.file_size}")
        with zipfile.ZipFile(path) as archive:
            return to_float32(_array(memoryview(archive.read(info))))
    except (*_ZIP_ERRORS, OSError) as error:
        raise FileError(
            f"{path}: array {info.filename!r} cannot be read: {error}. Fetch the file again."
        ) from None


def _array(data: memoryview) -> np.ndarray:
    """Returns the array that starts with its .npy header; raises ValueError with the reason."""
    if bytes(data[:6]) != _MAGIC:
        raise ValueError("it does not start with the mark of .npy")
    start = 10 if data[6:7] == b"\x01" else 12
    end = start + int.from_bytes(data[8:start], "little")
    header = bytes(data[start : min(end, start + 4096)]).decode("latin-1")
    dtype = re.search(r"'descr':\s*'([<>|=]?[iufb](?:1|2|4|8))'", header)
    order = re.search(r"'fortran_order':\s*(True|False)", header)
    shape = re.search(r"'shape':\s*\(([0-9, ]{0,400})\)", header)
    if not (dtype and order and shape):
        raise ValueError("its header does not name a type of number, an order and a shape")
    dims = [int(dim) for dim in re.findall(r"[0-9]+", shape[1])]
    expected, there = math.prod(dims) * np.dtype(dtype[1]).itemsize, len(data) - end
    if expected > there or len(dims) > 32:
        raise ValueError(f"the shape {tuple(dims)} needs {expected} bytes, but {max(there, 0)} are stored")
    if not expected:
        return np.zeros(dims, dtype[1])
    return np.ndarray(dims, dtype[1], data, end, order="F" if order[1] == "True" else "C")
