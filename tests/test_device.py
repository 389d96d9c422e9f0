"""Finding and choosing devices. No device at all is a failure, not a skip."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest

from cnnviz.engine import device as module
from cnnviz.engine.device import get_device, list_devices
from cnnviz.errors import DeviceError


def test_there_is_a_device():
    devices = list_devices()
    assert devices
    kinds = [d.kind for d in devices]
    assert kinds == sorted(kinds, key=["GPU", "CPU", "other"].index)
    assert [d.index for d in devices] == list(range(len(devices)))


def test_a_device_is_opened_once():
    assert get_device("0") is get_device("0")


@pytest.mark.parametrize("wish", ["0", "CPU", "cpu"])
def test_wishes(wish):
    if wish.lower() == "cpu" and not any(d.kind == "CPU" for d in list_devices()):
        pytest.skip("no CPU runtime")
    assert get_device(wish).info in list_devices()


def test_a_part_of_the_name():
    name = list_devices()[0].name
    assert get_device(name[:6].lower()).info.name.lower().startswith(name[:3].lower())


def test_an_unknown_wish_lists_what_there_is():
    with pytest.raises(DeviceError, match=r"No OpenCL device matches 'abacus'. Known: 0: "):
        get_device("abacus")


def test_no_device_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "list_devices", lambda: ())
    with pytest.raises(DeviceError, match=r'pip install "cnnviz\[cpu\]"'):
        module._open_first("")


def test_a_runtime_that_cannot_compile_is_passed_over(monkeypatch):
    real = module.Device
    first = list_devices()[0]

    def broken(info):
        if info.driver == "broken":
            raise DeviceError(f"{info.title} cannot run a kernel (no compiler)")
        return real(info)

    from dataclasses import replace

    monkeypatch.setattr(module, "Device", broken)
    monkeypatch.setattr(module, "list_devices", lambda: (replace(first, driver="broken"), first))
    with pytest.warns(RuntimeWarning, match="is passed over: .*no compiler"):
        assert module._open_first("").info is first


def test_the_environment_chooses():
    last = list_devices()[-1]
    code = "from cnnviz.engine.device import get_device; print(get_device().info.index)"
    environment = {**os.environ, "CNNVIZ_DEVICE": str(last.index)}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.stdout.strip() == str(last.index), result.stderr


def test_build_errors_name_the_file():
    with pytest.raises(DeviceError, match=r"probe.cl does not build on"):
        get_device().kernel("probe", "probe", defines=(("count", "1 2 3"),))


KERNELS = resources.files("cnnviz") / "kernels"


@pytest.mark.parametrize("name", sorted(f.name for f in KERNELS.iterdir() if f.name.endswith(".cl")))
def test_included_headers_are_put_in(name):
    headers = re.findall('#include "(.+)"', (KERNELS / name).read_text())
    text = module._kernel_text(name)
    assert "#include" not in text
    for header in headers:
        assert module._kernel_text(header).strip() in text


def test_every_header_is_used():
    headers = {f.name for f in KERNELS.iterdir() if f.name.endswith(".h")}
    included = {header for f in KERNELS.iterdir() for header in re.findall('#include "(.+)"', f.read_text())}
    assert headers == included


def test_a_changed_header_builds_the_program_anew(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNVIZ_CACHE", str(tmp_path))
    info = get_device().info
    real = module._kernel_text
    module.Device(info)
    before = set((tmp_path / "programs").iterdir())
    monkeypatch.setattr(module, "_kernel_text", lambda name: real(name) + "// changed\n")
    module.Device(info)
    assert len(before) == 1 and len(set((tmp_path / "programs").iterdir())) == 2


def test_scratch_grows_and_is_shared():
    device = get_device()
    small = device.scratch(10, "test")
    assert device.scratch(5, "test") is small
    assert device.scratch(1000, "test").size >= 4000


def test_upload_and_read():
    device = get_device()
    values = np.arange(7, dtype=np.float32)
    buffer = device.upload(values)
    assert np.array_equal(device.read(buffer, np.empty(7, np.float32)), values)


def test_a_home_that_cannot_be_written(tmp_path):
    """Neither pyopencl's cache nor matplotlib's, nor our own, is needed, and nothing is said of them."""
    kept_out = {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "CNNVIZ_CACHE", "PYOPENCL_NO_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in kept_out}
    imports = "import cnnviz.plots.figure; from cnnviz.engine.device import get_device"
    program = f"{imports}; print(get_device().info.kind)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment, "HOME": os.devnull, "TMPDIR": str(tmp_path)},
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == [], "what was temporary is gone"
