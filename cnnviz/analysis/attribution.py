"""Attributions: which pixels make a net say what it says.

Each function takes a ``Looker`` made with ``gradients=True`` that has been shown a picture, and a class
(default: the most probable), and returns an ``Attribution``. Gradients are those of the class score
before the softmax, as the sources recommend: after it, a confident net's gradient vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.features import Looker
from cnnviz.errors import CnnvizError, NetError, did_you_mean

_RECTIFIERS = {"ReLU", "ReLU6", "PReLU"}


@dataclass
class Attribution:
    """A map over the image.

    Attributes:
        method: its name, as in METHODS.
        values: (H, W); at least 0 unless ``signed``.
        target: the class it explains; target_name: its name.
        signed: whether negative values speak against the class.
    """

    method: str
    values: np.ndarray
    target: int
    target_name: str
    signed: bool = False


def score_blob(looker: Looker) -> tuple[str, int]:
    """Returns the blob of class scores (what the last Softmax reads, else the last output that is
    flat) and the index of the layer that wrote it.

    Raises CnnvizError if the net does not classify.
    """
    nodes = looker.net.graph.layers
    for node in reversed(nodes):
        if node.type == "Softmax" and _is_flat(looker, node.tops[0]):
            return node.bottoms[0], _writer(looker, node.bottoms[0])
    for name in looker.net.outputs:
        if _is_flat(looker, name) and looker.net.blobs[name].count > 1:
            return name, _writer(looker, name)
    raise CnnvizError("The net gives no class scores, so nothing can be attributed to a class.")


def _is_flat(looker: Looker, blob: str) -> bool:
    shape = looker.net.blobs[blob].shape
    return len(shape) >= 2 and int(np.prod(shape[2:])) == 1


def _writer(looker: Looker, blob: str) -> int:
    return max(i for i, node in enumerate(looker.net.graph.layers) if blob in node.tops)


def _target(looker: Looker, target: int | None) -> int:
    blob, _ = score_blob(looker)
    scores = looker.net.blobs[blob].read_data()[0].reshape(-1)
    if target is None:
        return int(scores.argmax())
    if not 0 <= target < scores.size:
        raise CnnvizError(f"Class {target} is out of range: the net has {scores.size} classes.")
    return target


def input_gradient(
    looker: Looker, target: int, change: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
) -> np.ndarray:
    """Returns d score / d input, (C, H, W), after a forward pass.

    Args:
        looker: has run forward on the picture.
        target: the class.
        change: called at each rectifier with (gradient above, gradient below); its result goes on.
    """
    _seed_gradient(looker, target)
    _, last = score_blob(looker)
    for index in range(last, -1, -1):
        node = looker.net.graph.layers[index]
        if change is None or node.type not in _RECTIFIERS:
            looker.net.backward_layer(index)
            continue
        above = looker.net.blobs[node.tops[0]].read_diff()
        looker.net.backward_layer(index)
        below = looker.net.blobs[node.bottoms[0]]
        below.diff[...] = change(above, below.read_diff())
    return looker.net.blobs[looker.input].read_diff()[0]


def _seed_gradient(looker: Looker, target: int) -> None:
    """Puts 1 at the target's score; every other blob's gradient starts at 0."""
    for blob in looker.net.blobs.values():
        blob.clear_diff()
    name, _ = score_blob(looker)
    looker.net.blobs[name].diff.reshape(-1)[target] = 1


def _reduce(gradient: np.ndarray) -> np.ndarray:
    """The largest absolute value over the colours."""
    return np.abs(gradient).max(axis=0)


def saliency(looker: Looker, target: int | None = None) -> Attribution:
    """|d score / d pixel|, the greatest over the colours. Source: Simonyan et al. 2013."""
    looker.net.run_forward()
    chosen = _target(looker, target)
    return _made(looker, "saliency", _reduce(input_gradient(looker, chosen)), chosen)


def guided_backpropagation(looker: Looker, target: int | None = None) -> Attribution:
    """The gradient with only what is positive passed down through rectifiers.

    Source: Springenberg et al. 2014.
    """
    looker.net.run_forward()
    chosen = _target(looker, target)
    gradient = input_gradient(looker, chosen, lambda above, below: np.where(above > 0, below, 0))
    return _made(looker, "guided", _reduce(gradient), chosen)


def deconvolution(looker: Looker, target: int | None = None) -> Attribution:
    """As guided backpropagation, but rectifiers look at the gradient only, not at the activation.

    Source: Zeiler and Fergus 2014.
    """
    looker.net.run_forward()
    chosen = _target(looker, target)
    gradient = input_gradient(looker, chosen, lambda above, below: np.maximum(above, 0))
    return _made(looker, "deconvolution", _reduce(gradient), chosen)


def integrated_gradients(looker: Looker, target: int | None = None, steps: int = 32) -> Attribution:
    """(x - x0) times the mean gradient on the line from x0 (zero input) to x, summed over colours.

    Its sum is the score at x minus the score at x0, up to the error of ``steps`` midpoints.
    Source: Sundararajan et al. 2017.
    """
    blob = looker.net.blobs[looker.input]
    picture = blob.read_data()
    looker.net.run_forward()
    chosen = _target(looker, target)
    total = np.zeros(picture.shape[1:], np.float64)
    for step in range(steps):
        blob.data[...] = picture * ((step + 0.5) / steps)
        looker.net.run_forward()
        total += input_gradient(looker, chosen)
    blob.data[...] = picture
    looker.net.run_forward()
    values = (picture[0] * total / steps).sum(axis=0)
    return _made(looker, "integrated", values, chosen, signed=True)


def grad_cam(looker: Looker, target: int | None = None, layer: str | None = None) -> Attribution:
    """max(0, sum over channels of mean gradient times map), of ``layer``, enlarged to the image.

    Args:
        layer: default: the last convolution whose map has more than one unit.

    Source: Selvaraju et al. 2017.
    """
    looker.net.run_forward()
    chosen = _target(looker, target)
    index = _map_layer(looker, layer)
    blob = looker.net.blobs[looker.net.graph.layers[index].tops[0]]
    _seed_gradient(looker, chosen)
    _, last = score_blob(looker)
    for i in range(last, index, -1):
        looker.net.backward_layer(i)
    maps, gradient = blob.read_data()[0], blob.read_diff()[0]
    cam = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=0), 0)
    return _made(looker, "gradcam", _enlarge(cam, looker.shape[1:]), chosen)


def _map_layer(looker: Looker, layer: str | None) -> int:
    net = looker.net
    maps = [
        i
        for i, node in enumerate(net.graph.layers)
        if node.tops and len(net.blobs[node.tops[0]].shape) == 4 and net.blobs[node.tops[0]].shape[2] > 1
    ]
    if layer is not None:
        names = [net.graph.layers[i].name for i in maps]
        if layer not in names:
            raise NetError(f"the net has no layer {layer!r} with maps{did_you_mean(layer, names)}.")
        return maps[names.index(layer)]
    _, last = score_blob(looker)
    convolutions = [i for i in maps if i < last and net.graph.layers[i].type.endswith("Convolution")]
    if not convolutions:
        raise CnnvizError("The net has no convolution with maps; Grad-CAM needs one.")
    return _after_in_place(looker, convolutions[-1])


def _after_in_place(looker: Looker, index: int) -> int:
    """The last layer that writes the same blob in place, such as the convolution's ReLU."""
    top = looker.net.graph.layers[index].tops[0]
    return max(i for i, node in enumerate(looker.net.graph.layers) if node.tops and node.tops[0] == top)


