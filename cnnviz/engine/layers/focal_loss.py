"""FocalLoss: a softmax loss in which items that are easy weigh little."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import axis_sizes
from cnnviz.engine.layers._softmax_loss import SoftmaxLoss
from cnnviz.engine.ops.softmax import softmax_forward
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class FocalLoss(SoftmaxLoss):
    """loss = -alpha/D sum over items of (1 - p)^gamma log p,  p = softmax(x)[label]

    log p is that of 1.18e-38 where p is below. D depends on normalization as in SoftmaxWithLoss, and is at
    least 1.

    focal_loss_param:
        alpha: above 0; default 0.25.
        gamma: 0 or above; default 2.
        type, beta: accepted, change nothing; the original reads but does not use them.
    softmax_param:
        axis: the axis of the classes; default 1.
    loss_param:
        ignore_label, normalization, normalize: as in SoftmaxWithLoss.

    Bottom: scores x (N, C, ...); labels (N, ...), one integer in [0, C) for each item and position.
    Top: the loss (); the probabilities, of the shape of x, optional, through which no gradient flows.
    Raises: NetError if alpha or gamma is out of range, or the labels are not as many as the items. A label
        that is not a class makes the loss NaN.
    Source: Lin et al. 2017; zimenglan-sysu-512's layer for Caffe.
    Checked: against that layer.
    """

    type = "FocalLoss"
    more_params = ("softmax_param",)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.focal_loss_param
        if not given.alpha > 0 or not given.gamma >= 0:
            raise NetError(
                f"focal_loss_param has alpha {given.alpha:g} and gamma {given.gamma:g}; alpha must be above "
                "0, gamma 0 or above"
            )

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        loss = super().shapes(bottom)
        x, labels = bottom
        self.sizes = axis_sizes(self.param.softmax_param.axis, x)
        self.set_labels(labels)
        return loss + ([x] if len(self.param.top) > 1 else [])

    @property
    def _curve(self) -> tuple[float, float]:
        return self.param.focal_loss_param.alpha, self.param.focal_loss_param.gamma

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, labels = bottom[0].device_data, bottom[1].device_data
        prob, losses = self.prob, self.new_losses()
        softmax_forward(self.device, *self.sizes, x, prob)
        self.launch_items("focal_forward", *self.ignore, *self._curve, prob, labels, losses)
        self.normalize(losses, self.divisor, top[0])
        self.copy_to_tops(top[1:], prob)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            data = (self.prob, bottom[1].device_data, self.divisor)
            dloss, dx = top[0].device_diff, bottom[0].mutable_device_diff
            self.launch_items("focal_backward", *self.ignore, *self._curve, *data, dloss, dx)
