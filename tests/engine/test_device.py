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
from cnnviz.engine import opencl, programs
from cnnviz.engine.device import get_device
from cnnviz.engine.net import Net
from cnnviz.engine.opencl import list_devices
from cnnviz.errors import DeviceError
from cnnviz.formats.prototxt import parse_net


def test_there_is_a_device():
    devices = list_devices()
    assert devices
    kinds = [d.kind for d in devices]
    assert kinds == sorted(kinds, key=["GPU", "CPU", "other"].index)
    assert [d.index for d in devices] == list(range(len(devices)))


def test_a_device_is_opened_once():
    assert get_device("0") is get_device("0")
    assert get_device(list_devices()[0].name) is get_device("0"), "two contexts could not share blobs"


@pytest.mark.parametrize("choice", ["0", "CPU", "cpu"])
def test_choices(choice):
    if choice.lower() == "cpu" and not any(d.kind == "CPU" for d in list_devices()):
        pytest.skip("no CPU runtime")
    assert get_device(choice).info in list_devices()


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


def opened(monkeypatch, separate_memory: str):
    """The first device, opened with this value of the switch for testers."""
    monkeypatch.setenv("CNNVIZ_SEPARATE_MEMORY", separate_memory)
    return module.Device(list_devices()[0])


@pytest.mark.parametrize("value", ["", "0"])
def test_the_switch_for_separate_memory_is_off(monkeypatch, value):
    info = list_devices()[0]
    assert opened(monkeypatch, value).is_cpu == (info.kind == "CPU")


NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 9 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool" top: "ip"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
force_backward: true
"""


def values_of(device) -> dict[str, np.ndarray]:
    """The data and diff of each blob after a forward and a backward pass, where some were read between."""
    net = Net(parse_net(NET), device=device, seed=3)
    net.blobs["data"].data[...] = np.random.default_rng(1).standard_normal((2, 3, 9, 8))
    assert net.blobs["data"].data.any() and net.blobs["data"].read_data().any()
    net.forward()
    net.blobs["prob"].diff[:, 1] = 1
    net.backward()
    data = {name: blob.data.copy() for name, blob in net.blobs.items()}
    return data | {f"{name} diff": blob.diff.copy() for name, blob in net.blobs.items()}


@pytest.mark.simulator
def test_a_device_with_memory_of_its_own_gives_the_same_numbers(monkeypatch):
    separate, plain = opened(monkeypatch, "1"), opened(monkeypatch, "0")
    assert not separate.is_cpu and not separate.shares_memory
    expected = values_of(plain)
    for name, values in values_of(separate).items():
        assert values.any(), f"{name} is zero"
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_build_errors_name_the_file():
    with pytest.raises(DeviceError, match=r"probe.cl does not build on"):
        get_device().programs.kernel("probe", "probe", defines=(("count", "1 2 3"),))


KERNELS = resources.files("cnnviz") / "kernels"


@pytest.mark.parametrize("name", sorted(f.name for f in KERNELS.iterdir() if f.name.endswith(".cl")))
def test_included_headers_are_put_in(name):
    headers = re.findall('#include "(.+)"', (KERNELS / name).read_text())
    text = programs.kernel_text(name)
    assert "#include" not in text
    for header in headers:
        assert programs.kernel_text(header).strip() in text


def test_every_header_is_used():
    headers = {f.name for f in KERNELS.iterdir() if f.name.endswith(".h")}
    included = {header for f in KERNELS.iterdir() for header in re.findall('#include "(.+)"', f.read_text())}
    assert headers == included


def test_a_changed_header_builds_the_program_again(monkeypatch, tmp_path):
    monkeypatch.setenv("CNNVIZ_CACHE", str(tmp_path))
    info = get_device().info
    real = programs.kernel_text
    module.Device(info)
    before = set((tmp_path / "programs").iterdir())
    monkeypatch.setattr(programs, "kernel_text", lambda name: real(name) + "// changed\n")
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


@pytest.mark.parametrize("kind", ["MemoryError", "RuntimeError"])
@pytest.mark.parametrize(
    "command, use",
    [
        ("enqueue_copy", lambda device, buffer, array: device.write(buffer, array)),
        ("enqueue_copy", lambda device, buffer, array: device.read(buffer, array)),
        ("enqueue_copy", lambda device, buffer, array: device.copy(buffer, buffer, 4, to=8)),
        ("enqueue_map_buffer", lambda device, buffer, array: device.map(buffer, 3)),
        ("enqueue_nd_range_kernel", lambda device, buffer, array: device.fill(buffer, 1.0, 3)),
    ],
)
def test_memory_may_give_out_at_any_command(monkeypatch, kind, command, use):
    """Some runtimes allocate a buffer only when it is first used."""
    device = opened(monkeypatch, "0")
    array = np.zeros(3, np.float32)
    buffer = device.upload(array)

    def refuse(*args, **options):
        raise getattr(device._cl, kind)("MEM_OBJECT_ALLOCATION_FAILURE")

    monkeypatch.setattr(device._cl, command, refuse)
    with pytest.raises(DeviceError, match=r"refused .*: .*MEM_OBJECT_ALLOCATION_FAILURE"):
        use(device, buffer, array)


def test_a_home_that_cannot_be_written(tmp_path):
    """Neither pyopencl's cache nor matplotlib's, nor our own, is needed, and nothing is said of them."""
    kept_out = {"XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "CNNVIZ_CACHE", "PYOPENCL_NO_CACHE"}
    environment = {name: value for name, value in os.environ.items() if name not in kept_out}
    imports = "import cnnviz.plots.common.figure; from cnnviz.engine.device import get_device"
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


@pytest.mark.parametrize("limit, axes", [(1, (1, 1, 1)), (7, (7, 2, 1)), (64, (64, 64, 64))])
def test_small_work_groups_give_the_same_numbers(monkeypatch, limit, axes):
    """Devices differ in how many work items a group may have; on some CPUs it is one."""
    device, expected = opened(monkeypatch, "1"), values_of(opened(monkeypatch, "0"))
    monkeypatch.setattr(device, "group_limit", limit)
    monkeypatch.setattr(device, "axis_limits", axes)
    sizes = []
    enqueue = device._cl.enqueue_nd_range_kernel
    monkeypatch.setattr(
        device._cl, "enqueue_nd_range_kernel", lambda *args: sizes.append(args[3]) or enqueue(*args)
    )
    for name, values in values_of(device).items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-5, atol=1e-6, err_msg=name)
    given = [size for size in sizes if size is not None]
    assert given and all(np.prod(size) <= limit for size in given)
    assert all(n <= most for size in given for n, most in zip(size, axes, strict=False))


def test_the_largest_group_that_fits(monkeypatch):
    device = opened(monkeypatch, "0")
    monkeypatch.setattr(device, "group_limit", 100)
    monkeypatch.setattr(device, "axis_limits", (128, 4, 1))
    assert device.fitting_group((256,)) == (64,)
    assert device.fitting_group((16, 16)) == (16, 4)
    assert device.fitting_group((30, 8, 2), limit=20) == (15, 1, 1)


def test_a_platform_of_any_version(monkeypatch):
    class Platform:
        version = "strange"

    assert opencl._opencl_version(Platform) == 0
    Platform.version = "OpenCL 3.0 with more"
    assert opencl._opencl_version(Platform) == 3.0


@pytest.mark.parametrize("name", sorted(f.name for f in KERNELS.iterdir()))
def test_no_kernel_needs_double_precision(name):
    """A number with a fraction is a double unless it is cast: an error on a device that has none."""
    text = re.sub(r"//.*", "", (KERNELS / name).read_text())
    number = r"(?:\d+\.\d*|\.\d+|\d+(?=e))(?:e[-+]?\d+)?"
    assert not re.findall(rf"(?<!\(Dtype\))(?<![\w.]){number}(?![\w.])", text)
    assert not re.search(r"\bdouble\b", text)
