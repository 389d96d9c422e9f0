"""cnnviz: see inside convolutional networks.

Inspection and visualization of Caffe networks around a built-in inference and training engine that
runs by OpenCL on any GPU or CPU. The public names below are imported when they are first used, so
that ``import cnnviz`` is fast and needs no OpenCL.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# An uninstalled checkout keeps cli/ and gallery/ beside this folder, as setup.py maps them.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "setup.py").is_file():
    __path__.append(str(_checkout))

# Caffe's enum values of Phase.
TRAIN = 0
TEST = 1

_PUBLIC = {
    "Net": "cnnviz.engine.net",
    "get_solver": "cnnviz.engine.solver",
    "allow_modules": "cnnviz.engine.python_modules",
    "read_net": "cnnviz.formats.prototxt",
    "read_weights": "cnnviz.formats.caffemodel",
    "read_log": "cnnviz.formats.training_log",
    "draw_net": "cnnviz.api.graph",
    "plot_weights": "cnnviz.api.weights",
    "plot_features": "cnnviz.api.features",
    "plot_training_log": "cnnviz.api.training",
    "build_gallery": "cnnviz.gallery.page",
    "CnnvizError": "cnnviz.errors",
}

__all__ = ["TRAIN", "TEST", "__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'cnnviz' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
