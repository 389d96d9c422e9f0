"""MultiBoxLoss: the training loss of an SSD detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.layers._normalization import Normalization
from cnnviz.engine.layers._priors import count_priors
from cnnviz.engine.ops.box_losses import Losses, half_square, logistic_loss, smooth_l1, softmax_loss
from cnnviz.engine.ops.boxes import areas, decode, encode, greedy, match
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, MultiBoxLossParameter

_MIN_AREA = 1e-5  # smaller boxes are not examples


@dataclass(frozen=True)
class _Item:
    """What is known of one item.

    Attributes:
        truth: its true boxes, rows (G, 8) of bottom 3.
        labels: their classes (G).
        codes: (P, code classes, 4).
        scores: (P, classes).
    """

    truth: np.ndarray
    labels: np.ndarray
    codes: np.ndarray
    scores: np.ndarray


class MultiBoxLoss(Loss):
    """loss = (loc_weight sum of f(code - true code) + sum of -log p[class]) / D

    Each true box is given the prior that overlaps it most, and every prior that overlaps it sufficiently; the
    first sum runs over the codes of these. The second runs over these and over the negatives: of the
    other priors those with the largest loss as background, neg_pos_ratio for each matched one. D is the
    number of matched priors, at least 1. Runs on the host.

    multibox_loss_param:
        num_classes: with the background.
        loc_loss_type: f: SMOOTH_L1 (default) or L2 (d^2 / 2).
        conf_loss_type: SOFTMAX (default), or LOGISTIC: sigmoid cross-entropy of every class.
        loc_weight: default 1.
        match_type: PER_PREDICTION (default), or BIPARTITE: one prior for each true box only.
        overlap_threshold: overlap that suffices; default 0.5.
        background_label_id: default 0.
        use_difficult_gt: true boxes marked as difficult count too; default true.
        mining_type: MAX_NEGATIVE (default); NONE: all priors that are not matched are negatives, with
            LOGISTIC of no class at all, not even of the background; HARD_EXAMPLE: the sample_size priors
            with the largest sum of both losses, matched or not, are used and no others.
        do_neg_mining: false is mining_type NONE.
        nms_param: with mining: of priors whose boxes overlap by more than nms_threshold only that with the
            largest loss can be chosen, of the top_k with the largest loss (default 0: none).
        use_prior_for_nms: that overlap is of the priors, not of the predicted boxes; default false.
        sample_size: default 64.
        neg_pos_ratio: default 3.
        neg_overlap: a negative overlaps every true box by less; default 0.5.
        code_type: how codes are written: CORNER (default): offsets of the corners; CENTER_SIZE: of the
            centre in the prior's size, and the size's logarithm; CORNER_SIZE: of the corners in the
            prior's size; all divided by the variances.
        map_object_to_agnostic: all true boxes are of class background_label_id + 1; default false.
        ignore_cross_boundary_bbox: priors that cross the image's border are not used; default false.
        share_location: false: codes of each class; mining_type must be NONE; default true.
        use_prior_for_matching: false: true boxes are matched with the predicted boxes; default true.
        encode_variance_in_target: codes are not divided by the variances, but their differences in the loss
            are; default false.
        bp_inside: coordinates of priors (or of predicted boxes, if these are matched) outside of the image
            add nothing to the first sum; default false.
    loss_param:
        normalization: D as above (VALID, the default), N (BATCH_SIZE), N P (FULL) or 1 (NONE).
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: codes (N, 4 P) for P priors (with share_location false (N, 4 P classes)); scores
        (N, P classes); priors (1, 2, 4 P); the ground truth, true boxes (1, 1, G, 8): item, class, instance,
        xmin, ymin, xmax, ymax, difficult; rows with item -1 are ignored. Codes and scores get a gradient.
    Top: the loss ().
    Raises: NetError if the bottoms do not fit together, or a true box has the background's class or none.
    Source: Liu et al. 2016, SSD (weiliu89/caffe, branch ssd). Where that leaves the gradient of
        encode_variance_in_target undivided, or mixes up the targets of several items (LOGISTIC, mining_type
        NONE), this is exact.
    Checked: against that fork.
    """

    type = "MultiBoxLoss"
    keeps_forward = True
    num_bottom = (4, 4)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options: Any = param.multibox_loss_param
        options = self.options
        if options.num_classes < 1:
            raise NetError("has no num_classes; give it in multibox_loss_param")
        self.logistic = options.conf_loss_type == MultiBoxLossParameter.LOGISTIC
        self._score_curve = logistic_loss if self.logistic else softmax_loss
        by_square = options.loc_loss_type == MultiBoxLossParameter.L2
        self._code_curve = half_square if by_square else smooth_l1
        if not self.logistic and not 0 <= options.background_label_id < options.num_classes:
            raise NetError("background_label_id must be one of the classes for conf_loss_type SOFTMAX")
        off = options.HasField("do_neg_mining") and not options.do_neg_mining
        self.mining = MultiBoxLossParameter.NONE if off else options.mining_type
        if not options.share_location and self.mining != MultiBoxLossParameter.NONE:
            raise NetError("share_location: false works only with mining_type: NONE")
        if options.sample_size < 1:
            raise NetError("sample_size must be at least 1")

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index < 2

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        truth = bottom[3]
        self.classes = self.options.num_classes
        self.code_classes = 1 if self.options.share_location else self.classes
        self.priors = count_priors(bottom[:3], self.code_classes, self.classes)
        self.num = bottom[0][0]
        if not truth or truth[-1] != 8:
            raise NetError(f"bottom 3 is {truth}, expected ground-truth boxes (1, 1, G, 8)")
        return [()]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        codes = bottom[0].read_data().reshape(self.num, self.priors, self.code_classes, 4).astype(float)
        scores = bottom[1].read_data().reshape(self.num, self.priors, self.classes).astype(float)
        self._priors, self._variances = bottom[2].read_data().reshape(2, self.priors, 4).astype(float)
        truth = bottom[3].read_data().reshape(-1, 8).astype(float)
        self._code_slopes, self._score_slopes = np.zeros_like(codes), np.zeros_like(scores)
        loss, matches = 0.0, 0
        for n in range(self.num):
            item = _Item(*self._true_boxes(truth, n), codes[n], scores[n])
            matched, best = self._find_matches(item)
            chosen: np.ndarray = np.ones(self.priors, bool)
            if self.mining != MultiBoxLossParameter.NONE:
                matched, chosen = self._mine(item, matched, best)
            code_loss, self._code_slopes[n] = self._code_loss(item, matched)
            score_loss, self._score_slopes[n] = self._score_loss(item, matched, chosen)
            loss = loss + code_loss + score_loss
            matches += int((matched >= 0).sum())
        normalization, every = Normalization(self.param.loss_param), self.num * self.priors
        self._divisor = max(1.0, normalization.divisor(valid=matches, full=every, num=self.num))
        top[0].data[...] = loss / self._divisor

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        scale = float(top[0].read_diff()) / self._divisor
        slopes = (self._code_slopes, self._score_slopes)
        for blob, slope, down in zip(bottom, slopes, propagate_down, strict=False):
            if down:
                blob.diff[...] = scale * slope.reshape(blob.shape)

    # Matching

    def _true_boxes(self, truth: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows of item ``n``, and their labels."""
        rows = truth[truth[:, 0] == n]
        if not self.options.use_difficult_gt:
            rows = rows[rows[:, 7] == 0]
        labels = self._labels(rows)
        background = self.options.background_label_id
        if ((labels < 0) | (labels >= self.classes) | (labels == background)).any():
            raise NetError(
                f"layer {self.name!r} (MultiBoxLoss): a ground-truth box has class {labels.tolist()}, "
                f"expected one of {self.classes} but the background."
            )
        return rows, labels

    def _labels(self, rows: np.ndarray) -> np.ndarray:
        if self.options.map_object_to_agnostic:
            return np.full(len(rows), self.options.background_label_id + 1)
        return rows[:, 1].astype(int)

    def _find_matches(self, item: _Item) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each class of codes and each prior its true box, and its largest overlap with any.

        Without a true box: -1, or -2 if it crosses the image's border and is not used.
        """
        matched = np.full((self.code_classes, self.priors), -1)
        best = np.zeros(matched.shape)
        classes, by_class = item.truth[:, 1].astype(int), self.code_classes > 1
        if self.options.use_prior_for_matching:
            found, best[:] = self._match(item.truth, self._priors)
            for c in range(self.code_classes):
                mine = (found < 0) | (classes[found] == c) if by_class and len(classes) else True
                matched[c] = np.where(mine, found, -1)
            return matched, best
        for c in range(self.code_classes):
            mine = np.flatnonzero(classes == c) if by_class else np.arange(len(classes))
            found, best[c] = self._match(item.truth[mine], self._decoded(item.codes[:, c]))
            matched[c] = np.where(found >= 0, np.append(mine, 0)[found], found)
        return matched, best

    def _match(self, truth: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        usable: np.ndarray = np.ones(len(candidates), bool)
        if self.options.ignore_cross_boundary_bbox and len(truth):
            usable = np.asarray(((candidates >= 0) & (candidates <= 1)).all(axis=1))
        every = self.options.match_type == MultiBoxLossParameter.PER_PREDICTION
        threshold = self.options.overlap_threshold if every else None
        matched, best = match(truth[:, 3:7], candidates, threshold, usable)
        return np.where(usable, matched, -2), best

    def _factors(self) -> np.ndarray:
        """The variances by which codes are divided."""
        return np.ones_like(self._variances) if self.options.encode_variance_in_target else self._variances

    def _decoded(self, codes: np.ndarray) -> np.ndarray:
        return decode(codes, self._priors, self._factors(), self.options.code_type)

    # Mining

    def _mine(self, item: _Item, matched: np.ndarray, best: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the matches that remain, and which priors count in the second sum."""
        if not len(item.truth):
            return matched, np.zeros(self.priors, bool)
        hard = self.mining == MultiBoxLossParameter.HARD_EXAMPLE
        losses, _ = self._score_curve(item.scores, self._targets(item.labels, matched))
        if hard:
            positive = matched[0] >= 0
            losses[positive] += self._matched_code_losses(item, 0, matched[0])[0].sum(axis=1)
            candidates, count = np.arange(self.priors), self.options.sample_size
        else:
            candidates = np.flatnonzero((matched[0] == -1) & (best[0] < self.options.neg_overlap))
            count = int((matched[0] >= 0).sum() * self.options.neg_pos_ratio)
        order = candidates[np.argsort(-losses[candidates], kind="stable")]
        picked: np.ndarray = np.zeros(self.priors, bool)
        picked[self._without_overlaps(order, item.codes)[:count]] = True
        remaining = np.where(picked | (matched < 0), matched, -1) if hard else matched
        return remaining, (remaining[0] >= 0) | (picked & (matched[0] == -1))

    def _without_overlaps(self, order: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Returns the priors ``order``, the largest loss first, less those that overlap an earlier one."""
        nms = self.options.nms_param
        if not self.options.HasField("nms_param") or nms.nms_threshold <= 0:
            return order
        if nms.top_k > -1:
            order = order[: nms.top_k]
        boxes = self._priors if self.options.use_prior_for_nms else self._decoded(codes[:, 0])
        order = order[areas(boxes[order]) >= _MIN_AREA]
        return order[greedy(boxes[order], nms.nms_threshold)]

    # The two sums

    def _code_loss(self, item: _Item, matched: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the first sum of an item, and its slopes."""
        total, slopes, weight = 0.0, np.zeros_like(item.codes), self.options.loc_weight
        for c, row in enumerate(matched):
            losses, slope = self._matched_code_losses(item, c, row)
            slopes[row >= 0, c] = weight * slope
            total += weight * float(losses.sum())
        return total, slopes

    def _matched_code_losses(self, item: _Item, c: int, matched: np.ndarray) -> Losses:
        """Returns f of code - true code, for the codes of class ``c`` of the priors with a true box."""
        positive, factors, codes = matched >= 0, self._factors(), item.codes[:, c]
        boxes = item.truth[matched[positive], 3:7]
        true = encode(boxes, self._priors[positive], factors[positive], self.options.code_type)
        difference = codes[positive] - true
        if self.options.bp_inside:
            place = self._priors if self.options.use_prior_for_matching else self._decoded(codes)
            difference[(place[positive] < 0) | (place[positive] > 1)] = 0
        scale = 1 / self._variances[positive] if self.options.encode_variance_in_target else 1.0
        losses, slopes = self._code_curve(difference * scale)
        return losses, slopes * scale

    def _score_loss(self, item: _Item, matched: np.ndarray, chosen: np.ndarray) -> tuple[float, np.ndarray]:
        """Returns the second sum of an item, over the ``chosen`` priors, and its slopes."""
        losses, slopes = self._score_curve(item.scores, self._targets(item.labels, matched))
        slopes[~chosen] = 0
        return float(losses[chosen].sum()), slopes

    def _targets(self, labels: np.ndarray, matched: np.ndarray) -> np.ndarray:
        """Returns which classes each prior is of (P, classes), as the true boxes have ``labels``."""
        target: np.ndarray = np.zeros((self.priors, self.classes), bool)
        background = self.options.background_label_id
        if background < self.classes and not (self.logistic and self.mining == MultiBoxLossParameter.NONE):
            target[(matched < 0).all(axis=0), background] = True
        for row in matched:
            positive = row >= 0
            if not self.logistic:
                target[positive] = False
            target[positive, labels[row[positive]]] = True
        return target
