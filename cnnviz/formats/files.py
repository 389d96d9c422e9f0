"""Opening and writing files so that errors are clear and nothing is ever half written."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cnnviz.errors import FileError
from cnnviz.formats.partial_files import partial_file
from cnnviz.formats.paths import missing_hint

MOST_AT_ONCE = 1 << 30
STANDARD_INPUT = "-"
_MOST_FROM_STANDARD_INPUT = 1 << 26


def describe_os_error(error: OSError) -> str:
    """Returns the reason of ``error`` in lower case words, e.g. "no such file or directory"."""
    return (error.strerror or str(error)).lower()


def require_folder_of(path: str | os.PathLike) -> None:
    """Raises FileError if the folder that ``path`` is to be written into does not exist."""
    folder = Path(path).parent
    if not os.path.exists(folder):
        raise FileError(f"{path}: cannot be written: there is no folder {str(folder)!r}; create it first.")


def check_regular(path: str | os.PathLike, pipes: bool = False) -> None:
    """Raises FileError if ``path`` is a device, or a pipe unless ``pipes``: reading one may never end.

    What is not there at all is left to whoever opens it.
    """
    if "\0" in os.fsdecode(path):  # names come from files, which may be damaged
        raise FileError(f"{os.fsdecode(path)!r}: is not a valid file name.")
    with contextlib.suppress(OSError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or (pipes and stat.S_ISFIFO(mode))):
            kind = "a device" if pipes else "a pipe or a device"
            raise FileError(f"{path}: is {kind}, not a file. Give a file on a disk.")


def check_size(path: str | os.PathLike, file: IO[bytes], limit: int = MOST_AT_ONCE) -> None:
    """Raises FileError if ``file``, which is to be read at once, has more than ``limit`` bytes."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise FileError(
            f"{path}: has {size} bytes, but at most {limit} are read at once. Is it the right file?"
        )


class UnpackLimit:
    """Bounds what the packed parts of one file may grow to: weights hardly shrink, decompression bombs do.

    All parts together may have 256 MiB, or twenty times the file's size.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        self.limit = self.left = max(1 << 28, 20 * os.path.getsize(path))

    def take(self, size: int) -> None:
        """Counts ``size`` bytes more; raises FileError where they are too many."""
        self.left -= size
        if self.left < 0:
            raise FileError(
                f"{self.path}: unpacks to more than {self.limit} bytes, which is unlikely for its size. If "
                "they are intended, save it without compression."
            )


@contextlib.contextmanager
def open_to_read(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Gives the file ``path`` to read.

    Raises FileError if it is not a regular file, cannot be opened, or cannot be read inside of the block.
    """
    check_regular(path)
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        name = os.fsdecode(path) if isinstance(error, FileNotFoundError) else ""
        raise FileError(f"{path}: cannot be read: {describe_os_error(error)}.{missing_hint(name)}") from None


def read_bytes(path: str | os.PathLike, limit: int = MOST_AT_ONCE) -> bytes:
    """Returns the whole content of ``path``.

    Raises FileError if it cannot be read or has more than ``limit`` bytes, 1 GiB by default.
    """
    with open_to_read(path) as file:
        check_size(path, file, limit)
        return file.read()


def read_standard_input(limit: int = _MOST_FROM_STANDARD_INPUT) -> bytes:
    """Returns all of standard input.

    Raises FileError if it cannot be read, is empty or has more than ``limit`` bytes, 64 MiB by default.
    """
    try:
        with open(0, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise FileError(f"-: cannot be read: {describe_os_error(error)}.") from None
    if not data:
        raise FileError("-: standard input is empty.")
    if len(data) > limit:
        raise FileError(f"-: has more than {limit} bytes. If they are intended, give them as a file.")
    return data


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", **open_args) -> Iterator[IO]:
    """Gives a file to write that takes the place of ``path`` when the block ends without an error.

    The data goes to a temporary file in the same folder, is flushed to the disk and renamed, so a
    killed process or a full disk leaves the old file or the new one, never half of one.

    Raises FileError if the folder or the file cannot be written.
    """
    target = Path(path)
    if os.path.isdir(target):
        raise FileError(f"{path}: is a folder; give the name of a file in it.")
    try:
        with partial_file(target) as (handle, temporary):
            with os.fdopen(handle, mode, **open_args) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
    except OSError as error:
        require_folder_of(path)
        raise FileError(f"{path}: cannot be written: {describe_os_error(error)}.") from None


def write_bytes(path: str | os.PathLike, data: bytes) -> None:
    """Writes ``data`` to ``path`` as a whole or not at all."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes ``text`` to ``path`` in UTF-8 as a whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
