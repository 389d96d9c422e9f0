"""SPP: spatial pyramid pooling, a fixed number of values from a plane of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops import pooling
from cnnviz.engine.ops.views import View, box, gather, scatter
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, SPPParameter

_MAX_LEVELS = 16
"""The windows of more do not fit a blob."""


class SPP(Layer):
    """y = the planes pooled to 1 x 1, 2 x 2, 4 x 4, ... values, one level after another

    Level l has 2^l x 2^l windows of ceil(H / 2^l) x ceil(W / 2^l) pixels without overlap; what they cover
    beyond the plane is padding, half of it (rounded up) at the start.

    spp_param:
        pyramid_height: number of levels.
        pool: MAX (default) or AVE, whose divisor counts padding. STOCHASTIC is refused.
        engine: accepted and not used.

    Bottom: x (N, C, H, W).
    Top: y (N, C (4^levels - 1) / 3); with one level (N, C, 1, 1).
    Raises: NetError if a level has windows of padding alone: use fewer levels.
    Source: He et al. 2014; Caffe's SPPLayer.
    """

    type = "SPP"
    keeps_forward = True
    kind = "pooling"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.spp_param
        self.levels = options.pyramid_height
        if self.levels < 1:
            raise NetError("pyramid_height is missing or 0; give the number of levels")
        if self.levels > _MAX_LEVELS:
            raise NetError(f"pyramid_height is {self.levels}; expected at most {_MAX_LEVELS}")
        if options.pool == SPPParameter.STOCHASTIC:
            raise NetError("pool STOCHASTIC is not supported; use MAX or AVE")
        self._is_max = options.pool == SPPParameter.MAX
        self._workspace = Workspace(self)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) != 4:
            raise NetError(f"expects a bottom (N, C, H, W), not {bottom[0]}")
        num, channels, height, width = bottom[0]
        self.num, self.channels = num, channels
        self.windows = [_level_window(2**level, height, width) for level in range(self.levels)]
        total = channels * sum(4**level for level in range(self.levels))
        return [(num, channels, 1, 1)] if self.levels == 1 else [(num, total)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        planes, x, y = self.num * self.channels, bottom[0].device_data, top[0].mutable_device_data
        for level, window in enumerate(self.windows):
            pooled = self.device.scratch(planes * window.pooled_count, "level")
            if self._is_max:
                pooling.max_forward(self.device, planes, window, x, pooled, self._index(level))
            else:
                pooling.ave_forward(self.device, planes, window, x, pooled)
            scatter(self.device, self._part(level, top[0]), pooled, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if not propagate_down[0]:
            return
        planes, dy, dx = self.num * self.channels, top[0].device_diff, bottom[0].mutable_device_diff
        for level, window in enumerate(self.windows):
            part = self.device.scratch(planes * window.pooled_count, "level")
            gather(self.device, self._part(level, top[0]), dy, part)
            add = level > 0
            if self._is_max:
                pooling.index_backward(self.device, planes, window, self._index(level), part, dx, add)
            else:
                pooling.ave_backward(self.device, planes, window, part, dx, add=add)

    def _index(self, level: int) -> Any:
        count = self.num * self.channels * self.windows[level].pooled_count
        return self._workspace.get(f"index of level {level}", count, itemsize=4)

    def _part(self, level: int, top: Blob) -> View:
        """Returns where the level's values lie in the top."""
        whole = (self.num, top.count_from(1))
        start = self.channels * sum(4**below for below in range(level))
        return box(whole, (self.num, self.channels * self.windows[level].pooled_count), (0, start))


def _level_window(bins: int, height: int, width: int) -> pooling.Window:
    kernel = (-(-height // bins), -(-width // bins))
    pad = tuple((k * bins - size + 1) // 2 for k, size in zip(kernel, (height, width), strict=True))
    return pooling.pooling_window((height, width), kernel, kernel, pad)  # type: ignore[arg-type]
