"""Rows of the table of layers, and what tests/engine/test_layers.py does with each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyopencl as cl

from cnnviz.analysis.gradient_check import GradientRules, check_net, default_step
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.net import Net
from cnnviz.errors import DeviceError
from cnnviz.formats.prototxt import parse_net, read_net

Fill = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Shape = tuple[int, ...]


def uniform(low: float = -1.0, high: float = 1.0) -> Fill:
    """Numbers in [low, high)."""
    return lambda random, shape: random.uniform(low, high, shape)


def integers(low: int, high: int) -> Fill:
    """Integers in [low, high), such as labels."""
    return lambda random, shape: random.integers(low, high, shape)


def apart(step: float = 0.1) -> Fill:
    """Distinct numbers around 0, in random order, ``step`` apart: no ties, no maximum near another."""
    return lambda random, shape: (
        (random.permutation(int(np.prod(shape))).reshape(shape) + 0.3) * step - (step * np.prod(shape) / 2)
    )


def given(values: Any) -> Fill:
    """These very values."""
    return lambda random, shape: np.array(values, float).reshape(shape)


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Attributes:
        type: the layer's type.
        name: what is special about the row.
        bottoms: shapes of the bottoms.
        params: text of the layer's parameters, e.g. "pooling_param { kernel_size: 2 }".
        tops: number of tops.
        phase: "TRAIN" or "TEST".
        reference: plain NumPy: (bottoms..., weights...) -> top, or list of tops. None if the values
            are checked by Caffe's own cases only.
        fills: how bottom i is filled; default uniform(-1, 1).
        weights: how parameter i is filled; default: uniform(-1, 1), None keeps the layer's filler.
        gradient: whether backward is compared with differences.
        in_place: whether top 0 may be bottom 0.
        tolerance: of values, relative to the largest.
        samples: elements of each blob whose gradient is compared.
        slack: relative error that the gradient may have in double precision.
        takes_nan: whether a bottom 0 of NaN is tried too (not where it holds indices).
    """

    type: str
    name: str
    bottoms: Sequence[Shape]
    params: str = ""
    tops: int = 1
    phase: str = "TRAIN"
    reference: Callable[..., Any] | None = None
    fills: dict[int, Fill] | None = None
    weights: dict[int, Fill | None] | None = None
    gradient: bool = True
    in_place: bool = False
    tolerance: float = 2e-5
    samples: int = 12
    slack: float = 1e-4
    takes_nan: bool = True

    @property
    def id(self) -> str:
        return f"{self.type}-{self.name}".replace(" ", "_")

    def text(self, in_place: bool = False, copies: int = 1) -> str:
        """The prototxt: Input layers x0, x1, ..., then the layer (or several) with tops y0, y1, ..."""
        lines = ["force_backward: true"]
        for i, shape in enumerate(self.bottoms):
            dims = " ".join(f"dim: {d}" for d in shape)
            lines.append(
                f'layer {{ name: "x{i}" type: "Input" top: "x{i}" input_param {{ shape {{ {dims} }} }} }}'
            )
        bottoms = " ".join(f'bottom: "x{i}"' for i in range(len(self.bottoms)))
        for copy in range(copies):
            names = [f"y{i}" + (f"_{copy}" if copy else "") for i in range(self.tops)]
            if in_place:
                names[0] = "x0"
            tops = " ".join(f'top: "{name}"' for name in names)
            name = "l" + (f"_{copy}" if copy else "")
            lines.append(f'layer {{ name: "{name}" type: "{self.type}" {bottoms} {tops} {self.params} }}')
        return "\n".join(lines)

    def net(self, device: Device, in_place: bool = False, copies: int = 1) -> Net:
        """The net, its inputs and weights filled: equal numbers for equal rows on any device."""
        net = Net(parse_net(self.text(in_place, copies)), self.phase, device=device, seed=5)
        random = np.random.default_rng(3)
        for i, shape in enumerate(self.bottoms):
            values = (self.fills or {}).get(i, uniform())(random, shape)
            net.blobs[f"x{i}"].data[...] = np.asarray(values, np.float32)
        for i, blob in enumerate(net.params.get("l", [])):
            fill = (self.weights or {}).get(i, uniform())
            if fill is not None:
                blob.data[...] = np.asarray(fill(random, blob.shape), np.float32)
        for copy in range(1, copies):
            for mine, first in zip(net.params.get(f"l_{copy}", []), net.params.get("l", []), strict=True):
                mine.data[...] = first.data
        return net

    def run(self, net: Net, backward: bool = True) -> None:
        """Forward, and backward from fixed random diffs of the tops that are no loss."""
        net.forward()
        if not backward:
            return
        random = np.random.default_rng(4)
        for index, node in enumerate(net.graph.layers):
            if node.type != self.type:
                continue
            # Every copy of the layer gets the same diffs.
            random = np.random.default_rng(4)
            for blob, weight in zip(net.top_blobs[index], net.layers[index].loss_weights, strict=True):
                values = random.standard_normal(blob.shape)
                if not weight:
                    blob.diff[...] = values
        net.backward()


