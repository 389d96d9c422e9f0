"""Timer: how long the device works. pycaffe's caffe.Timer."""

from __future__ import annotations

import time

from cnnviz.pycaffe import mode


class Timer:
    """Measures from ``start`` to ``stop``; both wait until the device has done its work.

    Attributes:
        ms, us: milliseconds and microseconds; reading them stops a timer that runs. 0 before the first start.
    """

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Begins; does nothing if the timer runs."""
        if self._started is None:
            mode.device().finish()
            self._started = time.perf_counter()

    def stop(self) -> None:
        """Ends; does nothing if the timer does not run."""
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
