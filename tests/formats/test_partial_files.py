"""What a killed process leaves is removed by the next snapshot, and only that."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

from cnnviz.engine.solver import Solver
from cnnviz.errors import FileError
from cnnviz.formats import partial_files
from cnnviz.formats.files import atomic_write
from cnnviz.formats.partial_files import remove_abandoned

pytestmark = pytest.mark.skipif(partial_files.fcntl is None, reason="no locks here")

SOLVER = """net_param {
  layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
  layer { name: "y" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2 } }
}
base_lr: 0.1 lr_policy: "fixed" snapshot_prefix: "%s"
"""
DIES = """
import os, signal, sys
from cnnviz.formats.files import atomic_write
for path in sys.argv[2:]:
    file = atomic_write(path)
    file.__enter__().write(b"half")
    globals()[path] = file
print("ready", flush=True)
sys.stdin.read() if sys.argv[1] == "live" else os.kill(os.getpid(), signal.SIGKILL)
"""


def hidden(folder) -> list[str]:
    """The targets of the partial files in ``folder``."""
    return sorted(name[1:-9] for name in os.listdir(folder) if name.startswith("."))


def writer(folder, how: str, *names: str) -> subprocess.Popen:
    """A process with half-written files of these names, which lives until its input ends, or is killed."""
    paths = [str(folder / name) for name in names]
    process = subprocess.Popen(
        [sys.executable, "-c", DIES, how, *paths], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_snapshot_removes_those_of_dead_processes(tmp_path):
    mine = ["s_iter_5.caffemodel", "s_iter_5.solverstate", "s_iter_7.caffemodel.h5"]
    others = ["s2_iter_5.caffemodel", "s_iter_5.png", "xs_iter_5.caffemodel"]
    assert writer(tmp_path, "die", *mine, *others).wait() == -signal.SIGKILL
    assert hidden(tmp_path) == sorted(mine + others)
    with writer(tmp_path, "live", "s_iter_6.caffemodel") as living:
        solver = tmp_path / "solver.prototxt"
        solver.write_text(SOLVER % (tmp_path / "s"))
        Solver(solver).snapshot()
        assert hidden(tmp_path) == sorted([*others, "s_iter_6.caffemodel"])
        assert (tmp_path / "s_iter_0.caffemodel").exists()
        living.stdin.close()
    assert np.isin(["s_iter_0.caffemodel", "s_iter_0.solverstate"], os.listdir(tmp_path)).all()


def test_links_and_folders_of_such_names_stay(tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / ".a.abcdefgh").symlink_to(tmp_path / "kept")
    (tmp_path / ".a.abcdefgi").mkdir()
    (tmp_path / ".a.abcdefgj").touch()
    remove_abandoned(tmp_path, re.escape("a"))
    assert sorted(os.listdir(tmp_path)) == [".a.abcdefgh", ".a.abcdefgi", "kept"]
    remove_abandoned(tmp_path / "nowhere", "a")


def test_a_file_taken_for_abandoned_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    locked = []

    def removed_first(descriptor, wait):
        if not locked:
            remove_abandoned_now = [tmp_path / name for name in os.listdir(tmp_path)]
            remove_abandoned_now[0].unlink()
        locked.append(descriptor)
        return True

    monkeypatch.setattr(partial_files, "_lock", removed_first)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert len(locked) == 2 and os.listdir(tmp_path) == ["a"] and (tmp_path / "a").read_bytes() == b"whole"


def test_where_there_are_no_locks_files_are_written_and_none_is_removed(tmp_path, monkeypatch):
    def none(descriptor, how):
        raise OSError("no locks available")

    monkeypatch.setattr(partial_files.fcntl, "flock", none)
    (tmp_path / ".a.abcdefgj").touch()
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    remove_abandoned(tmp_path, "a")
    assert sorted(os.listdir(tmp_path)) == [".a.abcdefgj", "a"]


def test_an_error_leaves_neither_file_nor_descriptor(tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(5):
        with pytest.raises(FileError), atomic_write(tmp_path / "a"):
            raise OSError("disk")
    assert os.listdir(tmp_path) == []
    assert not before or len(os.listdir("/proc/self/fd")) == before
