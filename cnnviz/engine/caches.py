"""Folders for what is only kept to save time; without one that can be written, everything still works."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path

_ROOM = 1 << 20
"""Bytes that PoCL's cache must have room for: what it builds for the kernels of a net."""


def cache_folder() -> Path:
    """The folder for cnnviz's own: CNNVIZ_CACHE, otherwise ~/.cache/cnnviz."""
    base = os.environ.get("CNNVIZ_CACHE")
    return Path(base) if base else _user_cache() / "cnnviz"


def _user_cache() -> Path:
    """The user's folder for caches; one that cannot be made for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(base):  # its standard has a relative path ignored
        return Path(base)
    home = os.path.expanduser("~")
    if os.environ.get("HOME") == "" or not os.path.isabs(home):
        return Path(os.devnull) / "no-home"
    return Path(home) / ".cache"


def has_room(folder: Path, nbytes: int = _ROOM) -> bool:
    """Whether ``folder`` can be made, and a file of ``nbytes`` in it: permissions alone do not show that."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, nbytes)
    except OSError:
        return False
    return True


def temporary_folder(purpose: str) -> Path:
    """Returns a new folder that is gone when the process ends.

    Raises OSError if none can be made.
    """
    folder = tempfile.mkdtemp(prefix=f"cnnviz-{purpose}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def spare_caches() -> None:
    """Keeps pyopencl from a cache of its own, and gives PoCL a temporary one where its cannot be written.

    Must run before pyopencl is imported. Its cache of launchers saves less than a millisecond for each
    kernel, and one on a full disk, or a damaged one, would end every command; PoCL has no device without.
    """
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")
    if not sys.platform.startswith("linux") or "POCL_CACHE_DIR" in os.environ:
        return
    kernels = _user_cache() / "pocl" / "kcache"
    with contextlib.suppress(OSError):
        os.environ["POCL_CACHE_DIR"] = str(kernels if has_room(kernels) else temporary_folder("pocl"))
