"""Blob: host and device kept in step, on devices that share memory and on those that do not."""

from __future__ import annotations

import gc
import itertools
from dataclasses import replace

import numpy as np
import pytest

from cnnviz.engine.blob import Blob, SyncedMemory
from cnnviz.engine.device import get_device
from cnnviz.errors import DeviceError


@pytest.fixture(params=["shared", "separate"])
def device(request, monkeypatch):
    device = get_device()
    if request.param == "separate":  # a GPU's way, on any device
        monkeypatch.setattr(device, "shares_memory", False)
    elif not device.shares_memory:
        pytest.skip("this device has memory of its own")
    return device


@pytest.fixture
def copies(device, monkeypatch):
    """The copies between host and device so far, each "host" or "device": where to."""
    made = []
    for name, side in (("read", "host"), ("write", "device")):
        real = getattr(device, name)
        monkeypatch.setattr(
            device, name, lambda *args, real=real, side=side: made.append(side) or real(*args), raising=False
        )
    return made


def double_on_device(blob: Blob) -> None:
    """y = x + x by the kernel of a layer that doubles."""
    blob.device.launch("probe", "probe", blob.count, blob.count, blob.mutable_device_data)


def test_starts_with_zeros(device):
    blob = Blob(device, (2, 3))
    assert blob.data.shape == (2, 3) and not blob.data.any() and not blob.diff.any()


def test_host_writes_reach_the_device_and_come_back(device):
    a, b = Blob(device, (5,)), Blob(device, (5,))
    a.data[...] = [1, 2, 3, 4, 5]
    b.copy_data_from(a)
    assert b.read_data().tolist() == [1, 2, 3, 4, 5]
    a.data[0] = 9
    b.copy_data_from(a)
    assert b.data[0] == 9


def test_kernel_writes_reach_the_host(device):
    blob = Blob(device, (4,))
    blob.data[...] = 7
    double_on_device(blob)
    assert blob.data.tolist() == [0, 1, 2, 3]


class Model:
    """What a SyncedMemory of four elements does, in plain Python: values, and the sides that have them."""

    def __init__(self):
        self.values = [0.0] * 4
        self.fresh: set[str] = set()
        self.copies: list[str] = []

    def access(self, side: str) -> None:
        if self.fresh and side not in self.fresh:
            self.copies.append(side)
        self.fresh.add(side)

    def write(self, side: str, index: int, value: float) -> None:
        self.values[index] = value
        self.fresh = {side}


def access(memory: SyncedMemory, side: str, write: int | None, value: float) -> list[float]:
    """Reads all elements by one side, then changes element ``write``, unless None; returns what was read."""
    device = memory.device
    if side == "host":
        array = memory.host(write=write is not None)
        seen = array.tolist()
        if write is not None:
            array[write] = value
        return seen
    buffer = memory.on_device(write=write is not None)
    seen = type(device).read(device, buffer, np.empty(4, np.float32)).tolist()
    if write is not None:
        new = device.new_buffer(4, "a value")
        type(device).write(device, new, np.float32([value]))  # not counted
        device.copy(buffer, new, 4, to=4 * write)
    return seen


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_every_order_of_reads_and_writes(device, copies, length):
    """Whatever came before, each side sees every write, and nothing is copied that is there already."""
    events = list(itertools.product(("host", "device"), (False, True)))
    for sequence in itertools.product(events, repeat=length):
        memory, model = SyncedMemory(device, 4, "a test"), Model()
        copies.clear()
        for step, (side, write) in enumerate(sequence):
            model.access(side)
            # The host writes odd elements and the device even ones, so that none hides another's loss.
            index = (2 * step + (side == "host")) % 4 if write else None
            assert access(memory, side, index, step + 1.0) == model.values, (sequence, step)
            if index is not None:
                model.write(side, index, step + 1.0)
        for side in ("host", "device"):
            model.access(side)
            assert access(memory, side, None, 0.0) == model.values, sequence
        assert copies == ([] if device.shares_memory else model.copies), sequence


def test_a_copy_does_not_change_with_the_blob(device):
    blob = Blob(device, (3,))
    copy = blob.read_data()
    blob.data[...] = 1
    assert not copy.any()


def test_reshape_keeps_values_while_memory_suffices(device):
    blob = Blob(device, (2, 3))
    blob.data[...] = np.arange(6).reshape(2, 3)
    blob.reshape(3, 2)
    assert blob.data.ravel().tolist() == list(range(6))
    blob.reshape(10)
    assert blob.data.shape == (10,) and not blob.data.any()


def test_one_element_without_axes(device):
    blob = Blob(device, ())
    blob.data[...] = 3
    assert blob.count == 1 and float(blob.read_data()) == 3


def test_an_empty_blob(device):
    blob = Blob(device, (0, 3))
    blob.clear_diff()
    assert blob.data.shape == (0, 3)


def test_shared_data_is_one_memory(device):
    a, b = Blob(device, (2, 2)), Blob(device, (4,))
    b.share_data(a)
    a.data[...] = 5
    assert b.read_data().tolist() == [5] * 4
    assert not b.read_diff().any()


def test_double_precision(device):
    if "cl_khr_fp64" not in device.info.handle.extensions:
        pytest.skip("no double precision here")
    blob = Blob(device.with_dtype(np.float64), (2,))
    blob.data[...] = 1 + 1e-12
    assert blob.read_data().dtype == np.float64 and blob.read_data()[0] != 1


def test_out_of_memory_names_blob_and_size(device, monkeypatch):
    monkeypatch.setattr(device, "info", replace(device.info, memory=2**20))
    blob = Blob(device, (2**20,), "blob 'conv1'")
    with pytest.raises(
        DeviceError, match=r"blob 'conv1' needs 4.2 MB, more than .* Use a smaller batch or smaller images."
    ):
        blob.device_data  # noqa: B018


def test_memory_is_counted_over_both_element_types(device, monkeypatch):
    if not device.has_double:
        pytest.skip("no double precision here")
    gc.collect()
    monkeypatch.setattr(device, "info", replace(device.info, memory=device.allocated + 2**20))
    double = device.with_dtype(np.float64)
    singles, doubles = (Blob(part, (2**17,), "blob 'x'") for part in (device, double))
    assert singles.device_data is not None
    with pytest.raises(DeviceError, match=r"blob 'x' needs 1.0 MB, more than"):
        doubles.device_data  # noqa: B018
    del singles
    assert doubles.device_data is not None


def test_more_than_one_piece_can_hold(device):
    with pytest.raises(DeviceError, match=r"blob 'x' needs .* MB, .* gives at most .* in one piece"):
        device.new_buffer(device.info.handle.max_mem_alloc_size + 4, "blob 'x'")
