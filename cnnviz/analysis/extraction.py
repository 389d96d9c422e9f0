"""Features: the values of blobs, batch after batch, written to databases or arrays."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.engine.partial import LayerFailure
from cnnviz.errors import CnnvizError, NetError, require
from cnnviz.formats.databases import array_to_datum, create_database
from cnnviz.formats.files import write_bytes

Track = Callable[[Iterable[Any]], Iterable[Any]]


_OTHER_KINDS = (".npy", ".mat", ".csv", ".txt", ".json", ".caffemodel", ".safetensors", ".binaryproto")


class _FeatureWriter(ABC):
    """Takes one blob's rows; what it wrote is in place only when the block ends well."""

    @abstractmethod
    def add(self, rows: np.ndarray) -> None: ...

    @abstractmethod
    def finish(self) -> None: ...

    def __enter__(self) -> _FeatureWriter:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        if kind is None:
            self.finish()


class _DatabaseWriter(_FeatureWriter):
    """A Datum of floats for each row; keys are 10-digit numbers."""

    def __init__(self, path: str | os.PathLike, backend: str):
        self._writer = create_database(path, backend)
        self._count = 0

    def add(self, rows: np.ndarray) -> None:
        for row in rows:
            self._writer.put(f"{self._count:010d}", array_to_datum(_three_axes(row)))
            self._count += 1

    def finish(self) -> None:
        """The database is moved to its place by ``__exit__``."""

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)


class _ArrayWriter(_FeatureWriter):
    """All rows as one array named like the blob, in an .npz or HDF5 file."""

    def __init__(self, path: str | os.PathLike, blob: str):
        self._path = path
        self._blob = blob
        self._h5py = None if Path(path).suffix.lower() == ".npz" else require("h5py", "hdf5", "writing HDF5")
        self._batches: list[np.ndarray] = []

    def add(self, rows: np.ndarray) -> None:
        self._batches.append(rows)

    def finish(self) -> None:
        values = np.concatenate(self._batches)
        buffer = io.BytesIO()
        if self._h5py is None:
            arrays: dict[str, Any] = {self._blob: values}
            np.savez_compressed(buffer, **arrays)
        else:
            with self._h5py.File(buffer, "w") as file:
                file[self._blob] = values
        write_bytes(self._path, buffer.getvalue())


def extract_features(
    net: Any,
    blobs: Sequence[str],
    targets: Sequence[str | os.PathLike],
    batches: int,
    backend: str = "LMDB",
    track: Track = iter,
) -> int:
    """Runs a net and writes the values of blobs, as Caffe's extract_features.

    Args:
        net: a net with a data layer; of a partial one what is left runs where layers fail in the first
            batch.
        blobs: names of blobs.
        targets: for each blob where its values go: by the suffix an .npz or .h5 file with one array named
            like the blob; anything else is a new database with a Datum of floats for each item.
        batches: number of forward passes.
        backend: "LMDB" or "LEVELDB", for databases.

    Returns:
        The number of items written for the first blob.

    Raises:
        NetError: unknown blob, or a net without a data layer.
        CnnvizError: not one target for each blob.
        FileError: a target cannot be written, or is a database that exists.
    """
    if len(blobs) != len(targets):
        raise CnnvizError(
            f"{len(blobs)} blobs and {len(targets)} outputs were given; give one output for each blob."
        )
    for name in blobs:
        net.blob(name)
    if net.inputs:
        raise NetError(
            f"{net.graph.path}: nothing feeds the inputs {', '.join(net.inputs)}; give the net with its data "
            "layer, or use `cnnviz features --npy` for images."
        )
    net = _running(net, blobs)
    count = 0
    with ExitStack() as stack:
        stack.callback(net.close)
        writers = [
            stack.enter_context(_writer(target, blob, backend))
            for target, blob in zip(targets, blobs, strict=True)
        ]
        for batch in track(range(batches)):
            if batch:
                net.run_forward()
            rows = [np.atleast_1d(net.blobs[name].read_data()) for name in blobs]
            for writer, values in zip(writers, rows, strict=True):
                writer.add(values)
            count += len(rows[0])
    return count


def _running(net: Any, blobs: Sequence[str]) -> Any:
    """The net, or what is left of it, with the first batch in its blobs."""
    while True:
        try:
            net.run_forward()
            return net
        except LayerFailure as failure:
            net = net.rest(failure)
            for name in blobs:
                net.blob(name)


def _writer(target: str | os.PathLike, blob: str, backend: str) -> _FeatureWriter:
    suffix = Path(target).suffix.lower()
    if suffix in (".npz", ".h5", ".hdf5"):
        return _ArrayWriter(target, blob)
    if suffix in _OTHER_KINDS:
        raise CnnvizError(f"{target}: features are not written as {suffix}; use .npz, .h5 or a database.")
    return _DatabaseWriter(target, backend)


def _three_axes(row: np.ndarray) -> np.ndarray:
    """Returns one item as (channels, height, width), with ones for axes it lacks."""
    shape = (*row.shape, 1, 1, 1)[:2]
    return row.reshape(*shape, -1).astype(np.float32, copy=False)
