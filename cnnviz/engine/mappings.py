"""Buffers that the host reads and writes in place, and their orderly end."""

from __future__ import annotations

import atexit
import ctypes
import weakref
from typing import Any

import numpy as np


class Mappings:
    """The mapped arrays of one queue; what is still mapped when the program ends is unmapped then.

    An unmapping is a command, which the runtime's threads work on. Were it enqueued as late as by Python's
    last collection of garbage, it would run while the runtime takes itself apart: Intel's then crashes.
    """

    def __init__(self, queue: Any):
        self._queue = queue
        self._arrays: weakref.WeakValueDictionary[int, np.ndarray] = weakref.WeakValueDictionary()
        self._is_over = False
        atexit.register(self._end_all)

    def add(self, array: np.ndarray) -> None:
        """Takes note of ``array``, whose base is the mapping."""
        if self._is_over:  # by a function that runs at exit as well: kept for ever, thus never unmapped
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(array))
        else:
            self._arrays[id(array)] = array

    def end(self, array: np.ndarray) -> None:
        """Unmaps ``array``."""
        if self._arrays.pop(id(array), None) is not None:
            array.base.release(self._queue)  # type: ignore[union-attr]

    def _end_all(self) -> None:
        self._is_over = True
        for array in list(self._arrays.values()):
            self.end(array)
        self._queue.finish()
