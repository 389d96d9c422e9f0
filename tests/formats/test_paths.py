"""Paths as people write them on any system, and names that would break a terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from cnnviz.errors import CnnvizError, FileError, NetError
from cnnviz.formats.databases import open_database
from cnnviz.formats.files import read_bytes, write_text
from cnnviz.formats.idx import is_idx
from cnnviz.formats.log_follower import LogFollower
from cnnviz.formats.paths import existing, find_beside, find_listed
from cnnviz.formats.prototxt import parse_solver, read_net, read_solver
from cnnviz.formats.training_log import read_log

INPUT = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'


@pytest.fixture
def models(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "base.prototxt").write_text(INPUT)
    (tmp_path / "net.prototxt").write_text(INPUT)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "written",
    [r"models\\base.prototxt", r"models\base.prototxt", r".\\models\\base.prototxt", r"D:\\x\\base.prototxt",
     "models/base.prototxt", r"..\\models\base.prototxt"],
)  # fmt: skip
def test_a_solver_finds_its_net_by_a_windows_path(models, written):
    (models / "models" / "solver.prototxt").write_text(f'net: "{written}" lr_policy: "fixed"')
    for folder in ("", "models"):
        os.chdir(models / folder)
        solver = read_solver(models / "models" / "solver.prototxt" if folder else "models/solver.prototxt")
        assert solver.resolve(solver.proto.net).endswith(".prototxt")
        assert solver.net().layer[0].name == "data"


def test_a_backslash_of_the_name_itself_counts_first(models):
    (models / r"a\b").write_text("")
    assert existing(r"a\b") == r"a\b"
    assert existing(r"models\base.prototxt") == "models/base.prototxt"
    assert existing(r"no\where") == r"no\where"
    assert find_beside("", "net.prototxt") == ""


def test_a_list_is_looked_up_where_its_first_file_is(models):
    assert find_listed([r"models\base.prototxt", r"models\b.png", "c.png"], existing) == [
        "models/base.prototxt", r"models\b.png", "c.png",
    ]  # fmt: skip


def test_unknown_escapes_and_lost_files_are_refused_with_a_way_out(models):
    with pytest.raises(NetError, match=r"unknown escape '\\U'. For a backslash.*write '/' or"):
        parse_solver(r'net: "C:\Users\me\net.prototxt"')
    with pytest.raises(FileError) as error:
        read_net("gone\x08ase.prototxt")
    assert str(error.value) == (
        r"gone\x08ase.prototxt: cannot be read: no such file or directory. "
        r"Write the path with '/' in place of '\'."
    )
    with pytest.raises(FileError, match=r"no such file or folder; .* Write the path with '/' in place of"):
        open_database(r"data\gone_lmdb")


def test_errors_are_one_line_without_control_characters_and_of_sane_length():
    error = CnnvizError("layer 'a\nb\x1b[2J\u202e\udcff': " + "x" * 300_000 + " is long.")
    assert str(error).startswith(r"layer 'a\nb\x1b[2J\u202e\udcff': xxx")
    assert str(error).endswith("x is long.")
    assert len(str(error)) < 300 and "…" in str(error)
    assert str(CnnvizError("数据\u3000é: " + "y/" * 1500)) == "数据\u3000é: " + "y/" * 1500


@pytest.mark.parametrize("name", ["n" * 300, "d/" * 3000 + "x", "a\0b"])
def test_names_that_no_file_can_have_end_in_a_sentence(models, name):
    solver = parse_solver(f'net: "{name}"'.replace("\0", "\\0"), str(models / "solver.prototxt"))
    with pytest.raises(FileError):
        solver.net()
    if "\0" not in name:
        with pytest.raises(FileError, match=r"cannot be written|create it first"):
            write_text(name, "")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipes_and_devices_are_no_files(models):
    os.mkfifo("pipe")
    for path in ("pipe", "/dev/zero"):
        with pytest.raises(FileError, match="is a pipe or a device, not a file"):
            read_bytes(path)
        with pytest.raises(FileError, match="is a pipe or a device, not a file"):
            read_net(path)
        assert not is_idx(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_log_comes_from_a_pipe_but_not_from_a_device(tmp_path):
    with pytest.raises(FileError, match="/dev/zero: is a device, not a file"):
        read_log("/dev/zero")
    with pytest.raises(FileError, match="/dev/zero: is a pipe or a device, not a file"):
        LogFollower("/dev/zero").update()
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=["Iteration 3, loss = 2\n"])
    writer.start()
    assert read_log(tmp_path / "pipe").segments
    writer.join()


@pytest.mark.parametrize("layer", [
    'type: "ImageData" image_data_param { source: "%s" batch_size: 1 }',
    'type: "HDF5Data" hdf5_data_param { source: "%s" batch_size: 1 }',
    'type: "WindowData" window_data_param { source: "%s" batch_size: 1 }',
    'type: "Data" data_param { source: "%s" batch_size: 1 }',
    'type: "ImageData" transform_param { mean_file: "%s" } image_data_param { source: "list" batch_size: 1 }',
])  # fmt: skip
def test_draw_reads_no_device(models, layer):
    (models / "list").write_text("a.png 1\n")
    os.mkfifo("pipe")
    for source in ("/dev/zero", "pipe", "n" * 300):
        (models / "net.prototxt").write_text(f'layer {{ name: "d" top: "d" top: "l" {layer % source} }}')
        result = subprocess.run(
            [sys.executable, "-m", "cnnviz", "summary", "net.prototxt"],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in result.stderr


def test_names_with_control_characters_reach_no_terminal(models):
    name = r"a\n\033[2Jb"
    (models / "net.prototxt").write_text(
        INPUT.replace('"data"', f'"{name}"') + f'layer {{ name: "{name}" type: "{name}" bottom: "{name}" }}'
    )
    for command in ("summary net.prototxt", "summary net.prototxt --csv", "draw net.prototxt o.txt",
                    "time --model net.prototxt", "upgrade net.prototxt o.prototxt"):  # fmt: skip
        result = subprocess.run(
            [sys.executable, "-m", "cnnviz", *command.split()], capture_output=True, text=True, timeout=60
        )
        assert "\x1b" not in result.stdout + result.stderr, command
        assert "Traceback" not in result.stderr
        if result.returncode:
            assert result.stderr.count("\n") == 1 and result.stderr.startswith("Error: net.prototxt:")
