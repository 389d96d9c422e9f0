"""Feature maps and predictions of a net for an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnviz.engine.device import Device
from cnnviz.engine.net import Net
from cnnviz.errors import CnnvizError, NetError, did_you_mean
from cnnviz.formats.files import read_bytes
from cnnviz.formats.prototxt import NetDefinition, read_net

# Layers that show nothing new after the layer below.
_SAME_MAPS = {"Split", "Dropout", "Flatten", "Reshape", "Silence", "Input", "Slice", "Permute", "PriorBox"}


@dataclass
class FeatureMaps:
    """What one layer makes of the image.

    Attributes:
        layer, type, blob: names; ``layer`` lists in-place layers too, e.g. "conv1 + relu1".
        values: (C, H, W), or (C,) for fully connected layers.
        field: what one unit sees of the input, or None.
    """

    layer: str
    type: str
    blob: str
    values: np.ndarray
    field: ReceptiveField | None = None

    @property
    def is_flat(self) -> bool:
        return self.values.ndim == 1

    def top_channels(self, count: int, by: str = "mean") -> np.ndarray:
        """Returns the channels with the greatest mean activation, or "energy" (mean square)."""
        flat = self.values.reshape(len(self.values), -1)
        score = flat.mean(axis=1) if by == "mean" else np.square(flat).mean(axis=1)
        return np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[:count]


@dataclass
class ImageFeatures:
    """Everything that ``plot_features`` shows of one image.

    Attributes:
        path: the picture's file.
        seen: the picture as the net saw it, uint8 (H, W) or (H, W, 3).
        maps: the layers' maps in order.
        predictions: (class index, name, probability), the best first; empty for nets that do not classify.
    """

    path: str
    seen: np.ndarray
    maps: list[FeatureMaps] = field(default_factory=list)
    predictions: list[tuple[int, str, float]] = field(default_factory=list)


class Looker:
    """A net made ready to look at images, one at a time.

    Args:
        model: path of a prototxt (deploy or training form) or a NetDefinition.
        weights: path of a .caffemodel.
        preprocessing: how pictures become numbers.
        class_names: path of a file with one name per line, or a list.
        size: (height, width) of the input instead of the net's own.
        device: what to run on.
        gradients: whether attributions are wanted: the net then runs backward to the image.
    """

    def __init__(
        self,
        model: str | os.PathLike | NetDefinition,
        weights: str | os.PathLike,
        preprocessing: Preprocessing | None = None,
        class_names: str | os.PathLike | Sequence[str] | None = None,
        size: tuple[int, int] | None = None,
        device: Device | None = None,
        gradients: bool = False,
    ):
        from cnnviz.formats.caffemodel import read_weights

        definition = model if isinstance(model, NetDefinition) else read_net(model)
        arrays = read_weights(weights)
        deployed = deploy(definition, arrays, size, force_backward=gradients)
        self.net = Net(deployed, "TEST", device=device)
        self.net.set_weights(arrays, str(weights))
        self.preprocessing = preprocessing or Preprocessing()
        self.class_names = _read_names(class_names)
        self.input = self._image_input()
        self.fields = receptive_fields(self.net.graph)

    def _image_input(self) -> str:
        for name in self.net.inputs:
            if len(self.net.blobs[name].shape) == 4:
                return name
        raise NetError(f"{self.net.graph.path}: the net has no input for an image.")

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the input."""
        _, channels, height, width = self.net.blobs[self.input].shape
        return channels, height, width

    def show(self, image: np.ndarray) -> np.ndarray:
        """Puts a picture (RGB or grey) into the input; returns it as the net sees it."""
        values, seen = self.preprocessing.prepare(image, self.shape)
        self.net.blobs[self.input].data[0] = values
        return seen

    def look(self, image: np.ndarray, path: str = "", layers: Sequence[str] | None = None) -> ImageFeatures:
        """Runs the net on a picture and keeps the maps of ``layers`` (default: each that changes).

        Raises NetError if a layer has no such name.
        """
        result = ImageFeatures(path, self.show(image))
        wanted = self._wanted(layers)
        for index in range(len(self.net.layers)):
            self.net.forward_layer(index)
            if index in wanted:
                result.maps.append(self._maps(index, wanted[index]))
        result.predictions = self.predictions()
        return result

    def _wanted(self, layers: Sequence[str] | None) -> dict[int, str]:
        """Index of each layer to record, with the title to show."""
        names = self.net._layer_names
        if layers:
            for name in layers:
                if name not in names:
                    raise NetError(f"the net has no layer {name!r}{did_you_mean(name, names)}.")
            return {names.index(name): name for name in layers}
        wanted: dict[int, str] = {}
        last_writer: dict[str, int] = {}
        for index, node in enumerate(self.net.graph.layers):
            if not node.tops:
                continue
            top = node.tops[0]
            if top in node.bottoms and top in last_writer:  # in place: shown with the layer below
                before = wanted.pop(last_writer[top], None)
                same = node.type in _SAME_MAPS
                title = before if same else f"{before} + {node.name}" if before else node.name
                if title:
                    wanted[index] = title
            elif node.type not in _SAME_MAPS:
                wanted[index] = node.name
            last_writer[top] = index
        return wanted

    def _maps(self, index: int, title: str) -> FeatureMaps:
        node = self.net.graph.layers[index]
        values = self.net.blobs[node.tops[0]].read_data()
        values = values[0] if values.ndim > 1 else values
        if values.ndim == 3 and values.shape[1:] == (1, 1):
            values = values.reshape(-1)
        elif values.ndim == 2:
            values = values[None]
        elif values.ndim > 3:
            values = values.reshape(values.shape[0], values.shape[1], -1)
        return FeatureMaps(title, node.type, node.tops[0], np.atleast_1d(values), self.fields[index])

    def predictions(self, count: int = 5) -> list[tuple[int, str, float]]:
        """Returns the best classes of the last Softmax; empty if the net has none."""
        blob = self._softmax_blob()
        if blob is None:
            return []
        scores = self.net.blobs[blob].read_data()[0].reshape(-1)
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(k), self.class_name(int(k)), float(scores[k])) for k in best]

    def _softmax_blob(self) -> str | None:
        for node in reversed(self.net.graph.layers):
            shape = self.net.blobs[node.tops[0]].shape if node.tops else ()
            if node.type == "Softmax" and shape and np.prod(shape[2:]) == 1:
                return node.tops[0]
        return None

    def class_name(self, index: int) -> str:
        """Returns the name of a class, or its number."""
        return self.class_names[index] if index < len(self.class_names) else str(index)


def _read_names(names: str | os.PathLike | Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    if not isinstance(names, (str, os.PathLike)):
        return list(names)
    lines = read_bytes(names).decode("utf-8", errors="replace").splitlines()
    if not any(lines):
        raise CnnvizError(f"{names}: holds no class names; one per line is expected.")
    return [line.strip() for line in lines]
