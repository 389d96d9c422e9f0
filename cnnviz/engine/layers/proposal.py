"""Proposal: the regions that a region proposal network suggests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import cnnviz
from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._choosing import Choosing
from cnnviz.engine.ops.boxes import around, greedy
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter

_RATIOS, _SCALES = (0.5, 1.0, 2.0), (8.0, 16.0, 32.0)
_ENTRY = re.compile(
    r"""[\s,{]*['"]?(\w+)['"]?\s*:\s*(?:!!python/tuple\s*)?([\[(][^\])]*[\])]|[-+.\deE]+)[\s,}]*"""
)


@dataclass(frozen=True)
class _Settings:
    feat_stride: int = 16
    base_size: int = 16
    min_size: int = 16
    ratios: tuple[float, ...] = _RATIOS
    scales: tuple[float, ...] = _SCALES
    before: int = 6000
    after: int = 300
    threshold: float = 0.7


class Proposal(Choosing):
    """y = boxes around anchors that remain after non-maximum suppression, the most probable first

    Around each position of the map there are A anchors, one for each ratio and scale; an anchor of width w
    and height h around (x, y) is moved to (x + dx w, y + dy h), its size becomes (w exp(dw), h exp(dh)).
    Boxes are cut at the image's border, and dropped where a side is shorter than min_size. Runs on the host.

    proposal_param:
        feat_stride: pixels of the image between positions; default 16.
        base_size: side of the square that anchors are made of, in pixels; default 16.
        ratio: heights divided by widths; default 0.5, 1, 2.
        scale: factors of base_size; default 8, 16, 32.
        min_size: in pixels of the image before it was scaled; default 16.
        pre_nms_topn: maximum number of boxes of an item before suppression; default 6000, 0 for all.
        nms_thresh: a box that overlaps one of higher probability by more is dropped; default 0.7.
        post_nms_topn: maximum number of boxes of an item after suppression; default 300, 0 for all.

    The Python layer ProposalLayer of a module rpn.proposal_layer (py-faster-rcnn) is this layer, too, unless
    the module is allowed to run. Its param_str gives feat_stride, and scales or ratios if they are others;
    the rest is that program's default: in TRAIN pre_nms_topn is 12000 and post_nms_topn 2000.

    Bottom: probabilities (N, 2 A, H, W), the background's first; dx, dy, dw, dh (N, 4 A, H, W); the image
        (N or 1, 3): height, width, and the scale it was brought to.
    Top: y (K, 5): item, x1, y1, x2, y2 in pixels of the image, both corners inside; their probabilities (K),
        in the Python form (K, 1), optional. The shape changes with every forward.
    Raises: NetError if the bottoms do not fit together, or param_str holds anything else.
    Source: Ren et al. 2015, Faster R-CNN (rbgirshick/py-faster-rcnn); proposal_param as in PVANet's and
        Intel's forks. There is no gradient.
    Checked: not against the originals.
    """

    type = "Proposal"
    kind = "other"
    num_bottom = (3, 3)
    num_top = (1, 2)
    python_class = ("proposal_layer", "ProposalLayer")

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._in_python = param.type == "Python"
        self._settings = self._from_text() if self._in_python else self._from_message()
        if self._settings.feat_stride < 1 or self._settings.base_size < 1:
            raise NetError("feat_stride and base_size must be at least 1")
        if not all(value > 0 for value in self._settings.ratios + self._settings.scales):
            raise NetError("ratios and scales must be greater than 0")
        self._anchors = _make_anchors(self._settings)

    def _from_message(self) -> _Settings:
        given = self.param.proposal_param
        return _Settings(
            feat_stride=given.feat_stride,
            base_size=given.base_size,
            min_size=given.min_size,
            ratios=tuple(given.ratio) or _RATIOS,
            scales=tuple(given.scale) or _SCALES,
            before=given.pre_nms_topn,
            after=given.post_nms_topn,
            threshold=given.nms_thresh,
        )

    def _from_text(self) -> _Settings:
        text = self.param.python_param.param_str
        found = {name: re.findall(r"[-+.\deE]+", value) for name, value in _ENTRY.findall(text)}
        try:
            numbers = {name: tuple(float(word) for word in words) for name, words in found.items()}
        except ValueError:
            numbers = {}
        unknown = set(numbers) - {"feat_stride", "scales", "ratios"}
        if _ENTRY.sub("", text).strip() or unknown or not numbers.get("feat_stride"):
            raise NetError(
                f"param_str is {text!r}, expected feat_stride, and scales and ratios at most; if you "
                "trust the module, allow it to run"
            )
        train = self.phase == cnnviz.TRAIN
        return _Settings(
            feat_stride=int(numbers["feat_stride"][0]),
            ratios=numbers.get("ratios") or _RATIOS,
            scales=numbers.get("scales") or _SCALES,
            before=12000 if train else 6000,
            after=2000 if train else 300,
        )

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        scores, deltas, image = bottom
        count = len(self._anchors)
        for index, shape, each in ((0, scores, 2), (1, deltas, 4)):
            if (
                len(shape) != 4
                or shape[1] != each * count
                or (shape[0], *shape[2:]) != (scores[0], *scores[2:])
            ):
                raise NetError(
                    f"bottom {index} is {shape}, expected (N, {each * count}, H, W) for {count} anchors"
                )
        if len(image) != 2 or image[0] not in (1, scores[0]) or image[1] < 3:
            raise NetError(f"bottom 2 is {image}, expected (1, 3): height, width and scale of the image")
        every = count * scores[2] * scores[3]
        rows = scores[0] * (min(self._settings.after, every) or every)
        return [(rows, 5), self._shape_of_scores(rows)][: len(self.param.top)]

    def _shape_of_scores(self, rows: int) -> Shape:
        return (rows, 1) if self._in_python else (rows,)

    @np.errstate(over="ignore", invalid="ignore")  # untrained nets have infinite boxes
    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        scores, deltas, image = (blob.read_data().astype(float) for blob in bottom)
        num, count = len(scores), len(self._anchors)
        parts = []
        for item in range(num):
            chances = scores[item, count:].transpose(1, 2, 0)
            moves = deltas[item].reshape(count, 4, *scores.shape[2:]).transpose(2, 3, 0, 1)
            boxes, sure = self._propose(chances, moves, image[item % len(image)])
            parts.append(np.column_stack([np.full(len(boxes), item), boxes, sure]))
        rows = np.concatenate(parts) if parts else np.zeros((0, 6))
        top[0].reshape(len(rows), 5)
        top[0].data[...] = rows[:, :5]
        if len(top) > 1:
            top[1].reshape(*self._shape_of_scores(len(rows)))
            top[1].data[...] = rows[:, 5].reshape(top[1].shape)

    def _propose(
        self, chances: np.ndarray, moves: np.ndarray, image: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the regions (K, 4) and their probabilities of one item.

        Args:
            chances: (H, W, A).
            moves: (H, W, A, 4).
        """
        settings, sure = self._settings, chances.reshape(-1)
        boxes = self._moved(moves).reshape(-1, 4)
        boxes = np.clip(boxes, 0, np.maximum(np.tile(image[1::-1], 2) - 1, 0))
        sides = boxes[:, 2:] - boxes[:, :2] + 1
        order = np.flatnonzero((sides >= settings.min_size * image[2]).all(axis=1))
        order = order[np.argsort(-sure[order], kind="stable")]
        order = order[: settings.before or None]
        order = order[greedy(boxes[order], settings.threshold, settings.after or -1, pixel=1)]
        return boxes[order], sure[order]

    def _moved(self, moves: np.ndarray) -> np.ndarray:
        """Returns the boxes (H, W, A, 4) that ``moves`` make of the anchors."""
        height, width = moves.shape[:2]
        places = (
            np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1) * self._settings.feat_stride
        )
        size = self._anchors[:, 2:] - self._anchors[:, :2] + 1
        center = places[:, :, None] + self._anchors[:, :2] + size / 2
        return around(center + moves[..., :2] * size, np.exp(moves[..., 2:]) * size)


def _make_anchors(settings: _Settings) -> np.ndarray:
    """Returns the anchors (A, 4) of the first position: for each ratio all scales."""
    center, anchors = (settings.base_size - 1) / 2, []
    for ratio in settings.ratios:
        width = np.round(np.sqrt(settings.base_size**2 / ratio))
        size = np.array([width, np.round(width * ratio)])
        anchors += [around(center, size * scale - 1) for scale in settings.scales]
    return np.array(anchors)
