"""Databases of Datums: LMDB and LevelDB folders as Caffe's tools write them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from cnnviz.errors import FileError, require
from cnnviz.formats.files import describe_os_error
from cnnviz.formats.images import load_image, to_planes
from cnnviz.formats.lmdb import LmdbFile
from cnnviz.formats.paths import missing_hint
from cnnviz.formats.schema import Datum

BACKENDS = ("LMDB", "LEVELDB")
_BATCH = 1000  # entries per transaction, as Caffe's tools commit


class Database(ABC):
    """A database opened to read; iterating gives (key, value) as bytes in the order of keys.

    Attributes:
        path: the folder.
        backend: "LMDB" or "LEVELDB".
        count: number of entries, None where the backend does not store it.
    """

    backend: str
    count: int | None = None

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    @abstractmethod
    def __iter__(self) -> Iterator[tuple[bytes, bytes]]: ...

    @abstractmethod
    def close(self) -> None:
        """Gives the files back."""

    def cursor(self) -> Iterator[tuple[bytes, bytes]]:
        """Yields (key, value) for ever: after the last entry comes the first.

        Raises:
            FileError: the database is empty.
        """
        while True:
            entry = None
            for entry in self:
                yield entry
            if entry is None:
                raise FileError(f"{self.path}: is empty; convert the data again.")

    def datums(self) -> Iterator[tuple[str, Any]]:
        """Yields (key, Datum) once through the database."""
        for key, value in self:
            yield key.decode("utf-8", "replace"), parse_datum(value, self.place(key))

    def place(self, key: bytes) -> str:
        """Returns how errors name the entry ``key``."""
        return f"{self.path}: entry {key.decode('utf-8', 'replace')!r}"

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class LmdbDatabase(Database):
    """An LMDB, read by our own reader."""

    backend = "LMDB"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        self._file = LmdbFile(path)
        self.count = len(self._file)

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(self._file)

    def close(self) -> None:
        self._file.close()


class LevelDatabase(Database):
    """A LevelDB, read by plyvel.

    LevelDB cannot open a database without locking and rewriting it. It is therefore given a temporary
    folder of links to the tables: the database itself stays untouched, may be read-only, and can be
    read by several programs at once.
    """

    backend = "LEVELDB"

    def __init__(self, path: str | os.PathLike):
        super().__init__(path)
        plyvel = require("plyvel", "leveldb", "reading LevelDB")
        self._shadow = tempfile.TemporaryDirectory(prefix="cnnviz-leveldb-")
        try:
            for file in self.path.iterdir():
                _link(file, Path(self._shadow.name) / file.name)
            self._plyvel_error = plyvel.Error
            self._db = plyvel.DB(self._shadow.name, create_if_missing=False)
        except (plyvel.Error, OSError) as error:
            self._shadow.cleanup()
            raise FileError(f"{self.path}: cannot be read as LevelDB: {self._reason(error)}.") from None

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        try:
            yield from self._db.iterator(fill_cache=False, verify_checksums=True)
        except self._plyvel_error as error:
            raise FileError(f"{self.path}: is damaged: {self._reason(error)}.") from None

    def close(self) -> None:
        self._db.close()
        self._shadow.cleanup()

    def _reason(self, error: Exception) -> str:
        if isinstance(error, OSError) and error.strerror:
            return describe_os_error(error)
        text = error.args[0] if error.args else error
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        return text.replace(f"{self._shadow.name}/", "").rstrip(".")


class DatabaseWriter(ABC):
    """Writes a new database beside its place and moves it there when the block ends without an error.

    Use as a context manager; ``put`` takes keys in any order.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        check_free(path)
        try:
            self._folder = tempfile.mkdtemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        except OSError as error:
            raise FileError(f"{self.path}: cannot be written: {describe_os_error(error)}.") from None
        self._pending: list[tuple[bytes, bytes]] = []

    def put(self, key: str | bytes, value: bytes | Any) -> None:
        """Adds an entry; a Datum is serialized."""
        key = key if isinstance(key, bytes) else os.fsencode(key)
        self._pending.append((key, value if isinstance(value, bytes) else value.SerializeToString()))
        if len(self._pending) >= _BATCH:
            self._flush()

    @abstractmethod
    def _commit(self, entries: list[tuple[bytes, bytes]]) -> None: ...

    @abstractmethod
    def _close(self) -> None: ...

    def _flush(self) -> None:
        self._commit(self._pending)
        self._pending = []

    def __enter__(self) -> DatabaseWriter:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        try:
            if kind is None:
                self._flush()
            self._close()
            if kind is None:
                os.chmod(self._folder, 0o755)
                os.rename(self._folder, self.path)
        except OSError as failure:
            reason = describe_os_error(failure)
            raise FileError(f"{self.path}: cannot be written: {reason}.") from None
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


class LmdbWriter(DatabaseWriter):
    """Writes an LMDB of data version 1, which Caffe reads."""

    def __init__(self, path: str | os.PathLike):
        self._lmdb = require("lmdb", "lmdb", "writing LMDB")
        super().__init__(path)
        self._size = 1 << 26
        self._env = self._lmdb.open(self._folder, map_size=self._size, lock=False, sync=False)

    def _commit(self, entries: list[tuple[bytes, bytes]]) -> None:
        while True:
            try:
                with self._env.begin(write=True) as transaction:
                    for key, value in entries:
                        transaction.put(key, value)
                return
            except self._lmdb.MapFullError:
                self._size *= 2
                self._env.set_mapsize(self._size)
            except self._lmdb.Error as error:
                raise FileError(f"{self.path}: cannot be written: {error}.") from None

    def _close(self) -> None:
        self._env.sync(True)
        self._env.close()


