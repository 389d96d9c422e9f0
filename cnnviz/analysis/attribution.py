"""Attributions: which pixels make a net say what it says.

Each function takes an ``Inspector`` made with ``gradients=True`` that has been shown a picture, and a class
(default: the most probable), and returns an ``Attribution``. Gradients are those of the class score
before the softmax, as the sources recommend: after it, a confident net's gradient vanishes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.features import Inspector
from cnnviz.engine.layer import traits_of
from cnnviz.errors import CnnvizError, NetError, did_you_mean

# What may still tell something where a method gives zero.
_INSTEAD = {"saliency": "try occlusion", "guided": "try saliency", "deconvolution": "try guided"}

# At a rectifier: (gradient above, gradient below) -> what goes on below.
Change = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass
class Attribution:
    """A map over the image.

    Attributes:
        method: its name, as in METHODS.
        values: (H, W); at least 0 unless ``signed``.
        target: the class it explains; target_name: its name.
        signed: whether negative values speak against the class.
        note: how it was made, or why it is zero everywhere, in words.
    """

    method: str
    values: np.ndarray
    target: int
    target_name: str
    signed: bool = False
    note: str = ""


def score_blob(inspector: Inspector) -> tuple[str, int]:
    """Returns the blob of class scores (what the last Softmax reads, else the last output that is
    flat) and the index of the layer that wrote it.

    Raises CnnvizError if the net does not classify.
    """
    name = inspector.score_blob()
    if name is None:
        raise CnnvizError("The net gives no class scores, so nothing can be attributed to a class.")
    shape = inspector.net.blobs[inspector.input].shape
    if len(shape) not in (4, 5):
        raise CnnvizError(
            f"The input {inspector.input!r} has the shape {shape}; attributions explain nets that read "
            "images."
        )
    if inspector.frames > 1:
        raise CnnvizError(
            f"The net reads {inspector.frames} frames at once; attributions explain nets that read one "
            "picture."
        )
    return name, _writer(inspector, name)


def _writer(inspector: Inspector, blob: str) -> int:
    return max(i for i, node in enumerate(inspector.net.graph.layers) if blob in node.tops)


def _target(inspector: Inspector, target: int | None) -> int:
    scores = _scores(inspector)[0]
    if target is None:
        return int(scores.argmax())
    if not 0 <= target < scores.size:
        raise CnnvizError(f"Class {target} is out of range: the net has {scores.size} classes.")
    return target


def _scores(inspector: Inspector) -> np.ndarray:
    """(N, classes) of the last forward pass."""
    return inspector.class_scores(score_blob(inspector)[0])


def input_gradient(inspector: Inspector, target: int, change: Change | None = None) -> np.ndarray:
    """Returns d score / d input, (N, C, H, W), after a forward pass; each picture's by itself.

    Args:
        inspector: has run forward on the picture.
        target: the class.
        change: called at each rectifier with (gradient above, gradient below); its result goes on.
    """
    blob, last = score_blob(inspector)
    _seed_gradient(inspector, blob, target)
    return _gradient_from(inspector, last, change)


def _gradient_from(inspector: Inspector, last: int, change: Change | None = None) -> np.ndarray:
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
    return net.blobs[inspector.input].read_diff()


def _seed_gradient(inspector: Inspector, blob: str, channel: int) -> None:
    """Makes the mean of a channel of each picture what the gradient is of; all other diffs become 0."""
    for other in inspector.net.blobs.values():
        other.clear_diff()
    diff = inspector.by_item(blob, inspector.net.blobs[blob].diff)
    diff[:, channel] = 1 / np.prod(diff.shape[2:])


def _reduce(gradient: np.ndarray) -> np.ndarray:
    """The largest absolute value over the colours."""
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
    """|d score / d pixel|, the greatest over the colours. Source: Simonyan et al. 2013."""
    return _backpropagated(inspector, "saliency", target)


def guided_backpropagation(inspector: Inspector, target: int | None = None) -> Attribution:
    """The gradient with only what is positive passed down through rectifiers.

    Source: Springenberg et al. 2014.
    """
    return _backpropagated(inspector, "guided", target, lambda above, below: np.where(above > 0, below, 0))


def deconvolution(inspector: Inspector, target: int | None = None) -> Attribution:
    """As guided backpropagation, but rectifiers look at the gradient only, not at the activation.

    In deep nets it may die out: where the weights below a layer speak on the whole against it, nothing
    positive is left to pass down.
    Source: Zeiler and Fergus 2014.
    """
    return _backpropagated(inspector, "deconvolution", target, lambda above, below: np.maximum(above, 0))


def integrated_gradients(inspector: Inspector, target: int | None = None, steps: int = 32) -> Attribution:
    """(x - x0) times the mean gradient on the line from x0 (zero input) to x, summed over colours.

    Its sum is the score at x minus the score at x0, up to the error of ``steps`` midpoints; the note
    says both.
    Source: Sundararajan et al. 2017.
    """
    blob = inspector.net.blobs[inspector.input]
    inspector.net.run_forward()
    chosen = _target(inspector, target)
    picture = blob.read_data()
    shares = (np.arange(steps, dtype=np.float32) + 0.5) / steps
    total = np.zeros(picture.shape[1:], np.float64)
    with inspector.batch(min(steps, inspector.most_at_once())) as size:
        for start in range(0, steps, size):
            part = shares[start : start + size]
            blob.data[: len(part)] = picture * part[:, None, None, None]
            inspector.net.run_forward()
            total += input_gradient(inspector, chosen)[: len(part)].sum(axis=0)
    values = (picture[0] * total / steps).sum(axis=0)
    at_zero, at_picture = (_score_of(inspector, share * picture, chosen) for share in (0, 1))
    note = f"sums to {values.sum():.4g}, the score rises by {at_picture - at_zero:.4g}"
    return _made(inspector, "integrated", values, chosen, signed=True, note=note)


def _score_of(inspector: Inspector, values: np.ndarray, target: int) -> float:
    """The score of a class for an input, which is left there, with what the net makes of it."""
    inspector.net.blobs[inspector.input].data[...] = values
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
    _seed_gradient(inspector, scores, chosen)
    for i in range(last, index, -1):
        inspector.net.backward_layer(i)
    maps, gradient = blob.read_data()[0], blob.read_diff()[0]
    cam = np.maximum((gradient.mean(axis=(1, 2), keepdims=True) * maps).sum(axis=0), 0)
    name = inspector.net.graph.layers[index].name
    note = f"of {name}" if cam.any() else f"no map of {name} speaks for the class; try occlusion"
    return _made(inspector, "gradcam", _enlarge(cam, inspector.shape[1:]), chosen, note=note)


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
            raise NetError(f"the net has no layer {layer!r} with maps{did_you_mean(layer, names)}.")
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
            after mean subtraction is the mean picture.
        stride: default half the window.

    Source: Zeiler and Fergus 2014.
    """
    blob = inspector.net.blobs[inspector.input]
    _, last = score_blob(inspector)
    inspector.net.run_forward(0, last)
    chosen = _target(inspector, target)
    whole = float(_scores(inspector)[0, chosen])
    picture = blob.read_data()
    height, width = picture.shape[2:]
    window = window or max(2, min(height, width) // 8)
    stride = stride or max(1, window // 2)
    places = [
        (slice(top, top + window), slice(left, left + window))
        for top in _starts(height, window, stride)
        for left in _starts(width, window, stride)
    ]
    total, hidden = np.zeros((height, width)), np.zeros((height, width))
    with inspector.batch(min(len(places), inspector.most_at_once())) as size:
        for start in range(0, len(places), size):
            part = places[start : start + size]
            blob.data[...] = picture
            for k, (rows, columns) in enumerate(part):
                blob.data[k, :, rows, columns] = 0
            inspector.net.run_forward(0, last)
            for place, score in zip(part, _scores(inspector)[:, chosen], strict=False):
                total[place] += whole - float(score)
                hidden[place] += 1
    inspector.net.run_forward()
    note = f"windows of {window} × {window} pixels"
    return _made(inspector, "occlusion", total / np.maximum(hidden, 1), chosen, signed=True, note=note)


def _starts(size: int, window: int, stride: int) -> Sequence[int]:
    starts = list(range(0, max(size - window, 0) + 1, stride))
    if starts[-1] + window < size:
        starts.append(size - window)
    return starts


@dataclass
class Excitation:
    """An input made to excite one channel.

    Attributes:
        layer, channel: which; layer is None for a class score.
        values: the input, (C, H, W).
        before, after: mean of the channel for the noise at the start and for ``values``.
    """

    layer: str | None
    channel: int
    values: np.ndarray
    before: float
    after: float


def maximize_activation(
    inspector: Inspector,
    channel: int,
    layer: str | None = None,
    steps: int = 64,
    rate: float = 1.0,
    blur: float = 0.5,
    seed: int = 0,
) -> Excitation:
    """Returns an input that excites a class, or a channel of a layer: gradient ascent from faint noise.

    Each step adds ``rate`` times the gradient divided by its mean size, moved by a few pixels to and
    fro, and every fourth step blurs a little, without which only high frequencies grow.

    Args:
        inspector: made with gradients=True; what is in its input is left there.
        channel: the class, or the channel of ``layer``, whose mean is raised.
        layer: default: the class scores.
        steps: forward and backward passes.
        rate: mean change of a pixel in a step, in units of the input divided by its scale.
        blur: standard deviation in pixels.
        seed: of the noise and the moves.

    Raises:
        CnnvizError: the layer or the channel does not exist.

    Sources: Simonyan et al. 2013; Yosinski et al. 2015; Olah et al. 2017 for the moves.
    """
    blob_name, last = score_blob(inspector) if layer is None else _blob_of(inspector, layer)
    check_channel(inspector, blob_name, channel, layer)
    blob = inspector.net.blobs[inspector.input]
    picture = blob.read_data()
    random = np.random.default_rng(seed)
    scale = inspector.preprocessing.scale
    values = random.normal(0, 4 * scale, blob.shape[1:]).astype(np.float32)
    reach = max(1, min(blob.shape[2:]) // 32)
    results = []
    for step in range(steps):
        move = random.integers(-reach, reach + 1, 2)
        blob.data[0] = np.roll(values, move, (1, 2))
        results.append(_channel_mean(inspector, blob_name, last, channel))
        _seed_gradient(inspector, blob_name, channel)
        gradient = np.roll(_gradient_from(inspector, last)[0], -move, (1, 2))
        size = float(np.abs(gradient).mean())
        if size == 0:  # a dead channel: no step leads up
            break
        values = values + rate * scale * gradient / size
        values = _blurred(values, blur) if step % 4 == 3 else values
    blob.data[0] = values
    after = _channel_mean(inspector, blob_name, last, channel)
    blob.data[...] = picture
    return Excitation(layer, channel, np.asarray(values, np.float32), results[0], after)


def _blob_of(inspector: Inspector, layer: str) -> tuple[str, int]:
    """The blob that a layer writes, and the last layer that changes it in place."""
    index = inspector.net.layer_index(layer)
    node = inspector.net.graph.layers[index]
    if not node.tops:
        raise NetError(f"the layer {layer!r} writes no blob.")
    return node.tops[0], index


def check_channel(inspector: Inspector, blob: str, channel: int, layer: str | None) -> None:
    """Raises CnnvizError if a blob has no such channel."""
    count = inspector.channel_count(blob)
    if not 0 <= channel < count:
        what, where = ("Class", "the net") if layer is None else ("Channel", f"layer {layer!r}")
        kinds = "classes" if layer is None else "channels"
        raise CnnvizError(f"{what} {channel} is out of range: {where} has {count} {kinds}.")


def _channel_mean(inspector: Inspector, blob: str, last: int, channel: int) -> float:
    inspector.net.run_forward(0, last)
    return float(inspector.by_item(blob, inspector.net.blobs[blob].read_data())[0, channel].mean())


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
