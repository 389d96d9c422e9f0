"""The names of pycaffe's module caffe.pycaffe: nets and solvers."""

from cnnviz.pycaffe import io
from cnnviz.pycaffe._caffe import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
)

__all__ = [
    "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "NesterovSolver", "Net", "RMSPropSolver", "SGDSolver",
    "io",
]  # fmt: skip
