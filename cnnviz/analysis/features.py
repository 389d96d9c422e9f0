"""Feature maps and predictions of a net for an image."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np

from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnviz.engine.device import Device
from cnnviz.engine.net import Net
from cnnviz.errors import CnnvizError, NetError, did_you_mean
from cnnviz.formats.files import read_bytes
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition

# Layers that show nothing new after the layer below.
_SAME_MAPS = {"Split", "Dropout", "Flatten", "Reshape", "Silence", "Input", "Slice", "Permute", "PriorBox"}
# Layers that join branches or end blocks: what is shown of nets too deep to show every layer.
_JOINTS = {"Eltwise", "Concat", "Pooling", "InnerProduct", "Softmax"}
MOST_LAYERS = 60  # shown without being asked for by name
_LONGEST_MAP = 8  # times as high as wide, or the other way round; anything longer is a table
_BATCH_NUMBERS = 1 << 27  # held by a net's blobs while several variants of a picture run at once


@dataclass
class FeatureMaps:
    """What one layer makes of the image.

    Attributes:
        layer, type: names; of layers in place too, e.g. "conv1 + relu1" and "Convolution + ReLU".
        blob: the blob's name.
        values: the blob without its batch axis; (C,) if every other axis is 1.
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

    @property
    def is_table(self) -> bool:
        """Whether the values are rows and columns rather than pictures, such as boxes by coordinates."""
        if self.values.ndim < 2:
            return False
        height, width = self.values.shape[-2:]
        return self.values.ndim == 2 or not 1 / _LONGEST_MAP <= height / width <= _LONGEST_MAP

    @property
    def tiles(self) -> np.ndarray:
        """The values as (N, H, W): of blobs with more axes each slice, of fewer the whole, is one map."""
        if self.is_flat:
            return self.values.reshape(1, 1, -1)
        return self.values.reshape(-1, *self.values.shape[-2:])

    def top_channels(self, count: int, by: str = "mean") -> np.ndarray:
        """Returns the channels with the greatest mean activation, or "energy" (mean square)."""
        flat = self.tiles.reshape(len(self.tiles), -1)
        score = flat.mean(axis=1) if by == "mean" else np.square(flat).mean(axis=1)
        return np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[:count]


@dataclass
class ImageFeatures:
    """Everything that ``plot_features`` shows of one image.

    Attributes:
        path: the picture's file.
        seen: the picture as the net saw it, uint8 (H, W) or (H, W, 3).
        maps: the layers' maps in order.
        predictions: (class index, name, score), the best first; empty for nets that do not classify.
        are_probabilities: whether the scores come from a softmax.
        omitted: layers that change the maps but are too many to show unasked.
    """

    path: str
    seen: np.ndarray
    maps: list[FeatureMaps] = field(default_factory=list)
    predictions: list[tuple[int, str, float]] = field(default_factory=list)
    are_probabilities: bool = True
    omitted: int = 0

    def texts(self) -> list[str]:
        """Returns the predictions in words, e.g. "99.4% tabby (281)", or "18.51 class 285" for scores."""
        return [
            (f"{score:.1%} " if self.are_probabilities else f"{score:.4g} ") + class_text(index, name)
            for index, name, score in self.predictions
        ]


