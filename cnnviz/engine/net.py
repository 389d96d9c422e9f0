"""Net: a graph on a device, run forward and backward. pycaffe's Net.

net = cnnviz.Net("deploy.prototxt", cnnviz.TEST, weights="lenet.caffemodel")
net.blobs["data"].data[...] = image
prob = net.forward()["prob"]
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np

from cnnviz.engine import debug_info
from cnnviz.engine.blob import Blob
from cnnviz.engine.built_net import BuiltNet
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.graph import build_graph
from cnnviz.engine.net_state import net_state
from cnnviz.engine.partial import LayerFailure, LeftOut, failures, runnable
from cnnviz.errors import NetError
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import NetState

log = logging.getLogger("cnnviz")


class Net(BuiltNet):
    """A network that runs.

    Args:
        file: path of a net's prototxt, of a solver's (its training net) or of a binary caffemodel (the net
            in it, without weights); or a NetDefinition.
        phase: cnnviz.TRAIN or cnnviz.TEST, or its name.
        level, stages: the rest of the net's state.
        weights: path of a .caffemodel to copy weights from.
        state: the whole state instead of phase, level and stages; the solver uses it.
        device: what to run on; default: ``get_device()``.
        seed: of fillers and of layers that draw random numbers; default: different every time.
        partial: whether layers that cannot run (unknown, not allowed, refused, without their data) are left
            out with what needs them, for inspection; otherwise the first raises. One that fails only as it
            runs raises LayerFailure, and ``rest`` gives the net without it.
        failed: layers that failed so, with the reasons; a partial net leaves them out, too.

    Attributes:
        blobs: every blob by name in order of creation, with ``data`` and ``diff``.
        params: parameter blobs by layer name.
        layers: the layers in order, each with ``type`` and ``blobs``.
        inputs, outputs: blob names; outputs are sorted by name, as in Caffe.
        layer_names: in the order of ``layers``.
        bottom_names, top_names: blob names by layer name.
        bottom_blobs, top_blobs: for each of ``layers`` the blobs that it reads and writes.
        graph: what the net was built from.
        left_out: the layers that a partial net lacks, each with its reason.
        unfilled: layers with parameters that the weights copied last lack: they keep their values.
        debug_info: whether each pass logs the mean absolute values of what it computes.

    Raises:
        FileError, NetError, WeightsError, DeviceError: see each part.
    """

    def __init__(
        self,
        file: str | os.PathLike | NetDefinition,
        phase: int | str = "TEST",
        level: int = 0,
        stages: Iterable[str] | None = None,
        weights: str | os.PathLike | None = None,
        *,
        state: NetState | None = None,
        device: Device | None = None,
        seed: int | None = None,
        partial: bool = False,
        failed: Mapping[str, str] | None = None,
    ):
        definition = file if isinstance(file, NetDefinition) else open_net(file)
        state = state or net_state(definition, phase, level, stages or ())
        self._is_partial, self._failed = partial, dict(failed or {})
        left_out: list[LeftOut] = []
        if partial:
            graph, left_out = runnable(definition, state, failed)
            self._warn_of(left_out)
        else:
            graph = build_graph(definition, state=state)
        super().__init__(definition, graph, left_out, device or get_device(), seed)
        self._has_run: set[int] = set()  # forward in its present shapes
        self.debug_info: bool = definition.proto.debug_info
        if weights is not None:
            self.load(weights)

    def _warn_of(self, left_out: Sequence[LeftOut]) -> None:
        newest = list(self._failed)[-1:]
        for left in left_out:
            if not newest or left.name in newest:  # the net before this one has warned of the others
                log.warning("%s", left)

    # Running

    def reshape(self) -> None:
        """Brings all shapes in line with the inputs' new shapes."""
        for index in range(len(self.layers)):
            self._reshape_layer(index)

    def _reshape_layer(self, index: int) -> None:
        shapes = [blob.shape for blob in self.bottom_blobs[index]]
        if shapes == self._seen_shapes[index]:
            return
        node = self._nodes[index]
        try:
            tops = self.layers[index].shapes(shapes)
            expected = [weight.shape for weight in self.layers[index].weights(shapes)]
        except NetError as error:
            raise NetError(f"{node.title}: {error}.") from None
        if expected != node.param_shapes:
            raise NetError(
                f"{node.title}: with bottoms of shape {shapes} its parameters would be {expected}, "
                f"they are {node.param_shapes}. Reshape the input to fit them."
            )
        for blob, shape in zip(self.top_blobs[index], tops, strict=True):
            blob.reshape(*shape)
        self._seen_shapes[index] = shapes
        self._has_run.discard(index)

    def forward(
        self,
        blobs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **inputs: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Runs the layers from ``start`` to ``end`` (both included; default: all).

        Args:
            blobs: more blobs to return beside the outputs.
            inputs: arrays for the input blobs, of their shape.

        Returns:
            Copies of the outputs' data (of the end layer's tops if ``end`` is given) by name.

        Raises:
            NetError: unknown layer, blob or input, or an input of the wrong shape.
        """
        first, last = self._index(start, 0), self._index(end, len(self.layers) - 1)
        for name, array in inputs.items():
            self._set_input(name, array)
        self.run_forward(first, last)
        names = list(self._nodes[last].tops if end is not None else self.outputs)
        names += [name for name in blobs or () if name not in names]
        return {name: self.blob(name).read_data() for name in names}

    def run_forward(self, first: int = 0, last: int | None = None) -> None:
        """Runs the layers from index ``first`` to ``last`` and copies nothing back."""
        last = len(self.layers) - 1 if last is None else last
        for index in range(first, last + 1):
            self.forward_layer(index)

    def forward_layer(self, index: int) -> None:
        """Runs one layer, after bringing its shapes in line with its bottoms'."""
        with self._watch(index):
            self._reshape_layer(index)
            self.layers[index].forward(self.bottom_blobs[index], self.top_blobs[index])
        if index not in self._has_run:
            self._set_loss_diffs(index)
            self._has_run.add(index)
        if self.debug_info:
            debug_info.log_forward(self._nodes[index], self.layers[index], self.top_blobs[index])

    def _watch(self, index: int) -> AbstractContextManager[None]:
        return failures(self._nodes[index]) if self._is_partial else nullcontext()

    def rest(self, failure: LayerFailure) -> Net:
        """Returns the net without the layer that failed and what needs it, with this one's weights and
        inputs; this one is closed.

        Raises NetError if nothing that could run is left.
        """
        self.close()
        failed = {**self._failed, failure.layer: failure.reason}
        net = type(self)(
            self.definition, state=self.graph.state, device=self.device, partial=True, failed=failed
        )
        net.share_with(self)
        net.unfilled = [name for name in self.unfilled if name in net.params]
        for name in net.inputs:
            blob = self.blobs[name]
            net.blobs[name].reshape(*blob.shape)
            net.blobs[name].data[...] = blob.read_data()
        return net

    def _set_loss_diffs(self, index: int) -> None:
        """The gradient of a loss top is its weight."""
        for blob, weight in zip(self.top_blobs[index], self.layers[index].loss_weights, strict=True):
            if weight:
                blob.fill_diff(weight)

    def loss(self) -> float:
        """Returns the weighted sum of all loss tops after a forward pass."""
        total = 0.0
        for layer, tops in zip(self.layers, self.top_blobs, strict=True):
            for blob, weight in zip(tops, layer.loss_weights, strict=True):
                if weight:
                    total += weight * float(blob.read_data().sum())
        return total

    def backward(
        self,
        diffs: Iterable[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **top_diffs: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """Runs the layers backward from ``start`` to ``end`` (both included; default: all).

        Bottom diffs are overwritten, parameter diffs added to (``clear_param_diffs`` zeroes them).

        Args:
            diffs: more blobs to return the diff of, beside the inputs.
            top_diffs: arrays for the diffs of outputs.

        Returns:
            Copies of the inputs' diffs (of the end layer's bottoms if ``end`` is given) by name.

        Raises:
            NetError: unknown layer or blob, or a layer that keeps what forward found and has not run forward
                since it was reshaped.
        """
        first, last = self._index(start, len(self.layers) - 1), self._index(end, 0)
        for name, array in top_diffs.items():
            self._set_diff(name, array)
        self.run_backward(first, last)
        names = list(self._nodes[last].bottoms if end is not None else self.inputs)
        names += [name for name in diffs or () if name not in names]
        return {name: self.blob(name).read_diff() for name in names}

    def run_backward(self, first: int | None = None, last: int = 0) -> None:
        """Runs the layers backward from index ``first`` down to ``last``; copies nothing back."""
        first = len(self.layers) - 1 if first is None else first
        for index in range(first, last - 1, -1):
            self.backward_layer(index)
        if self.debug_info:
            debug_info.log_all_params(self.learnable_params)

    def backward_layer(self, index: int) -> None:
        """Runs one layer backward if a loss reaches it."""
        node, layer = self._nodes[index], self.layers[index]
        if not node.needs_backward:
            return
        if not layer.has_backward:
            if any(node.propagate_down):
                raise NetError(f"{node.title}: has no gradient, but one is asked for.")
            return
        if layer.keeps_forward and index not in self._has_run:
            raise NetError(
                f"{node.title}: backward needs what forward keeps, and forward has not run since the net "
                "was made or reshaped. Run it first."
            )
        with self._watch(index):
            layer.backward(self.top_blobs[index], node.propagate_down, self.bottom_blobs[index])
        if self.debug_info:
            debug_info.log_backward(node, layer, self.bottom_blobs[index])

    def forward_all(self, blobs: Iterable[str] | None = None, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Runs as many batches as ``inputs`` hold and returns the outputs and ``blobs`` of all, joined.

        The last batch is padded with zeros and its padding cut off again.
        """
        found: dict[str, list[np.ndarray]] = {}
        for count in self._batches(inputs):
            _collect(found, self.forward(blobs), count)
        return {name: np.concatenate(values) for name, values in found.items()}

    def forward_backward_all(
        self, blobs: Iterable[str] | None = None, diffs: Iterable[str] | None = None, **arrays: np.ndarray
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Runs as many batches as ``arrays`` hold forward and backward, as ``forward_all``.

        Args:
            blobs: more blobs to return the data of, beside the outputs.
            diffs: more blobs to return the diff of, beside the inputs.
            arrays: arrays for the inputs, and for the diffs of outputs.

        Returns:
            Data by name and diffs by name, of all batches joined.
        """
        data: dict[str, list[np.ndarray]] = {}
        gradients: dict[str, list[np.ndarray]] = {}
        for count in self._batches(arrays):
            _collect(data, self.forward(blobs), count)
            _collect(gradients, self.backward(diffs), count)
        joined = [{name: np.concatenate(v) for name, v in found.items()} for found in (data, gradients)]
        return joined[0], joined[1]

    def _batches(self, arrays: Mapping[str, np.ndarray]) -> Iterator[int]:
        """Fills inputs and diffs of outputs batch by batch; yields how many items of each batch are real."""
        if not arrays:
            raise NetError(f"The net needs arrays for its inputs {self.inputs}.")
        count = len(next(iter(arrays.values())))
        size = self.blob(next(iter(arrays))).shape[0]
        for start in range(0, count, size):
            for name, array in arrays.items():
                set_array = self._set_diff if name in self.outputs else self._set_input
                set_array(name, padded(array[start : start + size], size))
            yield min(size, count - start)

    def _index(self, layer: str | None, default: int) -> int:
        if layer is None:
            return default
        return self.layer_index(layer)

    def _set_input(self, name: str, array: np.ndarray) -> None:
        if name not in self.inputs:
            raise NetError(f"{self.graph.path}: the net has no input {name!r}; its inputs are {self.inputs}.")
        self._check_shape(name, array, self.blobs[name])
        self.blobs[name].data[...] = array

    def _set_diff(self, name: str, array: np.ndarray) -> None:
        blob = self.blob(name)
        self._check_shape(name, array, blob)
        blob.diff[...] = array

    @staticmethod
    def _check_shape(name: str, array: np.ndarray, blob: Blob) -> None:
        if np.shape(array) != blob.shape:
            raise NetError(
                f"blob {name!r} is {blob.shape}, the array {np.shape(array)}. "
                "Reshape the blob first: net.blobs[name].reshape(...)."
            )

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Sets the arrays that the first layer, which must be of type MemoryData, reads in its next passes.

        Args:
            data: (N, channels, height, width), N a multiple of the layer's batch_size.
            labels: (N).

        Raises NetError if the first layer is of another type, or a shape does not fit.
        """
        layer = self.layers[0]
        if layer.type != "MemoryData":
            raise NetError(f"{self._nodes[0].title}: takes no arrays, MemoryData does.")
        layer.set_input_arrays(data, labels)  # type: ignore[attr-defined]


def _collect(found: dict[str, list[np.ndarray]], arrays: Mapping[str, np.ndarray], count: int) -> None:
    for name, array in arrays.items():
        found.setdefault(name, []).append(np.atleast_1d(array)[:count])  # a loss has no axis


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """Returns ``array`` with zeros after its items up to ``size`` of them."""
    missing = size - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array
