"""YoloDetectionOutput and Yolov3DetectionOutput: a YOLO net's predictions made into a list of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.boxes import greedy
from cnnviz.engine.ops.yolo import by_box, predicted_boxes, sigmoid
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class _YoloOutput(Layer):
    """Base: ``found`` gives each bottom's boxes as rows class + 1, confidence, xmin, ymin, xmax, ymax."""

    kind = "other"
    new_maps = False
    has_backward = False
    options: Any

    def found(self, index: int, values: np.ndarray) -> np.ndarray:
        """Returns the rows of a bottom, whose ``values`` are (N, H, W, boxes, 5 + classes)."""
        raise NotImplementedError

    def check_anchors(self, needed: int) -> None:
        if self.options.num_box < 1 or self.options.num_classes < 1:
            raise NetError("num_box and num_classes must be at least 1")
        if len(self.options.biases) < 2 * needed:
            raise NetError(
                f"has {len(self.options.biases)} biases, expected a width and a height for each of "
                f"{needed} boxes"
            )
        self.anchors = np.array(self.options.biases[: 2 * needed], float).reshape(-1, 2)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        channels = self.options.num_box * (5 + self.options.num_classes)
        for index, shape in enumerate(bottom):
            if len(shape) != 4 or shape[1] != channels:
                raise NetError(
                    f"bottom {index} is {shape}, expected (N, {channels}, H, W): 5 + num_classes a box"
                )
        return [(1, 1, 1, 7)]

    @np.errstate(over="ignore", invalid="ignore")  # untrained nets have infinite boxes
    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        parts = [
            self.found(i, by_box(blob.read_data(), self.options.num_box)) for i, blob in enumerate(bottom)
        ]
        rows = np.concatenate(parts)
        rows = rows[np.argsort(-rows[:, 1], kind="stable")]
        rows = rows[greedy(rows[:, 2:], self.options.nms_threshold, equal=True)]
        result = np.insert(rows, 0, 0, axis=1)
        if not len(rows):
            result = np.full((bottom[0].shape[0], 7), -1.0)
            result[:, 0] = np.arange(len(result))
        top[0].reshape(1, 1, len(result), 7)
        top[0].data[...] = result.reshape(top[0].shape)


class YoloDetectionOutput(_YoloOutput):
    """y = the boxes that remain of YOLOv2's predictions after non-maximum suppression over all classes

    A prediction at column i and row j of a map of W x H, for an anchor of width p and height q, is a box
    around ((i + sigmoid(tx)) / W, (j + sigmoid(ty)) / H) of size (p exp(tw) / W, q exp(th) / H); its
    confidence is sigmoid(to) times the largest softmax of its classes. Runs on the host.

    yolo_detection_output_param:
        num_classes: default 20; without a background.
        num_box: number of anchors; default 5.
        biases: width and height of each anchor, in positions of the map.
        confidence_threshold: minimum confidence of a box; default 0.01.
        nms_threshold: a box that overlaps one of higher confidence by at least this is dropped; default 0.45.
        coords: values of a box; must be 4, the default.
        side, label_map_file: accepted, change nothing.

    Bottom: predictions (N, num_box (5 + classes), H, W): for each anchor tx, ty, tw, th, to and the scores;
        a second one of another size, optional.
    Top: y (1, 1, K, 7): item, class + 1, confidence, xmin, ymin, xmax, ymax as fractions of the image; all
        items are one list, and item is always 0. K = N, and all -1 but the item, if there is none. Its shape
        changes with every forward.
    Raises: NetError if sizes or anchors do not fit together.
    Source: Redmon and Farhadi 2017, YOLOv2 (eric612/MobileNet-YOLO). There is no gradient.
    Checked: against that fork.
    """

    type = "YoloDetectionOutput"
    num_bottom = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = param.yolo_detection_output_param
        if self.options.coords != 4:
            raise NetError(f"coords is {self.options.coords}, expected 4")
        self.check_anchors(self.options.num_box)

    def found(self, index: int, values: np.ndarray) -> np.ndarray:
        boxes = predicted_boxes(values, self.anchors, values.shape[1:3])
        powers = np.exp(values[..., 5:] - values[..., 5:].max(axis=-1, keepdims=True))
        best = powers.argmax(axis=-1)
        confidence = sigmoid(values[..., 4]) / powers.sum(axis=-1)  # the largest power is 1
        chosen = confidence >= self.options.confidence_threshold
        return np.column_stack([best[chosen] + 1, confidence[chosen], boxes[chosen]])


class Yolov3DetectionOutput(_YoloOutput):
    """y = the boxes that remain of YOLOv3's predictions after non-maximum suppression over all classes

    As YoloDetectionOutput, but for bottoms of several sizes, anchors in pixels of the image, and a confidence
    for each class: sigmoid(to) sigmoid(score). A box is listed for each class whose confidence is above
    the threshold; suppression ignores classes, so one of them remains. Runs on the host.

    yolov3_detection_output_param:
        num_classes: default 20; without a background.
        num_box: number of anchors at a position of each bottom; default 3.
        biases: width and height of each anchor, in pixels.
        mask_group_num: number of bottoms; default 2.
        mask: the anchors that the bottoms use, num_box for each bottom in turn.
        anchors_scale: for each bottom the image's size divided by the map's.
        confidence_threshold: the confidence of a box must exceed it; default 0.01.
        nms_threshold: a box that overlaps one of higher confidence by at least this is dropped; default 0.45.

    Bottom: predictions (N, num_box (5 + classes), H, W), mask_group_num of them.
    Top: y (1, 1, K, 7), as of YoloDetectionOutput.
    Raises: NetError if sizes, anchors, mask and anchors_scale do not fit together.
    Source: Redmon and Farhadi 2018, YOLOv3 (eric612/MobileNet-YOLO). There is no gradient.
    Checked: against that fork.
    """

    type = "Yolov3DetectionOutput"
    num_bottom = (1, None)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = options = param.yolov3_detection_output_param
        groups, self.mask = options.mask_group_num, list(options.mask)
        if groups != len(param.bottom) or len(options.anchors_scale) < groups or 0 in options.anchors_scale:
            raise NetError(
                f"has {len(param.bottom)} bottoms, mask_group_num {groups} and {len(options.anchors_scale)} "
                "numbers of anchors_scale; give one for each bottom"
            )
        self.check_anchors(max(self.mask, default=0) + 1)
        self.step = len(self.mask) // groups
        if self.step * (groups - 1) + options.num_box > len(self.mask):
            raise NetError(
                f"mask has {len(self.mask)} anchors for {groups} bottoms of {options.num_box} each"
            )

    def found(self, index: int, values: np.ndarray) -> np.ndarray:
        start, scale = index * self.step, self.options.anchors_scale[index]
        anchors = self.anchors[self.mask[start : start + self.options.num_box]]
        height, width = values.shape[1:3]
        boxes = predicted_boxes(values, anchors, (height * scale, width * scale))
        confidence = sigmoid(values[..., 4:5]) * sigmoid(values[..., 5:])
        chosen = np.nonzero(confidence > self.options.confidence_threshold)
        return np.column_stack([chosen[-1] + 1, confidence[chosen], boxes[chosen[:-1]]])
