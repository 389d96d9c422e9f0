"""MultiBoxLoss: what an SSD detector is trained with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.ops.boxes import encode, match
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, LossParameter, MultiBoxLossParameter


class MultiBoxLoss(Loss):
    """loss = (loc_weight sum of f(code - true code) + sum of -log p[class]) / D

    Each true box is given the prior that overlaps it most, and every prior that overlaps it enough; the
    first sum runs over the codes of these. The second runs over these and over the negatives: of the
    other priors those with the largest loss as background, neg_pos_ratio for each matched one. D is the
    number of matched priors, at least 1. Runs on the host.

    multibox_loss_param:
        num_classes: with the background.
        loc_loss_type: f: SMOOTH_L1 (default) or L2 (d^2 / 2).
        conf_loss_type: SOFTMAX (default), or LOGISTIC: sigmoid cross-entropy of every class.
        loc_weight: default 1.
        match_type: PER_PREDICTION (default), or BIPARTITE: one prior for each true box only.
        overlap_threshold: overlap that is enough; default 0.5.
        background_label_id: default 0.
        use_difficult_gt: true boxes marked as difficult count too; default true.
        mining_type: MAX_NEGATIVE (default) or NONE: all priors that are not matched are negatives.
        do_neg_mining: false is mining_type NONE.
        neg_pos_ratio: default 3.
        neg_overlap: a negative overlaps every true box by less; default 0.5.
        code_type: how codes are written: CORNER (default): offsets of the corners; CENTER_SIZE: of the
            centre in the prior's size, and the size's logarithm; CORNER_SIZE: of the corners in the
            prior's size; all divided by the variances.
        map_object_to_agnostic: all true boxes are of class background_label_id + 1; default false.
        ignore_cross_boundary_bbox: priors that leave the image take no part; default false.
        share_location false, use_prior_for_matching false, encode_variance_in_target, bp_inside and
        mining_type HARD_EXAMPLE (with nms_param, sample_size, use_prior_for_nms) are refused.
    loss_param:
        normalization: D as above (VALID, the default), N (BATCH_SIZE), N P (FULL) or 1 (NONE).
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: codes (N, 4 P) for P priors; scores (N, P classes); priors (1, 2, 4 P); true boxes (1, 1, G, 8):
        item, class, instance, xmin, ymin, xmax, ymax, difficult; rows with item -1 are none. Codes and
        scores get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms do not fit together, or a true box has the background's class or none.
    Source: Liu et al. 2016, SSD.
    """

    type = "MultiBoxLoss"
    num_bottom = (4, 4)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.multibox_loss_param
        if options.num_classes < 1:
            raise NetError("has no num_classes; give it in multibox_loss_param")
        refused = {
            "share_location: false": not options.share_location,
            "use_prior_for_matching: false": not options.use_prior_for_matching,
            "encode_variance_in_target": options.encode_variance_in_target,
            "bp_inside": options.bp_inside,
            "mining_type: HARD_EXAMPLE": options.mining_type == MultiBoxLossParameter.HARD_EXAMPLE,
        }
        for what, asked in refused.items():
            if asked:
                raise NetError(f"{what} is not supported; leave it away")
        softmax = options.conf_loss_type == MultiBoxLossParameter.SOFTMAX
        if softmax and not 0 <= options.background_label_id < options.num_classes:
            raise NetError("background_label_id must be one of the classes for conf_loss_type SOFTMAX")
        off = options.HasField("do_neg_mining") and not options.do_neg_mining
        self.mining = options.mining_type == MultiBoxLossParameter.MAX_NEGATIVE and not off

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < 2

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        codes, scores, priors, truth = bottom
        self.classes = self.param.multibox_loss_param.num_classes
        if len(priors) < 3 or priors[1] != 2 or priors[2] % 4:
            raise NetError(f"bottom 2 is {priors}, wanted are priors (1, 2, 4 P)")
        self.num, self.priors = codes[0], priors[2] // 4
        for index, shape, each in ((0, codes, 4), (1, scores, self.classes)):
            if shape[:1] != codes[:1] or math.prod(shape[1:]) != self.priors * each:
                raise NetError(
                    f"bottom {index} is {shape}, wanted are {each} numbers for each of {self.priors} priors"
                )
        if not truth or truth[-1] != 8:
            raise NetError(f"bottom 3 is {truth}, wanted are true boxes (1, 1, G, 8)")
        return [()]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        codes = bottom[0].read_data().reshape(self.num, self.priors, 4).astype(float)
        scores = bottom[1].read_data().reshape(self.num, self.priors, self.classes).astype(float)
        priors, variances = bottom[2].read_data().reshape(2, self.priors, 4).astype(float)
        truth = bottom[3].read_data().reshape(-1, 8).astype(float)
        options = self.param.multibox_loss_param
        self._code_slope, self._score_slope = np.zeros_like(codes), np.zeros_like(scores)
        loss, matches = 0.0, 0
        for item in range(self.num):
            boxes = self._true_boxes(truth, item)
            background = np.full(self.priors, options.background_label_id)
            losses, slopes = self._score_losses(scores[item], background)
            if len(boxes):
                matched, chosen = self._choose(boxes, priors, losses)
                positive = matched >= 0
                target = encode(
                    boxes[matched[positive], 3:7], priors[positive], variances[positive], options.code_type
                )
                loss += self._code_loss(item, positive, codes, target)
                labels = background.copy()
                labels[positive] = self._labels(boxes)[matched[positive]]
                losses, slopes = self._score_losses(scores[item], labels)
                matches += int(positive.sum())
            else:
                chosen = np.full(self.priors, not self.mining)
            loss += float(losses[chosen].sum())
            self._score_slope[item][chosen] = slopes[chosen]
        self._divisor = self._find_divisor(matches)
        top[0].data[...] = loss / self._divisor

    def _true_boxes(self, truth: np.ndarray, item: int) -> np.ndarray:
        options = self.param.multibox_loss_param
        rows = truth[truth[:, 0] == item]
        if not options.use_difficult_gt:
            rows = rows[rows[:, 7] == 0]
        labels = self._labels(rows)
        if ((labels < 0) | (labels >= self.classes) | (labels == options.background_label_id)).any():
            raise NetError(f"layer {self.name!r} (MultiBoxLoss): a true box has class {labels.tolist()}, "
                           f"wanted is one of {self.classes} but the background.")  # fmt: skip
        return rows

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        options = self.param.multibox_loss_param
        if options.map_object_to_agnostic:
            return np.full(len(rows), options.background_label_id + 1)
        return rows[:, 1].astype(int)

    def _choose(
        self, boxes: np.ndarray, priors: np.ndarray, background: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns each prior's true box or -1, and which priors count in the second sum."""
        options = self.param.multibox_loss_param
        usable: np.ndarray = np.ones(len(priors), bool)
        if options.ignore_cross_boundary_bbox:
            usable = np.asarray(((priors >= 0) & (priors <= 1)).all(axis=1))
        every = options.match_type == MultiBoxLossParameter.PER_PREDICTION
        threshold = options.overlap_threshold if every else None
        matched, best = match(boxes[:, 3:7], priors, threshold, usable)
        chosen = matched >= 0
        if not self.mining:
            return matched, np.ones(len(priors), bool)
        candidates = np.flatnonzero(~chosen & usable & (best < options.neg_overlap))
        count = int(chosen.sum() * options.neg_pos_ratio)
        worst = candidates[np.argsort(-background[candidates], kind="stable")][:count]
        chosen = chosen.copy()
        chosen[worst] = True
        return matched, chosen

    def _code_loss(self, item: int, positive: np.ndarray, codes: np.ndarray, target: np.ndarray) -> float:
        """Returns the first sum of an item and keeps its slopes."""
        options = self.param.multibox_loss_param
        difference = codes[item][positive] - target
        if options.loc_loss_type == MultiBoxLossParameter.L2:
            values, slopes = difference**2 / 2, difference
        else:
            near = np.abs(difference) < 1
            values = np.where(near, difference**2 / 2, np.abs(difference) - 0.5)
            slopes = np.where(near, difference, np.sign(difference))
        self._code_slope[item][positive] = options.loc_weight * slopes
        return options.loc_weight * float(values.sum())

    def _score_losses(self, scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the loss (P) of each prior for these classes, and its slopes (P, classes)."""
        one = labels[:, None] == np.arange(self.classes)
        if self.param.multibox_loss_param.conf_loss_type == MultiBoxLossParameter.LOGISTIC:
            values = np.maximum(scores, 0) - scores * one + np.log1p(np.exp(-np.abs(scores)))
            return values.sum(axis=1), 1 / (1 + np.exp(-scores)) - one
        shifted = scores - scores.max(axis=1, keepdims=True)
        power = np.exp(shifted)
        total = power.sum(axis=1, keepdims=True)
        return (np.log(total) - shifted)[one], power / total - one

    def _find_divisor(self, matches: int) -> float:
        given: Any = self.param.loss_param
        mode = given.normalization
        if given.HasField("normalize") and not given.HasField("normalization"):
            mode = LossParameter.VALID if given.normalize else LossParameter.BATCH_SIZE
        divisors = {
            LossParameter.VALID: matches,
            LossParameter.BATCH_SIZE: self.num,
            LossParameter.FULL: self.num * self.priors,
            LossParameter.NONE: 1,
            LossParameter.PRE_FIXED: given.pre_fixed_normalizer,
        }
        return max(1.0, float(divisors[mode]))

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        scale = float(top[0].read_diff()) / self._divisor
        for blob, slopes, down in zip(
            bottom, (self._code_slope, self._score_slope), propagate_down, strict=False
        ):
            if down:
                blob.diff[...] = scale * slopes.reshape(blob.shape)
