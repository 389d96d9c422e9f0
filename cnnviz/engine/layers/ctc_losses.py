"""Losses of unsegmented sequences, as in three forks of Caffe."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._sequence_loss import SequenceLoss
from cnnviz.engine.ops.ctc import ctc
from cnnviz.errors import NetError


class CTCLoss(SequenceLoss):
    """loss = -1/N sum over n of log P(labels[n])

    P sums over all ways to write a sequence's T symbols that become its labels when repeated symbols are
    merged and blanks removed, the symbols' probabilities being the softmax of the scores. Computed on the
    host. The gradient is exact; the original omits 1/N and the loss weight.

    ctc_loss_param:
        blank_index: the class that is blank; default -1: the last.
        output_delay: steps at the start that are skipped; default 0.
        preprocess_collapse_repeated: whether repeated labels are merged before; default false.
        ctc_merge_repeated: whether repeated symbols are merged; default true.
        loss_calculation_t: accepted, changes nothing.
        alphabet_size, time_step, blank_label: refused; they are CtcLoss's.

    Bottom: scores (T, N, C), before softmax; marks (T, N), 0 where a sequence starts, as LSTM's second
        bottom: after step 0 it ends there; labels (T, N), below 0 after the last. Only the scores get a
        gradient. A sequence of one step without labels counts with loss 0.
    Top: the loss (); infinite where the labels do not fit in.
    Raises: NetError if the sizes do not fit, and in forward if a sequence has no label, more labels than
        steps, or a label that is not a class.
    Source: Graves et al. 2006; the layer of ChWick's fork of Caffe.
    Checked: by a sum over all ways; no fork was available.
    """

    type = "CTCLoss"
    fields = (
        "blank_index",
        "output_delay",
        "preprocess_collapse_repeated",
        "ctc_merge_repeated",
        "loss_calculation_t",
    )
    num_bottom = (3, 3)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.set_sizes(bottom[0])
        for index, shape in enumerate(bottom[1:3], 1):
            if legacy_shape(shape) != (self.steps, self.num, 1, 1):
                raise NetError(
                    f"bottom {index} is {shape}, expected one number for each of {self.steps} steps of "
                    f"{self.num} sequences"
                )
        if self.blank() >= self.classes:
            raise NetError(f"blank_index is {self.blank()}, but there are {self.classes} classes")
        if not 0 <= self.options.output_delay < self.steps:
            raise NetError(f"output_delay is {self.options.output_delay}, but there are {self.steps} steps")
        return [()]

    def blank(self) -> int:
        given = self.options.blank_index
        return given if given >= 0 else self.classes - 1

    def sequences(self, bottom: Sequence[Blob]) -> list[tuple[int, list[int]]]:
        marks, labels = (blob.read_data().reshape(self.steps, self.num) for blob in bottom[1:3])
        return [
            (steps, self.checked(self._collapsed(mine), self.blank()))
            for steps, mine in self.marked_sequences(marks, labels)
        ]

    def _collapsed(self, labels: np.ndarray) -> np.ndarray:
        if not self.options.preprocess_collapse_repeated or not labels.size:
            return labels
        return labels[np.append(True, labels[1:] != labels[:-1])]

    def cost(self, scores: np.ndarray, labels: list[int]) -> tuple[float, np.ndarray]:
        slopes, delay = np.zeros_like(scores), self.options.output_delay
        if len(scores) == 0:
            return 0.0, slopes
        if len(labels) > len(scores) - delay:
            raise NetError(f"{len(labels)} labels do not fit in {len(scores)} steps less the output_delay")
        merge = self.options.ctc_merge_repeated
        cost, slopes[delay:] = ctc(scores[delay:], labels, self.blank(), merge)
        return cost, slopes


class WarpCTCLoss(SequenceLoss):
    """loss = -1/N sum over n of log P(labels[n]), as CTCLoss, with loss 0 where the labels do not fit in

    Computed on the host. The gradient is exact; the original omits 1/N and the loss weight.

    ctc_loss_param:
        blank_index: the class that is blank; required. All others are refused.

    Bottom: scores (T, N, C), before softmax; then either marks (T, N) and labels (T, N), as of CTCLoss, or
        the steps of each sequence (N), the labels of each (N), and labels (L, N). Only the scores get a
        gradient.
    Top: the loss ().
    Raises: NetError if blank_index is missing, the sizes do not fit, or in forward a label is not a class.
    Source: Graves et al. 2006; ChWick's fork of Caffe around Baidu's warp-ctc.
    Checked: by a sum over all ways; no fork was available.
    """

    type = "WarpCTCLoss"
    fields = ("blank_index",)
    num_bottom = (3, 4)
    more_params = ("ctc_loss_param",)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.set_sizes(bottom[0])
        if not 0 <= self.options.blank_index < self.classes:
            raise NetError(f"has no blank_index from 0 to {self.classes - 1}; give the class that is blank")
        pair = (self.steps, self.num, 1, 1)
        if len(bottom) == 3 and any(legacy_shape(shape) != pair for shape in bottom[1:]):
            raise NetError(f"bottoms 1 and 2 are {bottom[1]} and {bottom[2]}, expected {pair[:2]}")
        if len(bottom) == 4 and (
            [math.prod(shape) for shape in bottom[1:3]] != [self.num] * 2
            or legacy_shape(bottom[3])[1:] != (self.num, 1, 1)
        ):
            raise NetError(
                f"bottoms 1 to 3 are {', '.join(map(str, bottom[1:]))}; expected ({self.num},) twice, "
                f"and labels (L, {self.num})"
            )
        return [()]

    def blank(self) -> int:
        return self.options.blank_index

    def sequences(self, bottom: Sequence[Blob]) -> list[tuple[int, list[int]]]:
        labels = bottom[-1].read_data().reshape(-1, self.num)
        if len(bottom) == 3:
            found = self.marked_sequences(bottom[1].read_data().reshape(labels.shape), labels)
        else:
            steps, counts = (blob.read_data().ravel().astype(int) for blob in bottom[1:3])
            self._check_lengths(steps, counts, len(labels))
            found = [(steps[n], labels[: counts[n], n].astype(int)) for n in range(self.num)]
        return [(int(steps), self.checked(mine, self.blank())) for steps, mine in found]

    def _check_lengths(self, steps: np.ndarray, counts: np.ndarray, rows: int) -> None:
        for name, values, limit in (("steps", steps, self.steps), ("labels", counts, rows)):
            if ((values < 0) | (values > limit)).any():
                raise NetError(f"the numbers of {name} are {values.tolist()}, expected 0 to {limit}")


class CtcLoss(SequenceLoss):
    """loss = -1/N sum over n of log P(labels[n]), as CTCLoss, with loss 0 where the labels do not fit in

    Computed on the host. The gradient is exact; the original omits 1/N.

    ctc_loss_param:
        alphabet_size: C; required.
        time_step: steps of each sequence, at most T; required.
        blank_label: the class that is blank, and that pads the rows of labels; default 0.
        blank_index, output_delay, loss_calculation_t: refused; they are CTCLoss's, and so are
            preprocess_collapse_repeated and ctc_merge_repeated.

    Bottom: scores (T, N, C), before softmax; labels (N, L). Only the scores get a gradient.
    Top: the loss ().
    Raises: NetError if a parameter is missing or does not fit the bottoms, or in forward a label is not a
        class.
    Source: Graves et al. 2006; xmfbit's fork of Caffe (warpctc-caffe).
    Checked: by a sum over all ways; no fork was available.
    """

    type = "CtcLoss"
    fields = ("alphabet_size", "time_step", "blank_label")

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.set_sizes(bottom[0])
        given = self.options
        if given.alphabet_size != self.classes or not 0 < given.time_step <= self.steps:
            raise NetError(
                f"alphabet_size is {given.alphabet_size} and time_step {given.time_step}; expected "
                f"{self.classes}, and 1 to {self.steps}"
            )
        if not 0 <= given.blank_label < self.classes:
            raise NetError(f"blank_label is {given.blank_label}, but there are {self.classes} classes")
        if bottom[1][:1] != (self.num,):
            raise NetError(f"bottom 1 is {bottom[1]}, expected labels ({self.num}, L)")
        return [()]

    def blank(self) -> int:
        return self.options.blank_label

    def sequences(self, bottom: Sequence[Blob]) -> list[tuple[int, list[int]]]:
        rows = bottom[1].read_data().reshape(self.num, -1).astype(int)
        wrong = rows[(rows < 0) | (rows >= self.classes)]
        if wrong.size:
            raise NetError(f"label {wrong[0]} is not one of the {self.classes} classes")
        return [(self.options.time_step, row[row != self.blank()].tolist()) for row in rows]
