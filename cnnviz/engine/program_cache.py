"""Keeps the binaries of built OpenCL programs between runs, each after a digest of its name and content.

A runtime trusts the binaries that it is given: one flipped bit may crash it. A file that is damaged, cut
short or another's is therefore never handed out. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from cnnviz.engine.caches import cache_folder
from cnnviz.errors import FileError
from cnnviz.formats.files import write_bytes

LARGEST = 256 << 20
"""Bytes that all programs may take; then those that were not used for longest are removed."""
_DIGEST = hashlib.sha256().digest_size


def load_program(name: str) -> bytes | None:
    """Returns the binary that was kept as ``name``, or None if there is none that is whole."""
    file = _folder() / name
    try:
        content = file.read_bytes()
    except OSError:
        return None
    digest, binary = content[:_DIGEST], content[_DIGEST:]
    if digest != _digest(name, binary):
        return None
    with contextlib.suppress(OSError):
        os.utime(file)  # used now: the last to be removed
    return binary


def keep_program(name: str, binary: bytes) -> None:
    """Keeps ``binary`` as ``name``, if it can be written."""
    folder = _folder()
    with contextlib.suppress(FileError, OSError):
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(folder / name, _digest(name, binary) + binary)
        _make_room(folder)


def _folder() -> Path:
    return cache_folder() / "programs"


def _digest(name: str, binary: bytes) -> bytes:
    return hashlib.sha256(name.encode() + binary).digest()


def _make_room(folder: Path) -> None:
    """Removes the programs used longest ago until those that stay take at most ``LARGEST`` bytes."""
    entries = []
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):  # another process removed it
            if entry.is_file(follow_symlinks=False):
                entries.append((entry.stat().st_mtime, entry.stat().st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LARGEST:
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        total -= size
