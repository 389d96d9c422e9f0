"""Finds OpenCL runtimes that pip brought, and shows them to the loader beside the system's."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from cnnviz.engine.caches import cache_folder, temporary_folder
from cnnviz.errors import FileError
from cnnviz.formats.files import write_bytes

_SYSTEM_VENDORS = Path("/etc/OpenCL/vendors")
_ROOM_FOR_ACTION = 512
"""Bytes, more than C's struct sigaction has on any machine."""


def show_runtimes_to_loader(pyopencl: Path) -> None:
    """Points OCL_ICD_VENDORS to a folder with every runtime, unless the user has set it.

    Must run before the first platform query: the loader looks once. ``pyopencl`` is that package's folder.
    """
    if not sys.platform.startswith("linux") or "OCL_ICD_VENDORS" in os.environ:
        return
    libraries = _pip_runtime_libraries()
    if not libraries:
        return  # the loader's own places are all there is
    entries = _icd_files(pyopencl, libraries)
    digest = hashlib.sha256(repr(sorted(entries.items())).encode()).hexdigest()[:12]
    for folder in (lambda: cache_folder() / f"runtimes-{digest}", lambda: temporary_folder("runtimes")):
        with contextlib.suppress(FileError, OSError):  # a home that cannot be written
            os.environ["OCL_ICD_VENDORS"] = _write_icd_files(folder(), entries)
            return
    os.environ["OCL_ICD_VENDORS"] = str(libraries[0])  # no disk at all: one runtime, named without a file


@contextlib.contextmanager
def keeping_signals() -> Iterator[None]:
    """Gives every signal back to its handler when the block ends.

    Intel's runtime takes all of them when the loader first asks it, those that end a process as well, and
    asks a user of a full disk to report a bug. C's function is asked: Python's knows only its own handlers.
    """
    if not sys.platform.startswith("linux"):
        yield
        return
    sigaction = ctypes.CDLL(None).sigaction
    actions = {number: ctypes.create_string_buffer(_ROOM_FOR_ACTION) for number in range(1, signal.SIGRTMIN)}
    for number, action in actions.items():
        sigaction(number, None, action)
    try:
        yield
    finally:
        for number, action in actions.items():
            sigaction(number, action, None)


def _pip_runtime_libraries() -> list[Path]:
    """Libraries of OpenCL runtimes that pip brought and that no loader would find by itself."""
    import importlib.metadata  # takes long, and what only draws asks for no runtime

    found = []
    try:
        files = importlib.metadata.distribution("intel-opencl-rt").files or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    # Its own .icd file names a placeholder path; the library lies in <prefix>/lib.
    found += [Path(str(f.locate())).resolve() for f in files if f.name == "libintelocl.so"]
    found.append(Path(sys.prefix) / "lib" / "libintelocl.so")
    return [path for path in dict.fromkeys(found) if path.is_file()][:1]


def _icd_files(pyopencl: Path, libraries: list[Path]) -> dict[str, str]:
    """Name and content of each .icd file that the loader shall see: the system's and pip's."""
    folders = [
        _SYSTEM_VENDORS,
        Path(sys.prefix) / "etc/OpenCL/vendors",  # conda's place
        pyopencl / ".libs",  # where pocl-binary-distribution puts its file
        Path(sysconfig.get_paths()["platlib"]) / "pocl_binary_distribution",
    ]
    entries: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.glob("*.icd")) if folder.is_dir() else []:
            if library := _library_of(file):
                entries.setdefault(file.name, library)
    for path in libraries:
        entries.setdefault(f"cnnviz-{path.stem}.icd", str(path))
    return entries


def _library_of(file: Path) -> str:
    """The library that an .icd file names, or "" if it names none that is there."""
    try:
        library = file.read_text(errors="replace").strip()
    except OSError:
        return ""
    if os.path.isabs(library):
        return library if os.path.exists(library) else ""
    beside = file.parent / library
    return str(beside) if beside.is_file() else library


def _write_icd_files(folder: Path, entries: dict[str, str]) -> str:
    """Writes the files that ``folder`` lacks, each as a whole, and returns the folder's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, library in entries.items():
        file = folder / name
        content = os.fsencode(library + "\n")
        if not file.is_file() or file.read_bytes() != content:
            write_bytes(file, content)
    return str(folder)
