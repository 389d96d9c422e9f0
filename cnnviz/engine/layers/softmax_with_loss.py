"""SoftmaxWithLoss: softmax and the negative log-likelihood of the label."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import axis_sizes
from cnnviz.engine.layers._softmax_loss import SoftmaxLoss
from cnnviz.engine.ops.softmax import softmax_forward
from cnnviz.errors import NetError


class SoftmaxWithLoss(SoftmaxLoss):
    """loss = -1/D sum over items of w[label] log p[label],  p = softmax(x)

    p is clamped to at least 1.18e-38, so that an item adds at most 87.3. D depends on normalization and
    is at least 1.

    softmax_param:
        axis: the axis of the classes; default 1.
    loss_param:
        ignore_label: items with this label add nothing and get no gradient; default: none.
        normalization: D is the number of labels that are not ignored (VALID, the default), of all
            labels (FULL), of entries before the axis (BATCH_SIZE), 1 (NONE), or pre_fixed_normalizer
            (PRE_FIXED; default 1).
        normalize: used if normalization is not given: true is VALID, false BATCH_SIZE.
        weight_by_label_freqs: whether the classes have weights w; default false: all are 1.
        class_weighting: w, one value for each class, used with weight_by_label_freqs only.

    Bottom: scores x (N, C, ...); labels (N, ...), one integer in [0, C) for each item and position.
    Top: the loss (), optional; p of the shape of x, optional; each item's own loss, of the shape of the
        labels, optional. No gradient flows through p and the items' losses.
    Raises: NetError if the labels are not as many as the items, or the weights not as many as the classes.
        A label that is not a class makes the loss NaN.
    Source: Caffe's SoftmaxWithLossLayer, where the second top does not work; the third top is R-FCN's
        (daijifeng001/caffe-rfcn), the weights are SegNet's (alexgkendall/caffe-segnet).
    Checked: against Caffe 1.0 and these two forks.
    """

    type = "SoftmaxWithLoss"
    pointwise = True
    num_top = (1, 3)
    takes_class_weights = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        loss = super().shapes(bottom)
        x, labels = bottom
        self.sizes = axis_sizes(self.param.softmax_param.axis, x)
        self.set_labels(labels)
        self._class_weights = self._given_weights()
        return [*loss, x, labels][: max(1, len(self.param.top))]

    def _given_weights(self) -> np.ndarray | None:
        options, classes = self.param.loss_param, self.sizes[1]
        if not options.weight_by_label_freqs:
            return None
        if len(options.class_weighting) != classes:
            raise NetError(
                f"has {len(options.class_weighting)} values of class_weighting for {classes} classes; "
                "give one for each"
            )
        return np.array(options.class_weighting)

    def setup(self) -> None:
        self._weights: Any = None
        if self._class_weights is not None:
            weights = self._class_weights.astype(self.device.dtype)
            self._weights = self.device.upload(weights, "class weights")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, labels = bottom[0].device_data, bottom[1].device_data
        prob, losses = self.prob, self.new_losses()
        softmax_forward(self.device, *self.sizes, x, prob)
        self.launch_items("softmax_loss_forward", *self.ignore, prob, labels, self._weights, losses)
        self.normalize(losses, self.divisor, top[0])
        self.copy_to_tops(top[1:], prob, losses)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            data = (self.prob, bottom[1].device_data, self._weights)
            dloss, dx = top[0].device_diff, bottom[0].mutable_device_diff
            self.launch_items("softmax_loss_backward", *self.ignore, *data, self.divisor, dloss, dx)


class SoftmaxWithLossOHEM(SoftmaxWithLoss):
    """loss = -1/D sum over items of w[label] log p[label],  p = softmax(x): as SoftmaxWithLoss

    The name that R-FCN's first release gave to SoftmaxWithLoss with a third top, from which BoxAnnotatorOHEM
    chooses the hard examples. Parameters, bottoms and tops are as of SoftmaxWithLoss.

    Bottom: scores x (N, C, ...); labels (N, ...).
    Top: the loss (); p, optional; each item's own loss, optional.
    Raises: NetError as of SoftmaxWithLoss.
    Source: R-FCN (extendedcaffe/extended-caffe).
    Checked: against that fork.
    """

    type = "SoftmaxWithLossOHEM"
