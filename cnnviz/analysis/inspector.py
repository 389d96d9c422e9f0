"""A net made ready to show what it makes of images."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from cnnviz.analysis.arrays import InputArray
from cnnviz.analysis.blob_reader import BlobReader
from cnnviz.analysis.deploy import deploy
from cnnviz.analysis.detections import find_detections
from cnnviz.analysis.features import FeatureMaps, ImageFeatures
from cnnviz.analysis.image_input import ImageInput
from cnnviz.analysis.image_options import ImageOptions, read_class_names
from cnnviz.analysis.layer_choice import choose_layers
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.receptive_field import receptive_fields
from cnnviz.analysis.summary import shape_text
from cnnviz.engine.device import Device
from cnnviz.engine.net import Net
from cnnviz.engine.partial import LayerFailure
from cnnviz.engine.weights_check import unfilled_text
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import NetDefinition

log = logging.getLogger("cnnviz")


class Inspector:
    """A net made ready to inspect images, one at a time.

    Args:
        model: path of a prototxt (deploy or training form) or a NetDefinition.
        weights: path of a .caffemodel.
        options: how images enter the net, and what its classes are called.
        device: what to run on.
        gradients: whether the net can run backward to the image, as attributions need.

    Attributes:
        net: it runs; reader: of its blobs; fields: its layers' receptive fields.
        entry: its input for the image.
        notes: sentences about layers that cannot run, and about layers that the weights lack.
    """

    def __init__(
        self,
        model: str | os.PathLike | NetDefinition,
        weights: str | os.PathLike,
        options: ImageOptions | None = None,
        *,
        device: Device | None = None,
        gradients: bool = False,
    ):
        options = options or ImageOptions()
        definition = model if isinstance(model, NetDefinition) else open_net(model)
        arrays = read_weights(weights)
        deployed = deploy(
            definition,
            arrays,
            options.size,
            force_backward=gradients,
            level=options.level,
            stages=options.stages,
        )
        net = Net(deployed, "TEST", device=device, partial=True)
        net.use_weights(arrays, str(weights))
        self._weights = str(weights)
        self.preprocessing = options.preprocessing or Preprocessing()
        self.class_names = read_class_names(options.class_names)
        self.entry = ImageInput(net, self.preprocessing, options.inputs)
        self._use(net)
        self._notes = self._class_name_notes()

    def _use(self, net: Net) -> None:
        self.net = self.entry.net = net
        self.reader = BlobReader(net)
        self.fields = receptive_fields(net.graph)

    def _class_name_notes(self) -> list[str]:
        """A note, also logged, where there are more or fewer names than classes."""
        blob = self.reader.class_blob()
        count = self.reader.channel_count(blob) if blob else 0
        if not self.class_names or count in (0, len(self.class_names)):
            return []
        note = f"{len(self.class_names)} class names are given for the net's {count} classes."
        log.warning("%s", note)
        return [note]

    @property
    def notes(self) -> list[str]:
        unfilled = [f"{unfilled_text(self.net.unfilled, self._weights)}."] if self.net.unfilled else []
        return [*map(str, self.net.left_out), *unfilled, *self._notes]

    def show(self, image: np.ndarray | InputArray) -> np.ndarray:
        """Puts an image into the input; see ImageInput.show."""
        return self.entry.show(image)

    @contextmanager
    def batch(self, count: int) -> Iterator[int]:
        """Makes room for variants of the image; see ImageInput.batch."""
        with self.entry.batch(count, self.reader.score_blob()) as size:
            yield size

    def run(
        self, image: np.ndarray | InputArray, path: str = "", layers: Sequence[str] | None = None
    ) -> ImageFeatures:
        """Runs the net on an image and keeps the maps of ``layers``.

        Args:
            image: (H, W) or (H, W, 3), RGB, 0 to 255; or an InputArray.
            path: its name.
            layers: names or patterns; default: see ``choose_layers``.

        A layer that fails as it runs is omitted from then on, with what needs it, as others that cannot run.

        Raises NetError if no layer has such a name, or the one asked for cannot run.
        """
        while True:
            try:
                return self._run_once(image, path, layers)
            except LayerFailure as failure:
                self._use(self.net.rest(failure))

    def _run_once(
        self, image: np.ndarray | InputArray, path: str, layers: Sequence[str] | None
    ) -> ImageFeatures:
        notes, seen = tuple(self.notes), self.show(image)
        titles, omitted = choose_layers(self.net, layers)
        maps = []
        for index in range(len(self.net.layers)):
            self.net.forward_layer(index)
            if index in titles:
                maps.append(self._maps(index, titles[index]))
        found = find_detections(self.net, self.entry.shape[1:], self.class_name, len(self.class_names))
        return ImageFeatures(
            path,
            seen,
            tuple(maps),
            predictions=tuple(self.predictions()) if found is None else (),
            are_probabilities=self.reader.softmax_blob() is not None,
            omitted=omitted,
            detections=found,
            notes=notes,
            cut_short=next((left.name for left in self.net.left_out), ""),
            origin=f"array of {shape_text(image.values.shape)}" if isinstance(image, InputArray) else "",
        )

    def _maps(self, index: int, title: list[int]) -> FeatureMaps:
        nodes = self.net.graph.layers
        names, types = ([getattr(nodes[i], what) for i in title] for what in ("name", "type"))
        blob = nodes[index].tops[0]
        values = self.reader.item(blob)
        is_sequence = blob in self.reader.time_major and values.ndim > 1
        field = None if is_sequence else self.fields[index]
        return FeatureMaps(" + ".join(names), " + ".join(types), blob, values, field, is_sequence)

    def predictions(self, count: int = 5) -> list[tuple[int, str, float]]:
        """Returns the best classes of the last Softmax, otherwise of the last flat output; empty without
        both."""
        blob = self.reader.class_blob()
        if blob is None or any(blob in left.reads for left in self.net.left_out):
            return []  # an output only because what reads it cannot run: perhaps no scores
        scores = self.reader.class_scores(blob)[0]
        best = np.argsort(-scores, kind="stable")[:count]
        return [(int(k), self.class_name(int(k)), float(scores[k])) for k in best]

    def class_name(self, index: int) -> str:
        """Returns the name of a class, or its number."""
        return self.class_names[index] if index < len(self.class_names) else str(index)
