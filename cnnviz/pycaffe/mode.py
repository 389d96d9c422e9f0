"""The device that nets run on and their random seeds: pycaffe's settings for the whole process."""

from __future__ import annotations

import logging
import os

import numpy as np

from cnnviz.engine.device import Device, get_device
from cnnviz.engine.opencl import list_devices

log = logging.getLogger("cnnviz")

_target: str | None = None
_seeds: np.random.Generator | None = None


def set_mode_cpu() -> None:
    """Selects a CPU for nets that are built after this call."""
    _set_target("cpu")


def set_mode_gpu() -> None:
    """Selects a GPU for nets that are built after this call; without one, the best device, with a warning."""
    if _gpus():
        _set_target("gpu")
    else:
        log.warning("set_mode_gpu: no OpenCL GPU found; running on %s.", device().info.name)


def set_device(index: int) -> None:
    """Selects the GPU ``index`` (from 0) for nets that are built after this call.

    Without a GPU nothing changes, as in ``set_mode_gpu``.
    """
    gpus = _gpus()
    if not gpus:
        set_mode_gpu()
        return
    if not 0 <= index < len(gpus):
        raise ValueError(f"set_device({index}): expected 0 to {len(gpus) - 1}; {len(gpus)} GPUs found.")
    _set_target(str(gpus[index]))


def set_random_seed(seed: int) -> None:
    """Makes the fillers and random layers of nets that are built after this call repeatable."""
    global _seeds
    _seeds = np.random.default_rng(seed)


def device() -> Device:
    """Returns the selected device; the environment variable CNNVIZ_DEVICE overrides it."""
    return get_device(os.environ.get("CNNVIZ_DEVICE") or _target)


def next_seed() -> int | None:
    """Returns the seed for the next net, or None for random numbers that differ each time."""
    return None if _seeds is None else int(_seeds.integers(2**31))


def _set_target(target: str) -> None:
    global _target
    _target = target


def _gpus() -> list[int]:
    return [info.index for info in list_devices() if info.kind == "GPU"]
