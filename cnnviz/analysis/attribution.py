"""Attributions: which pixels drive a net's prediction.

Each method takes an ``Inspector`` made with ``gradients=True`` that has been shown an image, and a class
(default: the most probable), and returns an ``Attribution``. Gradients are those of the class score
before the softmax, as the sources recommend: after it, a confident net's gradient vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from cnnviz.analysis.features import Attribution, ImageFeatures
from cnnviz.analysis.gradients import Change, input_gradient, score_blob, seed_gradient
from cnnviz.analysis.inspector import Inspector
from cnnviz.errors import CnnvizError, NetError, did_you_mean

Place = tuple[slice, slice]  # rows and columns of the image

# What may still show something where a method gives zero.
_INSTEAD = {"saliency": "try occlusion", "guided": "try saliency", "deconvolution": "try guided"}


def _target(inspector: Inspector, target: int | None) -> int:
    scores = _scores(inspector)[0]
    if target is None:
        return int(scores.argmax())
    if not 0 <= target < scores.size:
        raise CnnvizError(f"Class {target} is out of range: the net has {scores.size} classes.")
    return target


def _scores(inspector: Inspector) -> np.ndarray:
    """(N, classes) of the last forward pass."""
    return inspector.reader.class_scores(score_blob(inspector)[0])


def _reduce(gradient: np.ndarray) -> np.ndarray:
    """The largest absolute value over the channels."""
    return np.abs(gradient).max(axis=0)


def _backpropagated(
    inspector: Inspector, method: str, target: int | None, change: Change | None = None
) -> Attribution:
    inspector.net.run_forward()
    chosen = _target(inspector, target)
    values = _reduce(input_gradient(inspector, chosen, change)[0])
    note = ""
    if not values.any():
        note = f"no gradient is left below {_lowest_reached(inspector)}; {_INSTEAD[method]}"
    return _made(inspector, method, values, chosen, note=note)


def _lowest_reached(inspector: Inspector) -> str:
    """The lowest layer whose top has a gradient that is not zero, after a backward pass."""
    net = inspector.net
    for node in net.graph.layers:
        if node.type != "Split" and any(net.blobs[top].read_diff().any() for top in node.tops):
            return node.name
    return "the scores"


def saliency(inspector: Inspector, target: int | None = None) -> Attribution:
    """|d score / d pixel|, the greatest over the channels. Source: Simonyan et al. 2013."""
    return _backpropagated(inspector, "saliency", target)


def guided_backpropagation(inspector: Inspector, target: int | None = None) -> Attribution:
    """The gradient with only positive values passed down through rectifiers.

    Source: Springenberg et al. 2014.
    """
    return _backpropagated(inspector, "guided", target, lambda above, below: np.where(above > 0, below, 0))


def deconvolution(inspector: Inspector, target: int | None = None) -> Attribution:
    """As guided backpropagation, but at rectifiers only the gradient counts, not the activation.

    In deep nets it may vanish: where the weights below a layer are mostly negative, nothing positive is
    left to pass down.
    Source: Zeiler and Fergus 2014.
    """
    return _backpropagated(inspector, "deconvolution", target, lambda above, below: np.maximum(above, 0))


def integrated_gradients(inspector: Inspector, target: int | None = None, steps: int = 32) -> Attribution:
    """(x - x0) times the mean gradient on the line from x0 (zero input) to x, summed over channels.

    Its sum is the score at x minus the score at x0, up to the error of ``steps`` midpoints; the note
    says both.
    Source: Sundararajan et al. 2017.
    """
    blob = inspector.net.blobs[inspector.entry.name]
    inspector.net.run_forward()
    chosen = _target(inspector, target)
    image = blob.read_data()
    shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    total = np.zeros(image.shape[1:], np.float64)
    with inspector.batch(steps) as size:
        for start in range(0, steps, size):
            part = shares[start : start + size]
            blob.data[: len(part)] = image * part[:, None, None, None]
            inspector.net.run_forward()
            total += input_gradient(inspector, chosen)[: len(part)].sum(axis=0)
    values = (image[0] * total / steps).sum(axis=0)
    at_zero, at_image = (_score_of(inspector, share * image, chosen) for share in (0, 1))
    note = f"sums to {values.sum():.4g}, the score rises by {at_image - at_zero:.4g}"
    return _made(inspector, "integrated", values, chosen, signed=True, note=note)


def _score_of(inspector: Inspector, values: np.ndarray, target: int) -> float:
    """The score of a class for an input, which stays in the net, as do the blobs computed from it."""
    inspector.net.blobs[inspector.entry.name].data[...] = values
    inspector.net.run_forward()
    return float(_scores(inspector)[0, target])


def grad_cam(inspector: Inspector, target: int | None = None, layer: str | None = None) -> Attribution:
    """max(0, sum over channels of mean gradient times map), of ``layer``, enlarged to the image.

    Args:
        layer: default: the last one with maps of the last convolution's size, such as the sum that ends
            its block; only convolutions whose map has more than one unit count.

    Source: Selvaraju et al. 2017.
    """
    inspector.net.run_forward()
    chosen = _target(inspector, target)
    index = _map_layer(inspector, layer)
    blob = inspector.net.blobs[inspector.net.graph.layers[index].tops[0]]
    scores, last = score_blob(inspector)
    seed_gradient(inspector, scores, chosen)
    for i in range(last, index, -1):
        inspector.net.backward_layer(i)
    maps, gradient = blob.read_data()[0], blob.read_diff()[0]
    cam = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=0), 0)
    name = inspector.net.graph.layers[index].name
    note = f"of {name}" if cam.any() else f"no map of {name} supports the class; try occlusion"
    return _made(inspector, "gradcam", _enlarge(cam, inspector.entry.shape[1:]), chosen, note=note)


def _map_layer(inspector: Inspector, layer: str | None) -> int:
    net = inspector.net
    maps = [
        i
        for i, node in enumerate(net.graph.layers)
        if node.tops and len(net.blobs[node.tops[0]].shape) == 4 and net.blobs[node.tops[0]].shape[2] > 1
    ]
    if layer is not None:
        names = [net.graph.layers[i].name for i in maps]
        if layer not in names:
            raise NetError(f"The net has no layer {layer!r} with maps{did_you_mean(layer, names)}.")
        return maps[names.index(layer)]
    _, last = score_blob(inspector)
    convolutions = [i for i in maps if i < last and net.graph.layers[i].type.endswith("Convolution")]
    if not convolutions:
        raise CnnvizError("The net has no convolution with maps; Grad-CAM needs one.")
    # Its ReLU, or what joins it with other branches: the last maps of its size.
    sizes = {i: net.blobs[net.graph.layers[i].tops[0]].shape[2:] for i in maps}
    return max(i for i in maps if i < last and sizes[i] == sizes[convolutions[-1]])


def occlusion(
    inspector: Inspector, target: int | None = None, window: int | None = None, stride: int | None = None
) -> Attribution:
    """How much the class's score falls when a grey window hides each place, averaged over windows.

    Args:
        window: its side in pixels; default an eighth of the image. The input there becomes 0, which
            after mean subtraction is the mean image.
        stride: default half the window.

    Source: Zeiler and Fergus 2014.
    """
    _, last = score_blob(inspector)
    inspector.net.run_forward(0, last)
    chosen = _target(inspector, target)
    whole = float(_scores(inspector)[0, chosen])
    height, width = inspector.entry.shape[1:]
    window = window or max(2, min(height, width) // 8)
    stride = stride or max(1, window // 2)
    places = [
        (slice(top, top + window), slice(left, left + window))
        for top in _starts(height, window, stride)
        for left in _starts(width, window, stride)
    ]
    total, hidden = np.zeros((height, width)), np.zeros((height, width))
    for place, score in zip(places, _hidden_scores(inspector, places, last, chosen), strict=True):
        total[place] += whole - score
        hidden[place] += 1
    inspector.net.run_forward()
    note = f"windows of {window} × {window} pixels"
    return _made(inspector, "occlusion", total / np.maximum(hidden, 1), chosen, signed=True, note=note)


def _hidden_scores(inspector: Inspector, places: Sequence[Place], last: int, target: int) -> list[float]:
    """The score of a class with each of ``places`` in the image set to 0; layer ``last`` writes it."""
    blob = inspector.net.blobs[inspector.entry.name]
    image = blob.read_data()
    scores: list[float] = []
    with inspector.batch(len(places)) as size:
        for start in range(0, len(places), size):
            part = places[start : start + size]
            blob.data[...] = image
            for k, (rows, columns) in enumerate(part):
                blob.data[k, :, rows, columns] = 0
            inspector.net.run_forward(0, last)
            scores += map(float, _scores(inspector)[: len(part), target])
    return scores


def _starts(size: int, window: int, stride: int) -> Sequence[int]:
    starts = list(range(0, max(size - window, 0) + 1, stride))
    if starts[-1] + window < size:
        starts.append(size - window)
    return starts


def _enlarge(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Bilinear interpolation between the centres of the units."""
    rows = _positions(values.shape[0], shape[0])
    columns = _positions(values.shape[1], shape[1])
    top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
    bottom = np.minimum(top + 1, values.shape[0] - 1)
    right = np.minimum(left + 1, values.shape[1] - 1)
    down, along = (rows - top)[:, None], columns - left
    upper = values[top][:, left] * (1 - along) + values[top][:, right] * along
    lower = values[bottom][:, left] * (1 - along) + values[bottom][:, right] * along
    return upper * (1 - down) + lower * down


