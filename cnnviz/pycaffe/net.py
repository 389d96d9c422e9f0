"""pycaffe's Net and solvers: the engine's, with pycaffe's constructors, callbacks and older names."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from cnnviz.engine.device import Device
from cnnviz.engine.net import Net as EngineNet
from cnnviz.engine.scoring import loss_weights
from cnnviz.engine.solver import Solver as EngineSolver
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition, read_solver
from cnnviz.pycaffe import mode

LayerCallback = Callable[[int], Any]


class Net(EngineNet):
    """A network that runs.

    ``Net(file, phase, level=0, stages=None, weights=None)``, or the older ``Net(file, weights, phase)``.
    What the engine's Net takes by name (``device``, ``seed``, ``state``) is taken here too; ``device``
    is by default what ``set_mode_cpu``, ``set_mode_gpu`` and ``set_device`` chose.

    Unlike pycaffe's, ``forward`` and ``backward`` return copies, which a later pass does not change.
    """

    def __init__(
        self,
        network_file: str | os.PathLike | NetDefinition,
        phase: int | str | os.PathLike = "TEST",
        level: int | None = None,
        stages: Iterable[str] | None = None,
        weights: str | os.PathLike | None = None,
        **options: Any,
    ):
        if isinstance(phase, str | os.PathLike) and phase not in ("TRAIN", "TEST"):  # the older order
            weights = phase
            phase, level = "TEST" if level is None else level, None
        self._callbacks: dict[str, list[LayerCallback]] = {}
        options.setdefault("device", mode.device())
        options.setdefault("seed", mode.next_seed())
        super().__init__(network_file, cast(int | str, phase), level or 0, stages, weights, **options)

    # Names of pycaffe that its programs read.

    @property
    def _blob_names(self) -> list[str]:
        return list(self.blobs)

    @property
    def _blobs(self) -> list[Any]:
        return list(self.blobs.values())

    @property
    def _inputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.inputs]

    @property
    def _outputs(self) -> list[int]:
        return [self._blob_names.index(name) for name in self.outputs]

    def _bottom_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(name) for name in self.bottom_names[self._layer_names[layer]]]

    def _top_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(name) for name in self.top_names[self._layer_names[layer]]]

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """The loss weight of every blob by name, 0 for one that is no loss."""
        weights = loss_weights(self)
        return OrderedDict((name, weights.get(name, 0.0)) for name in self.blobs)

    def save_hdf5(self, path: str | os.PathLike, write_diff: bool = False) -> None:
        """Writes the weights in Caffe's HDF5 form, whatever ``path`` ends in."""
        from cnnviz.formats.hdf5 import write_weights_hdf5

        write_weights_hdf5(path, *self.stored(write_diff))

    def load_hdf5(self, path: str | os.PathLike) -> None:
        """Copies weights from Caffe's HDF5 form."""
        self.copy_from(path)

    # An array that was taken before is up to date after each of these, as with Caffe on a CPU.

    def backward(self, *args: Any, **options: Any) -> dict[str, np.ndarray]:
        gradients = super().backward(*args, **options)
        self.device.finish()
        return gradients

    def clear_param_diffs(self) -> None:
        super().clear_param_diffs()
        self.device.finish()

    # Callbacks

    def before_forward(self, function: LayerCallback) -> None:
        """Calls ``function`` with the index of each layer before it runs forward."""
        self._add_callback("before_forward", function)

    def after_forward(self, function: LayerCallback) -> None:
        """Calls ``function`` with the index of each layer after it ran forward."""
        self._add_callback("after_forward", function)

    def before_backward(self, function: LayerCallback) -> None:
        """Calls ``function`` with the index of each layer before it runs backward."""
        self._add_callback("before_backward", function)

    def after_backward(self, function: LayerCallback) -> None:
        """Calls ``function`` with the index of each layer after it ran backward."""
        self._add_callback("after_backward", function)

    def _add_callback(self, moment: str, function: LayerCallback) -> None:
        self._callbacks.setdefault(moment, []).append(function)

    def _call(self, moment: str, index: int) -> None:
        for function in self._callbacks.get(moment, ()):
            function(index)

    def forward_layer(self, index: int) -> None:
        self._call("before_forward", index)
        super().forward_layer(index)
        self._call("after_forward", index)

    def backward_layer(self, index: int) -> None:
        self._call("before_backward", index)
        super().backward_layer(index)
        self._call("after_backward", index)


class Solver(EngineSolver):
    """Trains ``net``, as the solver file says; see SGDSolver and its siblings, and ``get_solver``.

    ``file`` and ``device`` are those of the engine's Solver.
    """

    net_class = Net
    type: str | None = None

    def __init__(self, file: str | os.PathLike | SolverDefinition, *, device: Device | None = None):
        definition = file if isinstance(file, SolverDefinition) else read_solver(file)
        if self.type is not None:
            definition.proto.type = self.type
        if definition.proto.random_seed < 0 and (seed := mode.next_seed()) is not None:
            definition.proto.random_seed = seed
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        super().__init__(definition, device=device or mode.device())

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Calls ``on_start`` before each iteration and ``on_gradients_ready`` before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    # As in Net: arrays that were taken before are up to date after each call, not within a training loop.

    def step(self, count: int, on_iteration: Callable[[EngineSolver], None] | None = None) -> None:
        super().step(count, on_iteration)
        self.device.finish()

    def apply_update(self) -> None:
        super().apply_update()
        self.device.finish()

    def forward_backward(self) -> float | None:
        for on_start, _ in self._callbacks:
            on_start()
        loss = super().forward_backward()
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        return loss


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum, whatever type the file names."""

    type = "SGD"


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""

    type = "Nesterov"


class AdaGradSolver(Solver):
    """Adaptive gradient."""

    type = "AdaGrad"


class RMSPropSolver(Solver):
    """Root mean square propagation."""

    type = "RMSProp"


class AdaDeltaSolver(Solver):
    """Adaptive delta."""

    type = "AdaDelta"


class AdamSolver(Solver):
    """Adaptive moments."""

    type = "Adam"


_SOLVERS = (SGDSolver, NesterovSolver, AdaGradSolver, RMSPropSolver, AdaDeltaSolver, AdamSolver)


def get_solver(file: str | os.PathLike) -> Solver:
    """Returns the solver of the type that the file names."""
    definition = read_solver(file)
    kind = next((kind for kind in _SOLVERS if kind.type == definition.proto.type), Solver)
    return kind(definition)
