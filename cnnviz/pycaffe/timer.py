"""Timer: how long the device is busy. pycaffe's caffe.Timer."""

from __future__ import annotations

import time

from cnnviz.pycaffe import mode


class Timer:
    """Measures from ``start`` to ``stop``; both wait until the device has finished.

    Attributes:
        ms, us: milliseconds and microseconds; reading them stops a running timer. 0 before the first start.
    """

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Starts; does nothing if the timer is running."""
        if self._started is None:
            mode.device().finish()
            self._started = time.perf_counter()

    def stop(self) -> None:
        """Stops; does nothing if the timer is not running."""
        if self._started is not None:
            mode.device().finish()
            self._seconds = time.perf_counter() - self._started
            self._started = None

    @property
    def us(self) -> float:
        self.stop()
        return self._seconds * 1e6

    @property
    def ms(self) -> float:
        return self.us / 1e3
