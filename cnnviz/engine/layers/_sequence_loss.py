"""What losses of unsegmented sequences share: scores in, one cost for each sequence, the mean out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.ops.ctc import ctc
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class SequenceLoss(Loss):
    """Base: loss = 1/N sum over n of cost(scores[:, n], labels[n]); each type writes its labels in its way.

    Attributes:
        fields: those of ctc_loss_param that the type knows; the others belong to other forks.
        steps, num, classes: T, N and C of the scores in bottom 0.
    """

    keeps_forward = True
    fields: ClassVar[tuple[str, ...]]

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = param.ctc_loss_param
        for field, _ in self.options.ListFields():
            if field.name not in self.fields:
                raise NetError(f"ctc_loss_param.{field.name} belongs to another fork's layer; remove it")
        self._slopes = np.zeros(0)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def set_sizes(self, scores: Shape) -> None:
        """Keeps T, N and C."""
        self.steps, self.num, self.classes, width = legacy_shape(scores)
        if width != 1 or not all(scores):
            raise NetError(f"bottom 0 is {scores}, expected scores (steps, sequences, classes)")

    def blank(self) -> int:
        raise NotImplementedError

    def sequences(self, bottom: Sequence[Blob]) -> list[tuple[int, list[int]]]:
        """Returns the number of steps and the labels of each sequence."""
        raise NotImplementedError

    def cost(self, scores: np.ndarray, labels: list[int]) -> tuple[float, np.ndarray]:
        """Returns one sequence's -log P(labels) and slopes, both 0 where the labels do not fit in."""
        repeats = sum(a == b for a, b in itertools.pairwise(labels))
        if len(labels) + repeats > len(scores) or not len(scores):
            return 0.0, np.zeros_like(scores)
        return ctc(scores, labels, self.blank())

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        scores = bottom[0].read_data().reshape(self.steps, self.num, self.classes).astype(float)
        self._slopes, costs = np.zeros_like(scores), np.zeros(self.num)
        for n, (steps, labels) in enumerate(self.sequences(bottom)):
            costs[n], self._slopes[:steps, n] = self.cost(scores[:steps, n], labels)
        top[0].data[...] = costs.sum() / self.num

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            scale = float(top[0].read_diff()) / self.num
            bottom[0].diff[...] = scale * self._slopes.reshape(bottom[0].shape)

    def checked(self, labels: np.ndarray, blank: int) -> list[int]:
        """Returns the labels before the first that is not a class; raises NetError if one follows it."""
        known = (labels >= 0) & (labels < self.classes) & (labels != blank)
        end = len(labels) if known.all() else int(np.argmin(known))
        if known[end:].any():
            raise NetError(
                f"label {labels[end]} is blank or not one of the {self.classes} classes, but labels follow "
                "it; end a sequence with -1"
            )
        return [int(label) for label in labels[:end]]

    def marked_sequences(self, marks: np.ndarray, labels: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Returns steps and labels of each sequence, as CTCLoss has them.

        A sequence ends before the first mark of 0 after the first step, labels before a negative one.
        """
        found = []
        for n in range(self.num):
            starts = np.flatnonzero((marks[1:, n] + 0.5).astype(int) == 0)
            steps = int(starts[0]) + 1 if starts.size else self.steps
            ends = np.flatnonzero(labels[:, n] < 0)
            mine = (labels[: ends[0] if ends.size else None, n] + 0.5).astype(int)
            if not mine.size and steps > 1:
                raise NetError(f"sequence {n} has {steps} steps, but no label")
            if mine.size > steps:
                raise NetError(f"sequence {n} has {mine.size} labels for {steps} steps")
            found.append((steps if mine.size else 0, mine))
        return found
