"""Where nets run and how they draw random numbers: pycaffe's settings for the whole process."""

from __future__ import annotations

import logging
import os

import numpy as np

from cnnviz.engine.device import Device, get_device
from cnnviz.engine.opencl import list_devices

log = logging.getLogger("cnnviz")

_wish: str | None = None
_seeds: np.random.Generator | None = None


def set_mode_cpu() -> None:
    """Runs nets that are built from now on on a CPU."""
    _set_wish("cpu")


def set_mode_gpu() -> None:
    """Runs nets that are built from now on on a GPU; without one on the best device, with a warning."""
    if _gpus():
        _set_wish("gpu")
    else:
        log.warning("set_mode_gpu: there is no GPU with OpenCL here; running on %s.", device().info.name)


def set_device(index: int) -> None:
    """Chooses the ``index``-th GPU (from 0) for nets that are built from now on.

    Without a GPU nothing changes, as in ``set_mode_gpu``.
    """
    gpus = _gpus()
    if not gpus:
        set_mode_gpu()
        return
    if not 0 <= index < len(gpus):
        raise ValueError(f"set_device({index}): there are {len(gpus)} GPUs, numbered from 0.")
    _set_wish(str(gpus[index]))


def set_random_seed(seed: int) -> None:
    """Makes the fillers and random layers of nets that are built from now on repeatable."""
    global _seeds
    _seeds = np.random.default_rng(seed)


def device() -> Device:
    """Returns the chosen device; the environment variable CNNVIZ_DEVICE stands above every choice."""
    return get_device(os.environ.get("CNNVIZ_DEVICE") or _wish)


def next_seed() -> int | None:
    """Returns the seed for the next net, or None for numbers that differ each time."""
    return None if _seeds is None else int(_seeds.integers(2**31))


def _set_wish(wish: str) -> None:
    global _wish
    _wish = wish


def _gpus() -> list[int]:
    return [info.index for info in list_devices() if info.kind == "GPU"]
