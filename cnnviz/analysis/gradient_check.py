"""Checks every layer's gradient by central differences.

Each layer is checked alone. Its tops are weighted with random numbers r and summed to one number
f = sum r y (a loss keeps its own weight); backward gives df/dx, and (f(x + h) - f(x - h)) / 2h must agree,
for every bottom that has a gradient and every parameter that is learned: in double precision where the device
has it, else in single precision with a larger h, as Caffe's own checker does.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

import numpy as np

from cnnviz.analysis.random_inputs import fill_inputs, vary_weights
from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.layer import Layer
from cnnviz.engine.net import Net
from cnnviz.errors import escaped
from cnnviz.formats.prototxt import NetDefinition


@dataclass(frozen=True)
class BlobGradient:
    """How the gradient of one blob compares with differences.

    Attributes:
        layer, type, blob: where, e.g. "conv1", "Convolution", "param 0".
        checked: elements that were compared.
        kinks: elements left out because the function has a corner there.
        error: the largest relative error.
        index: where it is; analytic, numeric: the two gradients there.
    """

    layer: str
    type: str
    blob: str
    checked: int
    kinks: int
    error: float
    index: tuple[int, ...]
    analytic: float
    numeric: float


@dataclass
class GradientReport:
    """The result of ``check_gradients``.

    Attributes:
        tolerance: the largest relative error that passes.
        precision: what was computed in: "double" or "single".
        gradients: one entry per blob.
        skipped: layers that were not checked, with the reason.
    """

    tolerance: float
    precision: str = "double"
    gradients: list[BlobGradient] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def failures(self) -> list[BlobGradient]:
        return [g for g in self.gradients if not g.error <= self.tolerance]

    @property
    def passed(self) -> bool:
        return not self.failures

    def to_text(self) -> str:
        """Returns a table, one line per blob, and a last line that sums up."""
        width = max([len(g.layer) for g in self.gradients] + [5])
        lines = [f"{'layer':{width}}  {'type':16}  {'blob':12}  {'checked':>7}  {'kinks':>5}  {'error':>8}"]
        for g in self.gradients:
            line = f"{g.layer:{width}}  {g.type:16}  {g.blob:12}  {g.checked:7}  {g.kinks:5}  {g.error:8.1e}"
            if g in self.failures:
                line += f"  WRONG at {g.index}: backward {g.analytic:.6g}, differences {g.numeric:.6g}"
            lines.append(line)
        lines += [f"{name}: not checked, {reason}" for name, reason in self.skipped]
        verdict = f"{len(self.failures)} of {len(self.gradients)} gradients are wrong"
        lines.append(verdict if self.failures else f"All {len(self.gradients)} gradients agree")
        if self.precision == "single":
            lines[-1] += " (in single precision: the device has no other)"
        return "\n".join(map(escaped, lines))


def check_gradients(
    net: Net | NetDefinition | str | os.PathLike,
    layer: str | None = None,
    *,
    phase: int | str = "TRAIN",
    samples: int = 20,
    step: float | None = None,
    tolerance: float = 1e-3,
    device: Device | None = None,
    seed: int = 1,
) -> GradientReport:
    """Compares every layer's backward with central differences.

    Args:
        net: a net, whose weights and inputs are used, or a definition or path of a prototxt, which is
            filled freshly (where all weights of a blob are equal, with normal numbers) and fed with
            normal numbers (its labels: with integers).
        layer: the name of the one layer to check; default: all.
        phase: for a definition or path.
        samples: elements compared in each blob, drawn at random; all, if there are no more.
        step: h, for a blob whose root mean square is r: times max(1, r); default 1e-5, in single precision
            1e-2.
        tolerance: the largest relative error |a - n| / max(|a|, |n|, s) that passes; s is a hundredth of
            the largest |a| of the blob, or more where rounding hides differences of that size.
        device: default ``get_device()``.
        seed: of fillers, inputs, samples and r.

    Returns:
        The report; elements at a corner of the function (a ReLU's 0, a change of the maximum) are
        counted in ``kinks`` and not compared, unless backward lies outside of both one-sided slopes.

    Raises:
        NetError: there is no such layer.
    """
    copy = _copy_of(net, phase, device, seed)
    try:
        rules = GradientRules(samples, step or default_step(copy.device), tolerance)
        return check_net(copy, layer, rules, seed)
    finally:
        copy.close()


def default_step(device: Device) -> float:
    """Returns h for numbers around 1: small beside them, large beside what rounding makes of the tops."""
    return 1e-5 if device.dtype == np.float64 else 1e-2


@dataclass(frozen=True)
class GradientRules:
    """How blobs are compared; see ``check_gradients``."""

    samples: int
    step: float
    tolerance: float


def check_net(net: Net, layer: str | None, rules: GradientRules, seed: int) -> GradientReport:
    """As ``check_gradients``, of a net that is filled and may be changed."""
    if layer is not None:
        net.layer_index(layer)
    report = GradientReport(rules.tolerance, "double" if net.device.dtype == np.float64 else "single")
    random = np.random.default_rng(seed)
    # One layer after the other runs forward, so that each is checked with what it will see in the net.
    for index, name in enumerate(net.layer_names):
        probe = None
        if layer in (None, name):
            probe = _LayerProbe.of(net, index, random)
        if isinstance(probe, _LayerProbe):
            report.gradients += probe.check(rules)
        elif probe is not None and layer is not None:
            report.skipped.append((name, probe))
        if not isinstance(probe, _LayerProbe):
            net.forward_layer(index)
    return report


def _copy_of(
    net: Net | NetDefinition | str | os.PathLike, phase: int | str, device: Device | None, seed: int
) -> Net:
    """Returns the net built again, in double precision if it can be, with the same weights and inputs."""
    if not isinstance(net, Net):
        copy = Net(net, phase, device=_most_precise(device or get_device()), seed=seed)  # type: ignore[arg-type]
        random = np.random.default_rng(seed)
        fill_inputs(copy, random)
        vary_weights(copy, random)
        return copy
    state = net.graph.state
    copy = Net(net.definition, state=state, device=_most_precise(device or net.device), seed=seed)
    for name in net.inputs:
        copy.blobs[name].reshape(*net.blobs[name].shape)
        copy.blobs[name].data[...] = net.blobs[name].read_data()
    for mine, theirs in zip(copy.learnable_params, net.learnable_params, strict=True):
        mine.data[...] = theirs.read_data()
    return copy


def _most_precise(device: Device) -> Device:
    return device.with_dtype(np.float64) if device.has_double else device


def _root_mean_square(blob: Blob) -> float:
    return math.sqrt(float(np.square(blob.read_data(), dtype=float).mean()))


class _LayerProbe:
    """One layer as a function of its bottoms and parameters to one number."""

    def __init__(self, net: Net, index: int, random: np.random.Generator):
        self.net = net
        self.index = index
        self.node = net.graph.layers[index]
        self.layer: Layer = net.layers[index]
        self.bottoms, self.tops = net.bottom_blobs[index], net.top_blobs[index]
        self.propagate_down = [self.layer.allow_force_backward(i) for i in range(len(self.bottoms))]
        self.random = random
        self.start = [b.read_data() for b in self.bottoms]
        self.run_state = self.layer.random.bit_generator.state
        self.layer.needs_backward = True
        net.forward_layer(index)
        self.states = [np.zeros(b.shape) for b in self.layer.states]
        self.base = [b.read_data() for b in self.tops]
        self.weights = [self._top_weight(i) for i in range(len(self.tops))]

    @classmethod
    def of(cls, net: Net, index: int, random: np.random.Generator) -> _LayerProbe | str | None:
        """Returns the probe, or why the layer has no gradient to check."""
        layer = net.layers[index]
        if not layer.has_backward:
            return "it has no gradient"
        if not net.bottom_blobs[index] and not layer.blobs:
            return "it has neither bottoms nor parameters"
        return cls(net, index, random)

    def _top_weight(self, index: int) -> np.ndarray:
        top = self.tops[index]
        if not self.layer.top_has_gradient(index):
            return np.zeros(top.shape)
        if self.layer.loss_weights[index]:
            return np.full(top.shape, float(self.layer.loss_weights[index]))
        return self.random.standard_normal(top.shape)

    def restore(self) -> None:
        """Puts back what a forward pass may have changed: in-place bottoms, states, random numbers."""
        for blob, values in zip(self.bottoms, self.start, strict=True):
            blob.data[...] = values
        for blob, values in zip(self.layer.states, self.states, strict=True):
            blob.data[...] = values
        self.layer.random.bit_generator.state = self.run_state

    def forward(self) -> None:
        self.net.forward_layer(self.index)

    def value(self) -> float:
        self.forward()
        # Relative to the tops at the start, so that large numbers do not swallow small changes.
        parts = zip(self.tops, self.base, self.weights, strict=True)
        return float(sum(((top.read_data() - base) * weight).sum() for top, base, weight in parts))

    def gradients(self) -> list[tuple[str, Blob, int | None, np.ndarray]]:
        """Runs backward and returns (name, blob, bottom index, gradient) of all that have one."""
        self.restore()
        self.forward()
        for blob in self.layer.blobs:
            blob.clear_diff()
        for blob, weight in zip(self.tops, self.weights, strict=True):
            blob.diff[...] = weight
        self.layer.backward(self.tops, self.propagate_down, self.bottoms)
        found: list[tuple[str, Blob, int | None, np.ndarray]] = [
            (f"bottom {i}", blob, i, blob.read_diff())
            for i, blob in enumerate(self.bottoms)
            if self.propagate_down[i]
        ]
        found += [
            (f"param {i}", blob, None, blob.read_diff())
            for i, blob in enumerate(self.layer.blobs)
            if self.layer.param_propagate_down[i] and self.node.params[i].spec.lr_mult
        ]
        return found

    def check(self, rules: GradientRules) -> list[BlobGradient]:
        results = []
        for name, blob, bottom, gradient in self.gradients():
            if blob.count:
                results.append(self._check_blob(name, blob, bottom, gradient, rules))
        self.restore()
        self.forward()
        return results

    def _check_blob(
        self,
        name: str,
        blob: Blob,
        bottom: int | None,
        gradient: np.ndarray,
        rules: GradientRules,
    ) -> BlobGradient:
        indices = self.random.permutation(blob.count)[: rules.samples]
        step = rules.step * max(1.0, _root_mean_square(blob))
        floor = max(0.01 * float(np.abs(gradient).max()), 1e-6, self._noise(step) / rules.tolerance)
        worst = (-1.0, 0, 0.0, 0.0)
        kinks = 0
        for flat in indices:
            analytic = float(gradient.flat[flat])
            numeric, error = self._compare(blob, bottom, int(flat), analytic, step, rules.tolerance, floor)
            if error is None:
                kinks += 1
            elif not error <= worst[0]:  # a NaN is the worst
                worst = (error, int(flat), analytic, numeric)
        error, flat, analytic, numeric = worst
        where = tuple(int(i) for i in np.unravel_index(flat, blob.shape)) if blob.shape else ()
        return BlobGradient(
            self.node.name, self.node.type, name, len(indices) - kinks, kinks,
            max(error, 0.0), where, analytic, numeric,
        )  # fmt: skip

    def _noise(self, step: float) -> float:
        """How large a slope the rounding of the tops may feign; some roundings come together in each."""
        parts = zip(self.base, self.weights, strict=True)
        norm = math.sqrt(sum(float(np.square(base * weight).sum()) for base, weight in parts))
        return 4 * float(np.finfo(self.net.device.dtype).eps) * norm / step

    def _compare(
        self,
        blob: Blob,
        bottom: int | None,
        flat: int,
        analytic: float,
        step: float,
        tolerance: float,
        floor: float,
    ) -> tuple[float, float | None]:
        """Returns the difference quotient and the relative error, None at a kink."""
        for size in (step, step / 16):
            left, right = self._slopes(blob, bottom, flat, size)
            numeric = (left + right) / 2
            error = abs(analytic - numeric) / max(abs(analytic), abs(numeric), floor)
            if error <= tolerance:
                return numeric, error
        # At a corner the one-sided slopes differ however small the step; any slope between them will do.
        corner = abs(left - right) > 10 * tolerance * max(abs(left), abs(right), floor)
        slack = tolerance * max(abs(left), abs(right), floor)
        if corner and min(left, right) - slack <= analytic <= max(left, right) + slack:
            return numeric, None
        return numeric, error if math.isfinite(error) else math.nan

    def _slopes(self, blob: Blob, bottom: int | None, flat: int, size: float) -> tuple[float, float]:
        """Returns the slopes to the left and to the right of the element."""
        values = []
        original = float(self.start[bottom].flat[flat] if bottom is not None else blob.data.flat[flat])
        for shift in (-size, 0.0, size):
            self.restore()
            # The same blob may be several bottoms.
            blob.data.flat[flat] = original + shift
            values.append(self.value())
        blob.data.flat[flat] = original
        return (values[1] - values[0]) / size, (values[2] - values[1]) / size
