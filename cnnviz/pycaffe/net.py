"""pycaffe's Net and solvers: the engine's, with pycaffe's constructors, callbacks and older names."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

import numpy as np

from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device
from cnnviz.engine.net import Net as EngineNet
from cnnviz.engine.net import padded
from cnnviz.engine.scoring import loss_weights
from cnnviz.engine.solver import Solver as EngineSolver
from cnnviz.errors import FileError, NetError
from cnnviz.formats.prototxt import NetDefinition, SolverDefinition, read_solver
from cnnviz.pycaffe import mode

Path = str | bytes | os.PathLike
LayerCallback = Callable[[int], Any]


class BlobVec(list[Blob]):
    """The parameters of a layer."""

    def add_blob(self, *shape: int) -> None:
        """Adds a parameter of zeros, which weights files and solvers ignore."""
        self.append(Blob(self[0].device if self else mode.device(), shape, "an added parameter"))


class UnknownLayerError(NetError, ValueError):
    """A layer that the net does not have; pycaffe's programs catch ValueError."""


class UnknownBlobError(NetError, KeyError):
    """A blob that the net does not have; pycaffe's programs catch KeyError."""

    __str__ = Exception.__str__  # KeyError's puts quotes around the sentence


class MissingFileError(FileError, RuntimeError):
    """A file that cannot be opened; pycaffe's programs catch RuntimeError."""


class Net(EngineNet):
    """A network that runs.

    ``Net(file, phase, level=0, stages=None, weights=None)``, or the older ``Net(file, weights, phase)``.
    The keyword arguments of the engine's Net (``device``, ``seed``, ``state``) are accepted, too; ``device``
    is by default what ``set_mode_cpu``, ``set_mode_gpu`` and ``set_device`` chose.

    Raises MissingFileError if a file cannot be opened, otherwise a CnnvizError.

    Unlike pycaffe's, ``forward`` and ``backward`` return copies, which a later pass does not change.
    """

    def __init__(
        self,
        network_file: Path | NetDefinition,
        phase: int | Path = "TEST",
        level: int | None = None,
        stages: Iterable[str] | None = None,
        weights: Path | None = None,
        **options: Any,
    ):
        if isinstance(phase, Path) and phase not in ("TRAIN", "TEST"):  # the older order
            weights = phase
            phase, level = "TEST" if level is None else level, None
        self._callbacks: dict[str, list[LayerCallback]] = {}
        options.setdefault("device", mode.device())
        options.setdefault("seed", mode.next_seed())
        file = network_file if isinstance(network_file, NetDefinition) else _existing(network_file)
        super().__init__(file, cast(int | str, phase), level or 0, stages, **options)
        if weights is not None:  # as Caffe does, whichever layers the file lacks
            self.copy_from(weights)

    blob_list = BlobVec

    # pycaffe's private names, which programs read.

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
        return [self._blob_names.index(name) for name in self.bottom_names[self.layer_names[layer]]]

    def _top_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(name) for name in self.top_names[self.layer_names[layer]]]

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        """The loss weight of every blob by name, 0 for one that is not a loss."""
        weights = loss_weights(self)
        return OrderedDict((name, weights.get(name, 0.0)) for name in self.blobs)

    _blob_loss_weights = blob_loss_weights

    def _batch(self, blobs: Mapping[str, np.ndarray]) -> Iterator[dict[str, np.ndarray]]:
        """Yields the arrays in batches of the net's size, the last one padded with zeros."""
        size = self.blob(next(iter(blobs))).shape[0]
        for start in range(0, len(next(iter(blobs.values()))), size):
            yield {
                name: padded(np.asarray(array[start : start + size]), size) for name, array in blobs.items()
            }

    _set_input_arrays = EngineNet.set_input_arrays

    def _forward(self, start: int, end: int) -> float:
        """Runs the layers with the indices ``start`` to ``end``; returns the sum of their weighted losses."""
        self.run_forward(start, end)
        tops = {top for node in self.graph.layers[start : end + 1] for top in node.tops}
        weights = {name: weight for name, weight in loss_weights(self).items() if name in tops}
        return sum(weight * float(self.blobs[name].read_data().sum()) for name, weight in weights.items())

    def _backward(self, start: int, end: int) -> None:
        """Runs the layers with the indices ``start`` down to ``end`` backward."""
        self.run_backward(start, end)
        self.device.finish()

    def backward_from_layer(
        self,
        start_name: str,
        start_diff: np.ndarray,
        diffs: Iterable[str] | None = None,
        zero_higher: bool = False,
    ) -> dict[str, np.ndarray]:
        """Runs backward from the gradient ``start_diff`` of the first top of a layer, down to the inputs.

        As in the fork of the Deep Visualization Toolbox.

        Args:
            diffs: blobs to return the diff of, in addition to the inputs.
            zero_higher: whether the gradients of the layers after it are set to zero.
        """
        index = self._index(start_name, 0)
        if zero_higher:
            for node in self.graph.layers[index + 1 :]:
                for top in node.tops:
                    self.blobs[top].clear_diff()
        self._set_diff(self.graph.layers[index].tops[0], start_diff)
        return self.backward(diffs, start=start_name)

    def deconv_from_layer(
        self,
        start_name: str,
        start_diff: np.ndarray,
        diffs: Iterable[str] | None = None,
        zero_higher: bool = False,
        deconv_type: str = "Zeiler & Fergus",
    ) -> dict[str, np.ndarray]:
        """Runs backward as ``backward_from_layer``, but ReLU layers propagate only positive gradients.

        ``deconv_type`` is "Zeiler & Fergus", which ignores the activation, or "Guided Backprop".
        """
        if deconv_type not in ("Zeiler & Fergus", "Guided Backprop"):
            raise ValueError(f"deconv_type {deconv_type!r}: expected 'Zeiler & Fergus' or 'Guided Backprop'.")
        self._rectify = deconv_type
        try:
            return self.backward_from_layer(start_name, start_diff, diffs, zero_higher)
        finally:
            self._rectify = None

    _rectify: str | None = None  # the kind of deconvolution while one runs

    def _backward_rectified(self, index: int) -> None:
        """Runs a ReLU backward by the rule of the selected deconvolution."""
        node = self.graph.layers[index]
        above = np.maximum(self.blobs[node.tops[0]].read_diff(), 0)
        self.blobs[node.tops[0]].diff[...] = above
        if self._rectify == "Guided Backprop":
            super().backward_layer(index)
        elif node.propagate_down[0]:
            self.blobs[node.bottoms[0]].diff[...] = above

    def save_hdf5(self, path: str | os.PathLike, write_diff: bool = False) -> None:
        """Writes the weights in Caffe's HDF5 form, whatever the extension of ``path``."""
        from cnnviz.formats.hdf5_weights import write_weights_hdf5

        write_weights_hdf5(path, *self.stored(write_diff))

    def copy_from(self, path: Path) -> None:
        """Copies weights by layer name; raises MissingFileError if the file cannot be opened."""
        super().copy_from(_existing(path))

    def load_hdf5(self, path: Path) -> None:
        """Copies weights from Caffe's HDF5 form."""
        self.copy_from(path)

    def _index(self, layer: str | None, default: int) -> int:
        try:
            return super()._index(layer, default)
        except NetError as error:
            raise UnknownLayerError(str(error)) from None

    def blob(self, name: str) -> Blob:
        try:
            return super().blob(name)
        except NetError as error:
            raise UnknownBlobError(str(error)) from None

    def _set_input(self, name: str, array: np.ndarray) -> None:
        """Broadcasts an array that has as many items as the batch, as pycaffe does."""
        blob = self.blobs.get(name)
        if blob is not None and blob.shape and np.shape(array)[:1] == blob.shape[:1]:
            with contextlib.suppress(ValueError):  # the engine names both shapes
                array = np.broadcast_to(array, blob.shape)
        super()._set_input(name, array)

    # Arrays obtained earlier are up to date after each of these, as with Caffe on a CPU.

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
        functions = self._callbacks.get(moment, ())
        if functions:
            self.device.finish()  # so that a callback measures the time of a layer, not of its launch
        for function in functions:
            function(index)

    def forward_layer(self, index: int) -> None:
        self._call("before_forward", index)
        super().forward_layer(index)
        self._call("after_forward", index)

    def backward_layer(self, index: int) -> None:
        self._call("before_backward", index)
        if self._rectify and self.layers[index].type == "ReLU":
            self._backward_rectified(index)
        else:
            super().backward_layer(index)
        self._call("after_backward", index)


