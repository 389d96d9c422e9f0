"""Plots take finished values: arrays, tables and Graphs, never a device, a file or a net that runs."""

from __future__ import annotations

import ast

import pytest

from support.files import ROOT

PATHS = sorted((ROOT / "cnnviz" / "plots").rglob("*.py"))
# All that plots may know of the rooms in which files are read and nets run.
ALLOWED = {
    "cnnviz.engine.graph.Graph",
    "cnnviz.engine.graph_layer.GraphLayer",
    "cnnviz.engine.layer.layer_types",
    "cnnviz.engine.layer.traits_of",
    "cnnviz.formats.log_curves.readable",
    "cnnviz.formats.prototxt.to_text",  # of a layer's message, not of a file
    "cnnviz.formats.text.printable",
}
READERS = ("load", "open", "read", "find")


def imported_names(source: str) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_foreign(name: str) -> bool:
    """Whether a name reads, writes or runs something."""
    room, last = name.split(".")[1:2], name.rpartition(".")[2]
    if room == ["analysis"]:
        return last == "Inspector" or last.split("_")[0] in READERS
    return room in (["engine"], ["formats"]) and name not in ALLOWED


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_plots_take_finished_values(path):
    assert {name for name in imported_names(path.read_text(encoding="utf-8")) if is_foreign(name)} == set()


def test_all_that_is_allowed_is_used():
    used = {name for path in PATHS for name in imported_names(path.read_text(encoding="utf-8"))}
    assert used >= ALLOWED


def test_readers_and_runners_are_found():
    source = (
        "from cnnviz.engine.net import Net\nfrom cnnviz.analysis.summary import read_times, shape_text\n"
        "from cnnviz.formats.text import printable, read_text\nimport cnnviz.engine.device\n"
    )
    found = {name for name in imported_names(source) if is_foreign(name)}
    assert found == {
        "cnnviz.engine.device",
        "cnnviz.engine.net.Net",
        "cnnviz.analysis.summary.read_times",
        "cnnviz.formats.text.read_text",
    }
