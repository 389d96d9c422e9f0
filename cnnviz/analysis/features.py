"""Feature maps and predictions of a net for an image."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import groupby

import numpy as np

from cnnviz.analysis.arrays import InputArray, picture_of
from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.detections import Detections, detections
from cnnviz.analysis.inputs import Value, feed_inputs
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnviz.analysis.sequences import time_major_blobs
from cnnviz.analysis.summary import shape_text
from cnnviz.engine.blob import Shape
from cnnviz.engine.device import Device
from cnnviz.engine.layer import traits_of
from cnnviz.engine.net import Net
from cnnviz.engine.partial import LayerFailure
from cnnviz.engine.weights_check import unfilled_text
from cnnviz.errors import CnnvizError, NetError
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.text import is_text, printable, read_text

_ENDS = ("inner product", "recurrent")  # kinds that end blocks, as Softmax does
_LEAST_JOINS = 4  # of nets that count as made of blocks
MOST_LAYERS = 24  # shown without being asked for by name
_LONGEST_MAP = 8  # times as high as wide, or the other way round; anything longer is a table
_BATCH_NUMBERS = 1 << 26  # held by a net's blobs while several variants of a picture run at once

log = logging.getLogger("cnnviz")


@dataclass
class FeatureMaps:
    """What one layer makes of the image.

    Attributes:
        layer, type: names; of layers in place too, e.g. "conv1 + relu1" and "Convolution + ReLU".
        blob: the blob's name.
        values: the blob without its batch axis; (C,) if every other axis is 1.
        field: what one unit sees of the input, or None.
        is_sequence: whether the values are (time steps, channels).
    """

    layer: str
    type: str
    blob: str
    values: np.ndarray
    field: ReceptiveField | None = None
    is_sequence: bool = False

    @property
    def is_flat(self) -> bool:
        return self.values.ndim == 1

    @property
    def is_table(self) -> bool:
        """Whether the values are rows and columns rather than pictures, such as boxes by coordinates."""
        if self.values.ndim < 3 or self.is_sequence:
            return self.values.ndim > 1
        height, width = self.values.shape[-2:]
        return self.field is None and not 1 / _LONGEST_MAP <= height / width <= _LONGEST_MAP

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
        predictions: (class index, name, score), the best first; empty for detectors and other nets that do
            not classify.
        are_probabilities: whether the scores come from a softmax.
        omitted: layers that change the maps but are too many to show unasked.
        detections: the objects found; None for nets that are no detectors.
        notes: see Inspector.
        origin: what ``seen`` is drawn from; "" if it is the picture itself.
        cut_short: the first layer that could not run; "" if all did.
    """

    path: str
    seen: np.ndarray
    maps: list[FeatureMaps] = field(default_factory=list)
    predictions: list[tuple[int, str, float]] = field(default_factory=list)
    are_probabilities: bool = True
    omitted: int = 0
    detections: Detections | None = None
    notes: Sequence[str] = ()
    cut_short: str = ""
    origin: str = ""

    def texts(self) -> list[str]:
        """Returns the predictions in words, e.g. "99.4% tabby (281)", or "18.51 class 285" for scores; of
        detectors the objects."""
        if self.detections is not None:
            return [f"{d.score:.1%} {class_text(d.target, d.name)}" for d in self.detections.found]
        return [
            (f"{score:.1%} " if self.are_probabilities else f"{score:.4g} ") + class_text(index, name)
            for index, name, score in self.predictions
        ]

    def summary(self) -> str:
        """Returns the best of ``texts`` in one line, or that there are none."""
        none = "no class scores" + (f", as layer {self.cut_short!r} cannot run" if self.cut_short else "")
        if self.detections is not None:
            none = f"no object with a score of {self.detections.threshold:g} or more"
        return ", ".join(self.texts()[:3]) or none


def class_text(index: int, name: str) -> str:
    """Returns "tabby (281)", or "class 281" if the number is all that is known."""
    return f"class {index}" if name == str(index) else f"{name} ({index})"


