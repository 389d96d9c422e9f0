"""pycaffe's interface: programs that were written for Caffe's Python module run on cnnviz's engine.

Change ``import caffe`` to ``import cnnviz.pycaffe as caffe``; or leave the program as it is and start it with
``python -m cnnviz.pycaffe program.py``; or call ``cnnviz.pycaffe.install()`` before ``import caffe``.
"""

from __future__ import annotations

import importlib
import sys

import cnnviz
from cnnviz.pycaffe import _caffe, classifier, detector, io, net_spec, proto, pycaffe
from cnnviz.pycaffe._caffe import (
    NCCL,
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    Layer,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Solver,
    Timer,
    get_solver,
    has_nccl,
    init_log,
    layer_type_list,
    log,
    set_device,
    set_mode_cpu,
    set_mode_gpu,
    set_multiprocess,
    set_random_seed,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from cnnviz.pycaffe.classifier import Classifier
from cnnviz.pycaffe.detector import Detector
from cnnviz.pycaffe.net_spec import NetSpec, layers, params, to_proto

TRAIN, TEST = cnnviz.TRAIN, cnnviz.TEST
__version__ = cnnviz.__version__

__all__ = [
    "NCCL", "TEST", "TRAIN", "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Classifier", "Detector",
    "Layer", "NesterovSolver", "Net", "NetSpec", "RMSPropSolver", "SGDSolver", "Solver", "Timer", "_caffe",
    "classifier", "detector", "get_solver", "has_nccl", "init_log", "install", "io", "layer_type_list",
    "layers", "log", "net_spec", "params", "proto", "pycaffe", "set_device", "set_mode_cpu", "set_mode_gpu",
    "set_multiprocess", "set_random_seed", "set_solver_count", "set_solver_rank", "solver_count",
    "solver_rank", "to_proto",
]  # fmt: skip

_MODULES = (
    "_caffe", "classifier", "coord_map", "detector", "draw", "io", "net_spec", "proto", "proto.caffe_pb2",
    "pycaffe",
)  # fmt: skip


def install() -> None:
    """Makes ``import caffe`` and its submodules import this package, in this process."""
    sys.modules["caffe"] = sys.modules[__name__]
    for name in _MODULES:
        sys.modules[f"caffe.{name}"] = importlib.import_module(f"{__name__}.{name}")
