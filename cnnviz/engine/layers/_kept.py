"""What layers share that need their bottom in backward although they may work in place."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import Layer


class KeepsBottom(Layer):
    """Base of layers whose gradient needs bottom 0 as it was before an in-place forward."""

    _kept: Blob | None = None

    def keep_bottom(self, bottom: Blob, top: Blob) -> None:
        """To be called before forward writes ``top``; copies only where it must."""
        if bottom is not top or not self.needs_backward:
            self._kept = None
            return
        if self._kept is None:
            self._kept = Blob(self.device, bottom.shape, f"copy of {bottom.label}")
        self._kept.reshape(*bottom.shape)
        self._kept.copy_data_from(bottom)

    def kept_bottom(self, bottom: Blob) -> Any:
        """Returns the buffer of bottom 0 as forward saw it."""
        if self._kept is not None:  # backward may come after a change of shapes
            self._kept.reshape(*bottom.shape)
        return (self._kept or bottom).device_data