class Inspector:
    """A net made ready to look at images, one at a time.

    Args:
        model: path of a prototxt (deploy or training form) or a NetDefinition.
        weights: path of a .caffemodel.
        preprocessing: how pictures become numbers.
        class_names: path of a file with one name per line, or a list.
        size: (height, width) of the input instead of the net's own.
        device: what to run on.
        gradients: whether attributions are wanted: the net then runs backward to the image.
        inputs: values of other inputs than the image's, by name; see cnnviz.analysis.inputs.feed_inputs
            for what these are by default. What was fed is logged.
        level, stages: the net's state beside its phase.

    Attributes:
        net: it runs; input: its input for the picture; frames: how often the picture stands in it.
        notes: sentences about layers that cannot run, and about layers that the weights lack.
        time_major: blobs (T, N, ...) of recurrent layers.
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
        inputs: Mapping[str, Value] | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ):
        from cnnviz.formats.caffemodel import read_weights

        definition = model if isinstance(model, NetDefinition) else open_net(model)
        arrays = read_weights(weights)
        deployed = deploy(definition, arrays, size, force_backward=gradients, level=level, stages=stages)
        self._notes: list[str] = []
        self.net = Net(deployed, "TEST", device=device, partial=True)
        self.net.use_weights(arrays, str(weights))
        self._net_changed()
        self._origin = str(weights)
        self.preprocessing = preprocessing or Preprocessing()
        self.class_names = _read_names(class_names)
        self.input = self._main_input()
        self._told_pixels = False
        shape = self.net.blobs[self.input].shape
        # More than one in nets that read videos (N, C, L, H, W), and where the batch is fixed, such as T x N
        # frames for recurrent layers.
        self.frames = shape[0] * (shape[2] if len(shape) == 5 else 1)
        self._told = feed_inputs(self.net, self.input, inputs, self.preprocessing)
        self._is_new = self.frames > 1  # what to say then depends on what is shown first
        self._were_given = bool(inputs) and len(inputs or ()) == len(self._told)
        if not self._is_new:
            self._tell_inputs(True)

        self._check_class_names()

    def _net_changed(self) -> None:
        self.fields = receptive_fields(self.net.graph)
        self.time_major = time_major_blobs(self.net.graph)

    @property
    def notes(self) -> list[str]:
        unfilled = [f"{unfilled_text(self.net.unfilled, self._origin)}."] if self.net.unfilled else []
        return [*map(str, self.net.left_out), *unfilled, *self._notes]

    def _check_class_names(self) -> None:
        """Says that there are more or fewer names than classes."""
        blob = self._softmax_blob() or self._flat_output()
        count = self.channel_count(blob) if blob else 0
        if self.class_names and count and count != len(self.class_names):
            note = f"{len(self.class_names)} class names are given for the net's {count} classes."
            self._notes.append(note)
            log.warning("%s", note)

    def _main_input(self) -> str:
        """The input for the image, in nets that read none for the array."""
        shapes = {name: self.net.blobs[name].shape for name in self.net.inputs}
        pictures = [name for name, shape in shapes.items() if len(shape) in (4, 5)]
        arrays = pictures or [name for name, shape in shapes.items() if len(shape) > 1]
        if not arrays:
            raise NetError(
                f"{self.net.graph.path}: no input takes an image (N, C, H, W); the net's inputs are {shapes}."
            )
        return next((name for name in pictures if shapes[name][1] in (1, 3)), arrays[0])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the input."""
        shape = self.net.blobs[self.input].shape
        return shape[1], shape[-2], shape[-1]

    def _tell_inputs(self, is_image: bool) -> None:
        """Says once what the inputs are fed with, unless the user gave all of it."""
        told = self._told
        if is_image and self.frames > 1:
            told = [f"{self.input}: the image in each of its {self.frames} frames", *told]
        if told and not (self._were_given and len(told) == len(self._told)):
            log.warning("Inputs of the net: %s.", "; ".join(told))

    def show(self, image: np.ndarray | InputArray) -> np.ndarray:
        """Puts a picture (RGB or grey) into the input, into all its frames; returns it as the net sees it.

        An InputArray goes in as it is, and a picture of it is returned; the input takes its length, or
        height and width, where the net can run so.

        Raises CnnvizError if it does not fit.
        """
        blob = self.net.blobs[self.input]
        if self._is_new:
            self._tell_inputs(not isinstance(image, InputArray))
            self._is_new = False
        if isinstance(image, InputArray):
            self._make_room(image)
            blob.data[...] = image.fitted(blob.shape, self.input)
            return picture_of(blob.read_data()[0], self.preprocessing.channel_order)
        if len(blob.shape) not in (4, 5):
            raise CnnvizError(
                f"{self.net.graph.path}: the input {self.input!r} of shape {blob.shape} takes no image; give "
                f"an .npy array of the shape {blob.shape[1:]}."
            )
        self._tell_bare_pixels()
        values, seen = self.preprocessing.prepare(image, self.shape)
        blob.data[...] = values if len(blob.shape) == 4 else values[:, None]
        return seen

    def _tell_bare_pixels(self) -> None:
        """Says once that no mean is known, of nets whose own first layers do not see to it."""
        if self._told_pixels or not self.preprocessing.is_bare:
            return
        self._told_pixels = True
        first = self._first_reader()
        sees_to_it = first == "Power" or (traits_of(first).kind == "normalization" and first != "LRN")
        if not sees_to_it:
            log.warning(
                "No mean and no scale is known, so pixels go in as 0 to 255 and nothing is subtracted; give "
                "--mean, --scale or --train-model if training did otherwise."
            )

    def _first_reader(self) -> str | None:
        """The type of the first layer that reads the input, which a Split only hands on."""
        handed_on = {self.input}
        for node in self.net.graph.layers:
            if handed_on.intersection(node.bottoms):
                if node.type != "Split":
                    return node.type
                handed_on.update(node.tops)
        return None

    def _make_room(self, image: InputArray) -> None:
        """Gives the input the shape of an array that is longer or shorter, if the net can run so.

        Raises CnnvizError, with the reason, if it cannot.
        """
        before = self.net.blobs[self.input].shape
        shape = image.shape_like(before)
        if shape is None or shape == before:
            return  # ``fitted`` tells what does not fit
        try:
            self._reshape_input(shape)
        except CnnvizError as error:
            self._reshape_input(before)
            raise CnnvizError(
                f"The array is {image.values.shape}; input {self.input!r} expects {before[1:]}, and the net "
                f"cannot run with another size: {error}"
            ) from None

    def run(
        self, image: np.ndarray | InputArray, path: str = "", layers: Sequence[str] | None = None
    ) -> ImageFeatures:
        """Runs the net on a picture and keeps the maps of ``layers``.

        Args:
            image: (H, W) or (H, W, 3), RGB, 0 to 255; or an InputArray.
            path: its name.
            layers: names or patterns such as "fire*/concat"; default: each that changes the maps, or, if
                these are more than MOST_LAYERS, about so many that join branches or end blocks (of a
                chain: any), spread evenly over all map sizes.

        A layer that fails as it runs is left out from then on, with what needs it, as others that cannot run.

        Raises NetError if no layer has such a name, or the one asked for cannot run.
        """
        while True:
            try:
                return self._run_once(image, path, layers)
            except LayerFailure as failure:
                self.net = self.net.rest(failure)
                self._net_changed()

    def _run_once(
        self, image: np.ndarray | InputArray, path: str, layers: Sequence[str] | None
    ) -> ImageFeatures:
        result = ImageFeatures(path, self.show(image), notes=self.notes)
        if isinstance(image, InputArray):
            result.origin = f"array of {shape_text(image.values.shape)}"
        result.cut_short = next((left.name for left in self.net.left_out), "")
        wanted, result.omitted = self._wanted(layers)
        for index in range(len(self.net.layers)):
            self.net.forward_layer(index)
            if index in wanted:
                result.maps.append(self._maps(index, wanted[index]))
        result.detections = detections(self.net, self.shape[1:], self.class_name, len(self.class_names))
        if result.detections is None:
            result.predictions = self.predictions()
        result.are_probabilities = self._softmax_blob() is not None
        return result

    def _wanted(self, layers: Sequence[str] | None) -> tuple[dict[int, list[int]], int]:
        """For each layer to record the layers to name in its title; and how many more would change maps."""
        nodes = self.net.graph.layers
        if layers:
            patterns = [layers] if isinstance(layers, str) else layers
            return {index: [index] for pattern in patterns for index in self._matching(pattern)}, 0
        wanted: dict[int, list[int]] = {}
        last_writer: dict[str, int] = {}
        for index, node in enumerate(nodes):
            if not node.tops:
                continue
            top = node.tops[0]
            if top in node.bottoms and top in last_writer:  # in place: shown with the layer below
                title = wanted.pop(last_writer[top], []) + ([index] if traits_of(node.type).new_maps else [])
                if title:
                    wanted[index] = title
            elif traits_of(node.type).new_maps:
                wanted[index] = [index]
            last_writer[top] = index
        chosen = self._overview(wanted)
        return {i: wanted[i] for i in chosen}, len(wanted) - len(chosen)

    def _overview(self, wanted: dict[int, list[int]]) -> list[int]:
        """Of nets with too many layers those that join branches or end blocks, spread over all map sizes."""
        if len(wanted) <= MOST_LAYERS:
            return list(wanted)
        chosen = [i for i in wanted if self._ends_block(wanted[i][0])]
        if sum(traits_of(self.net.graph.layers[wanted[i][0]].type).joins for i in chosen) < _LEAST_JOINS:
            chosen = list(wanted)  # a deep chain
        chosen = sorted({next(iter(wanted)), *chosen})
        stages = groupby(chosen, lambda i: self.net.blobs[self.net.graph.layers[i].tops[0]].shape[2:])
        return spread([list(stage) for _, stage in stages], MOST_LAYERS)

    def _ends_block(self, index: int) -> bool:
        node = self.net.graph.layers[index]
        if node.type == "Pooling":  # not the pooling branches inside a block, which keep the size
            above, below = (self.net.blobs[blob].shape for blob in (node.tops[0], node.bottoms[0]))
            return above[2:] != below[2:]
        traits = traits_of(node.type)
        return traits.joins or traits.kind in _ENDS or node.type == "Softmax"

    def _matching(self, pattern: str) -> list[int]:
        names = self.net.layer_names
        if pattern in names:
            return [names.index(pattern)]
        found = [
            i
            for i, node in enumerate(self.net.graph.layers)
            if fnmatchcase(node.name, pattern) and node.tops and node.type not in ("Split", "Input")
        ]
        return found or [self.net.layer_index(pattern)]

    def _maps(self, index: int, title: list[int]) -> FeatureMaps:
        nodes = self.net.graph.layers
        names, types = ([getattr(nodes[i], what) for i in title] for what in ("name", "type"))
        blob = nodes[index].tops[0]
        values = self.item(blob)
        is_sequence = blob in self.time_major and values.ndim > 1
        field = None if is_sequence else self.fields[index]
        return FeatureMaps(" + ".join(names), " + ".join(types), blob, values, field, is_sequence)

    def item(self, blob: str) -> np.ndarray:
        """Returns what a blob holds for the image, without the batch axis and without axes of 1 behind C.

        A blob (T, N, ...) of recurrent layers comes as (T, channels), or (channels,) for a single step.
        """
        values = self.net.blobs[blob].read_data()
        if blob in self.time_major:
            steps = values[:, 0].reshape(len(values), -1)
            return steps[0] if len(steps) == 1 else steps
        values = values[0] if values.ndim > 1 else values
        if values.ndim > 1 and all(side == 1 for side in values.shape[1:]):
            values = values.reshape(-1)
        return np.atleast_1d(values)

    def predictions(self, count: int = 5) -> list[tuple[int, str, float]]:
        """Returns the best classes of the last Softmax, else of the last flat output; empty without both."""
        blob = self._softmax_blob() or self._flat_output()
        if blob is None or any(blob in left.reads for left in self.net.left_out):
            return []  # an output only because what reads it cannot run: perhaps no scores
        scores = self.class_scores(blob)[0]
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(k), self.class_name(int(k)), float(scores[k])) for k in best]

    def class_scores(self, blob: str) -> np.ndarray:
        """Returns (N, classes) of a blob; of sequences the mean over the time steps."""
        values = self.by_item(blob, self.net.blobs[blob].read_data())
        return values.reshape(*values.shape[:2], -1).mean(axis=2)

    def by_item(self, blob: str, values: np.ndarray) -> np.ndarray:
        """Returns a blob's data or diff as a view (N, C, ...), with the time steps of sequences last."""
        return np.moveaxis(values, 0, -1) if blob in self.time_major else values

    def channel_count(self, blob: str) -> int:
        """Returns how many channels a blob has; 0 for blobs without such an axis."""
        shape, axis = self.net.blobs[blob].shape, 2 if blob in self.time_major else 1
        return shape[axis] if len(shape) > axis else 0

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
        flat = [b for b in self.net.outputs if b not in self.net.inputs and self._is_flat(b)]
        written = [top for node in self.net.graph.layers for top in node.tops if top in flat]
        return written[-1] if written and self.net.blobs[written[-1]].count > 1 else None

    def _is_flat(self, blob: str) -> bool:
        shape = self.net.blobs[blob].shape
        if blob in self.time_major:
            return len(shape) == 3
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
            self._reshape_input((count, *shape))
            if scores is None or self.net.blobs[scores].shape[0] == count:
                return count
        except CnnvizError:  # such as a Reshape that names the batch
            pass
        self._reshape_input((1, *shape))
        return 1

    def _reshape_input(self, shape: Shape) -> None:
        self.net.blobs[self.input].reshape(*shape)
        self.net.reshape()

    def class_name(self, index: int) -> str:
        """Returns the name of a class, or its number."""
        return self.class_names[index] if index < len(self.class_names) else str(index)


def spread(groups: Sequence[Sequence[int]], most: int) -> list[int]:
    """Returns about ``most`` members of groups at most: of each as many, evenly spaced, with the last."""
    share = 1
    while share < max(map(len, groups)) and sum(min(len(group), share + 1) for group in groups) <= most:
        share += 1
    picked = []
    for group in groups:
        count = min(share, len(group))
        picked += [group[(k + 1) * len(group) // count - 1] for k in range(count)]
    return picked


def _read_names(names: str | os.PathLike | Sequence[str] | None) -> list[str]:
    if names is None:
        return []
    if not isinstance(names, (str, os.PathLike)):
        return list(names)
    lines = read_text(names).removesuffix("\n").split("\n") if is_text(names) else []
    if not any(map(str.strip, lines)):
        raise CnnvizError(f"{names}: holds no class names; text with one per line is expected.")
    return [printable(line.strip()) for line in lines]
