"""What all losses share: their bottoms, and a top that is one number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.sums import row_sums
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Loss(Layer):
    """Base of losses: bottom 0 is compared with bottom 1, which has as many items; the top is a number.

    Attributes:
        kept: what forward leaves to backward.
    """

    kind = "loss"
    num_bottom = (2, 2)
    is_loss = True
    takes_class_weights: ClassVar[bool] = False

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.workspace = Workspace(self)
        if param.loss_param.weight_by_label_freqs and not self.takes_class_weights:
            raise NetError(
                f"weight_by_label_freqs works with SoftmaxWithLoss, not with {self.type}; remove it"
            )

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        first = [shape[:1] for shape in bottom[:2]]
        if first[0] != first[1] or not first[0]:
            self.complain(
                f"bottom 0 is {bottom[0]} and bottom 1 is {bottom[1]}: their first axis, the number "
                "of items, must be the same"
            )
        return [()]

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index != 1  # labels

    def sum_to_top(self, losses: Any, count: int, scale: float, top: Blob) -> None:
        """Writes scale times the sum of ``count`` losses to the top."""
        row_sums(self.device, (1, count), losses, top.mutable_device_data, scale=scale)


def requested_diffs(bottom: Sequence[Blob], propagate_down: Sequence[bool], count: int) -> list[Any]:
    """Returns the diffs of the first ``count`` bottoms to write to; None for one not asked for or absent."""
    requested = [i < len(bottom) and propagate_down[i] for i in range(count)]
    return [bottom[i].mutable_device_diff if requested[i] else None for i in range(count)]
