"""RegionLoss: the training loss of a YOLOv2 detector."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.ops.boxes import around, overlaps
from cnnviz.engine.ops.yolo import by_box, predicted_boxes, sigmoid
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class RegionLoss(Loss):
    """loss = 1/N sum of d^2,  dx = d dloss / N: YOLO's deltas d, which are not the slope of the loss

    For each anchor at each position, with s = sigmoid:
    d of to is noobject_scale s(to)^2 (1 - s(to)), 0 where the box overlaps a true one by more than thresh.
    The anchor that fits a true box best, at the position of its centre, has instead, with a target t for
    each value:
    d of tx and ty coord_scale (s(tx) - t) s'(tx), of tw and th coord_scale (tw - t), of to object_scale
    (s(to) - overlap) s'(to), of the scores class_scale (softmax - 1 for the true class). Runs on the host.

    region_loss_param:
        num_class: default 20; without a background.
        num: number of anchors; default 5.
        biases: width and height of each anchor, in positions of the map.
        bias_match: the best anchor is found by the anchors' sizes (default 1), or by the predicted ones (0).
        rescore: the target of to is the overlap (default 1); if 0 it is 1, and coord_scale is times
            2 - the true box's area.
        thresh: default 0.2. object_scale, class_scale: default 1. noobject_scale: default 0.5.
        coord_scale: default 5.
        coords: values of a box; must be 4, the default.
        side, softmax, jitter, absolute, random: accepted, change nothing, as in the fork.
        softmax_tree, class_map: refused.

    Bottom: predictions (N, num (5 + num_class), H, W), as for YoloDetectionOutput; true boxes (N, ..., 5),
        300 in the fork: class, x and y of the centre, width, height, as fractions of the image; the first row
        of width 0 ends an item's list.
    Top: the loss ().
    Raises: NetError if sizes or anchors do not fit together, or a true box lies outside of the image.
    Source: Redmon and Farhadi 2017, YOLOv2 (eric612/MobileNet-YOLO). Other versions draw all boxes towards
        their anchors for the first 12,800 images; here, as in the version checked, they do not.
    Checked: against that fork.
    """

    type = "RegionLoss"
    keeps_forward = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options: Any = param.region_loss_param
        options = self.options
        if options.softmax_tree or options.class_map:
            raise NetError("softmax_tree and class_map are not supported; remove them")
        if options.coords != 4 or options.num < 1 or options.num_class < 1:
            raise NetError("coords must be 4, num and num_class at least 1")
        if len(options.biases) < 2 * options.num or min(options.biases) <= 0:
            raise NetError(f"biases must be the width and height, above 0, of each of {options.num} anchors")
        self._anchors = np.array(options.biases, float)[: 2 * options.num].reshape(-1, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top, x, truth = super().shapes(bottom), *bottom
        channels = self.options.num * (5 + self.options.num_class)
        if len(x) != 4 or x[1] != channels:
            raise NetError(f"bottom 0 is {x}, expected (N, {channels}, H, W): num times 5 + num_class")
        if math.prod(truth[1:]) % 5:
            raise NetError(f"bottom 1 is {truth}, expected ground-truth boxes (N, ..., 5)")
        return top

    @np.errstate(over="ignore", invalid="ignore")
    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x = by_box(bottom[0].read_data(), self.options.num)
        truth = bottom[1].read_data().reshape(len(x), bottom[1].count_from(1) // 5, 5).astype(float)
        delta = np.zeros_like(x)
        boxes = predicted_boxes(x, self._anchors, x.shape[1:3])
        for item in range(len(x)):
            self._background(x[item], boxes[item], truth[item], delta[item])
            for row in truth[item][: _length(truth[item, :, 3])]:
                self._object(x[item], boxes[item], row, delta[item])
        self._delta = delta.transpose(0, 3, 4, 1, 2).reshape(bottom[0].shape)
        top[0].data[...] = (delta**2).sum() / max(1, len(x))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            bottom[0].diff[...] = self._delta * (float(top[0].read_diff()) / max(1, len(self._delta)))

    def _background(self, x: np.ndarray, boxes: np.ndarray, truth: np.ndarray, delta: np.ndarray) -> None:
        chance = sigmoid(x[..., 4])
        delta[..., 4] = self.options.noobject_scale * chance**2 * (1 - chance)
        true = truth[: _length(truth[:, 1]), 1:]
        if len(true):
            corners = around(true[:, :2], true[:, 2:])
            best = overlaps(boxes.reshape(-1, 4), corners).max(axis=1).reshape(boxes.shape[:-1])
            delta[..., 4][best > self.options.thresh] = 0

    def _object(self, x: np.ndarray, boxes: np.ndarray, row: np.ndarray, delta: np.ndarray) -> None:
        """Writes the deltas of the anchor that a true box is given to."""
        options, (height, width) = self.options, x.shape[:2]
        label, center, size = int(row[0]), row[1:3], row[3:]
        self._check(row)
        i, j = min(int(center[0] * width), width - 1), min(int(center[1] * height), height - 1)
        cell = x[j, i]
        n = self._best_anchor(cell, size * (width, height))
        mine, target = cell[n], delta[j, i, n]
        place = sigmoid(mine[:2])
        scale = options.coord_scale * (1.0 if options.rescore else 2 - size.prod())
        target[:2] = scale * (place - (center * (width, height) - (i, j))) * place * (1 - place)
        target[2:4] = scale * (mine[2:4] - np.log(size * (width, height) / self._anchors[n]))
        chance = sigmoid(mine[4])
        overlap = overlaps(boxes[j, i, n][None], around(center, size)[None])[0, 0]
        goal = overlap if options.rescore else 1.0
        target[4] = options.object_scale * (chance - goal) * chance * (1 - chance)
        powers = np.exp(mine[5:] - mine[5:].max())
        target[5:] = options.class_scale * (powers / powers.sum() - (np.arange(len(powers)) == label))

    def _check(self, row: np.ndarray) -> None:
        inside = (row[1:3] >= 0).all() and (row[1:3] <= 1).all() and (row[3:] > 0).all()
        if not inside or not 0 <= row[0] < self.options.num_class:
            raise NetError(
                f"layer {self.name!r} (RegionLoss): a ground-truth box is {row.tolist()}, expected a class "
                f"below {self.options.num_class}, and a centre and a size as fractions of the image."
            )

    def _best_anchor(self, cell: np.ndarray, size: np.ndarray) -> int:
        sizes = self._anchors if self.options.bias_match else np.exp(cell[:, 2:4]) * self._anchors
        return int(overlaps(around(0, sizes), around(0, size[None]))[:, 0].argmax())


def _length(values: np.ndarray) -> int:
    """Returns how many values stand before the first 0."""
    zeros = np.flatnonzero(values == 0)
    return int(zeros[0]) if len(zeros) else len(values)
