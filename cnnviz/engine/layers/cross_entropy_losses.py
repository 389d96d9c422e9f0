"""Losses that are logarithms of probabilities, besides SoftmaxWithLoss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import axis_sizes
from cnnviz.engine.layers._label_loss import LabelLoss
from cnnviz.engine.layers._row_loss import RowLoss
from cnnviz.engine.layers._softmax_loss import SoftmaxLoss
from cnnviz.engine.ops.softmax import softmax_forward
from cnnviz.engine.ops.sums import row_sums
from cnnviz.errors import NetError
from cnnviz.formats.binaryproto import read_mean
from cnnviz.formats.schema import LayerParameter, LossParameter


class SigmoidCrossEntropyLoss(LabelLoss):
    """loss = -1/D sum of t log p + (1 - t) log(1 - p),  p = 1 / (1 + exp(-x))

    loss_param:
        ignore_label: elements with int(t) equal to it add nothing; default: none.
        normalization: D is N (BATCH_SIZE, the default), the number of elements that are not ignored
            (VALID), of all elements (FULL), 1 (NONE), or pre_fixed_normalizer (PRE_FIXED).
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: scores x (N, ...); targets t, in [0, 1], as many in each of N items. Only x gets a gradient.
    Top: the loss (); the same as a second top, optional, is refused.
    Raises: NetError if the bottoms differ in size.
    Source: Caffe's SigmoidCrossEntropyLossLayer.
    """

    type = "SigmoidCrossEntropyLoss"
    default_normalization = LossParameter.BATCH_SIZE

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        x, target = bottom
        self.sizes = x[0], 1, math.prod(x[1:])
        self.check_label_count(target)
        return top

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, target, count = bottom[0].device_data, bottom[1].device_data, self.items
        losses = self.new_losses()
        self.launch("sigmoid_forward", count, count, *self.ignore, x, target, losses)
        self.normalize(losses, self.divisor, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            x, target, count = bottom[0].device_data, bottom[1].device_data, self.items
            data = (x, target, self.divisor, top[0].device_diff, bottom[0].mutable_device_diff)
            self.launch("sigmoid_backward", count, count, *self.ignore, *data)


class MultinomialLogisticLoss(RowLoss):
    """loss = -1/N sum over n of log p[n, label[n]]

    p is clamped to at least 1e-20, in the gradient too.

    Bottom: probabilities p (N, C, ...), seen as N rows; labels (N), integers in [0, C). Only p gets a
        gradient. A label that is not a class makes the loss NaN.
    Top: the loss ().
    Raises: NetError unless there is one label per item.
    Source: Caffe's MultinomialLogisticLossLayer.
    """

    type = "MultinomialLogisticLoss"

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        p, labels, num = bottom[0].device_data, bottom[1].device_data, bottom[1].count
        losses = self.device.scratch(num, "losses")
        self.launch("multinomial_forward", num, num, self.classes, p, labels, losses)
        self.sum_to_top(losses, num, self.scale, top[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            p, labels, count = bottom[0].device_data, bottom[1].device_data, bottom[0].count
            dloss, dp = top[0].device_diff, bottom[0].mutable_device_diff
            self.launch("multinomial_backward", count, count, self.classes, self.scale, p, labels, dloss, dp)


class InfogainLoss(SoftmaxLoss):
    """loss = -1/D sum over items of sum over c of H[label, c] log p[c],  p = softmax(x)

    H gives the value of each prediction for each label; the identity matrix gives SoftmaxWithLoss. p is
    clamped to at least 1e-20.

    infogain_loss_param:
        source: a .binaryproto, .npy or .mat file with H (C, C), if there is no third bottom.
        axis: the axis of the classes; default 1.
    loss_param:
        ignore_label, normalization: as of SoftmaxWithLoss (default VALID); normalize is refused.

    Bottom: scores x (N, C, ...); labels (N, ...); H with C x C elements, optional. Only x gets a
        gradient. A label that is not a class makes the loss NaN.
    Top: the loss (); p of the shape of x, optional, through which no gradient flows.
    Raises: NetError if H is not C x C or missing, or the labels are not as many as the items.
    Source: Caffe's InfogainLossLayer.
    """

    type = "InfogainLoss"
    num_bottom = (2, 3)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        if param.loss_param.HasField("normalize"):
            self.complain("takes no normalize; give normalization instead")
        self._matrix: Any = None

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        x, labels = bottom[:2]
        self.sizes = axis_sizes(self.param.infogain_loss_param.axis, x)
        self.set_labels(labels)
        classes = self.sizes[1]
        if len(bottom) < 3:
            self._load_matrix(classes)
        elif math.prod(bottom[2]) != classes**2:
            self.complain(f"bottom 2 is {bottom[2]}, expected a matrix {classes} x {classes}")
        return top + ([x] if len(self.param.top) > 1 else [])

    def _load_matrix(self, classes: int) -> None:
        source = self.param.infogain_loss_param.source
        if not source:
            raise NetError("has no matrix; give infogain_loss_param.source or a third bottom")
        if self._matrix is None:
            self._matrix = read_mean(self.resolve(source))
        if self._matrix.size != classes**2:
            raise NetError(
                f"{source} holds {self._matrix.size} values, expected a matrix {classes} x {classes}"
            )

    def setup(self) -> None:
        if self._matrix is not None:
            self._uploaded = self.device.upload(self._matrix.astype(self.device.dtype), "infogain matrix")

    def _matrix_buffer(self, bottom: Sequence[Blob]) -> Any:
        return bottom[2].device_data if len(bottom) > 2 else self._uploaded

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, labels = bottom[0].device_data, bottom[1].device_data
        prob, losses = self.prob, self.new_losses()
        softmax_forward(self.device, *self.sizes, x, prob)
        data = (prob, labels, self._matrix_buffer(bottom), losses)
        self.launch_items("infogain_forward", *self.ignore, *data)
        self.normalize(losses, self.divisor, top[0])
        self.copy_to_tops(top[1:], prob)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        classes, matrix = self.sizes[1], self._matrix_buffer(bottom)
        sums = self.device.scratch(classes, "row sums")
        row_sums(self.device, (classes, classes), matrix, sums)
        data = (self.prob, bottom[1].device_data, matrix, sums)
        dloss, dx = top[0].device_diff, bottom[0].mutable_device_diff
        self.launch_items("infogain_backward", *self.ignore, *data, self.divisor, dloss, dx)


class SoftmaxCrossEntropyLoss(SoftmaxLoss):
    """loss = -1/D sum over items of sum over c of t[c] log p[c],  p = softmax(x)

    Softmax with a distribution t as the target, e.g. smoothed labels or another net's output. p is clamped
    to at least 1e-20.

    softmax_param:
        axis: the axis of the classes; default 1.
    loss_param:
        normalization: D is the number of items (VALID, the default, and FULL), of entries before the
            axis (BATCH_SIZE), 1 (NONE), or pre_fixed_normalizer (PRE_FIXED). ignore_label is refused.
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.

    Bottom: scores x (N, C, ...); targets t of the same shape. Only x gets a gradient.
    Top: the loss (); p of the shape of x, optional, through which no gradient flows.
    Raises: NetError if the bottoms differ in shape.
    Source: Hinton et al. 2015 for its use in distillation.
    Checked: by its formula; no fork was available.
    """

    type = "SoftmaxCrossEntropyLoss"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        if param.loss_param.HasField("ignore_label"):
            self.complain("takes no ignore_label: its targets are distributions")

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        top = super().shapes(bottom)
        x, target = bottom
        if x != target:
            self.complain(f"bottom 1 is {target}, expected the shape of bottom 0, {x}")
        self.sizes = axis_sizes(self.param.softmax_param.axis, x)
        return top + ([x] if len(self.param.top) > 1 else [])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, target = bottom[0].device_data, bottom[1].device_data
        prob, losses = self.prob, self.new_losses()
        softmax_forward(self.device, *self.sizes, x, prob)
        self.launch_items("soft_target_forward", prob, target, losses)
        self.normalize(losses, self.divisor, top[0])
        self.copy_to_tops(top[1:], prob)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            target, dloss, dx = bottom[1].device_data, top[0].device_diff, bottom[0].mutable_device_diff
            self.launch_items("soft_target_backward", self.prob, target, self.divisor, dloss, dx)
