"""Dropout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

import cnnviz
from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._random import draw_seeds


class Dropout(Layer):
    """TRAIN: y = x mask / (1 - dropout_ratio), mask 0 with probability dropout_ratio, else 1; TEST: y = x

    dropout_param:
        dropout_ratio: probability, 0 to 1, that an element is dropped; default 0.5.
        scale_train: whether kept elements are divided by 1 - dropout_ratio in TRAIN, as in Caffe; if
            false, as some forks have it, all are multiplied by it in TEST instead; default true.

    The mask of an element follows from a seed, drawn in each forward, and the element's index.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Raises: NetError if dropout_ratio is not in 0 to 1.
    Source: Srivastava et al. 2014; Caffe's DropoutLayer.
    """

    type = "Dropout"
    kind = "activation"
    follows = True
    new_maps = False
    pointwise = True
    _seeds = (np.uint32(0), np.uint32(0))

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        ratio = self.param.dropout_param.dropout_ratio
        if not 0 <= ratio <= 1:
            self.complain(f"dropout_ratio is {ratio:g}, expected a probability from 0 to 1")
        return [bottom[0]]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self.phase == cnnviz.TRAIN:
            self._seeds = draw_seeds(self.random)
        if self._is_identity():
            if top[0] is not bottom[0]:
                top[0].copy_data_from(bottom[0])
        else:
            self._mask(bottom[0].count, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        if self._is_identity():
            if top[0] is not bottom[0]:
                bottom[0].copy_diff_from(top[0])
        else:
            self._mask(bottom[0].count, top[0].device_diff, bottom[0].mutable_device_diff)

    def _is_identity(self) -> bool:
        return self.phase == cnnviz.TEST and self.param.dropout_param.scale_train

    def _mask(self, count: int, source: object, target: object) -> None:
        given = self.param.dropout_param
        kept = 1 - given.dropout_ratio
        threshold, scale = 0, kept
        if self.phase == cnnviz.TRAIN:
            threshold = round(given.dropout_ratio * 2**24)  # the kernel compares 24 random bits
            scale = 1 / kept if given.scale_train and kept > 0 else 1.0
        self.device.launch(
            "random", "random_mask", count, count, *self._seeds, threshold, scale, source, target
        )
