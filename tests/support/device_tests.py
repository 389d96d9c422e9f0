"""The marker ``device``: tests that involve a device, found by running them.

Each run notes in pytest's cache which tests used a device, started a program or were skipped. The next run
marks them, and those that no run has seen: ``pytest -m device`` tries another device without the rest.
Those that need the demonstration's trained net are marked ``demonstration`` too.
"""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from cnnviz.engine.device import Device

_KEY = "cnnviz/device_tests"
_uses = 0
_found: dict[str, bool] = {}


def _counted(method: Any) -> Any:
    @functools.wraps(method)
    def counting(*args: Any, **options: Any) -> Any:
        global _uses
        _uses += 1
        return method(*args, **options)

    return counting


def pytest_configure() -> None:
    for name in ("launch", "map", "new_buffer"):
        setattr(Device, name, _counted(getattr(Device, name)))
    subprocess.Popen.__init__ = _counted(subprocess.Popen.__init__)  # type: ignore[method-assign]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    cache = getattr(config, "cache", None)
    known = cache.get(_KEY, {}) if cache else {}
    for item in items:
        if known.get(item.nodeid, True):
            item.add_marker("device")
        if "demo" in getattr(item, "fixturenames", ()):
            item.add_marker("demonstration")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = _uses
    result = yield
    _found[item.nodeid] = _found.get(item.nodeid, False) or _uses > before
    return result


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.skipped:  # here; another device may have what was missing
        _found[report.nodeid] = True


def pytest_sessionfinish(session: pytest.Session) -> None:
    cache = getattr(session.config, "cache", None)  # absent with -p no:cacheprovider
    if cache:
        cache.set(_KEY, cache.get(_KEY, {}) | _found)