def layer_of(net: Net) -> Any:
    """The layer under test."""
    return net.layer_dict["l"]


def double_device() -> Device | None:
    """The device in double precision, None if it has none."""
    try:
        return get_device().with_dtype(np.float64)
    except DeviceError:
        return None


# --- Checks -------------------------------------------------------------------------------------


def assert_close(got: Any, want: Any, tolerance: float, what: str) -> None:
    got, want = np.asarray(got, float), np.asarray(want, float)
    assert got.shape == want.shape, f"{what}: shape {got.shape}, expected {want.shape}"
    if want.size:
        error = np.abs(got - want).max()
        limit = tolerance * np.abs(want).max() + 1e-6
        assert error <= limit, f"{what}: off by {error:.2e}, allowed {limit:.2e}"


def check_values(case: Case) -> None:
    """The tops are what plain NumPy computes, in single and in double precision."""
    for device in filter(None, (get_device(), double_device())):
        net = case.net(device)
        bottoms = [net.blobs[f"x{i}"].read_data().astype(float) for i in range(len(case.bottoms))]
        weights = [blob.read_data().astype(float) for blob in net.params.get("l", [])]
        net.forward()
        assert case.reference is not None
        want = case.reference(*bottoms, *weights)
        expected = want if isinstance(want, list) else [want]
        for i, values in enumerate(expected):
            assert_close(net.blobs[f"y{i}"].data, values, case.tolerance, f"y{i} in {device.dtype}")
        net.close()


def check_gradient(case: Case, device: Device, slack: float) -> None:
    """Backward agrees with central differences to the relative error ``slack``."""
    net = case.net(device)
    rules = GradientRules(case.samples, default_step(device), slack)
    report = check_net(net, "l", rules, seed=2)
    assert report.gradients, "the layer has no gradient to check"
    assert report.passed, report.to_text()
    assert sum(g.checked for g in report.gradients) >= sum(g.kinks for g in report.gradients), (
        report.to_text()
    )


def check_repeats(case: Case) -> None:
    """A second backward overwrites the bottoms' diffs and adds to the parameters'."""
    net = case.net(get_device())
    case.run(net)
    bottoms = [net.blobs[f"x{i}"].read_diff() for i in range(len(case.bottoms))]
    params = [blob.read_diff() for blob in net.params.get("l", [])]
    net.backward()
    for i, before in enumerate(bottoms):
        assert_close(net.blobs[f"x{i}"].diff, before, 1e-6, f"x{i} diff the second time")
    for i, (blob, before) in enumerate(zip(net.params.get("l", []), params, strict=True)):
        assert_close(blob.diff, 2 * before, 1e-5, f"param {i} diff the second time")


def check_fan_out(case: Case) -> None:
    """Two equal layers on the same bottoms give them twice the gradient of one."""
    single, double = case.net(get_device()), case.net(get_device(), copies=2)
    for net in (single, double):
        for layer in net.layers:
            layer.random = np.random.default_rng(8)
        case.run(net)
    for i in range(len(case.bottoms)):
        want = 2 * single.blobs[f"x{i}"].read_diff()
        assert_close(double.blobs[f"x{i}"].diff, want, 1e-5, f"x{i} diff with two readers")


def check_in_place(case: Case) -> None:
    """With top 0 written over bottom 0 all values are the same."""
    apart_net, net = case.net(get_device()), case.net(get_device(), in_place=True)
    for each in (apart_net, net):
        each.layer_dict["l"].random = np.random.default_rng(8)
        case.run(each, backward=case.gradient)
    assert_close(net.blobs["x0"].data, apart_net.blobs["y0"].data, 1e-6, "data in place")
    if case.gradient:
        assert_close(net.blobs["x0"].diff, apart_net.blobs["x0"].diff, 1e-5, "diff in place")
        for i, (mine, theirs) in enumerate(
            zip(net.params.get("l", []), apart_net.params.get("l", []), strict=True)
        ):
            assert_close(mine.diff, theirs.diff, 1e-5, f"param {i} diff in place")


_GUARD = 256  # bytes


class GuardedBuffer(cl.Buffer):
    """A buffer with a guard after what was requested; all of it starts as NaN (or -1)."""

    asked = 0

    @property
    def size(self) -> int:
        return self.asked


