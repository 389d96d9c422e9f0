"""Buffers that a layer fills in forward and reads in backward."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.layer import Layer


class Workspace:
    """Named buffers of one layer; each is zero at first, and again where it had to grow.

    Zero, as all memory of Caffe's: backward may come without forward.
    """

    def __init__(self, layer: Layer):
        self._layer = layer
        self._buffers: dict[str, Any] = {}

    def get(self, name: str, count: int, itemsize: int = 0) -> Any:
        """Returns the buffer ``name`` with room for ``count`` elements.

        Args:
            itemsize: bytes of one element; default: those of the device's element type.
        """
        device = self._layer.device
        nbytes = max(1, count) * (itemsize or device.dtype.itemsize)
        have = self._buffers.get(name)
        if have is None or have.size < nbytes:
            label = f"{name} of layer {self._layer.name!r}"
            elements = -(-nbytes // device.dtype.itemsize)
            have = self._buffers[name] = device.new_buffer(elements * device.dtype.itemsize, label)
            device.fill(have, 0.0, elements)
        return have
