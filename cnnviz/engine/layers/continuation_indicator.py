"""ContinuationIndicator: the second bottom of an LSTM whose sequences all start at step 0."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError


class ContinuationIndicator(Layer):
    """y[t, n] = 0 for t = 0, otherwise 1

    continuation_indicator_param:
        time_step: T; required.
        batch_size: N, where there is no bottom.

    Bottom: (N, ...), optional; only N counts.
    Top: y (T, N).
    Raises: NetError if time_step is missing, or neither a bottom nor batch_size gives N.
    Source: xmfbit's fork of Caffe (warpctc-caffe).
    Checked: by its formula; no fork was available.
    """

    type = "ContinuationIndicator"
    kind = "data"
    num_bottom = (0, 1)
    has_backward = False

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = self.param.continuation_indicator_param
        num = bottom[0][0] if bottom and bottom[0] else given.batch_size
        if not given.time_step or not num:
            raise NetError("needs a time_step, and a bottom or a batch_size, above 0")
        return [(given.time_step, num)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        y = top[0].data
        y[...] = 1
        y[0] = 0
