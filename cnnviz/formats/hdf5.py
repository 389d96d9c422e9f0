"""HDF5 files: groups, datasets and numbered arrays, checked before they are believed.

Datasets that lie in one piece are handed out as views of the mapped file.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import PurePath
from typing import Any

import numpy as np

from cnnviz.errors import FileError, require
from cnnviz.formats.blob_proto import to_float32
from cnnviz.formats.files import UnpackLimit, atomic_write
from cnnviz.formats.text import decode_name, without_surrogates
from cnnviz.formats.wire import map_file

# What h5py raises for a damaged file, depending on where the damage is.
_H5_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
_MOST_COMPRESSED = 1032  # deflate packs no better, so a dataset that claims more is false


@contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator[Any]:
    """Gives the HDF5 file ``path`` for reading.

    Raises:
        FileError: the file cannot be read or is damaged.
        MissingDependencyError: h5py is not installed.
    """
    h5py = require("h5py", "hdf5", "reading HDF5")
    map_file(path)  # for its errors: absent, empty
    with named_damage(path), h5py.File(path, "r") as file:
        yield file


def _comes_from_h5py(error: Exception) -> bool:
    """Returns whether h5py raised ``error``; a TypeError of our own code says nothing about the file."""
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return "h5py" in PurePath(files[-1]).parts


@contextmanager
def named_damage(path: str | os.PathLike) -> Iterator[None]:
    """Turns what h5py raises inside of the block for a damaged file into a FileError; nothing else."""
    try:
        yield
    except _H5_ERRORS as error:
        if not _comes_from_h5py(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].strip("'\"").lower()
        raise FileError(f"{path}: cannot be read as HDF5: {reason}. Fetch the file again.") from None


def write_hdf5(path: str | os.PathLike, fill: Callable[[Any], None]) -> None:
    """Writes an HDF5 file as a whole or not at all; ``fill`` gets the open file.

    Raises:
        FileError: the file cannot be written.
        MissingDependencyError: h5py is not installed.
    """
    h5py = require("h5py", "hdf5", "writing HDF5")
    with atomic_write(path, "w+b") as raw, h5py.File(raw, "w") as file:
        fill(file)


def group(path: str | os.PathLike, parent: Any, name: str) -> Any | None:
    """Returns the group ``name`` of ``parent``, or None if there is none.

    Raises FileError if it is not a group, or lies in another file.
    """
    found = _own(path, parent, name)
    if found is not None and not hasattr(found, "items"):
        raise FileError(f"{path}: {found.name} is a dataset, but a group was expected. Fetch the file again.")
    return found


def dataset(path: str | os.PathLike, parent: Any, name: str) -> Any | None:
    """Returns the dataset of numbers ``name`` of ``parent``, not read yet, or None if there is none.

    Raises FileError if it is of another kind, claims more than is there, or lies in another file.
    """
    found = _own(path, parent, name)
    if found is None or not hasattr(found, "dtype"):
        return None
    _check_dataset(path, found, kinds="iufb")
    return found


def member_name(name: str | bytes) -> str:
    """Returns a name in the file as text; h5py gives bytes where it is none."""
    return decode_name(name) if isinstance(name, bytes) else without_surrogates(name)


def is_number(name: str | bytes) -> bool:
    """Returns whether ``name`` is that of a numbered dataset."""
    return name.isascii() and name.isdigit() and len(name) < 6


def numbered_loaders(
    path: str | os.PathLike, folder: Any, limit: UnpackLimit
) -> list[Callable[[], np.ndarray] | None]:
    """Returns a loader for each dataset 0, 1, 2, ... of a group, in the order of the numbers.

    A number without a dataset gives None. Names that are not numbers are skipped.
    """
    if folder is None:  # a link that leads nowhere
        return []
    named = {int(name): name for name in folder if is_number(name)}
    loaders: list[Callable[[], np.ndarray] | None] = [None] * (max(named, default=-1) + 1)
    if len(loaders) > 100 + 2 * len(named):
        raise FileError(f"{path}: {folder.name} has a dataset {len(loaders) - 1} after only {len(named)}.")
    for number, name in named.items():
        loaders[number] = _loader(path, _own(path, folder, name), limit)
    return loaders


def read_value(path: str | os.PathLike, file: Any, name: str) -> Any:
    """Returns the one number or text that the dataset ``name`` holds, or None if it is absent."""
    dataset = _own(path, file, name)
    if dataset is None:
        return None
    _check_dataset(path, dataset, kinds="iufSO")
    value = np.asarray(dataset[()]).reshape(-1)
    if value.size != 1:
        raise FileError(f"{path}: {dataset.name} holds {value.size} values, but one was expected.")
    return decode_name(value[0]) if isinstance(value[0], bytes) else value[0]


def _own(path: str | os.PathLike, parent: Any, name: str) -> Any | None:
    """Returns a member that lies in this file: links into other files are not followed."""
    h5py = require("h5py", "hdf5", "reading HDF5")
    link = parent.get(name, getlink=True)
    if isinstance(link, h5py.ExternalLink):
        raise FileError(f"{path}: {name!r} is a link into another file, which is not followed.")
    return parent[name] if link is not None else None


def _check_dataset(path: str | os.PathLike, dataset: Any, kinds: str) -> None:
    # A link may lead nowhere, and a name may be that of a group or of a type.
    if not hasattr(dataset, "chunks") or dataset.dtype.kind not in kinds:
        name = getattr(dataset, "name", "an array")
        raise FileError(f"{path}: {name} holds no numbers. Fetch the file again.")
    if dataset.shape is None:
        raise FileError(f"{path}: {dataset.name} is empty, but numbers were expected. Fetch the file again.")
    if dataset.is_virtual or dataset.external:
        raise FileError(f"{path}: {dataset.name} has its numbers in another file, which is not followed.")
    stored = dataset.id.get_storage_size()
    if dataset.dtype.kind != "O" and dataset.nbytes > stored * (_MOST_COMPRESSED if dataset.chunks else 1):
        raise FileError(
            f"{path}: {dataset.name} has the shape {dataset.shape}, but only {stored} bytes are there. "
            "The copy was cut short; fetch it again."
        )


def _loader(path: str | os.PathLike, dataset: Any, limit: UnpackLimit) -> Callable[[], np.ndarray]:
    _check_dataset(path, dataset, kinds="iuf")
    offset = dataset.id.get_offset()
    if dataset.chunks or offset is None or not dataset.size:
        limit.take(max(dataset.nbytes - dataset.id.get_storage_size(), 0))
        return partial(_read_only, dataset[()])
    return partial(_mapped, path, dataset.shape, dataset.dtype, offset)


def _mapped(path: str | os.PathLike, shape: tuple[int, ...], dtype: np.dtype, offset: int) -> np.ndarray:
    return _read_only(np.ndarray(shape, dtype, map_file(path), offset))


def _read_only(array: np.ndarray) -> np.ndarray:
    array = to_float32(array)
    array.flags.writeable = False
    return array
