"""Checks that a fresh net can learn: its initial loss, and whether it overfits a single batch."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.random_inputs import fill_inputs
from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device
from cnnviz.engine.layers.softmax_with_loss import SoftmaxWithLoss
from cnnviz.engine.net import Net
from cnnviz.engine.update_rules import Adam
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import SolverParameter


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
        fill_inputs(fresh, np.random.default_rng(seed))
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
        fill_inputs(fresh, np.random.default_rng(seed))
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
