"""Tests on Oclgrind, a simulator of a GPU: whatever it reports fails the test. See CONTRIBUTING."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyopencl as cl
import pytest

from cnnviz.engine import device as module

_LOG = os.environ.get("OCLGRIND_LOG", "")


def pytest_configure() -> None:
    if _LOG:
        _keep_every_buffer()
        module.Device.copy = _copy  # type: ignore[method-assign]


def _keep_every_buffer() -> None:
    """Keeps buffers from being freed.

    Oclgrind frees one before the kernels that were given it have run, and takes what it noted of a freed
    one for the next one's: it then reports what is none of our faults.
    """
    real, kept = module.Device.new_buffer, []

    def new_buffer(self: module.Device, nbytes: int, label: str) -> Any:
        kept.append(real(self, nbytes, label))
        return kept[-1]

    module.Device.new_buffer = new_buffer  # type: ignore[method-assign]


def _copy(self: module.Device, target: Any, source: Any, nbytes: int, to: int = 0, start: int = 0) -> None:
    """Copies by way of the host: Oclgrind loses track of what was written by copies between buffers."""
    values = np.empty(nbytes, np.uint8)
    if nbytes:
        cl.enqueue_copy(self.queue, values, source, src_offset=start)
        cl.enqueue_copy(self.queue, target, values, dst_offset=to)


@pytest.fixture(autouse=True)
def simulator() -> Iterator[None]:
    """On Oclgrind, fails a test that makes it report something."""
    if not _LOG:
        yield
        return
    start = _size()
    yield
    for device in module._opened.values():
        device.finish()
    if _size() > start:
        report = Path(_LOG).read_text(errors="replace")[start : start + 4000]
        pytest.fail(f"Oclgrind reports:\n{report}", pytrace=False)


def _size() -> int:
    return os.path.getsize(_LOG) if os.path.exists(_LOG) else 0
