"""Checks that a net learns as it should: gradients by central differences, and a fresh net's loss.

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

from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers.softmax_with_loss import SoftmaxWithLoss
from cnnviz.engine.net import Net
from cnnviz.engine.update_rules import Adam
from cnnviz.errors import NetError, did_you_mean, escaped
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import SolverParameter


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
        return _check_net(copy, layer, _Rules(samples, step or default_step(copy.device), tolerance), seed)
    finally:
        copy.close()


def default_step(device: Device) -> float:
    """Returns h for numbers around 1: small beside them, large beside what rounding makes of the tops."""
    return 1e-5 if device.dtype == np.float64 else 1e-2


@dataclass(frozen=True)
class _Rules:
    """How blobs are compared; see ``check_gradients``."""

    samples: int
    step: float
    tolerance: float


def _check_net(net: Net, layer: str | None, rules: _Rules, seed: int) -> GradientReport:
    names = net.layer_names
    if layer is not None and layer not in names:
        raise NetError(f"{net.graph.path}: the net has no layer {layer!r}{did_you_mean(layer, names)}")
    report = GradientReport(rules.tolerance, "double" if net.device.dtype == np.float64 else "single")
    random = np.random.default_rng(seed)
    # One layer after the other runs forward, so that each is checked with what it will see in the net.
    for index, name in enumerate(names):
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
    """Returns the net built anew, in double precision if it can be, with the same weights and inputs."""
    if not isinstance(net, Net):
        copy = Net(net, phase, device=_most_precise(device or get_device()), seed=seed)  # type: ignore[arg-type]
        random = np.random.default_rng(seed)
        _fill_inputs(copy, random)
        _vary_weights(copy, random)
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


def _vary_weights(net: Net, random: np.random.Generator) -> None:
    """Gives weights that were filled with one number (the default filler's 0) normal numbers instead.

    Equal numbers everywhere would put every maximum and ReLU on its corner.
    """
    for blob in net.learnable_params:
        if len(blob.shape) > 1 and np.ptp(blob.data) == 0:
            blob.data[...] = random.normal(0, math.sqrt(2 / blob.count_from(1)), blob.shape)


def _fill_inputs(net: Net, random: np.random.Generator) -> None:
    """Normal numbers; what a layer without a gradient for it reads (labels) gets integers."""
    for name in net.inputs:
        blob = net.blobs[name]
        classes = _classes_for(net, name)
        if classes:
            blob.data[...] = random.integers(0, classes, blob.shape)
        else:
            blob.data[...] = random.standard_normal(blob.shape)


def _classes_for(net: Net, blob: str) -> int:
    """Returns the number of classes if the blob, or a Split of it, is a label; else 0."""
    for node in net.graph.layers:
        if blob not in node.bottoms or node.layer is None:
            continue
        if node.type == "Split":
            found = max(_classes_for(net, top) for top in node.tops)
        else:
            index = node.bottoms.index(blob)
            shape = node.bottom_shapes[0] or ()
            is_label = index > 0 and not (node.layer.has_backward and node.layer.allow_force_backward(index))
            found = shape[1] if is_label and len(shape) > 1 else 0
        if found:
            return found
    return 0


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
        self.wanted = [self.layer.allow_force_backward(i) for i in range(len(self.bottoms))]
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
        self.layer.backward(self.tops, self.wanted, self.bottoms)
        found: list[tuple[str, Blob, int | None, np.ndarray]] = [
            (f"bottom {i}", blob, i, blob.read_diff())
            for i, blob in enumerate(self.bottoms)
            if self.wanted[i]
        ]
        found += [
            (f"param {i}", blob, None, blob.read_diff())
            for i, blob in enumerate(self.layer.blobs)
            if self.layer.param_propagate_down[i] and self.node.params[i].spec.lr_mult
        ]
        return found

    def check(self, rules: _Rules) -> list[BlobGradient]:
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
        rules: _Rules,
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


# --- A fresh net --------------------------------------------------------------------------------


@dataclass(frozen=True)
class InitialLoss:
    """The loss of a softmax loss layer before any training.

    Attributes:
        layer: its name.
        loss: what it is; expected: log(classes), the loss of a net that knows nothing yet.
    """

    layer: str
    loss: float
    expected: float

    @property
    def ok(self) -> bool:
        """Whether the loss is within a half of what is expected."""
        return abs(self.loss - self.expected) <= 0.5 * self.expected

    def to_text(self) -> str:
        verdict = "as expected" if self.ok else "check the fillers, the input's scale and the labels"
        return f"{self.layer}: initial loss {self.loss:.4g}, log(classes) {self.expected:.4g}: {verdict}"


def check_initial_loss(
    net: NetDefinition | str | os.PathLike,
    phase: int | str = "TRAIN",
    device: Device | None = None,
    seed: int = 1,
) -> list[InitialLoss]:
    """Returns, for each softmax loss of a freshly filled net, its loss on the first batch."""
    fresh = Net(net, phase, device=device, seed=seed)
    try:
        _fill_inputs(fresh, np.random.default_rng(seed))
        fresh.run_forward()
        return [
            InitialLoss(node.name, float(fresh.blobs[node.tops[0]].read_data()), math.log(layer.sizes[1]))
            for node, layer in zip(fresh.graph.layers, fresh.layers, strict=True)
            if isinstance(layer, SoftmaxWithLoss)
        ]
    finally:
        fresh.close()


@dataclass(frozen=True)
class Overfit:
    """How the loss fell when one batch was trained on again and again.

    Attributes:
        first, last: the loss before the first and after the last update.
        iterations: updates done.
    """

    first: float
    last: float
    iterations: int

    @property
    def ok(self) -> bool:
        """Whether a tenth of the loss at most is left."""
        return self.last <= 0.1 * self.first

    def to_text(self) -> str:
        verdict = "the net can learn" if self.ok else "it should come near 0; check the net and the labels"
        return f"one batch, {self.iterations} updates: loss {self.first:.4g} -> {self.last:.4g}: {verdict}"


def overfit_small_sample(
    net: NetDefinition | str | os.PathLike,
    *,
    iterations: int = 200,
    rate: float = 1e-3,
    phase: int | str = "TRAIN",
    device: Device | None = None,
    seed: int = 1,
) -> Overfit:
    """Trains a fresh net with Adam on its first batch alone: a net that works learns it by heart.

    Args:
        net: a definition or path; Input layers get normal numbers and random labels.
        iterations: updates at most; it ends early once a hundredth of the loss is left.
        rate: Adam's learning rate.

    Raises:
        NetError: the net has no loss, or nothing to learn.
    """
    fresh = Net(net, phase, device=device, seed=seed)
    try:
        _fill_inputs(fresh, np.random.default_rng(seed))
        return _overfit(fresh, iterations, rate)
    finally:
        fresh.close()


def _overfit(net: Net, iterations: int, rate: float) -> Overfit:
    params = [(blob, spec) for blob, spec in net.learnable_params_with_specs() if spec.lr_mult]
    if not params or not any(w for layer in net.layers for w in layer.loss_weights):
        raise NetError(f"{net.graph.path}: the net has no loss or no parameters to learn in this phase.")
    rule = Adam(SolverParameter(type="Adam", momentum=0.9))
    histories = [[Blob(net.device, blob.shape, "history") for _ in range(2)] for blob, _ in params]
    net.run_forward()
    first = last = net.loss()
    # The layers that bring data keep their first batch.
    moving = [i for i, node in enumerate(net.graph.layers) if node.bottoms]
    done = 0
    while done < iterations and not last <= 0.01 * first:
        net.clear_param_diffs()
        net.backward()
        for (blob, spec), history in zip(params, histories, strict=True):
            rule.apply(blob, history, 1.0, 0.0, False, rule.rate(rate * spec.lr_mult, done))
        for index in moving:
            net.forward_layer(index)
        last = net.loss()
        done += 1
    return Overfit(first, last, done)
