"""What is kept to save time is never needed, and never trusted unseen."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnnviz.engine import caches, program_cache
from cnnviz.engine import device as module
from cnnviz.engine.device import get_device
from cnnviz.engine.program_cache import keep_program, load_program

OPENS = "from cnnviz.engine.device import get_device; d = get_device(); d.launch('fill', 'fill', 1, 1, 2.0, "
OPENS += "d.new_buffer(64, 'x')); d.finish(); print(d.info.platform)"


@pytest.fixture
def programs(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNVIZ_CACHE", str(tmp_path))
    return tmp_path / "programs"


def compute() -> None:
    """Opens the device again, thus from what is kept, and runs two programs."""
    device = module.Device(get_device().info)
    buffer = device.upload(np.zeros(20, np.float32))
    device.fill(buffer, 3.0, 20)
    assert np.array_equal(device.read(buffer, np.empty(20, np.float32)), np.full(20, 3))


def flip_bits(content: bytes) -> bytes:
    chance, damaged = random.Random(1), bytearray(content)
    for _ in range(5):
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize(
    "damage",
    [
        flip_bits,
        lambda content: content[: len(content) // 2],
        lambda content: content[32:],
        lambda content: b"",
        lambda content: bytes(len(content)),
        lambda content: content + b"x",
    ],
    ids=["bits", "half", "no digest", "empty", "zeros", "longer"],
)
def test_a_damaged_program_is_built_again(programs, damage):
    compute()
    whole = {file: file.read_bytes() for file in programs.iterdir()}
    for file, content in whole.items():
        file.write_bytes(damage(content))
        assert load_program(file.name) is None
    compute()
    assert all(load_program(file.name) for file in whole)


def test_swapped_programs_are_built_again(programs):
    compute()
    first, second = sorted(programs.iterdir())[:2]
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1]), second.write_bytes(contents[0])
    assert load_program(first.name) is load_program(second.name) is None
    compute()
    assert load_program(first.name) and load_program(first.name) != contents[1][32:]


def test_a_binary_without_the_kernel_is_built_again(programs):
    """A whole file, by name and digest, that holds another program."""
    compute()
    first, second = sorted(programs.iterdir())[:2]
    binaries = load_program(first.name), load_program(second.name)
    keep_program(first.name, binaries[1]), keep_program(second.name, binaries[0])
    compute()
    assert load_program(first.name) != binaries[1] and load_program(second.name) != binaries[0]


def test_folders_in_the_place_of_files(programs):
    compute()
    for file in list(programs.iterdir()):
        file.unlink()
        file.mkdir()
    compute()


def test_the_programs_used_longest_ago_go_first(programs, monkeypatch):
    monkeypatch.setattr(program_cache, "LARGEST", 3 * 132)
    for age, name in enumerate(["c", "b", "a"]):
        keep_program(name, bytes(100))
        os.utime(programs / name, (1000 - age, 1000 - age))
    assert load_program("a") == bytes(100), "and is the newest now"
    keep_program("d", bytes(100))
    assert {file.name for file in programs.iterdir()} == {"a", "c", "d"}


def test_processes_that_share_a_cache(programs):
    runs = [subprocess.Popen([sys.executable, "-c", OPENS], stderr=subprocess.PIPE) for _ in range(2)]
    assert [(run.communicate()[1], run.returncode) for run in runs] == [(b"", 0)] * 2
    assert all(load_program(file.name) for file in programs.iterdir())


def run_again(tmp_path: Path, limit: int | None = None, **environment: str) -> subprocess.CompletedProcess:
    """Opens a device in a new process that knows no cache but by ``environment``."""
    kept_out = ("XDG_CACHE_HOME", "CNNVIZ_CACHE", "PYOPENCL_NO_CACHE", "POCL_CACHE_DIR", "HOME")
    others = {name: value for name, value in os.environ.items() if name not in kept_out}
    return subprocess.run(
        [sys.executable, "-c", OPENS],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**others, **environment},
        preexec_fn=None
        if limit is None
        else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )


def test_a_disk_that_is_full(tmp_path):
    """Folders and files can be made there, yet nothing can be written into them."""
    if "Portable" in get_device().info.platform:
        pytest.skip("PoCL needs a disk to compile")
    result = run_again(tmp_path, limit=0, HOME=str(tmp_path))
    assert (result.returncode, result.stderr) == (0, "")
    ours = (tmp_path / ".cache" / "cnnviz").rglob("*")
    assert [str(file) for file in ours if file.is_file()] == [], "nothing half written is left"


@pytest.mark.parametrize("name", ["XDG_CACHE_HOME", "HOME"])
def test_a_relative_folder_is_ignored(tmp_path, name):
    result = run_again(tmp_path, **{"HOME": os.devnull, name: "here"})
    assert (result.returncode, result.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("home", ["", "relative"])
def test_no_folder_for_a_user_without_a_home(monkeypatch, home):
    monkeypatch.delenv("CNNVIZ_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", home)
    assert not caches.has_room(caches.cache_folder())
    monkeypatch.setenv("HOME", "/home/me")
    assert caches.cache_folder() == Path("/home/me/.cache/cnnviz")


def test_figures_on_a_disk_that_is_full(tmp_path):
    kept_out = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR")
    others = {name: value for name, value in os.environ.items() if name not in kept_out}
    result = subprocess.run(
        [sys.executable, "-c", "import cnnviz.plots.common.figure"],
        capture_output=True,
        text=True,
        env={**others, "HOME": str(tmp_path)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )
    assert (result.returncode, result.stderr) == (0, "")