@contextmanager
def guarded(device: Device):
    """Within, every buffer of the device has a guard; yields the list of them."""
    buffers: list[GuardedBuffer] = []

    def new_buffer(nbytes: int, label: str) -> GuardedBuffer:
        flags = cl.mem_flags.READ_WRITE | (cl.mem_flags.ALLOC_HOST_PTR if device.is_cpu else 0)
        asked = -(-max(nbytes, 4) // 4) * 4
        buffer = GuardedBuffer(device.context, flags, asked + _GUARD)
        buffer.asked = asked
        buffer.label = label
        cl.enqueue_fill_buffer(device.queue, buffer, np.uint32(0xFFFFFFFF), 0, asked + _GUARD)
        buffers.append(buffer)
        return buffer

    scratch, device._scratch = device._scratch, {}
    device.new_buffer = new_buffer  # type: ignore[method-assign]
    try:
        yield buffers
    finally:
        del device.new_buffer
        device._scratch = scratch


def check_guards(device: Device, buffers: list[GuardedBuffer]) -> None:
    for buffer in buffers:
        tail = np.empty(_GUARD, np.uint8)
        cl.enqueue_copy(device.queue, tail, buffer, src_offset=buffer.asked)
        assert (tail == 255).all(), f"something was written past {buffer.label}"


def check_bounds(case: Case) -> None:
    """Nothing is written past any buffer, nor read before it is written, also with NaN in the data."""
    device = get_device()
    with guarded(device) as buffers:
        net = case.net(device)
        layer_of(net).random = np.random.default_rng(8)
        case.run(net, backward=case.gradient)
        values = {name: blob.read_data() for name, blob in net.blobs.items()}
        if case.takes_nan:
            net.blobs["x0"].data[...] = np.nan
            case.run(net, backward=case.gradient)
        check_guards(device, buffers)
        net.close()
    plain = case.net(device)
    layer_of(plain).random = np.random.default_rng(8)
    case.run(plain, backward=case.gradient)
    for name, blob in plain.blobs.items():
        np.testing.assert_array_equal(blob.read_data(), values[name], err_msg=name)


# --- Caffe's own cases --------------------------------------------------------------------------


def layer_types_of(path: Path) -> set[str]:
    """The types of the layers of a prototxt."""
    return {layer.type for layer in read_net(path).proto.layer}


def run_reference_case(path: Path, tolerance: float, of_fork: bool = False) -> list[str]:
    """Runs one case of reference/layers and returns what disagrees with Caffe.

    Args:
        of_fork: a case of reference/forks: the tops' shapes and the parameters after forward count too.
    """
    arrays = np.load(path.with_suffix(".npz"))
    net = Net(path, str(arrays["phase"]))
    _put_reference(net, arrays)
    times = 3 if "three_forwards" in path.stem else 2 if "two_forwards" in path.stem else 1
    for _ in range(times):
        net.forward()
    found = [(key, net.blobs[key[4:]].read_data()) for key in arrays.files if key.startswith("out:")]
    wrong = [_other_shape(key, got, arrays[key]) for key, got in found] if of_fork else []
    if of_fork:
        found += _reference_params_after(net, arrays)
    diffs = [key for key in arrays.files if key.startswith("top_diff:")]
    if diffs:
        for key in diffs:
            blob = net.blobs[key[9:]]
            blob.diff[...] = arrays[key].reshape(blob.shape)
        net.backward()
        found += _reference_diffs(net, arrays)
    net.close()
    wrong += [_disagreement(key, got, arrays[key], tolerance) for key, got in found]
    return [message for message in wrong if message]


def _other_shape(key: str, got: np.ndarray, want: np.ndarray) -> str:
    return "" if got.shape == want.shape else f"{key}: shape {got.shape}, the original's is {want.shape}"


def _reference_params_after(net: Net, arrays: Any) -> list[tuple[str, np.ndarray]]:
    found = []
    for key in arrays.files:
        kind, _, rest = key.partition(":")
        if kind == "param_after":
            layer, index = rest.rsplit(":", 1)
            found.append((key, net.params[layer][int(index)].read_data()))
    return found


def _put_reference(net: Net, arrays: Any) -> None:
    for key in arrays.files:
        kind, _, rest = key.partition(":")
        if kind == "in":
            net.blobs[rest].reshape(*arrays[key].shape)
            net.blobs[rest].data[...] = arrays[key]
        elif kind == "param":
            layer, index = rest.rsplit(":", 1)
            blob = net.params[layer][int(index)]
            blob.data[...] = arrays[key].reshape(blob.shape)


def _reference_diffs(net: Net, arrays: Any) -> list[tuple[str, np.ndarray]]:
    found = []
    for key in arrays.files:
        kind, _, rest = key.partition(":")
        if kind == "bottom_diff":
            found.append((key, net.blobs[rest].read_diff()))
        elif kind == "param_diff":
            layer, index = rest.rsplit(":", 1)
            found.append((key, net.params[layer][int(index)].read_diff()))
    return found


def _disagreement(key: str, got: np.ndarray, want: np.ndarray, tolerance: float) -> str:
    if got.size != want.size:
        return f"{key}: shape {got.shape}, Caffe's is {want.shape}"
    if not np.isfinite(got).all():
        return f"{key}: not finite"
    error = np.abs(got.reshape(want.shape) - want).max() if want.size else 0.0
    limit = tolerance * np.abs(want).max() + 1e-6 if want.size else 0.0
    return "" if error <= limit else f"{key}: off by {error:.2e}, allowed {limit:.2e}"
