"""What layers share that may work in place although backward needs their bottom."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import Layer


class InPlaceSafe(Layer):
    """Base of layers whose gradient needs bottom 0 as it was before an in-place forward."""

    _copy: Blob | None = None

    def keep_bottom(self, bottom: Blob, top: Blob) -> None:
        """To be called before forward writes ``top``; copies only where it must."""
        if bottom is not top or not self.needs_backward:
            self._copy = None
            return
        if self._copy is None:
            self._copy = Blob(self.device, bottom.shape, f"copy of {bottom.label}")
        self._copy.reshape(*bottom.shape)
        self._copy.copy_data_from(bottom)

    def kept_bottom(self, bottom: Blob) -> Any:
        """Returns the buffer of bottom 0 as forward saw it."""
        if self._copy is not None:  # backward may come after a change of shapes
            self._copy.reshape(*bottom.shape)
        return (self._copy or bottom).device_data
