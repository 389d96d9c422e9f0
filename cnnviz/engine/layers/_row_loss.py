"""What losses share that see bottom 0 as rows of scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import legacy_shape
from cnnviz.engine.layers._loss import Loss


class RowLoss(Loss):
    """Base of losses that are the mean over N rows of scores, one row and one label for each item.

    Attributes:
        classes: scores of a row.
        scale: 1 / N.
    """

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        num = bottom[0][0]
        if legacy_shape(bottom[1]) != (num, 1, 1, 1):
            self.complain(f"has labels {bottom[1]} for {num} items; give one label for each")
        self.classes = self.label_classes = math.prod(bottom[0][1:])
        self.scale = 1 / max(1, num)
        return top
