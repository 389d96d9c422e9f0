"""Plots take finished values: arrays, tables and Graphs, never a device, a file or a net that runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from support.files import ROOT

PLOTS = ROOT / "cnnviz" / "plots"
# All that plots may know of the rooms in which files are read and nets run.
ALLOWED = {
    "cnnviz.engine.graph.Graph",
    "cnnviz.engine.graph_layer.GraphLayer",
    "cnnviz.engine.layer.layer_types",
    "cnnviz.engine.layer.traits_of",
    "cnnviz.formats.prototxt.to_text",  # from a layer's message, not from a file
    "cnnviz.formats.text.printable",
}
READERS = ("load", "open", "read", "find")
# What still stands in the wrong room.
EXEMPT = {
    "cnnviz/plots/training/options.py": {"cnnviz.formats.log_curves.readable"},
}


def imported_names(source: str) -> set[str]:
    nodes = ast.walk(ast.parse(source))
    return {
        f"{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def is_foreign(name: str) -> bool:
    """Whether a name reads, writes or runs something."""
    room, last = name.split(".")[1:2], name.rpartition(".")[2]
    if room == ["analysis"]:
        return last == "Inspector" or last.split("_")[0] in READERS
    return room in (["engine"], ["formats"]) and name not in ALLOWED


def path_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sorted(PLOTS.rglob("*.py")), ids=path_name)
def test_plots_take_finished_values(path):
    foreign = {name for name in imported_names(path.read_text(encoding="utf-8")) if is_foreign(name)}
    assert foreign == EXEMPT.get(path_name(path), set())


def test_readers_and_runners_are_found():
    source = (
        "from cnnviz.engine.net import Net\nfrom cnnviz.analysis.summary import read_times, shape_text\n"
        "from cnnviz.formats.text import printable, read_text\n"
    )
    found = {name for name in imported_names(source) if is_foreign(name)}
    assert found == {
        "cnnviz.engine.net.Net",
        "cnnviz.analysis.summary.read_times",
        "cnnviz.formats.text.read_text",
    }
