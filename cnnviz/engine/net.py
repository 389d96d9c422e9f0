"""Net: a graph on a device, run forward and backward. pycaffe's Net.

net = cnnviz.Net("deploy.prototxt", cnnviz.TEST, weights="lenet.caffemodel")
net.blobs["data"].data[...] = image
prob = net.forward()["prob"]
"""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from cnnviz.engine import debug_info
from cnnviz.engine.blob import Blob
from cnnviz.engine.device import Device, get_device
from cnnviz.engine.filler import fill
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import Layer
from cnnviz.engine.net_state import net_state
from cnnviz.engine.partial import LayerFailure, LeftOut, failures, runnable
from cnnviz.engine.weights_check import (
    check_blobs_fit,
    check_names_fit,
    check_weights_fit,
    unfilled_layers,
    unfilled_text,
)
from cnnviz.errors import NetError, WeightsError, did_you_mean
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import NetParameter, NetState

log = logging.getLogger("cnnviz")


class Net:
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
            out with what needs them, for inspection; else the first raises. One that fails only as it runs
            raises LayerFailure, and ``rest`` gives the net without it.
        failed: layers that failed so, with the reasons; a partial net leaves them out, too.

    Attributes:
        blobs: every blob by name in order of creation, with ``data`` and ``diff``.
        params: parameter blobs by layer name.
        layers: the layers in order, each with ``type`` and ``blobs``.
        inputs, outputs: blob names; outputs are sorted by name, as in Caffe.
        layer_names: in the order of ``layers``.
        bottom_names, top_names: blob names by layer name.
        bottom_blobs, top_blobs: for each of ``layers`` the blobs that it reads and writes.
        graph: the graph behind the net.
        left_out: the layers that a partial net lacks, each with its reason.
        unfilled: layers with parameters that the weights copied last lack: they keep their values.
        debug_info: whether each pass logs the mean absolute values of what it computes.

    Raises:
        FileError, NetError, WeightsError, DeviceError: see each part.
    """

    blob_list: type[list[Blob]] = list  # what holds a layer's parameters

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
        self.definition = definition
        state = state or net_state(definition, phase, level, stages or ())
        self.graph: Graph
        self.left_out: list[LeftOut] = []
        self._is_partial, self._failed = partial, dict(failed or {})
        if partial:
            self.graph, self.left_out = runnable(definition, state, failed)
            newest = list(self._failed)[-1:]
            for left in self.left_out:
                if not newest or left.name in newest:  # the others have been told
                    log.warning("%s", left)
        else:
            self.graph = build_graph(definition, state=state)
        self.device = device or get_device()
        self.random = np.random.default_rng(seed)
        self.name = self.graph.name
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self.params: OrderedDict[str, list[Blob]] = OrderedDict()
        self.layers: list[Layer] = []
        self._nodes = self.graph.layers
        self.bottom_blobs: list[list[Blob]] = []
        self.top_blobs: list[list[Blob]] = []
        self._seen_shapes: list[list[tuple[int, ...]]] = []
        self._has_run: set[int] = set()  # forward in its present shapes
        self.debug_info: bool = definition.proto.debug_info
        for node in self._nodes:
            self._add(node)
        self.unfilled: list[str] = []
        if weights is not None:
            self.load(weights)

    # Building

    def _add(self, node: GraphLayer) -> None:
        layer = node.layer
        if layer is not None and layer.absent is not None:
            raise type(layer.absent)(f"{node.title}: {layer.absent}")
        if layer is None or any(shape is None for shape in node.top_shapes):
            raise NetError(f"{node.title}: its shapes cannot be known, so it cannot run.")
        bottom = [self.blobs[name] for name in node.bottoms]
        top = [self._top_blob(node, i) for i in range(len(node.tops))]
        layer.device = self.device
        layer.random = np.random.default_rng(self.random.integers(2**63))
        layer.needs_backward = node.needs_backward
        layer.param_propagate_down = [
            p.spec.lr_mult != 0 or self.definition.proto.force_backward for p in node.params
        ]
        layer.blobs = self.blob_list()
        self.layers.append(layer)
        for i in range(len(node.params)):  # one by one: a later one may share an earlier one's memory
            layer.blobs.append(self._param_blob(node, i))
        self.bottom_blobs.append(bottom)
        self.top_blobs.append(top)
        self._seen_shapes.append([b.shape for b in bottom])
        if layer.blobs:
            self.params[node.name] = layer.blobs
        layer.setup()

    def _top_blob(self, node: GraphLayer, index: int) -> Blob:
        name = node.tops[index]
        shape = node.top_shapes[index]
        if name not in self.blobs:
            self.blobs[name] = Blob(self.device, shape or (), f"blob {name!r}")
        self.blobs[name].reshape(*(shape or ()))
        return self.blobs[name]

    def _param_blob(self, node: GraphLayer, index: int) -> Blob:
        param = node.params[index]
        blob = Blob(self.device, param.shape, f"parameter {index} of layer {node.name!r}")
        if param.owner == (node.index, index):
            data = blob.data  # first: the device knows whether there is memory for it
            try:
                data[...] = fill(param.shape, param.weight.filler, self.random)
            except NetError as error:
                raise NetError(f"{node.title}: {error}.") from None
        else:
            layer, i = param.owner
            owner = self.layers[layer].blobs[i]
            blob.share_data(owner)
            blob.share_diff(owner)
        return blob

    # pycaffe's names

    @property
    def inputs(self) -> list[str]:
        return self.graph.inputs

    @property
    def outputs(self) -> list[str]:
        return self.graph.outputs

    @property
    def layer_names(self) -> list[str]:
        return [node.name for node in self._nodes]

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        return OrderedDict(zip(self.layer_names, self.layers, strict=True))

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((node.name, node.bottoms) for node in self._nodes)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((node.name, node.tops) for node in self._nodes)

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
            wanted = [weight.shape for weight in self.layers[index].weights(shapes)]
        except NetError as error:
            raise NetError(f"{node.title}: {error}.") from None
        if wanted != node.param_shapes:
            raise NetError(
                f"{node.title}: with bottoms of shape {shapes} its parameters would be {wanted}, "
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

    def clear_param_diffs(self) -> None:
        """Zeroes the gradients of all parameters."""
        for blob in self.learnable_params:
            blob.clear_diff()

    @property
    def learnable_params(self) -> list[Blob]:
        """Parameter blobs in net order, shared ones once."""
        return [blob for blob, _ in self.learnable_params_with_specs()]

    def learnable_params_with_specs(self) -> list[tuple[Blob, Any]]:
        """Returns (blob, ParamSpec) of each parameter that owns its memory, in net order."""
        return [
            (self.layers[node.index].blobs[i], param.spec)
            for node in self._nodes
            for i, param in enumerate(node.params)
            if param.owner == (node.index, i)
        ]

    def _index(self, layer: str | None, default: int) -> int:
        if layer is None:
            return default
        return self.layer_index(layer)

    def layer_index(self, name: str) -> int:
        """Returns the index of a layer by its name.

        Raises NetError, with the closest name or why it was left out, if there is none.
        """
        names = self.layer_names
        if name not in names:
            for left in self.left_out:
                if name in left.names:
                    raise NetError(f"layer {name!r} does not run: {left.reason}")
            raise NetError(f"{self.graph.path}: the net has no layer {name!r}{did_you_mean(name, names)}.")
        return names.index(name)

    def blob(self, name: str) -> Blob:
        """Returns a blob by its name.

        Raises NetError, with the closest name or why it was left out, if there is none.
        """
        if name in self.blobs:
            return self.blobs[name]
        for left in self.left_out:
            if name in left.blobs:
                raise NetError(f"blob {name!r} is not computed: {left.reason}")
        raise NetError(f"{self.graph.path}: the net has no blob {name!r}{did_you_mean(name, self.blobs)}.")

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

    # Weights

    def load(self, path: str | os.PathLike) -> None:
        """Copies weights for a net that is to be used as it is; warns of layers that the file lacks.

        Raises WeightsError as ``copy_from``, and if the file holds weights of none of the layers.
        """
        from cnnviz.formats.caffemodel import read_weights

        self.use_weights(read_weights(path), str(path))

    def use_weights(self, weights: Mapping[str, list[np.ndarray]], origin: str) -> None:
        """As ``load``, of arrays by layer name; ``origin`` names their source in errors."""
        self.check_names(weights, origin)
        self.set_weights(weights, origin)
        if self.unfilled:
            log.warning("%s.", unfilled_text(self.unfilled, origin))

    def copy_from(self, path: str | os.PathLike) -> None:
        """Copies weights from a .caffemodel by layer name; layers it lacks keep their values, as in Caffe.

        Raises WeightsError if number or shape of a layer's blobs differs.
        """
        from cnnviz.formats.caffemodel import read_weights

        weights = read_weights(path)
        self.set_weights(weights, str(path))
        try:
            self.check_names(weights, str(path))
        except WeightsError as error:  # Caffe goes on without a word
            log.warning("%s", error)
        else:
            for name in self.unfilled:
                log.info("Layer %s is not in %s: it keeps its values", name, path)

    def check_names(self, weights: Mapping[str, list[np.ndarray]], origin: str) -> None:
        """Raises WeightsError if none of the net's layers with parameters, or of those left out, is in a
        file."""
        names = [node.name for node in self._nodes if node.params]
        if names:
            names += [name for left in self.left_out for name in left.names]
        check_names_fit(names, weights, self.graph.path, origin)

    def set_weights(self, weights: Mapping[str, list[np.ndarray]], origin: str) -> None:
        """Copies arrays by layer name; ``origin`` names their source in errors."""
        known = set(self.layer_names)
        for name in weights:
            if name not in known:
                log.info("Ignoring source layer %s", name)
        check_weights_fit(self.graph, weights, origin)
        self.unfilled = unfilled_layers(self.graph, weights)
        for name, blobs in self.params.items():
            for blob, array in zip(blobs, weights.get(name, ()), strict=False):
                if array is not None:  # HDF5 leaves out blobs that are shared with an earlier layer
                    blob.data[...] = np.asarray(array).reshape(blob.shape)

    def share_with(self, other: Net) -> None:
        """Makes parameters of equal layer names use the memory of ``other``: a test net's weights."""
        for name, blobs in self.params.items():
            if name not in other.params:
                continue
            theirs_shapes, mine_shapes = [b.shape for b in other.params[name]], [b.shape for b in blobs]
            check_blobs_fit(name, theirs_shapes, mine_shapes, other.graph.path)
            for mine, theirs in zip(blobs, other.params[name], strict=True):
                mine.share_data(theirs)

    def to_proto(self) -> NetParameter:
        """Returns the built net (Split layers included) as a NetParameter without blobs."""
        proto = NetParameter(name=self.name)
        proto.layer.extend(node.param for node in self._nodes)
        for layer in proto.layer:
            layer.ClearField("blobs")
        return proto

    def save(self, path: str | os.PathLike, write_diff: bool = False) -> None:
        """Writes a .caffemodel (or, by the ending .h5, Caffe's HDF5 form) as a whole or not at all."""
        from cnnviz.formats.caffemodel import write_weights

        write_weights(path, *self.stored(write_diff))

    def stored(self, with_diffs: bool = False) -> tuple[NetParameter, list[list[np.ndarray]], Any]:
        """Returns what a file of weights holds: the net, and each layer's data and diffs (or None)."""
        data = [[blob.read_data() for blob in layer.blobs] for layer in self.layers]
        diffs = [[blob.read_diff() for blob in layer.blobs] for layer in self.layers] if with_diffs else None
        return self.to_proto(), data, diffs

    def close(self) -> None:
        """Ends the reading threads of data layers."""
        for layer in self.layers:
            layer.close()


def _collect(found: dict[str, list[np.ndarray]], arrays: Mapping[str, np.ndarray], count: int) -> None:
    for name, array in arrays.items():
        found.setdefault(name, []).append(np.atleast_1d(array)[:count])  # a loss has no axis


def padded(array: np.ndarray, size: int) -> np.ndarray:
    """Returns ``array`` with zeros after its items up to ``size`` of them."""
    missing = size - len(array)
    return np.concatenate([array, np.zeros((missing, *array.shape[1:]), array.dtype)]) if missing else array
