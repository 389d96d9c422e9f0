"""BatchNorm: each channel to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cnnviz
from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._in_place import InPlaceSafe
from cnnviz.engine.ops.add import add
from cnnviz.engine.ops.channels import Channels
from cnnviz.errors import NetError
from cnnviz.formats.schema import FillerParameter, LayerParameter


class BatchNorm(InPlaceSafe):
    """y = (x - mean_c) / sqrt(variance_c + eps) for each channel c

    Mean and (biased) variance are the batch's own in TRAIN, the stored ones in TEST. After each batch
    of m elements a channel: blob 0 = f blob 0 + mean, blob 1 = f blob 1 + variance m / (m - 1),
    blob 2 = f blob 2 + 1 with f = moving_average_fraction; the stored ones are blobs 0 and 1 divided by
    blob 2, or 0 where that is 0. A learned factor and shift are left to the Scale layer.

    NVCaffe's form, with scale_bias or one of the two fillers, learns them here: y = scale_c (x - mean_c) /
    sqrt(variance_c + eps) + bias_c. It keeps blob = f blob + (1 - f) batch for the mean and the biased
    variance, where nothing was loaded the first two batches as they are; blob 2 stays 1 and is not used;
    eps is at least 1e-5.

    batch_norm_param:
        use_global_stats: true takes the stored statistics, false the batch's; default by phase.
        moving_average_fraction: f; default 0.999.
        eps: added to the variance; default 1e-5.
        scale_bias: whether it is NVCaffe's form; default false.
        scale_filler, bias_filler: how scale and bias are initialized; default constant 1 and 0.
        filler: accepted, changes nothing; it belongs to a factor that one fork merges with the Scale
            layer after it.

    Bottom: (N, C, ...); channels are axis 1, a bottom of one axis is one channel.
    Top: of the same shape; may be the bottom (in place).
    Parameters: sums of means (C), sums of variances (C), their weight (1), not learned: lr_mult is 0;
        then scale (C) and bias (C) in NVCaffe's form.
    Raises: NetError if a param entry asks for another lr_mult.
    Source: Ioffe and Szegedy 2015; Caffe's BatchNormLayer; NVCaffe's, by the source of its version for
        processors.
    Checked: against Caffe; NVCaffe's form by its formula.
    """

    type = "BatchNorm"
    kind = "normalization"
    follows = True
    has_statistics = True
    pointwise = True

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.batch_norm_param
        fillers = given.HasField("scale_filler") or given.HasField("bias_filler")
        self._learns = given.scale_bias or fillers
        self._seen: int | None = None
        self._fix_lr_mult(param)
        self._stored = given.use_global_stats if given.HasField("use_global_stats") else phase == cnnviz.TEST

    @staticmethod
    def _fix_lr_mult(param: LayerParameter) -> None:
        for i in range(3):
            if len(param.param) == i:
                param.param.add(lr_mult=0, decay_mult=0)
            elif param.param[i].lr_mult != 0:
                raise NetError(
                    f"param {i} has lr_mult {param.param[i].lr_mult:g}, but its parameters are statistics "
                    "that are not learned; set lr_mult: 0"
                )

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self._dim = bottom[0][1] if len(bottom[0]) > 1 else 1
        return [bottom[0]]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given, shape = self.param.batch_norm_param, (self._dim,)
        if not self._learns:
            return [Weight(shape), Weight(shape), Weight((1,))]
        statistics = [Weight(shape), Weight(shape), Weight((1,), FillerParameter(value=1))]
        scale = given.scale_filler if given.HasField("scale_filler") else FillerParameter(value=1)
        return [*statistics, Weight(shape, scale), Weight(shape, given.bias_filler)]

    def setup(self) -> None:
        self._mean, self._variance, self._inverse = (
            Blob(self.device, (self._dim,), f"{name} of layer {self.name!r}")
            for name in ("mean", "variance", "inverse")
        )

    def _channels(self, bottom: Blob) -> Channels:
        if len(bottom.shape) < 2:
            return Channels(self.device, 1, 1, bottom.count)
        return Channels.of(self.device, bottom.shape, 1)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.keep_bottom(bottom[0], top[0])
        channels, dim = self._channels(bottom[0]), self._dim
        x, y = bottom[0].device_data, top[0].mutable_device_data
        mean, variance = self._statistics(channels, x)
        inverse = self._inverse.mutable_device_data
        self.launch("batch_norm_inverse", dim, dim, self._eps, variance, inverse)
        channels.affine(x, y, shift=mean, factor=inverse)
        if self._learns:
            channels.affine(y, y, factor=self.blobs[3].device_data, bias=self.blobs[4].device_data)

    def _statistics(self, channels: Channels, x: Any) -> tuple[Any, Any]:
        """Returns mean and variance to use, and takes the batch's into the stored ones in training."""
        mean, variance = self._mean.mutable_device_data, self._variance.mutable_device_data
        if self._stored and self._learns:
            self._mean.copy_data_from(self.blobs[0])
            self._variance.copy_data_from(self.blobs[1])
        elif self._stored:
            sums = [blob.device_data for blob in self.blobs[:3]]
            self.launch("batch_norm_stored", self._dim, self._dim, *sums, mean, variance)
        else:
            channels.moments(x, mean, variance)
            (self._average if self._learns else self._accumulate)(channels.size)
        return mean, variance

    @property
    def _eps(self) -> float:
        eps = self.param.batch_norm_param.eps
        return max(eps, 1e-5) if self._learns else eps

    def _average(self, size: int) -> None:
        """Takes the batch into NVCaffe's running averages."""
        if self._seen is None:  # continues from what was loaded, so that a resumed training is the same
            self._seen = 2 if self.blobs[1].read_data().any() else 0
        fraction = self.param.batch_norm_param.moving_average_fraction if self._seen > 1 else 0.0
        self._seen += 1
        kept = [blob.mutable_device_data for blob in self.blobs[:2]]
        batch = self._mean.device_data, self._variance.device_data
        self.launch("batch_norm_average", self._dim, self._dim, fraction, *batch, *kept)

    def _accumulate(self, size: int) -> None:
        """Adds the batch to Caffe's sums."""
        fraction = self.param.batch_norm_param.moving_average_fraction
        correction = size / (size - 1) if size > 1 else 1.0
        sums = [blob.mutable_device_data for blob in self.blobs[:3]]
        batch = self._mean.device_data, self._variance.device_data
        self.launch("batch_norm_update", self._dim, self._dim, fraction, correction, *batch, *sums[:2])
        self.launch("batch_norm_count", 1, fraction, sums[2])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        channels, dy = self._channels(bottom[0]), top[0].device_diff
        x, mean, inverse = self.kept_bottom(bottom[0]), self._mean.device_data, self._inverse.device_data
        if self._learns:
            sums = channels.normalized_sums(x, mean, inverse, dy)
            for blob, total in zip(self.blobs[3:], reversed(sums), strict=True):
                add(self.device, self._dim, blob.device_diff, total, blob.mutable_device_diff)
        if not propagate_down[0]:
            return
        dx = bottom[0].mutable_device_diff
        if self._stored:
            channels.affine(dy, dx, factor=inverse)
        else:
            channels.normalize_backward(x, mean, inverse, dy, dx)
        if self._learns:
            channels.affine(dx, dx, factor=self.blobs[3].device_data)
