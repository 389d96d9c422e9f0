"""Writing that is killed: whatever the moment, there is the old file or the new one, never half of one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnviz.engine.data.imageset import convert_imageset
from cnnviz.formats.binaryproto import read_mean, write_mean
from cnnviz.formats.caffemodel import write_weights
from cnnviz.formats.convert import open_weights, save_weights
from cnnviz.formats.databases import open_database
from cnnviz.formats.images import encode_image
from cnnviz.formats.prototxt import parse_net, read_net, write_prototxt
from cnnviz.formats.solverstate import SolverState, read_solverstate, write_solverstate

NET = "layer { name: 'a%d' type: 'InnerProduct' bottom: 'x' top: 'y' inner_product_param { num_output: 9 } }"
SIZE = 40_000
POINTS = 12  # moments at which each kind of file is killed


def write(path: Path, value: int) -> None:
    """Writes a file of the kind that its name determines, filled with ``value``."""
    array = np.full(SIZE, value, np.float32)
    if path.name.endswith("lmdb"):
        convert_imageset(f"{path.parent}/", path.parent / "list.txt", path)
    elif "solverstate" in path.name:
        write_solverstate(path, SolverState(value, "w.caffemodel", value, [array, array]))
    elif "caffemodel" in path.name:
        write_weights(path, parse_net(NET % 0).proto, [[array, array]])
    elif path.suffix == ".prototxt":
        write_prototxt(path, parse_net(NET % value))
    elif path.suffix == ".binaryproto":
        write_mean(path, array.reshape(1, 200, 200))
    else:
        save_weights(path, open_weights(path.parent / "w.caffemodel"))


def read(path: Path) -> float:
    """Returns the value that a whole file is filled with."""
    if path.name.endswith("lmdb"):
        with open_database(path) as database:
            return len(list(database.datums()))
    if "solverstate" in path.name:
        state = read_solverstate(path)
        arrays = [*state.history, np.float32(state.iter)]
    elif path.suffix == ".prototxt":
        return float(read_net(path).layer[0].name[1:])
    elif path.suffix == ".binaryproto":
        arrays = [read_mean(path)]
    else:
        arrays = open_weights(path)["a0"]
        assert [a.size for a in arrays] == [SIZE, SIZE]
    values = np.unique(np.concatenate([np.ravel(a) for a in arrays]))
    assert len(values) == 1
    return float(values[0])


def write_and_die(path: Path, value: int, moment: int) -> bool:
    """Writes in a child that is killed before line ``moment`` of ours runs; False if it got through."""
    pid = os.fork()
    if pid == 0:
        left = moment

        def trace(frame, event, argument):
            nonlocal left
            if "cnnviz" not in frame.f_code.co_filename and "/lib/" not in frame.f_code.co_filename:
                return None
            left -= 1
            if left == 0:
                os.kill(os.getpid(), 9)
            return trace

        sys.settrace(trace)
        write(path, value)
        sys.settrace(None)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def lines_of(path: Path) -> int:
    """Returns the last moment at which writing a file like ``path`` can be killed."""
    low, high = 1, 2
    while write_and_die(path.with_name(f"{high}_{path.name}"), 5, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        killed = write_and_die(path.with_name(f"{middle}_{path.name}"), 5, middle)
        low, high = (middle, high) if killed else (low, middle)
    return low


def kill_at_many_moments(path: Path) -> None:
    """Kills the writing of ``path`` at moments all over it, the last ones included."""
    is_database = path.name.endswith("lmdb")
    write_weights(path.parent / "w.caffemodel", parse_net(NET % 0).proto, [[np.full(SIZE, 3, "f4")] * 2])
    names = [f"{number}.png" for number in range(5)]
    for name in names:
        (path.parent / name).write_bytes(encode_image(np.zeros((2, 2), np.uint8), "png"))
    (path.parent / "list.txt").write_text("".join(f"{name} 0\n" for name in names))
    write(path, 5)  # imports what is imported on the way
    end = lines_of(path)
    for moment in sorted({*np.linspace(1, end, POINTS).astype(int).tolist(), *range(end - 4, end + 1)}):
        place = path.with_name(f"at_{moment}_{path.name}")
        if not is_database:
            write(place, 5)
        write_and_die(place, 3, moment)
        if place.exists() or not is_database:
            assert read(place) in ((5,) if is_database else (5, 3)), moment


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.parametrize(
    "name",
    ["x.caffemodel", "x.caffemodel.h5", "x.solverstate", "x.solverstate.h5", "x.npz", "x.safetensors",
     "x.mat", "x.prototxt", "x.binaryproto", "x_lmdb"],
)  # fmt: skip
def test_the_old_file_or_the_new_one(tmp_path, name):
    # A process of its own: this one may have threads, which do not survive a fork.
    command = [sys.executable, __file__, str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


if __name__ == "__main__":
    kill_at_many_moments(Path(sys.argv[1]))
