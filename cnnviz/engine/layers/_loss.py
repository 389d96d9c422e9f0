"""What the losses share: shapes, sums to one number, and Caffe's ways of normalization."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, legacy_shape, positive_axis
from cnnviz.engine.ops.kept import Kept
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.reduction import row_sums
from cnnviz.engine.ops.softmax import softmax_forward
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, LossParameter


def normalization_mode(options: Any, default: int = LossParameter.VALID) -> int:
    """Returns what a loss_param says of the divisor, by ``normalization`` or the older ``normalize``."""
    if options.HasField("normalization") or not options.HasField("normalize"):
        return options.normalization if options.HasField("normalization") else default
    return LossParameter.VALID if options.normalize else LossParameter.BATCH_SIZE


def loss_divisor(options: Any, mode: int, valid: float, full: int, num: int) -> float:
    """Returns the divisor that ``mode`` means: of ``valid`` and ``full`` elements, or ``num`` items."""
    divisors = {
        LossParameter.VALID: valid,
        LossParameter.FULL: full,
        LossParameter.BATCH_SIZE: num,
        LossParameter.NONE: 1,
        LossParameter.PRE_FIXED: options.pre_fixed_normalizer,
    }
    return float(divisors[mode])


def wanted_diffs(bottom: Sequence[Blob], propagate_down: Sequence[bool], count: int) -> list[Any]:
    """Returns the diffs of the first ``count`` bottoms to write to; None for what is not wanted or absent."""
    wanted = [i < len(bottom) and propagate_down[i] for i in range(count)]
    return [bottom[i].mutable_device_diff if wanted[i] else None for i in range(count)]


class Loss(Layer):
    """Base of losses: bottom 0 is compared with bottom 1, which has as many items; the top is a number."""

    kind = "loss"
    num_bottom = (2, 2)
    is_loss = True
    takes_class_weights: ClassVar[bool] = False

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.kept = Kept(self)
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

    def sum_to_top(self, items: Any, count: int, scale: float, top: Blob) -> None:
        """Writes scale times the sum of the items' losses to the top."""
        row_sums(self.device, 1, count, items, top.mutable_device_data, scale=scale)


class RowLoss(Loss):
    """Base of losses that see bottom 0 as rows of scores, one row and one label for each item.

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


class LabelLoss(Loss):
    """Base of losses with one label per item that can be ignored, and a choice of divisors.

    Attributes:
        outer, classes, inner: how bottom 0 is seen: an item is an (outer, inner) pair.
        ignore_label: None if every label counts.
    """

    default_normalization = LossParameter.VALID
    outer: int
    classes: int
    inner: int

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.loss_param
        self.has_ignore_label = options.HasField("ignore_label")
        self.ignore_label = options.ignore_label
        self.normalization = normalization_mode(options, self.default_normalization)
        if self.normalization == LossParameter.PRE_FIXED and not options.pre_fixed_normalizer > 0:
            self.complain("pre_fixed_normalizer, which PRE_FIXED divides by, must be greater than 0")

    @property
    def items(self) -> int:
        return self.outer * self.inner

    def set_sizes(self, outer: int, classes: int, inner: int, labels: Shape) -> None:
        """Keeps the sizes; raises NetError unless the labels are as many as the items."""
        self.outer, self.classes, self.inner = outer, classes, inner
        count = math.prod(labels)
        if count != self.items:
            self.complain(
                f"has {count} labels {labels} for {self.items} predictions: one label for each item and "
                "position is wanted, without the axis of the classes"
            )

    @property
    def ignoring(self) -> tuple[bool, int]:
        """The kernels' arguments (whether a label is ignored, which)."""
        return self.has_ignore_label, self.ignore_label

    @property
    def item_losses(self) -> Any:
        """The buffer that a kernel fills: the losses of all items, then 1 for each that counts."""
        return self.device.scratch(2 * self.items, "losses")

    @property
    def totals(self) -> Any:
        """After ``mean_to_top``: the sum of the losses, and the divisor."""
        return self.kept.get("totals", 2)

    def mean_to_top(self, items: int, top: Blob) -> None:
        """Writes the items' losses, summed and divided as the normalization mode wants, to the top."""
        row_sums(self.device, 2, items, self.item_losses, self.totals)
        # 0: the kernel takes the number of labels that count.
        divisor = loss_divisor(self.param.loss_param, self.normalization, 0, items, self.outer)
        self.device.launch("loss", "loss_mean", 1, divisor, self.totals, top.mutable_device_data)


class SoftmaxLoss(LabelLoss):
    """Base: softmax is taken over an axis of bottom 0; its probabilities may be a second top."""

    num_top = (1, 2)

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def find_axis(self, axis: int, x: Shape) -> None:
        """Keeps the sizes before, of and behind the axis of the classes."""
        axis = positive_axis(axis, x)
        self.outer, self.classes, self.inner = math.prod(x[:axis]), x[axis], math.prod(x[axis + 1 :])

    def find_labels(self, axis: int, x: Shape, labels: Shape) -> None:
        """Keeps the sizes and the classes; raises NetError unless the labels are as many as the items."""
        self.find_axis(axis, x)
        self.set_sizes(self.outer, self.classes, self.inner, labels)
        self.label_classes = self.classes
        self.ignored_label = self.ignore_label if self.has_ignore_label else None

    @property
    def prob(self) -> Any:
        """The buffer of the probabilities, which lasts from forward to backward."""
        return self.kept.get("prob", self.items * self.classes)

    def compute_prob(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Fills ``prob``, and top 1 if there is one."""
        x, prob = bottom[0].device_data, self.prob
        softmax_forward(self.device, self.outer, self.classes, self.inner, x, prob)
        if len(top) > 1:
            nbytes = top[1].count * self.device.dtype.itemsize
            self.device.copy(top[1].mutable_device_data, prob, nbytes)

    def launch_items(self, kernel: str, *args: Any) -> None:
        """Launches a kernel with one work item per (inner, outer)."""
        size, options = row_range(self.inner, self.outer)
        self.launch(kernel, size, self.outer, self.classes, self.inner, *args, **options)
