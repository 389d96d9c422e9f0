"""Activation maximization: inputs made so that a class score or a channel becomes as large as it can."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.features import class_label
from cnnviz.analysis.gradients import check_channel, gradient_from, score_blob, seed_gradient
from cnnviz.analysis.inspector import Inspector
from cnnviz.errors import NetError

MOST_CHANNELS = 24  # of a layer for which inputs are made
_DEVIATIONS = 3.0  # of the values around their median that fill the range from black to white


@dataclass(frozen=True)
class MaximizedInput:
    """An input made to activate one channel.

    Attributes:
        layer, channel: which; layer is None for a class score.
        label: the channel or class in words.
        values: the input, (C, H, W).
        image: the same as uint8 (H, W) or (H, W, 3) in RGB, its contrast stretched.
        before, after: mean of the channel for the noise at the start and for ``values``.
    """

    layer: str | None
    channel: int
    label: str
    values: np.ndarray
    image: np.ndarray
    before: float
    after: float


@dataclass(frozen=True)
class Ascent:
    """How an input is made by gradient ascent.

    Attributes:
        steps: forward and backward passes.
        rate: mean change of a pixel in a step, in units of the input divided by its scale.
        blur: standard deviation in pixels.
        seed: of the noise at the start and of the shifts.
    """

    steps: int = 64
    rate: float = 1.0
    blur: float = 0.5
    seed: int = 0


def maximize_activation(
    inspector: Inspector, channel: int, layer: str | None = None, ascent: Ascent = Ascent()
) -> MaximizedInput:
    """Returns an input that activates a class, or a channel of a layer: gradient ascent from faint noise.

    Each step adds ``rate`` times the gradient divided by its mean absolute value, with the image shifted by
    a few random pixels, and every fourth step blurs a little, without which only high frequencies grow.

    Args:
        inspector: made with gradients=True; its input keeps the image that it holds.
        channel: the class, or the channel of ``layer``, whose mean is raised.
        layer: default: the class scores.

    Raises:
        CnnvizError: the layer or the channel does not exist.

    Sources: Simonyan et al. 2013; Yosinski et al. 2015; Olah et al. 2017 for the shifts.
    """
    unit = _Unit(inspector, channel, layer)
    blob = inspector.net.blobs[inspector.entry.name]
    image = blob.read_data()
    values, before = _climb(unit, ascent)
    blob.data[0] = values
    after = unit.activation()
    blob.data[...] = image
    label = f"channel {channel}" if layer else class_label(channel, inspector.class_name(channel))
    shown = input_image(values, inspector.preprocessing.channel_order)
    return MaximizedInput(layer, channel, label, values, shown, before, after)


class _Unit:
    """The channel that is maximized, in the net that computes it.

    Raises CnnvizError if the layer or the channel does not exist.
    """

    def __init__(self, inspector: Inspector, channel: int, layer: str | None):
        self.inspector, self.channel = inspector, channel
        self.blob, self.last = score_blob(inspector) if layer is None else _blob_of(inspector, layer)
        check_channel(inspector, self.blob, channel, layer)

    def activation(self) -> float:
        """Runs forward and returns the mean of the channel."""
        net, reader = self.inspector.net, self.inspector.reader
        net.run_forward(0, self.last)
        return float(reader.by_item(self.blob, net.blobs[self.blob].read_data())[0, self.channel].mean())

    def gradient(self) -> np.ndarray:
        """Returns the gradient of the input, (C, H, W), after ``activation``."""
        seed_gradient(self.inspector, self.blob, self.channel)
        return gradient_from(self.inspector, self.last)[0]


def _climb(unit: _Unit, ascent: Ascent) -> tuple[np.ndarray, float]:
    """The input at the end of an ascent, and the activation at its start."""
    blob = unit.inspector.net.blobs[unit.inspector.entry.name]
    random = np.random.default_rng(ascent.seed)
    scale = unit.inspector.preprocessing.scale
    values: np.ndarray = random.normal(0, 4 * scale, blob.shape[1:]).astype(np.float32)
    reach = max(1, min(blob.shape[2:]) // 32)
    activations = []
    for step in range(ascent.steps):
        shift = random.integers(-reach, reach + 1, 2)
        blob.data[0] = np.roll(values, shift, (1, 2))
        activations.append(unit.activation())
        gradient = np.roll(unit.gradient(), -shift, (1, 2))
        size = float(np.abs(gradient).mean())
        if size == 0:  # a dead channel: no step leads up
            break
        values = values + ascent.rate * scale * gradient / size
        values = _blurred(values, ascent.blur) if step % 4 == 3 else values
    return np.asarray(values, np.float32), activations[0]


def parse_target(inspector: Inspector, text: str) -> tuple[str | None, list[int]]:
    """Returns the layer (None for classes) and the channels of "7", "conv2:7" or "conv2".

    Raises CnnvizError if there is no such class, layer or channel.
    """
    layer, channels = _parsed(inspector, text)
    blob, _ = score_blob(inspector) if layer is None else _blob_of(inspector, layer)
    check_channel(inspector, blob, channels[-1] if channels else 0, layer)
    return layer, channels


def _parsed(inspector: Inspector, text: str) -> tuple[str | None, list[int]]:
    names = inspector.net.layer_names
    head, _, tail = text.rpartition(":")
    if text not in names and text.isdigit():
        return None, [int(text)]
    if text not in names and head and tail.isdigit():
        return head, [int(tail)]
    count = inspector.reader.channel_count(_blob_of(inspector, text)[0])
    return text, list(range(min(MOST_CHANNELS, count)))


def _blob_of(inspector: Inspector, layer: str) -> tuple[str, int]:
    """The blob that a layer writes, and the layer's index."""
    index = inspector.net.layer_index(layer)
    node = inspector.net.graph.layers[index]
    if not node.tops:
        raise NetError(f"Layer {layer!r} writes no blob.")
    return node.tops[0], index


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    reach = max(1, int(3 * sigma + 0.5))
    window = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    window /= window.sum()
    for axis in (1, 2):
        padding = [(reach, reach) if a == axis else (0, 0) for a in range(3)]
        padded = np.pad(values, padding, mode="edge")
        size = values.shape[axis]
        shifted = (np.take(padded, range(k, k + size), axis) for k in range(2 * reach + 1))
        values = sum(w * part for w, part in zip(window, shifted, strict=True))
    return values


def input_image(values: np.ndarray, channel_order: str) -> np.ndarray:
    """Returns an input (C, H, W) as uint8 (H, W) or (H, W, 3) in RGB, its contrast stretched around grey."""
    centered = values - np.median(values)
    shares = centered / (_DEVIATIONS * float(values.std()) + 1e-12)
    planes = np.clip(np.rint(shares * 127.5 + 127.5), 0, 255).astype(np.uint8)
    if len(planes) == 1:
        return planes[0]
    planes = planes[::-1] if channel_order == "bgr" else planes
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
