"""Settings of the whole process: the log, and the solvers that train one net together."""

from __future__ import annotations

import logging
from typing import Any

from cnnviz.errors import CnnvizError
from cnnviz.formats.glog import log_to_stderr

_log = logging.getLogger("cnnviz")
_ALONE = "Training on several devices at once is not supported; train on one."


def init_log(level: int = 0, stderr: bool = True) -> None:
    """Prints the log on stderr in Caffe's format, from severity ``level``: 0 is INFO, 1, 2.

    ``stderr`` False leaves this to the program's own handlers of the logger "cnnviz".
    """
    if stderr:
        log_to_stderr(20 + 10 * level)
    else:
        _log.setLevel(20 + 10 * level)


def log(message: str) -> None:
    """Writes a line to the log."""
    _log.info("%s", message, stacklevel=2)


def has_nccl() -> bool:
    """Returns False: training on several GPUs is not supported."""
    return False


class NCCL:
    """Exchanges gradients between GPUs in pycaffe; here creating one raises CnnvizError."""

    def __init__(self, *args: Any):
        raise CnnvizError(_ALONE)


def solver_count() -> int:
    """Returns the number of solvers that train together: 1."""
    return 1


def set_solver_count(count: int) -> None:
    """Accepts 1; raises CnnvizError for others."""
    if count != 1:
        raise CnnvizError(_ALONE)


def solver_rank() -> int:
    """Returns the rank of this process's solver: 0."""
    return 0


def set_solver_rank(rank: int) -> None:
    """Accepts 0; raises CnnvizError for others."""
    if rank != 0:
        raise CnnvizError(_ALONE)


def set_multiprocess(enabled: bool) -> None:
    """Has no effect on a single solver."""
