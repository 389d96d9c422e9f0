"""BN: batch normalization with slope and bias in one layer, as in forks of Caffe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnviz
from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight, positive_axis
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.engine.ops.add import add
from cnnviz.engine.ops.channels import Channels
from cnnviz.formats.schema import BNParameter, FillerParameter, LayerParameter


class BN(InPlaceSafe):
    """y = slope_c (x - mean_c) / sqrt(variance_c + eps) + bias_c for each channel c

    Two forms exist, distinguished by their fillers' names. The one of PSPNet and ICNet (slope_filler,
    bias_filler) takes the batch's statistics in TRAIN and keeps running ones for TEST: kept = momentum
    kept + (1 - momentum) batch, variance biased. SegNet's (scale_filler, shift_filler, or bn_mode)
    takes the batch's in both phases, or with bn_mode INFERENCE none: y = slope_c x + bias_c, for
    weights that hold the statistics already.

    bn_param:
        slope_filler, scale_filler: of slope; default constant 1.
        bias_filler, shift_filler: of bias; default constant 0.
        momentum: default 0.9.
        eps: added to the variance; default 1e-5, or 1e-9 in SegNet's form.
        frozen: whether TRAIN uses the running statistics and changes neither them nor slope and bias; default
            false.
        bn_mode: LEARN or INFERENCE; default LEARN.
        icnet: accepted, changes nothing.

    Bottom: x of shape (N, C, ...).
    Top: y of the same shape; may be the bottom (in place).
    Parameters: slope, bias, mean, variance of shape (1, C, 1, 1), the last two not learned, and with
        frozen none; slope and bias only in SegNet's form.
    Source: Ioffe and Szegedy 2015; the forks of Caffe of PSPNet and SegNet.
    Checked: against these forks.
    """

    type = "BN"
    kind = "normalization"
    follows = True
    pointwise = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.bn_param
        names = ("scale_filler", "shift_filler", "bn_mode")
        self._is_segnet = any(given.HasField(name) for name in names)
        self._is_affine = given.bn_mode == BNParameter.INFERENCE
        self._takes_kept = not self._is_segnet and (phase == cnnviz.TEST or given.frozen)
        if not self._is_segnet:  # running statistics are not learned, whatever the prototxt specifies
            while len(param.param) < 4:
                param.param.add()
            for spec in param.param[0 if given.frozen else 2 : 4]:
                spec.lr_mult = spec.decay_mult = 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self._dim = bottom[0][positive_axis(1, bottom[0])]
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given, one = self.param.bn_param, FillerParameter(value=1)
        shape = (1, self._dim, 1, 1)
        slope = given.scale_filler if self._is_segnet else given.slope_filler
        bias = given.shift_filler if self._is_segnet else given.bias_filler
        learned = [Weight(shape, slope if slope.ByteSize() else one), Weight(shape, bias)]
        return learned if self._is_segnet else [*learned, Weight(shape), Weight(shape, one)]

    def setup(self) -> None:
        self._mean, self._variance, self._inverse, self._factor = (
            Blob(self.device, (self._dim,), f"{name} of layer {self.name!r}")
            for name in ("mean", "variance", "inverse", "factor")
        )

    def _channels(self, bottom: Blob) -> Channels:
        return Channels.of(self.device, bottom.shape, 1)

    @property
    def _eps(self) -> float:
        given = self.param.bn_param
        return 1e-9 if self._is_segnet and not given.HasField("eps") else given.eps

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        channels, x, y = self._channels(bottom[0]), bottom[0].device_data, top[0].mutable_device_data
        slope, bias = self.blobs[0].device_data, self.blobs[1].device_data
        if self._is_affine:
            channels.affine(x, y, factor=slope, bias=bias)
            return
        mean, variance = self._statistics(channels, x)
        inverse, factor = self._inverse.mutable_device_data, self._factor.mutable_device_data
        self.launch("bn_factor", self._dim, self._dim, self._eps, variance, slope, inverse, factor)
        channels.affine(x, y, shift=mean, factor=factor, bias=bias)

    def _statistics(self, channels: Channels, x: Any) -> tuple[Any, Any]:
        """Returns mean and variance to use, and takes the batch's into the kept ones in training."""
        if self._takes_kept:
            self._mean.copy_data_from(self.blobs[2])
            return self._mean.device_data, self.blobs[3].device_data
        mean, variance = self._mean.mutable_device_data, self._variance.mutable_device_data
        channels.moments(x, mean, variance)
        if not self._is_segnet:
            kept = [blob.mutable_device_data for blob in self.blobs[2:]]
            momentum = self.param.bn_param.momentum
            self.launch("bn_update", self._dim, self._dim, momentum, mean, variance, *kept)
        return mean, variance

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels, x, dy = self._channels(bottom[0]), self.kept_bottom(bottom[0]), top[0].device_diff
        if not self.param.bn_param.frozen:
            self._learn(channels, x, dy)
        if not propagate_down[0]:
            return
        slope, dx = self.blobs[0].device_data, bottom[0].mutable_device_diff
        if self._is_affine:
            channels.affine(dy, dx, factor=slope)
        elif self._takes_kept:
            channels.affine(dy, dx, factor=self._factor.device_data)
        else:
            channels.normalize_backward(x, self._mean.device_data, self._inverse.device_data, dy, dx)
            channels.affine(dx, dx, factor=slope)

    def _learn(self, channels: Channels, x: Any, dy: Any) -> None:
        """Adds to the gradients of slope and bias."""
        if self._is_affine:
            channels.sums(dy, x, self.blobs[0].mutable_device_diff, add=True)
            channels.sums(dy, dy, self.blobs[1].mutable_device_diff, term="PLAIN", add=True)
            return
        sums = channels.normalized_sums(x, self._mean.device_data, self._inverse.device_data, dy)
        for blob, total, learned in zip(self.blobs, reversed(sums), self.param_propagate_down, strict=False):
            if learned:
                add(self.device, self._dim, blob.device_diff, total, blob.mutable_device_diff)
