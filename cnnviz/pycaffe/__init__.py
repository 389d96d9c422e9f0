"""pycaffe's face: programs that were written for Caffe's Python module run on cnnviz's engine.

Change ``import caffe`` to ``import cnnviz.pycaffe as caffe``; or leave the program as it is and start it by
``python -m cnnviz.pycaffe program.py``; or call ``cnnviz.pycaffe.install()`` before ``import caffe``.
"""

from __future__ import annotations

import importlib
import sys

import cnnviz
from cnnviz.engine.layer import layer_types
from cnnviz.formats.glog import log_to_stderr
from cnnviz.pycaffe import io
from cnnviz.pycaffe.classifier import Classifier
from cnnviz.pycaffe.detector import Detector
from cnnviz.pycaffe.mode import set_device, set_mode_cpu, set_mode_gpu, set_random_seed
from cnnviz.pycaffe.net import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from cnnviz.pycaffe.net_spec import NetSpec, layers, params, to_proto

TRAIN, TEST = cnnviz.TRAIN, cnnviz.TEST
__version__ = cnnviz.__version__

__all__ = [
    "TEST",
    "TRAIN",
    "AdaDeltaSolver",
    "AdaGradSolver",
    "AdamSolver",
    "Classifier",
    "Detector",
    "Layer",
    "NesterovSolver",
    "Net",
    "NetSpec",
    "RMSPropSolver",
    "SGDSolver",
    "Solver",
    "get_solver",
    "has_nccl",
    "init_log",
    "install",
    "io",
    "layer_type_list",
    "layers",
    "params",
    "set_device",
    "set_mode_cpu",
    "set_mode_gpu",
    "set_random_seed",
    "to_proto",
]

_MODULES = ("io", "classifier", "detector", "net_spec", "coord_map", "draw", "proto", "proto.caffe_pb2")


class Layer:
    """What a Python layer derives from: see the layer type Python for what its methods are given."""

    param_str: str
    phase: int


def layer_type_list() -> list[str]:
    """Returns the layer types that nets may have, in alphabetical order."""
    return sorted(layer_types())


def init_log(level: int = 0) -> None:
    """Prints the log on the error stream in Caffe's form, from severity ``level``: 0 is INFO, 1, 2."""
    log_to_stderr(20 + 10 * level)


def has_nccl() -> bool:
    """Returns False: training on several GPUs is not supported."""
    return False


def install() -> None:
    """Makes ``import caffe`` and its submodules mean this package, in this process."""
    sys.modules["caffe"] = sys.modules[__name__]
    for name in _MODULES:
        sys.modules[f"caffe.{name}"] = importlib.import_module(f"{__name__}.{name}")
