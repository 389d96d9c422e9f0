"""What the benchmarks share: a machine has other work too, so the least of many short runs counts."""

from __future__ import annotations

import time
from collections.abc import Callable

from cnnviz.engine.device import Device


def least_seconds(run: Callable[[], object], wait: Callable[[], object], at_least: float = 0.3) -> float:
    """Returns the least time of ``run`` followed by ``wait``, over at least ``at_least`` seconds."""
    run()
    wait()
    best, end = float("inf"), time.perf_counter() + at_least
    runs = 0
    while runs < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        wait()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best


def device_seconds(device: Device, run: Callable[[], object], at_least: float = 0.3) -> float:
    """Returns the least time of ``run`` until the device has finished."""
    return least_seconds(run, device.finish, at_least)
