"""A graph on a device, with its blobs, layers and parameters: what a Net runs and weights are copied to."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.device import Device
from cnnviz.engine.filler import fill
from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import Layer
from cnnviz.engine.partial import LeftOut
from cnnviz.engine.weights_check import (
    check_blobs_fit,
    check_names_fit,
    check_weights_fit,
    unfilled_layers,
    unfilled_text,
)
from cnnviz.errors import NetError, WeightsError, did_you_mean
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import NetParameter

log = logging.getLogger("cnnviz")


class BuiltNet:
    """What ``Net`` runs; see there for the attributes.

    Args:
        definition: the net; graph: what is built of it.
        left_out: the layers that the graph lacks and the definition has.
        device: what to run on.
        seed: of fillers and of layers that draw random numbers; None: different every time.
    """

    blob_list: type[list[Blob]] = list  # what holds a layer's parameters

    def __init__(
        self,
        definition: NetDefinition,
        graph: Graph,
        left_out: list[LeftOut],
        device: Device,
        seed: int | None,
    ):
        self.definition, self.graph, self.left_out, self.device = definition, graph, left_out, device
        self.random = np.random.default_rng(seed)
        self.name = graph.name
        self.blobs: OrderedDict[str, Blob] = OrderedDict()
        self.params: OrderedDict[str, list[Blob]] = OrderedDict()
        self.layers: list[Layer] = []
        self.bottom_blobs: list[list[Blob]] = []
        self.top_blobs: list[list[Blob]] = []
        self._seen_shapes: list[list[Shape]] = []  # of each layer's bottoms when its tops got their shapes
        self.unfilled: list[str] = []
        self._nodes = graph.layers
        for node in self._nodes:
            self._add(node)

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
        self._seen_shapes.append([blob.shape for blob in bottom])  # in place: the top's, of the same blob
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

    # Names

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
    def _layer_names(self) -> list[str]:
        """What pycaffe calls ``layer_names``: programs written for it read this name."""
        return self.layer_names

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        return OrderedDict(zip(self.layer_names, self.layers, strict=True))

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((node.name, node.bottoms) for node in self._nodes)

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((node.name, node.tops) for node in self._nodes)

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

    # Weights

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
        except WeightsError as error:  # Caffe continues without a word
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
                if array is not None:  # HDF5 omits blobs that are shared with an earlier layer
                    blob.data[...] = np.asarray(array).reshape(blob.shape)

    def share_with(self, other: BuiltNet) -> None:
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
        """Writes a .caffemodel (or, with the extension .h5, Caffe's HDF5 form) as a whole or not at all."""
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
