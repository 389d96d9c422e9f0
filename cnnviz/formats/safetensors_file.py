"""Arrays in a .safetensors file: 8 bytes length, a JSON header, then the numbers; read as views."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import MAX_AXES, to_float32, write_parts
from cnnviz.formats.files import atomic_write
from cnnviz.formats.sniff import reject_other_kinds
from cnnviz.formats.text import without_surrogates
from cnnviz.formats.wire import map_file

_METADATA = "__metadata__"
_ALIGNMENT = 8
_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "u1",
}


def read_safetensors(path: str | os.PathLike) -> tuple[dict[str, Callable[[], np.ndarray]], dict[str, str]]:
    """Returns a loader of a float32 array for each name in the file, and the file's metadata.

    Raises FileError if the file cannot be read or its header does not fit it.
    """
    data = map_file(path)
    reject_other_kinds(bytes(data[:512]), path, "a .safetensors file")
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise FileError(f"{path}: its header does not fit into its {len(data)} bytes. Fetch the file again.")
    try:
        header = json.loads(bytes(data[8 : 8 + length]), object_pairs_hook=_unique)
        metadata = {str(k): without_surrogates(str(v)) for k, v in header.pop(_METADATA, {}).items()}
        body = data[8 + length :]
        loaders = _unique([(without_surrogates(k), _loader(path, k, e, body)) for k, e in header.items()])
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        raise FileError(f"{path}: its header makes no sense. Fetch the file again.") from None
    return loaders, metadata


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("two arrays have one name")
    return found


def write_safetensors(
    path: str | os.PathLike, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]
) -> None:
    """Writes named arrays as float32, as a whole or not at all.

    Raises FileError if the file cannot be written.
    """
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + 4 * array.size
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % _ALIGNMENT)
    with atomic_write(path) as file:
        write_parts(file, [len(text).to_bytes(8, "little"), text, *arrays.values()])


def _loader(path: str | os.PathLike, name: str, entry: Any, body: memoryview) -> Callable[[], np.ndarray]:
    dtype = _DTYPES.get(entry["dtype"])
    if dtype is None:
        raise FileError(f"{path}: array {name!r} has the type {entry['dtype']!r}, which is not known.")
    shape = tuple(int(dim) for dim in entry["shape"])
    start, end = (int(offset) for offset in entry["data_offsets"])
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if len(shape) > MAX_AXES:
        raise FileError(f"{path}: array {name!r} has {len(shape)} axes; {MAX_AXES} is the most that is read.")
    if (
        min((0, *shape)) < 0
        or max((0, *shape)) > 2**31
        or not 0 <= start <= end <= len(body)
        or end - start != size
    ):
        raise FileError(
            f"{path}: array {name!r} of shape {shape} does not fit its place, bytes {start} to {end} "
            f"of {len(body)}. The copy was cut short; fetch it again."
        )
    return partial(_load, body[start:end], dtype, shape, entry["dtype"] == "BF16")


def _load(body: memoryview, dtype: str, shape: tuple[int, ...], is_bfloat: bool) -> np.ndarray:
    array = np.frombuffer(body, dtype).reshape(shape)
    if is_bfloat:  # the upper half of a float32
        return (array.astype("<u4") << 16).view("<f4")
    return to_float32(array)
