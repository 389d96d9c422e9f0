"""DetectionEvaluate: which detections are correct."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.data.sources import read_lines
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.boxes import overlaps
from cnnviz.errors import FileError, NetError
from cnnviz.formats.schema import LayerParameter, ResizeParameter

Row = list[float]


class DetectionEvaluate(Layer):
    """y = for each class its number of true boxes, then for each detection whether it is correct

    For each item and class the boxes are taken in order of descending score: one that overlaps a true box by
    at least overlap_threshold is correct, if it is the first one for that true box. Runs on the host.

    detection_evaluate_param:
        num_classes: with the background.
        background_label_id: default 0.
        overlap_threshold: default 0.5.
        evaluate_difficult_gt: true boxes marked as difficult count too; default true. If not, boxes that
            match one are neither correct nor wrong.
        name_size_file: a text file with a line "name height width" for each image, in the order of the
            items: overlaps are then computed in pixels, corners included; default: in fractions of the
            image.
        resize_param: resize_mode WARP is accepted and changes nothing.

    Bottom: detections (1, 1, K, 7), as from DetectionOutput; the ground truth, true boxes (1, 1, G, 8), as
        for MultiBoxLoss.
    Top: y (1, 1, classes + K, 5): first for each class but the background -1, class, number of true boxes,
        -1, -1; then item, class, score, 1 if correct, 1 if wrong. Its shape changes with every forward.
    Raises: NetError if the bottoms have other shapes, or a box is of the background.
    Source: Liu et al. 2016, SSD (weiliu89/caffe, branch ssd). There is no gradient.
    Checked: against that fork, but for name_size_file.
    """

    type = "DetectionEvaluate"
    kind = "loss"
    num_bottom = (2, 2)
    has_backward = False

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.detection_evaluate_param
        if not options.HasField("num_classes"):
            raise NetError("has no num_classes; give it in detection_evaluate_param")
        if options.overlap_threshold <= 0:
            raise NetError("overlap_threshold must be greater than 0")
        if options.resize_param.resize_mode != ResizeParameter.WARP:
            raise NetError("resize_param works with resize_mode WARP only; remove it")

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        for index, (shape, width) in enumerate(zip(bottom, (7, 8), strict=True)):
            if len(shape) != 4 or shape[:2] != (1, 1) or shape[3] != width:
                raise NetError(f"bottom {index} is {shape}, expected (1, 1, boxes, {width})")
        options = self.param.detection_evaluate_param
        classes = options.num_classes - (options.background_label_id < options.num_classes)
        return [(1, 1, classes + bottom[0][2], 5)]

    def _classes(self) -> list[int]:
        options = self.param.detection_evaluate_param
        return [c for c in range(options.num_classes) if c != options.background_label_id]

    def setup(self) -> None:
        name = self.param.detection_evaluate_param.name_size_file
        self._sizes = _read_sizes(self.resolve(name)) if name else []
        self._images = 0  # seen so far, of which the sizes are known

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        found, truth = (blob.read_data().reshape(-1, blob.shape[3]).astype(float) for blob in bottom)
        found = found[(found[:, 0] != -1) & (found[:, 1] != -1)]
        ends = np.flatnonzero(truth[:, 0] == -1)
        truth = truth[: ends[0]] if len(ends) else truth
        background = self.param.detection_evaluate_param.background_label_id
        for rows in (found, truth):
            if (rows[:, 1] == background).any():
                raise NetError(f"layer {self.name!r} ({self.type}): a box has the class of the background.")
        rows = self._counts(truth)
        for item in np.unique(found[:, 0]):
            rows += self._item(found[found[:, 0] == item], truth[truth[:, 0] == item])
            self._images += 1
        top[0].reshape(1, 1, len(rows), 5)
        top[0].data[...] = np.array(rows).reshape(top[0].shape)

    def _counts(self, truth: np.ndarray) -> list[Row]:
        """Returns the first rows: how many true boxes each class has."""
        if not self.param.detection_evaluate_param.evaluate_difficult_gt:
            truth = truth[truth[:, 7] == 0]
        return [[-1, c, int((truth[:, 1] == c).sum()), -1, -1] for c in self._classes()]

    def _item(self, found: np.ndarray, truth: np.ndarray) -> list[Row]:
        rows: list[Row] = []
        for label in np.unique(found[:, 1]):
            mine, true = found[found[:, 1] == label], truth[truth[:, 1] == label]
            if len(true):
                mine = mine[np.argsort(-mine[:, 2], kind="stable")]
                rows += self._judge(mine, true)
            else:
                rows += [[*row[:3], 0, 1] for row in mine]
        return rows

    def _judge(self, found: np.ndarray, truth: np.ndarray) -> list[Row]:
        """Returns the rows of boxes of one item and class, by descending score."""
        options = self.param.detection_evaluate_param
        table = self._overlaps(found[:, 3:7], truth[:, 3:7])
        used, rows = set(), []
        for row, line in zip(found, table, strict=True):
            best = int(line.argmax())
            right, wrong = 0, 1
            if line[best] >= options.overlap_threshold:
                counts = options.evaluate_difficult_gt or not truth[best, 7]
                right = int(counts and best not in used)
                wrong = int(counts and not right)
                used |= {best} if counts else set()
            rows.append([*row[:3], right, wrong])
        return rows

    def _overlaps(self, found: np.ndarray, truth: np.ndarray) -> np.ndarray:
        if not self._sizes:
            return overlaps(found, truth)
        height, width = self._sizes[self._images % len(self._sizes)]
        scale = np.array([width, height] * 2)
        pixel = np.array([0, 0, 1, 1])
        return overlaps(np.clip(found, 0, 1) * scale + pixel, np.clip(truth, 0, 1) * scale + pixel)


def _read_sizes(path: str) -> list[tuple[int, int]]:
    """Returns (height, width) of each line "name height width"."""
    sizes = []
    for number, line in enumerate(read_lines(path), 1):
        words = line.split()
        if not words:
            continue
        if len(words) != 3 or not (words[1].isdecimal() and words[2].isdecimal()) or "0" in words[1:]:
            raise FileError(f"{path}:{number}: expected a name, a height and a width, such as 'cat 375 500'.")
        sizes.append((int(words[1]), int(words[2])))
    if not sizes:
        raise FileError(f"{path}: has no line; expected a name, a height and a width in each.")
    return sizes