class LevelWriter(DatabaseWriter):
    """Writes a LevelDB."""

    def __init__(self, path: str | os.PathLike):
        self._plyvel = require("plyvel", "leveldb", "writing LevelDB")
        super().__init__(path)
        self._db = self._plyvel.DB(self._folder, create_if_missing=True, write_buffer_size=1 << 26)

    def _commit(self, entries: list[tuple[bytes, bytes]]) -> None:
        try:
            with self._db.write_batch(sync=True) as batch:
                for key, value in entries:
                    batch.put(key, value)
        except self._plyvel.Error as error:
            raise FileError(f"{self.path}: cannot be written: {error}.") from None

    def _close(self) -> None:
        self._db.close()


def check_free(path: str | os.PathLike) -> None:
    """Raises FileError if there is something at ``path``, where a new database is to be."""
    if os.path.lexists(path):
        raise FileError(f"{path}: exists already; remove it or choose another name.")


def find_backend(path: str | os.PathLike) -> str | None:
    """Returns which database ``path`` holds, "LMDB" or "LEVELDB", or None."""
    path = Path(path)
    if os.path.isfile(path / "data.mdb") or (os.path.isfile(path) and path.suffix == ".mdb"):
        return "LMDB"
    return "LEVELDB" if os.path.isfile(path / "CURRENT") else None


def open_database(path: str | os.PathLike, backend: str | None = None) -> Database:
    """Opens a database to read.

    Args:
        path: its folder.
        backend: "LMDB" or "LEVELDB"; default what the folder holds.

    Raises:
        FileError: missing, damaged, not a database, or one of the other backend.
        MissingDependencyError: a LevelDB, and plyvel is not installed.
    """
    found = find_backend(path)
    if found is None:
        if os.path.exists(path):
            raise FileError(f"{path}: holds no database: neither data.mdb nor CURRENT is in it.")
        hint = missing_hint(os.fsdecode(path))
        raise FileError(
            f"{path}: no such file or folder; paths count from the current folder, {os.getcwd()}.{hint}"
        )
    if backend not in (None, found):
        raise FileError(f"{path}: is of backend {found}, not {backend}; give {found}, or omit it.")
    return LmdbDatabase(path) if found == "LMDB" else LevelDatabase(path)


def create_database(path: str | os.PathLike, backend: str = "LMDB") -> DatabaseWriter:
    """Opens a new database to write; nothing is at ``path`` before the writer's block ends well.

    Raises:
        FileError: ``path`` exists or its folder cannot be written.
        MissingDependencyError: the package of the backend is not installed.
    """
    writers = {"LMDB": LmdbWriter, "LEVELDB": LevelWriter}
    if backend.upper() not in writers:
        raise FileError(f"Unknown backend {backend!r}; use lmdb or leveldb.")
    return writers[backend.upper()](path)


def parse_datum(value: bytes, place: str) -> Any:
    """Returns the Datum in ``value``; ``place`` names it in errors.

    Raises:
        FileError: the bytes are not a Datum.
    """
    try:
        return Datum.FromString(value)
    except DecodeError:
        raise FileError(f"{place} is not a Datum; the database was written by something else.") from None


def datum_to_array(datum: Any, place: str = "Datum", color: bool | None = None) -> np.ndarray:
    """Returns the image of a Datum as (C, H, W): uint8, or float32 where float_data holds it.

    Args:
        datum: the message.
        place: how errors name it.
        color: for encoded images: True B, G, R, False grey, None as stored.

    Raises:
        FileError: the sizes do not fit the data, or an encoded image cannot be decoded.
    """
    if datum.encoded:
        return to_planes(load_image(datum.data, color, place))
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        values = np.frombuffer(datum.data, np.uint8)
    else:
        values = np.array(datum.float_data, np.float32)
    if min(shape) < 1 or values.size != shape[0] * shape[1] * shape[2]:
        sizes = " x ".join(map(str, shape))
        raise FileError(f"{place} says channels x height x width = {sizes} but holds {values.size} values.")
    return values.reshape(shape)


def array_to_datum(array: np.ndarray, label: int | None = None) -> Any:
    """Returns a Datum of a (C, H, W) array: bytes for uint8, float_data for anything else.

    Args:
        array: the values; colours in the order B, G, R.
        label: omitted where None.
    """
    channels, height, width = array.shape
    datum = Datum(channels=channels, height=height, width=width)
    if array.dtype == np.uint8:
        datum.data = array.tobytes()
    else:
        datum.float_data.extend(array.ravel().tolist())
    if label is not None:
        datum.label = label
    return datum


def _link(source: Path, target: Path) -> None:
    """Links a table; the small files that LevelDB replaces, and tables where links fail, are copied."""
    if source.name.startswith(("LOCK", "LOG")) or not source.is_file():
        return
    if source.suffix in (".ldb", ".sst"):
        with contextlib.suppress(OSError, NotImplementedError):
            target.symlink_to(source.resolve())
            return
    shutil.copyfile(source, target)
