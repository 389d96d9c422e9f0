"""Opening and writing files so that errors are clear and nothing is ever half written."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from cnnviz.errors import FileError
from cnnviz.formats.partial_files import partial_file


def describe_os_error(error: OSError) -> str:
    """Returns the reason of ``error`` in lower case words, e.g. "no such file or directory"."""
    return (error.strerror or str(error)).lower()


def require_folder_of(path: str | os.PathLike) -> None:
    """Raises FileError if the folder that ``path`` is to be written into does not exist."""
    folder = Path(path).parent
    if not folder.exists():
        raise FileError(f"{path}: cannot be written: there is no folder {str(folder)!r}; make it first.")


@contextlib.contextmanager
def open_to_read(path: str | os.PathLike) -> Iterator[IO[bytes]]:
    """Gives the file ``path`` to read.

    Raises FileError if it cannot be opened, or read inside of the block.
    """
    if "\0" in os.fsdecode(path):  # names come from files, which may be damaged
        raise FileError(f"{os.fsdecode(path)!r}: is no name of a file.")
    try:
        with open(path, "rb") as file:
            yield file
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {describe_os_error(error)}.") from None


def read_bytes(path: str | os.PathLike) -> bytes:
    """Returns the whole content of ``path``.

    Raises FileError if it cannot be read.
    """
    with open_to_read(path) as file:
        return file.read()


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike, mode: str = "wb", **open_args) -> Iterator[IO]:
    """Gives a file to write that takes the place of ``path`` when the block ends without an error.

    The data goes to a temporary file in the same folder, is flushed to the disk and renamed, so a
    killed process or a full disk leaves the old file or the new one, never half of one.

    Raises FileError if the folder or the file cannot be written.
    """
    target = Path(path)
    if target.is_dir():
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
