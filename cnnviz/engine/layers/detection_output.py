"""DetectionOutput: a detector's predictions made into a list of boxes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._priors import count_priors
from cnnviz.engine.ops.boxes import decode, suppress
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class DetectionOutput(Layer):
    """y = the boxes that remain after decoding and non-maximum suppression, class by class

    Runs on the host: the number of boxes is not known in advance.

    detection_output_param:
        num_classes: with the background.
        share_location: one box for all classes; default true.
        background_label_id: the class of the background; default 0.
        code_type: how boxes are written: CORNER (default): offsets of the corners; CENTER_SIZE: of the
            centre in the prior's size, and the size's logarithm; CORNER_SIZE: of the corners in the
            prior's size; all divided by the variances.
        variance_encoded_in_target: the predictions hold the variances already; default false.
        confidence_threshold: only scores above it count; default: all.
        nms_param: nms_threshold: largest overlap of two boxes of one class, default 0.3; top_k: maximum
            number of boxes of a class before suppression, default all; eta: factor of nms_threshold after
            each box kept while it is above 0.5, default 1.
        keep_top_k: maximum number of boxes of an item, those with the highest scores; default -1: all.
        save_output_param, visualize, visualize_threshold, save_file: accepted and not used: nothing is
            written.

    Bottom: box predictions (N, 4 P) for P priors (with share_location false (N, 4 P classes)); scores
        (N, P classes); priors (1, 2, 4 P); the image, optional and not used.
    Top: y (1, 1, K, 7), K the number of boxes: item, class, score, xmin, ymin, xmax, ymax; K = N and all
        -1 but the item if there is none. Its shape changes with every forward.
    Raises: NetError if the bottoms do not fit together.
    Source: Liu et al. 2016, SSD. There is no gradient.
    Checked: against SSD's fork (weiliu89/caffe, branch ssd).
    """

    type = "DetectionOutput"
    kind = "other"
    new_maps = False
    num_bottom = (3, 4)
    has_backward = False

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.detection_output_param
        if not options.HasField("num_classes"):
            raise NetError("has no num_classes; give it in detection_output_param")
        if options.nms_param.nms_threshold < 0 or not 0 < options.nms_param.eta <= 1:
            raise NetError("nms_threshold must not be negative, and eta must lie in (0, 1]")

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        options = self.param.detection_output_param
        self.classes = options.num_classes
        self.box_classes = 1 if options.share_location else self.classes
        self.priors = count_priors(bottom[:3], self.box_classes, self.classes)
        return [(1, 1, 1, 7)]

    @np.errstate(over="ignore", invalid="ignore")  # untrained nets have infinite boxes, as in Caffe
    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        num = bottom[0].shape[0]
        codes = bottom[0].read_data().reshape(num, self.priors, self.box_classes, 4).astype(float)
        scores = bottom[1].read_data().reshape(num, self.priors, self.classes)
        priors, variances = bottom[2].read_data().reshape(2, self.priors, 4).astype(float)
        options = self.param.detection_output_param
        if options.variance_encoded_in_target:
            variances = np.ones_like(variances)
        rows = []
        for item in range(num):
            boxes = [
                decode(codes[item, :, c], priors, variances, options.code_type)
                for c in range(self.box_classes)
            ]
            rows += self._detect(item, boxes, scores[item])
        if not rows:
            rows = [[item, -1, -1, -1, -1, -1, -1] for item in range(num)]
        top[0].reshape(1, 1, len(rows), 7)
        top[0].data[...] = np.array(rows).reshape(top[0].shape)

    def _detect(self, item: int, boxes: list[np.ndarray], scores: np.ndarray) -> list[list[float]]:
        """Returns the rows of one item, class by class."""
        options = self.param.detection_output_param
        nms = options.nms_param
        threshold = options.confidence_threshold if options.HasField("confidence_threshold") else -math.inf
        top_k = nms.top_k if nms.HasField("top_k") else -1
        found: list[tuple[int, int]] = []
        for c in range(self.classes):
            if c != options.background_label_id:
                mine = boxes[0 if options.share_location else c]
                kept = suppress(mine, scores[:, c], threshold, nms.nms_threshold, nms.eta, top_k)
                found += [(c, index) for index in kept]
        if -1 < options.keep_top_k < len(found):
            best = sorted(found, key=lambda pair: -scores[pair[1], pair[0]])[: options.keep_top_k]
            found = sorted(best, key=lambda pair: pair[0])
        return [
            [item, c, float(scores[index, c]), *boxes[0 if options.share_location else c][index]]
            for c, index in found
        ]