class Solver(EngineSolver):
    """Trains ``net`` as the solver file specifies; see SGDSolver and its siblings, and ``get_solver``.

    ``file`` and ``device`` are those of the engine's Solver.
    """

    net_class = Net
    type: str | None = None

    def __init__(self, file: Path | SolverDefinition, *, device: Device | None = None):
        definition = file if isinstance(file, SolverDefinition) else read_solver(_existing(file))
        if self.type is not None:
            definition.proto.type = self.type
        if definition.proto.random_seed < 0 and (seed := mode.next_seed()) is not None:
            definition.proto.random_seed = seed
        self._callbacks: list[tuple[Callable[[], Any], Callable[[], Any]]] = []
        super().__init__(definition, device=device or mode.device())

    @property
    def lr(self) -> float:
        """The learning rate of the current iteration."""
        return self.current_rate()

    def add_callback(self, on_start: Callable[[], Any], on_gradients_ready: Callable[[], Any]) -> None:
        """Calls ``on_start`` before each iteration and ``on_gradients_ready`` before its update."""
        self._callbacks.append((on_start, on_gradients_ready))

    # As in Net: arrays obtained earlier are up to date after each call, but not within a training loop.

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
    """Stochastic gradient descent with momentum, whatever type the file specifies."""

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


def _existing(path: Path) -> str:
    """Returns ``path`` as text; raises MissingFileError if it cannot be read."""
    text = os.fsdecode(path)
    try:
        with open(text, "rb"):
            return text
    except OSError as error:
        raise MissingFileError(f"{text}: cannot be opened ({error.strerror}).") from None


def get_solver(file: Path) -> Solver:
    """Returns the solver of the type that the file specifies."""
    definition = read_solver(_existing(file))
    kind = next((kind for kind in _SOLVERS if kind.type == definition.proto.type), Solver)
    return kind(definition)
