"""The input of a net that takes the image, and what is put into it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from cnnviz.analysis.arrays import InputArray, image_of
from cnnviz.analysis.inputs import Value, feed_inputs
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import traits_of
from cnnviz.engine.net import Net
from cnnviz.errors import CnnvizError, NetError

_BATCH_VALUES = 1 << 26  # held by a net's blobs while several variants of an image run at once

log = logging.getLogger("cnnviz")


class ImageInput:
    """Puts images into a net, whose other inputs are fed once.

    Args:
        net: with its inputs.
        preprocessing: of images.
        given: values of other inputs, see feed_inputs. What was fed is logged, unless all of it was given.

    Attributes:
        net: may be replaced by one with the same inputs.
        name: of the input; frames: how often an image stands in it, more than once in nets that read videos
            (N, C, L, H, W), and where the batch is fixed, such as T x N frames for recurrent layers.

    Raises NetError if no input takes an image.
    """

    def __init__(self, net: Net, preprocessing: Preprocessing, given: Mapping[str, Value] | None):
        self.net, self.preprocessing = net, preprocessing
        self.name = _main_input(net)
        shape = net.blobs[self.name].shape
        self.frames = shape[0] * (shape[2] if len(shape) == 5 else 1)
        self._fed = feed_inputs(net, self.name, given, preprocessing)
        self._were_given = bool(given) and len(given or ()) == len(self._fed)
        self._is_new = self.frames > 1  # what is logged then depends on the first image
        self._has_warned = False
        if not self._is_new:
            self._log_inputs(True)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        shape = self.net.blobs[self.name].shape
        return shape[1], shape[-2], shape[-1]

    def show(self, image: np.ndarray | InputArray) -> np.ndarray:
        """Puts an image (RGB or grey) into the input, into all its frames; returns it as the net sees it.

        An InputArray goes in as it is, and an image of it is returned; the input takes its length, or
        height and width, where the net can run so.

        Raises CnnvizError if it does not fit.
        """
        blob = self.net.blobs[self.name]
        if self._is_new:
            self._log_inputs(not isinstance(image, InputArray))
            self._is_new = False
        if isinstance(image, InputArray):
            self._take_shape(image)
            blob.data[...] = image.fitted(blob.shape, self.name)
            return image_of(blob.read_data()[0], self.preprocessing.channel_order)
        if len(blob.shape) not in (4, 5):
            raise CnnvizError(
                f"{self.net.graph.path}: the input {self.name!r} of shape {blob.shape} takes no image; give "
                f"an .npy array of the shape {blob.shape[1:]}."
            )
        self._warn_of_bare_pixels()
        values, seen = self.preprocessing.prepare(image, self.shape)
        blob.data[...] = values if len(blob.shape) == 4 else values[:, None]
        return seen

    def _log_inputs(self, is_image: bool) -> None:
        """Logs once what the inputs are fed with, unless the user gave all of it."""
        fed = self._fed
        if is_image and self.frames > 1:
            fed = [f"{self.name}: the image in each of its {self.frames} frames", *fed]
        if fed and not (self._were_given and len(fed) == len(self._fed)):
            log.warning("Inputs of the net: %s.", "; ".join(fed))

    def _warn_of_bare_pixels(self) -> None:
        """Warns once that no mean is known, unless the net's own first layer normalizes the image."""
        if self._has_warned or not self.preprocessing.is_bare:
            return
        self._has_warned = True
        first = self._first_reader()
        normalizes = first == "Power" or (traits_of(first).kind == "normalization" and first != "LRN")
        if not normalizes:
            log.warning(
                "No mean and no scale is known, so pixels go in as 0 to 255 and nothing is subtracted; give "
                "--mean, --scale or --train-model if training did otherwise."
            )

    def _first_reader(self) -> str | None:
        """The type of the first layer that reads the input, directly or through a Split."""
        copies = {self.name}
        for node in self.net.graph.layers:
            if copies.intersection(node.bottoms):
                if node.type != "Split":
                    return node.type
                copies.update(node.tops)
        return None

    def _take_shape(self, image: InputArray) -> None:
        """Gives the input the shape of an array that is longer or shorter, if the net can run so.

        Raises CnnvizError, with the reason, if it cannot.
        """
        before = self.net.blobs[self.name].shape
        shape = image.shape_like(before)
        if shape is None or shape == before:
            return  # ``fitted`` says what does not fit
        try:
            self._reshape(shape)
        except CnnvizError as error:
            self._reshape(before)
            raise CnnvizError(
                f"The array is {image.values.shape}; input {self.name!r} expects {before[1:]}, and the net "
                f"cannot run with another size: {error}"
            ) from None

    @contextmanager
    def batch(self, count: int, scores: str | None) -> Iterator[int]:
        """Makes room for several variants of the image in the input while the block runs.

        Args:
            count: how many there are; as many as fit into memory run at once.
            scores: the blob of class scores, which must take the batch too.

        Yields how many fit: 1 for nets whose layers fix the batch.
        """
        blob = self.net.blobs[self.name]
        image = blob.read_data()[:1]
        try:
            yield self._grow(min(count, self._fitting_at_once()), scores)
        finally:
            blob.reshape(*image.shape)
            blob.data[...] = image
            self.net.reshape()

    def _fitting_at_once(self) -> int:
        values = sum(blob.count for blob in self.net.blobs.values()) // self.net.blobs[self.name].shape[0]
        return int(np.clip(_BATCH_VALUES // max(values, 1), 1, 32))

    def _grow(self, count: int, scores: str | None) -> int:
        shape = self.net.blobs[self.name].shape[1:]
        try:
            self._reshape((count, *shape))
            if scores is None or self.net.blobs[scores].shape[0] == count:
                return count
        except CnnvizError:  # such as a Reshape that names the batch
            pass
        self._reshape((1, *shape))
        return 1

    def _reshape(self, shape: Shape) -> None:
        self.net.blobs[self.name].reshape(*shape)
        self.net.reshape()


def _main_input(net: Net) -> str:
    """The input for the image, in nets that read none for the array."""
    shapes = {name: net.blobs[name].shape for name in net.inputs}
    images = [name for name, shape in shapes.items() if len(shape) in (4, 5)]
    arrays = images or [name for name, shape in shapes.items() if len(shape) > 1]
    if not arrays:
        raise NetError(
            f"{net.graph.path}: no input takes an image (N, C, H, W); the net's inputs are {shapes}."
        )
    return next((name for name in images if shapes[name][1] in (1, 3)), arrays[0])
