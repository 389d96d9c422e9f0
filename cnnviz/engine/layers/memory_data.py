"""MemoryData: images and labels from arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError


class MemoryData(Layer):
    """The next batch_size items of the arrays that ``set_input_arrays`` gave, again and again.

    memory_data_param:
        batch_size, channels, height, width: the shape of data, no defaults.

    The arrays are taken as they are; transform_param changes nothing.

    Bottom: none.
    Top: data (batch_size, channels, height, width); label (batch_size).
    Raises: NetError if a size is missing, or forward runs before arrays are set.
    Source: Caffe's MemoryDataLayer.
    """

    type = "MemoryData"
    kind = "data"
    reads_data = True
    num_bottom = (0, 0)
    num_top = (2, 2)
    has_backward = False

    _arrays: tuple[np.ndarray, np.ndarray] | None = None
    _position = 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        param = self.param.memory_data_param
        sizes = (param.batch_size, param.channels, param.height, param.width)
        if not all(sizes):
            raise NetError("memory_data_param needs batch_size, channels, height and width, all above 0")
        self._sizes = sizes
        return [sizes, sizes[:1]]

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """Sets what the next forward passes read.

        Args:
            data: (N, channels, height, width), N a multiple of batch_size; kept, not copied, if it is
                float32.
            labels: (N) or (N, 1, 1, 1).

        Raises:
            NetError: a shape does not fit.
        """
        batch, *item = self._sizes
        if data.ndim != 4 or list(data.shape[1:]) != item or not len(data) or len(data) % batch:
            raise NetError(
                f"layer {self.name!r}: data is of shape {data.shape}; expected items of {tuple(item)}, "
                f"their number a multiple of the batch_size {batch}."
            )
        if labels.size != len(data) or len(labels) != len(data):
            raise NetError(
                f"layer {self.name!r}: labels are of shape {labels.shape} for {len(data)} items of data."
            )
        self._arrays = (np.asarray(data, np.float32), np.asarray(labels, np.float32).reshape(-1))
        self._position = 0

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._arrays is None:
            raise NetError(
                f"layer {self.name!r} (MemoryData) has no arrays; call set_input_arrays(data, labels)."
            )
        data, labels = self._arrays
        end = self._position + self._sizes[0]
        top[0].data[...] = data[self._position : end]
        top[1].data[...] = labels[self._position : end]
        self._position = end % len(data)