def occlusion(
    looker: Looker, target: int | None = None, window: int | None = None, stride: int | None = None
) -> Attribution:
    """How much the class's score falls when a grey window hides each place, averaged over windows.

    Args:
        window: its side in pixels; default an eighth of the image. The input there becomes 0, which
            after mean subtraction is the mean picture.
        stride: default half the window.

    Source: Zeiler and Fergus 2014.
    """
    blob = looker.net.blobs[looker.input]
    picture = blob.read_data()
    name, last = score_blob(looker)
    looker.net.run_forward(0, last)
    chosen = _target(looker, target)
    whole = _score(looker, name, chosen)
    height, width = picture.shape[2:]
    window = window or max(2, min(height, width) // 8)
    stride = stride or max(1, window // 2)
    total, hidden = np.zeros((height, width)), np.zeros((height, width))
    for top in _starts(height, window, stride):
        for left in _starts(width, window, stride):
            place = (slice(top, top + window), slice(left, left + window))
            blob.data[...] = picture
            blob.data[0][:, place[0], place[1]] = 0
            looker.net.run_forward(0, last)
            total[place] += whole - _score(looker, name, chosen)
            hidden[place] += 1
    blob.data[...] = picture
    looker.net.run_forward()
    return _made(looker, "occlusion", total / np.maximum(hidden, 1), chosen, signed=True)


def _starts(size: int, window: int, stride: int) -> Sequence[int]:
    starts = list(range(0, max(size - window, 0) + 1, stride))
    if starts[-1] + window < size:
        starts.append(size - window)
    return starts


def _score(looker: Looker, blob: str, target: int) -> float:
    return float(looker.net.blobs[blob].read_data()[0].reshape(-1)[target])


def maximize_activation(
    looker: Looker, target: int, steps: int = 64, rate: float = 1.0, blur: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Returns an input (C, H, W) that excites a class: gradient ascent from faint noise.

    Each step adds ``rate`` times the gradient divided by its mean size, and every fourth step blurs a
    little (standard deviation ``blur`` pixels), without which only high frequencies grow.
    Sources: Simonyan et al. 2013; Yosinski et al. 2015.
    """
    blob = looker.net.blobs[looker.input]
    before = blob.read_data()
    noise = np.random.default_rng(seed).normal(0, 0.1, blob.shape)
    blob.data[...] = noise
    _target(looker, target)
    _, last = score_blob(looker)
    for step in range(steps):
        looker.net.run_forward(0, last)
        gradient = input_gradient(looker, target)
        values = blob.read_data()[0] + rate * gradient / (np.abs(gradient).mean() + 1e-12)
        blob.data[0] = _blurred(values, blur) if step % 4 == 3 else values
    result = blob.read_data()[0]
    blob.data[...] = before
    return result


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


def _made(looker: Looker, method: str, values: np.ndarray, target: int, signed: bool = False) -> Attribution:
    return Attribution(method, np.asarray(values, np.float32), target, looker.class_name(target), signed)


METHODS: dict[str, Callable[..., Attribution]] = {
    "saliency": saliency,
    "guided": guided_backpropagation,
    "deconvolution": deconvolution,
    "gradcam": grad_cam,
    "occlusion": occlusion,
    "integrated": integrated_gradients,
}


def attribute(looker: Looker, method: str, target: int | None = None) -> Attribution:
    """Returns the attribution by a method of METHODS.

    Raises CnnvizError if there is no such method.
    """
    if method not in METHODS:
        raise CnnvizError(
            f"Unknown attribution {method!r}{did_you_mean(method, METHODS)}; known: {', '.join(METHODS)}."
        )
    return METHODS[method](looker, target)
