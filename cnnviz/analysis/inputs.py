"""Values for a net's other inputs than the image: those given, those known from their use, or zeros."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

import numpy as np

from cnnviz.analysis.preprocessing import Preprocessing, is_array_file, is_image_file, read_image
from cnnviz.analysis.sequences import continuations
from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.net import Net
from cnnviz.errors import CnnvizError, did_you_mean
from cnnviz.formats.blob_proto import to_float32
from cnnviz.formats.npy import read_npy

Value = np.ndarray | float | str


def feed_inputs(
    net: Net,
    image: str,
    given: Mapping[str, Value] | None = None,
    preprocessing: Preprocessing | None = None,
) -> list[str]:
    """Fills all inputs but the image's.

    An input that marks for recurrent layers where sequences begin (their second bottom, also before Split,
    Reshape, Flatten, Squeeze and Permute) is 0 at the first step and 1 after; the third bottom of a
    Python layer of proposals is (height, width, scale 1) of the image; everything else is 0.

    Args:
        net: its input blobs are written.
        image: the input that takes the image.
        given: values by name instead: arrays of the input's shape or size, one number for all, or the path
            of an image, such as the second of a pair.
        preprocessing: of such images.

    Returns:
        What was fed, in words: "cont: 0 at the first step, 1 after (for lstm1)".

    Raises CnnvizError if a name is no such input or a value does not fit.
    """
    given = dict(given or {})
    others = [name for name in net.inputs if name != image]
    for name in given:
        if name == image:
            raise CnnvizError(f"{net.graph.path}: the input {name!r} takes the image; it cannot be given.")
        if name not in others:
            listing = ", ".join(map(repr, others))
            known = f"the inputs besides the image are {listing}" if others else "the image is its only input"
            raise CnnvizError(
                f"{net.graph.path}: has no input {name!r}{did_you_mean(name, others)}; {known}."
            )
    uses = _known_uses(net.graph, net.blobs[image].shape)
    read = {bottom for node in net.graph.layers for bottom in node.bottoms}
    fed = []
    for name in others:
        blob = net.blobs[name]
        values, words = uses.get(name, (np.zeros(blob.shape, np.float32), "zeros"))
        if name in given:
            values, words = (
                _given(given[name], blob.shape, name, preprocessing or Preprocessing()),
                "as given",
            )
        blob.data[...] = values
        if name in read:
            fed.append(f"{name}: {words}")
    return fed


def _known_uses(graph: Graph, image: tuple[int, ...]) -> dict[str, tuple[np.ndarray, str]]:
    """Values of the inputs whose use is known, and words for them."""
    found = {}
    for name, (values, layers) in continuations(graph).items():
        if values is not None:
            found[name] = values, f"0 at the first step, 1 after (for {', '.join(layers)})"
    splits = {top: node.bottoms[0] for node in graph.layers if node.type == "Split" for top in node.tops}
    for node in graph.layers:
        if _is_proposal(node) and len(node.bottoms) > 2 and node.bottom_shapes[2] is not None:
            blob, shape = node.bottoms[2], node.bottom_shapes[2]
            rows = np.zeros((shape[0], int(np.prod(shape[1:]))), np.float32)
            rows[:, :3] = [*image[-2:], 1][: rows.shape[1]]
            words = f"{image[-2]}, {image[-1]}, 1: height, width and scale (for {node.name})"
            found[splits.get(blob, blob)] = rows.reshape(shape), words
    return found


def _is_proposal(node: GraphLayer) -> bool:
    param = node.param.python_param
    in_python = node.type == "Python" and "proposal" in f"{param.module} {param.layer}".lower()
    return in_python or node.type == "Proposal"


def _given(value: Value, shape: tuple[int, ...], name: str, preprocessing: Preprocessing) -> np.ndarray:
    if not isinstance(value, str):
        return _fitted(value, shape, name)
    if len(shape) != 4 or shape[1] not in (1, 3):
        raise CnnvizError(
            f"Input {name!r} of shape {shape} takes no image ({value}); give values or an .npy file."
        )
    return preprocessing.prepare(read_image(value), (shape[1], shape[2], shape[3]))[0]


def _fitted(value: np.ndarray | float, shape: tuple[int, ...], name: str) -> np.ndarray:
    array = np.asarray(value, np.float32)
    if array.ndim == 0:
        return np.broadcast_to(array, shape)
    if array.size != int(np.prod(shape)):
        raise CnnvizError(f"Input {name!r} is {shape}; the values given for it are {array.shape}.")
    return array.reshape(shape)


def parse_inputs(texts: Iterable[str]) -> dict[str, Value]:
    """Returns the values of "NAME=FILE.npy", "NAME=0.5" and "NAME=600,800,1.5", by name; of "NAME=FILE.png"
    the path.

    Raises CnnvizError for anything else, FileError if the file holds no array of numbers.
    """
    return dict(_parsed(text) for text in texts)


def _parsed(text: str) -> tuple[str, Value]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise CnnvizError(f"--input {text}: write NAME=VALUE or NAME=FILE.npy.")
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        if is_image_file(value):
            return name, value
        if not is_array_file(value) and not os.path.exists(value):
            raise CnnvizError(f"--input {text}: {value!r} is neither a number nor an .npy file.") from None
        return name, to_float32(read_npy(value))
    return name, np.array(numbers[0] if len(numbers) == 1 else numbers, np.float32)