def class_text(index: int, name: str) -> str:
    """Returns "tabby (281)", or "class 281" if the number is all that is known."""
    return f"class {index}" if name == str(index) else f"{name} ({index})"


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

        definition = model if isinstance(model, NetDefinition) else open_net(model)
        arrays = read_weights(weights)
        deployed = deploy(definition, arrays, size, force_backward=gradients)
        self.net = Net(deployed, "TEST", device=device)
        self.net.set_weights(arrays, str(weights))
        self.preprocessing = preprocessing or Preprocessing()
        self.class_names = _read_names(class_names)
        self.input = self._image_input()
        self.fields = receptive_fields(self.net.graph)

    def _image_input(self) -> str:
        shapes = {name: self.net.blobs[name].shape for name in self.net.inputs}
        four = [name for name, shape in shapes.items() if len(shape) == 4]
        pictures = [name for name in four if shapes[name][1] in (1, 3)]
        if not four:
            raise NetError(f"{self.net.graph.path}: the net has no input for an image.")
        return (pictures or four)[0]

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
        """Runs the net on a picture and keeps the maps of ``layers``.

        Args:
            image: (H, W) or (H, W, 3), RGB, 0 to 255.
            path: its name.
            layers: names or patterns such as "fire*/concat"; default: each that changes the maps, or,
                if these are more than MOST_LAYERS, those that join branches or end blocks.

        Raises NetError if no layer has such a name.
        """
        result = ImageFeatures(path, self.show(image))
        wanted, result.omitted = self._wanted(layers)
        for index in range(len(self.net.layers)):
            self.net.forward_layer(index)
            if index in wanted:
                result.maps.append(self._maps(index, wanted[index]))
        result.predictions = self.predictions()
        result.are_probabilities = self._softmax_blob() is not None
        return result

    def layer_index(self, name: str) -> int:
        """Returns the index of a layer by its name.

        Raises NetError, with the closest name, if there is none.
        """
        names = self.net._layer_names
        if name not in names:
            raise NetError(f"the net has no layer {name!r}{did_you_mean(name, names)}.")
        return names.index(name)

    def _wanted(self, layers: Sequence[str] | None) -> tuple[dict[int, list[int]], int]:
        """For each layer to record the layers to name in its title; and how many more would change maps."""
        nodes = self.net.graph.layers
        if layers:
            return {index: [index] for pattern in layers for index in self._matching(pattern)}, 0
        wanted: dict[int, list[int]] = {}
        last_writer: dict[str, int] = {}
        for index, node in enumerate(nodes):
            if not node.tops:
                continue
            top = node.tops[0]
            if top in node.bottoms and top in last_writer:  # in place: shown with the layer below
                title = wanted.pop(last_writer[top], []) + ([] if node.type in _SAME_MAPS else [index])
                if title:
                    wanted[index] = title
            elif node.type not in _SAME_MAPS:
                wanted[index] = [index]
            last_writer[top] = index
        if len(wanted) <= MOST_LAYERS:
            return wanted, 0
        joints = {i: title for i, title in wanted.items() if nodes[title[0]].type in _JOINTS}
        if len(joints) < 8:  # a deep chain without branches
            return wanted, 0
        first = next(iter(wanted))
        return {first: wanted[first]} | joints, len(wanted) - len({first, *joints})

    def _matching(self, pattern: str) -> list[int]:
        names = self.net._layer_names
        if pattern in names:
            return [names.index(pattern)]
        found = [
            i
            for i, node in enumerate(self.net.graph.layers)
            if fnmatchcase(node.name, pattern) and node.tops and node.type not in ("Split", "Input")
        ]
        return found or [self.layer_index(pattern)]

    def _maps(self, index: int, title: list[int]) -> FeatureMaps:
        nodes = self.net.graph.layers
        names, types = ([getattr(nodes[i], what) for i in title] for what in ("name", "type"))
        blob = nodes[index].tops[0]
        return FeatureMaps(" + ".join(names), " + ".join(types), blob, self.item(blob), self.fields[index])

    def item(self, blob: str) -> np.ndarray:
        """Returns what a blob holds for the image, without the batch axis and without axes of 1 behind C."""
        values = self.net.blobs[blob].read_data()
        values = values[0] if values.ndim > 1 else values
        if values.ndim > 1 and all(side == 1 for side in values.shape[1:]):
            values = values.reshape(-1)
        return np.atleast_1d(values)

    def predictions(self, count: int = 5) -> list[tuple[int, str, float]]:
        """Returns the best classes of the last Softmax, else of the last flat output; empty without both."""
        blob = self._softmax_blob() or self._flat_output()
        if blob is None:
            return []
        scores = self.net.blobs[blob].read_data()[0].reshape(-1)
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(k), self.class_name(int(k)), float(scores[k])) for k in best]

    def score_blob(self) -> str | None:
        """Returns the blob of class scores: what the last Softmax reads, else the last flat output."""
        for node in reversed(self.net.graph.layers):
            if node.type == "Softmax" and self._is_flat(node.tops[0]):
                return node.bottoms[0]
        return self._flat_output()

    def _softmax_blob(self) -> str | None:
        for node in reversed(self.net.graph.layers):
            if node.type == "Softmax" and self._is_flat(node.tops[0]):
                return node.tops[0]
        return None

    def _flat_output(self) -> str | None:
        flat = [name for name in self.net.outputs if self._is_flat(name)]
        written = [top for node in self.net.graph.layers for top in node.tops if top in flat]
        return written[-1] if written and self.net.blobs[written[-1]].count > 1 else None

    def _is_flat(self, blob: str) -> bool:
        shape = self.net.blobs[blob].shape
        return len(shape) >= 2 and int(np.prod(shape[2:])) == 1

    def most_at_once(self) -> int:
        """Returns how many variants of a picture may run as one batch, for memory's sake."""
        numbers = sum(blob.count for blob in self.net.blobs.values()) // self.net.blobs[self.input].shape[0]
        return int(np.clip(_BATCH_NUMBERS // max(numbers, 1), 1, 32))

    @contextmanager
    def batch(self, count: int) -> Iterator[int]:
        """Makes room for ``count`` pictures in the input while the block runs.

        Yields how many there really are: 1 for nets whose layers fix the batch.
        """
        blob = self.net.blobs[self.input]
        picture = blob.read_data()[:1]
        try:
            yield self._grow(count)
        finally:
            blob.reshape(*picture.shape)
            blob.data[...] = picture
            self.net.reshape()

    def _grow(self, count: int) -> int:
        shape = self.net.blobs[self.input].shape[1:]
        scores = self.score_blob()
        try:
            self.net.blobs[self.input].reshape(count, *shape)
            self.net.reshape()
            if scores is None or self.net.blobs[scores].shape[0] == count:
                return count
        except CnnvizError:  # such as a Reshape that names the batch
            pass
        self.net.blobs[self.input].reshape(1, *shape)
        self.net.reshape()
        return 1

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
