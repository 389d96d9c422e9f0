"""Optional packages: what is absent is named with the extra that brings it, and setup.py agrees."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.analysis.extraction import extract_features
from cnnviz.errors import MissingDependencyError
from cnnviz.formats.caffemodel import read_weights, write_weights
from cnnviz.formats.convert import convert_weights
from cnnviz.formats.databases import create_database, open_database
from cnnviz.formats.prototxt import parse_net
from cnnviz.formats.schema import NetParameter
from cnnviz.formats.solverstate import SolverState, read_solverstate, write_solverstate
from support.files import ROOT

NET = "layer { name: 'x' type: 'DummyData' top: 'x' dummy_data_param { shape { dim: 2 } } }"
OUTPUT = (
    NET
    + " layer { name: 'o' type: 'HDF5Output' bottom: 'x' bottom: 'x' hdf5_output_param { file_name: 'o' } }"
)


def h5_file(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99))
    return path


def leveldb(folder: Path) -> Path:
    (folder / "CURRENT").write_text("MANIFEST-000001\n")
    return folder


USES = [
    ("lmdb", "lmdb", "writing LMDB", lambda f: create_database(f / "db")),
    ("plyvel", "leveldb", "reading LevelDB", lambda f: open_database(leveldb(f))),
    ("plyvel", "leveldb", "writing LevelDB", lambda f: create_database(f / "db", "LEVELDB")),
    ("h5py", "hdf5", "reading HDF5", lambda f: read_weights(h5_file(f, "w.caffemodel"))),
    ("h5py", "hdf5", "reading HDF5", lambda f: read_solverstate(h5_file(f, "s.solverstate.h5"))),
    ("h5py", "hdf5", "reading HDF5", lambda f: convert_weights(h5_file(f, "w.h5"), f / "w.npz")),
    ("h5py", "hdf5", "writing HDF5", lambda f: write_weights(f / "w.h5", NetParameter(), [])),
    ("h5py", "hdf5", "writing HDF5",
     lambda f: write_solverstate(f / "s.h5", SolverState(1, "", 0, [np.zeros(2)]))),
    ("h5py", "hdf5", "writing HDF5", lambda f: cnnviz.Net(parse_net(OUTPUT))),
    ("h5py", "hdf5", "writing HDF5",
     lambda f: extract_features(cnnviz.Net(parse_net(NET)), ["x"], [str(f / "x.h5")], 1)),
]  # fmt: skip


@pytest.mark.parametrize("package, extra, purpose, use", USES)
def test_an_absent_package_is_named_with_its_extra(tmp_path, monkeypatch, package, extra, purpose, use):
    monkeypatch.setitem(sys.modules, package, None)
    message = f"""{purpose} needs the package '{package}': pip install "cnnviz[{extra}]\""""
    with pytest.raises(MissingDependencyError, match=re.escape(message)):
        use(tmp_path)


def test_the_extras_of_setup_are_those_that_errors_name():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "cnnviz").rglob("*.py")]
    named = {pair for text in sources for pair in re.findall(r'require\("(\w+)", "(\w+)"', text)}
    offered = re.findall(r'^    "(\w+)": \["(\w+)"\]', (ROOT / "setup.py").read_text(encoding="utf-8"), re.M)
    assert named == {(package, extra) for extra, package in offered}
