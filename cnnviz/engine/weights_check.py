"""Whether the weights of a file fit a net: Caffe's rules of copying by layer name, without a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from cnnviz.engine.blob import Shape
from cnnviz.engine.graph import Graph
from cnnviz.errors import WeightsError

_WAY_OUT = "Use the matching prototxt, or rename the layer to train it from scratch."


def check_weights_fit(
    graph: Graph, weights: Mapping[str, Sequence[np.ndarray]], origin: str | None = None
) -> None:
    """Checks that every layer that the net and the file share by name has the same blobs.

    Layers of the file that the net lacks, and layers of the net that the file lacks, are not an error:
    so fine-tuning works. Layers of a type unknown to us are not checked.

    Args:
        graph: the net, built strictly or not.
        weights: for each layer name its blobs, as ``read_weights`` gives them.
        origin: what errors call the weights; the default is their ``path``.
    Raises:
        WeightsError: naming the layer, the blob and both shapes.
    Source: Net::CopyTrainedLayersFrom of Caffe.
    """
    origin = origin or str(getattr(weights, "path", "weights"))
    for node in graph.layers:
        if node.params and node.name in weights:
            blobs: list[np.ndarray | None] = list(weights[node.name])
            if getattr(weights, "shared_left_out", False):
                blobs += [None] * (len(node.params) - len(blobs))
            found = []
            for i, blob in enumerate(blobs):
                if blob is not None:
                    found.append(blob.shape)
                elif i < len(node.params) and node.params[i].owner != (node.index, i):
                    # An HDF5 file omits blobs that are shared with an earlier layer.
                    found.append(node.param_shapes[i])
            check_blobs_fit(node.name, found, node.param_shapes, origin)


def check_blobs_fit(layer: str, found: Sequence[Shape], expected: Sequence[Shape], origin: str) -> None:
    """Checks the shapes ``found`` for the blobs of one layer against those the net expects.

    Raises WeightsError if the number of blobs or a shape differs.
    """
    if len(found) != len(expected):
        raise WeightsError(
            f"{origin}: layer {layer!r} has {len(found)} parameter blob(s), the net expects {len(expected)}. "
            + _WAY_OUT
        )
    for i, (shape, target) in enumerate(zip(found, expected, strict=True)):
        if not same_shape(shape, target):
            kind = ("weight", "bias")[i] if i < 2 else f"blob {i}"
            raise WeightsError(
                f"{origin}: layer {layer!r} {kind} is {tuple(shape)}, the net expects {tuple(target)}. "
                + _WAY_OUT
            )


def same_shape(found: Shape, expected: Shape) -> bool:
    """Whether a blob of shape ``found`` loads into one of shape ``expected``.

    Old files hold four axes, padded with ones on the left: (1, 1, 1, N) loads into (N).
    """
    found, expected = tuple(found), tuple(expected)
    return found == expected or (len(found) == 4 and found == (1,) * (4 - len(expected)) + expected)


def check_names_fit(
    names: Iterable[str], weights: Mapping[str, Sequence[np.ndarray]], net: str, origin: str
) -> None:
    """Checks that a file holds weights of at least one layer of a net.

    Args:
        names: the net's layers that have parameters; a net without any takes every file.
        net, origin: what errors call the net and the weights.
    Raises:
        WeightsError: with the first names of both.
    """
    names = list(names)
    if not names or any(name in weights for name in names):
        return
    found = f"weights of {some_names(weights)}" if len(weights) else "no weights"
    raise WeightsError(
        f"{origin}: holds {found}, and {net} has none of these layers but {some_names(names)}. "
        "Use the matching prototxt."
    )


def unfilled_layers(graph: Graph, weights: Mapping[str, Sequence[np.ndarray]]) -> list[str]:
    """Returns the layers with parameters that get nothing from a file: they keep their filler's values.

    A layer whose parameters are all shared with layers that the file holds is none of them.
    """
    owners = {node.index: node.name for node in graph.layers}
    return [
        node.name
        for node in graph.layers
        if node.name not in weights and any(owners[param.owner[0]] not in weights for param in node.params)
    ]


def unfilled_text(names: Sequence[str], origin: str) -> str:
    """Returns the warning about what ``unfilled_layers`` found, without a full stop."""
    them = "layer" if len(names) == 1 else f"{len(names)} layers"
    keeps = "it keeps" if len(names) == 1 else "they keep"
    return f"{origin}: has no weights for the {them} {some_names(names, 8)}: {keeps} untrained initial values"


def some_names(names: Iterable[str], limit: int = 4) -> str:
    """Returns the first names in quotes, for errors: "'conv1', 'conv2', ..."."""
    listed = [repr(name) for name in names]
    return ", ".join(listed[:limit]) + (", ..." if len(listed) > limit else "")
