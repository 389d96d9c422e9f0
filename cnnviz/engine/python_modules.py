"""Which Python modules a net may import for its Python layers.

A prototxt is data that may come from anywhere, so it does not decide which code runs: a module that it
names is imported only if the caller has allowed it by ``allow_modules`` or ``allow_program``, or by the
environment variable CNNVIZ_PYTHON_LAYERS (module names with commas between).
"""

from __future__ import annotations

import importlib.util
import os
import sysconfig
from pathlib import Path

VARIABLE = "CNNVIZ_PYTHON_LAYERS"
_allowed: set[str] = set()
_trusts_program = False


def allow_modules(*names: str) -> None:
    """Lets nets import the Python modules ``names`` for their Python layers, in this process."""
    _allowed.update(names)


def allow_program() -> None:
    """Lets nets import what belongs to the running program, in this process.

    That is the program itself and every module in a folder of ``sys.path`` that is not a place of installed
    packages: beside the program, and in the folders that it or PYTHONPATH adds.
    """
    global _trusts_program
    _trusts_program = True


def is_allowed(module: str) -> bool:
    """Whether a net may import ``module``."""
    if not module:
        return False
    listed = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    return module in _allowed or module in listed or (_trusts_program and _is_of_program(module))


def _is_of_program(module: str) -> bool:
    """Whether the outermost package of ``module`` lies outside the places of installed packages."""
    outermost = module.partition(".")[0]
    if outermost == "__main__":
        return True
    try:
        spec = importlib.util.find_spec(outermost)
    except (ImportError, ValueError):  # ValueError: a module that was made without a file
        return False
    places = [] if spec is None else [*(spec.submodule_search_locations or ()), spec.origin or ""]
    files = [Path(place).resolve() for place in places if os.path.exists(place)]
    return bool(files) and not any(_is_installed(file) for file in files)


def _is_installed(file: Path) -> bool:
    """Whether a file belongs to the standard library or to an installed package."""
    if {"site-packages", "dist-packages"} & set(file.parts):
        return True
    folders = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    return any(file.is_relative_to(Path(folder).resolve()) for folder in folders)
