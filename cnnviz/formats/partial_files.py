"""Files that are being written: hidden, beside the file whose place they take, locked by their writer.

A killed process leaves its own behind. The lock, which ends with the process on whatever machine it ran,
distinguishes those from the files of processes that live.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, and nothing removed
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def partial_file(target: Path) -> Iterator[tuple[int, str]]:
    """Gives the descriptor and the name of a new file beside ``target``; it is removed if not renamed.

    The descriptor is the caller's to close. Raises OSError if the file cannot be made.
    """
    handle, name, lock = _make(target)
    try:
        yield handle, name
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)
        if lock is not None:
            os.close(lock)


def _make(target: Path) -> tuple[int, str, int | None]:
    """Returns descriptor, name and a second descriptor, which holds the lock for as long as it is open."""
    while True:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent or ".")
        if fcntl is None:  # where an open file cannot be renamed either
            return handle, name, None
        lock = os.dup(handle)
        _lock(lock, wait=True)
        if os.fstat(lock).st_nlink:
            return handle, name, lock
        os.close(handle)  # another process took it for abandoned before it was locked
        os.close(lock)


def _lock(descriptor: int, wait: bool) -> bool:
    """Locks a file and returns whether that could be done: some network disks have no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True


def remove_abandoned(folder: Path, names: str) -> None:
    """Removes the partial files in ``folder`` whose writer is dead and whose target matches ``names``.

    ``names`` is a regular expression for a target's whole name.
    """
    partial = re.compile(rf"\.(?:{names})\.[a-z0-9_]{{8}}")
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if partial.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    if fcntl is None:
        return
    with contextlib.suppress(OSError):  # gone, or another user's
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        try:
            if _lock(descriptor, wait=False):
                os.unlink(path)
        finally:
            os.close(descriptor)
