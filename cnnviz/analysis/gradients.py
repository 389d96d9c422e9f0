"""Gradients of one channel or class score, down to the image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cnnviz.analysis.inspector import Inspector
from cnnviz.engine.layer import traits_of
from cnnviz.errors import CnnvizError

# At a rectifier: (gradient above, gradient below) -> what is passed on below.
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]


def score_blob(inspector: Inspector) -> tuple[str, int]:
    """Returns the blob of class scores (what the last Softmax reads, otherwise the last output that is
    flat) and the index of the layer that wrote it.

    Raises CnnvizError if the net does not classify images.
    """
    name = inspector.reader.score_blob()
    if name is None:
        raise CnnvizError("The net gives no class scores, so nothing can be attributed to a class.")
    entry = inspector.entry
    shape = inspector.net.blobs[entry.name].shape
    if len(shape) not in (4, 5):
        raise CnnvizError(
            f"The input {entry.name!r} has the shape {shape}; attributions explain nets that read images."
        )
    if entry.frames > 1:
        raise CnnvizError(
            f"The net reads {entry.frames} frames at once; attributions explain nets that read one image."
        )
    return name, max(i for i, node in enumerate(inspector.net.graph.layers) if name in node.tops)


def check_channel(inspector: Inspector, blob: str, channel: int, layer: str | None) -> None:
    """Raises CnnvizError if a blob has no such channel."""
    count = inspector.reader.channel_count(blob)
    if not 0 <= channel < count:
        what, where = ("Class", "the net") if layer is None else ("Channel", f"layer {layer!r}")
        kinds = "classes" if layer is None else "channels"
        raise CnnvizError(f"{what} {channel} is out of range: {where} has {count} {kinds}.")


def input_gradient(inspector: Inspector, target: int, change: Change | None = None) -> np.ndarray:
    """Returns d score / d input, (N, C, H, W), after a forward pass; each image's by itself.

    Args:
        inspector: has run forward on the image.
        target: the class.
        change: called at each rectifier with (gradient above, gradient below); its result is passed on.
    """
    blob, last = score_blob(inspector)
    seed_gradient(inspector, blob, target)
    return gradient_from(inspector, last, change)


def seed_gradient(inspector: Inspector, blob: str, channel: int) -> None:
    """Makes the mean of a channel of each image what the gradient is of; all other diffs become 0."""
    for other in inspector.net.blobs.values():
        other.clear_diff()
    diff = inspector.reader.by_item(blob, inspector.net.blobs[blob].diff)
    diff[:, channel] = 1 / np.prod(diff.shape[2:])


def gradient_from(inspector: Inspector, last: int, change: Change | None = None) -> np.ndarray:
    """Returns the gradient of the input, run backward from layer ``last``, whose top diff is seeded."""
    net = inspector.net
    for index in range(last, -1, -1):
        node = net.graph.layers[index]
        if change is None or not traits_of(node.type).is_rectifier:
            net.backward_layer(index)
            continue
        above = net.blobs[node.tops[0]].read_diff()
        net.backward_layer(index)
        below = net.blobs[node.bottoms[0]]
        below.diff[...] = change(above, below.read_diff())
    return net.blobs[inspector.entry.name].read_diff()