def _positions(old: int, new: int) -> np.ndarray:
    return np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)


def _made(
    inspector: Inspector, method: str, values: np.ndarray, target: int, signed: bool = False, note: str = ""
) -> Attribution:
    return Attribution(
        method, np.asarray(values, np.float32), target, inspector.class_name(target), signed, note
    )


METHODS: dict[str, Callable[..., Attribution]] = {
    "saliency": saliency,
    "guided": guided_backpropagation,
    "deconvolution": deconvolution,
    "gradcam": grad_cam,
    "occlusion": occlusion,
    "integrated": integrated_gradients,
}


def attribute(inspector: Inspector, method: str, target: int | None = None) -> Attribution:
    """Returns the attribution by a method of METHODS.

    Raises CnnvizError if there is no such method.
    """
    if method not in METHODS:
        raise CnnvizError(
            f"Unknown attribution {method!r}{did_you_mean(method, METHODS)}; known: {', '.join(METHODS)}."
        )
    return METHODS[method](inspector, target)


def explain(
    inspector: Inspector,
    features: ImageFeatures,
    methods: Sequence[str],
    target: int | None = None,
    *,
    skip_impossible: bool = False,
    announce: Callable[[str], None] = lambda method: None,
) -> ImageFeatures:
    """Returns the features of the image that the inspector has just run, with its attributions.

    Args:
        methods: of METHODS.
        target: the class that is explained; default: the most probable.
        skip_impossible: whether to omit what the net does not allow, such as Grad-CAM without convolutions.
        announce: called with the name of each method before it runs.
    """
    found = []
    for method in methods:
        announce(method)
        try:
            found.append(attribute(inspector, method, target))
        except CnnvizError:
            if not skip_impossible:
                raise
    return replace(features, attributions=tuple(found))
