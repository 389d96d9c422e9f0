"""The names of pycaffe's compiled half, which programs import and compare types with."""

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import layer_types
from cnnviz.formats.schema import LayerParameter, SolverParameter
from cnnviz.pycaffe.layer import Layer
from cnnviz.pycaffe.mode import set_device, set_mode_cpu, set_mode_gpu, set_random_seed
from cnnviz.pycaffe.net import (
    AdaDeltaSolver,
    AdaGradSolver,
    AdamSolver,
    BlobVec,
    NesterovSolver,
    Net,
    RMSPropSolver,
    SGDSolver,
    Solver,
    get_solver,
)
from cnnviz.pycaffe.process import (
    NCCL,
    has_nccl,
    init_log,
    log,
    set_multiprocess,
    set_solver_count,
    set_solver_rank,
    solver_count,
    solver_rank,
)
from cnnviz.pycaffe.timer import Timer

# Lists of other types are plain lists here.
BoolVec = CallbackVec = DtypeVec = IntVec = LayerVec = NetVec = RawBlobVec = StringVec = list

__all__ = [
    "NCCL", "AdaDeltaSolver", "AdaGradSolver", "AdamSolver", "Blob", "BlobVec", "BoolVec", "CallbackVec",
    "DtypeVec", "IntVec", "Layer", "LayerParameter", "LayerVec", "NesterovSolver", "Net", "NetVec",
    "RMSPropSolver", "RawBlobVec", "SGDSolver", "Solver", "SolverParameter", "StringVec", "Timer",
    "get_solver", "has_nccl", "init_log", "layer_type_list", "log", "set_device", "set_mode_cpu",
    "set_mode_gpu", "set_multiprocess", "set_random_seed", "set_solver_count", "set_solver_rank",
    "solver_count", "solver_rank",
]  # fmt: skip


def layer_type_list() -> list[str]:
    """Returns the layer types that nets may have, in alphabetical order."""
    return sorted(layer_types())
