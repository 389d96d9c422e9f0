"""Fixtures that all tests share."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("support", "layer_cases")
pytest_plugins = ["support.files", "support.device_tests", "support.simulator"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The folder of one run of the demonstration, and its result."""
    from cnnviz.gallery.demo import run_demo

    folder = tmp_path_factory.mktemp("demo") / "cnnviz-demo"
    return folder, run_demo(folder)
