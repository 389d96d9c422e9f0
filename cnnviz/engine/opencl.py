"""The only module that imports pyopencl: loads it with every runtime, and lists the devices."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnviz.engine.caches import spare_caches
from cnnviz.engine.runtimes import keeping_signals, show_runtimes_to_loader
from cnnviz.errors import DeviceError

NO_DEVICE = 'No OpenCL device. Install your GPU\'s driver, or run on the CPU: pip install "cnnviz[cpu]"'


@functools.cache
def opencl() -> Any:
    """Imports pyopencl with every runtime in view."""
    spare_caches()
    try:
        import pyopencl
    except ImportError as error:
        raise DeviceError(f"pyopencl cannot be imported ({error}). {NO_DEVICE}") from None
    show_runtimes_to_loader(Path(pyopencl.__file__).parent)
    # Compilers' remarks on correct programs help nobody; errors carry the build log themselves.
    warnings.filterwarnings("ignore", category=pyopencl.CompilerWarning)
    _ask_nvidia_only()
    return pyopencl


def _ask_nvidia_only() -> None:
    """Keeps pyopencl from asking every device, at each kernel, for a property that NVIDIA's alone have."""
    from pyopencl import characterize

    ask = characterize.nv_compute_capability
    extension = "cl_nv_device_attribute_query"
    characterize.nv_compute_capability = lambda dev: ask(dev) if extension in dev.extensions else None


@dataclass(frozen=True)
class DeviceInfo:
    """One line of ``cnnviz devices``.

    ``memory`` is in bytes, ``units`` are OpenCL compute units, ``kind`` is "GPU", "CPU" or "other".
    """

    index: int
    name: str
    platform: str
    kind: str
    driver: str
    memory: int
    units: int
    handle: Any

    @property
    def title(self) -> str:
        return f"{self.name} ({self.platform})"


@functools.cache
def list_devices() -> tuple[DeviceInfo, ...]:
    """Returns every OpenCL device: GPUs first, then CPUs, then others; none if there is no runtime."""
    cl = opencl()
    with keeping_signals():
        found = [(_kind(cl, handle), platform, handle) for platform, handle in _handles(cl)]
    # GPUs before CPUs; of several runtimes for one processor the newest version of OpenCL.
    order = ("GPU", "CPU", "other")
    found.sort(key=lambda item: (order.index(item[0]), -_opencl_version(item[1])))
    return tuple(
        DeviceInfo(
            index,
            handle.name.strip(),
            platform.name.strip(),
            kind,
            handle.driver_version.strip(),
            handle.global_mem_size,
            handle.max_compute_units,
            handle,
        )
        for index, (kind, platform, handle) in enumerate(found)
    )


def _handles(cl: Any) -> Iterator[tuple[Any, Any]]:
    """Gives each platform with each of its devices."""
    try:
        platforms = cl.get_platforms()
    except cl.Error:  # the loader reports "no platform" so
        return
    for platform in platforms:
        with contextlib.suppress(cl.Error):
            yield from ((platform, handle) for handle in platform.get_devices())


def _opencl_version(platform: Any) -> float:
    number = re.search(r"\d+\.\d+", platform.version)
    return float(number[0]) if number else 0.0


def _kind(cl: Any, handle: Any) -> str:
    if handle.type & cl.device_type.GPU:
        return "GPU"
    return "CPU" if handle.type & cl.device_type.CPU else "other"


def first_line(error: Exception | str) -> str:
    """Returns the first line of an error, or its kind if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
