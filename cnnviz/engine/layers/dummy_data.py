"""DummyData: blobs filled by fillers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.filler import fill
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError
from cnnviz.formats.schema import FillerParameter


class DummyData(Layer):
    """Constants that are filled once, or random numbers that are drawn again in each forward.

    dummy_data_param:
        shape: one for all tops, or one for each; or the older num, channels, height and width, each
            given once or for each top.
        data_filler: one for all tops, or one for each; default constant 0.

    Bottom: none.
    Top: of the given shapes.
    Raises: NetError if shapes or fillers do not match in number, or are mixed with the older form.
    Source: Caffe's DummyDataLayer.
    """

    type = "DummyData"
    kind = "data"
    reads_data = True
    num_bottom = (0, 0)
    num_top = (1, None)
    has_backward = False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        param = self.param.dummy_data_param
        older = [list(getattr(param, name)) for name in ("num", "channels", "height", "width")]
        if param.shape and any(older):
            raise NetError(
                "dummy_data_param has shape and the older num, channels, height, width; keep one form"
            )
        self._fillers: list[Any] = self._for_each_top(param.data_filler or [FillerParameter()], "data_filler")
        if param.shape:
            return self._for_each_top([tuple(shape.dim) for shape in param.shape], "shape")
        names = ("num", "channels", "height", "width")
        axes = [self._for_each_top(values, name) for values, name in zip(older, names, strict=True)]
        return [tuple(shape) for shape in zip(*axes, strict=True)]

    def _for_each_top(self, given: Sequence[Any], name: str) -> list[Any]:
        tops = len(self.param.top)
        if len(given) not in (1, tops):
            raise NetError(
                f"dummy_data_param has {len(given)} {name} for {tops} tops; give one, or one for each"
            )
        return list(given) * (tops if len(given) == 1 else 1)

    def setup(self) -> None:
        self._filled = False

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        for blob, filler in zip(top, self._fillers, strict=True):
            if filler.type != "constant" or not self._filled:
                data = blob.data
                data[...] = fill(blob.shape, filler, self.random)
        self._filled = True
