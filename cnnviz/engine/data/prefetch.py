"""Prepares batches in the background, so that a net does not wait for its data."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple


class _Failure(NamedTuple):
    error: BaseException


class Prefetcher:
    """Calls ``make`` in a thread of its own and hands its results over in order.

    Args:
        make: prepares the next batch; an error ends the thread and is raised by ``next``.
        depth: how many batches are held ready, at least 1.
    """

    def __init__(self, make: Callable[[], Any], depth: int):
        batches: queue.Queue = queue.Queue(maxsize=max(1, depth))
        stop = threading.Event()
        # The thread knows nothing of this object, so that dropping it ends the thread as well.
        thread = threading.Thread(target=_work, args=(make, batches, stop), daemon=True, name="prefetch")
        self._batches = batches
        self._end = weakref.finalize(self, _end, thread, batches, stop)
        self._failure: BaseException | None = None
        thread.start()

    def next(self) -> Any:
        """Returns the next batch, waiting for it if need be.

        Raises:
            whatever ``make`` raised.
        """
        if self._failure is None:
            batch = self._batches.get()
            if not isinstance(batch, _Failure):
                return batch
            self._failure = batch.error
        raise self._failure

    def close(self) -> None:
        """Ends the thread and waits until it is gone."""
        self._end()


def _work(make: Callable[[], Any], batches: queue.Queue, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            batch = make()
        except BaseException as error:  # the consumer raises it: a thread's own error would be lost
            batch = _Failure(error)
            stop.set()
        batches.put(batch)


def _end(thread: threading.Thread, batches: queue.Queue, stop: threading.Event) -> None:
    stop.set()
    while thread.is_alive():  # it may wait for room in the full queue
        while not batches.empty():
            batches.get()
        thread.join(timeout=0.02)
