"""The piece of a result that one work item keeps in a processor's vector registers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.engine.device import Device


@dataclass(frozen=True)
class Tile:
    """``rows`` x ``vectors`` registers of ``lanes`` elements each.

    The sums, one row of the other factor and one value must fit the registers: with too many the
    compiler spills them to memory, which halves the speed.
    """

    lanes: int
    rows: int
    vectors: int

    @property
    def cols(self) -> int:
        return self.vectors * self.lanes

    @property
    def defines(self) -> tuple[tuple[str, int], ...]:
        """What the kernels are built with."""
        return (("LANES", self.lanes), ("ROWS", self.rows), ("VECTORS", self.vectors))


def tile_of(device: Device) -> Tile:
    """Returns the tile that fits the device's registers."""
    lanes = min(max(device.vector_width, 4), 16)
    # AVX-512 and NEON have 32 registers; AVX2, with 32 bytes in each, has 16.
    has_32_registers = lanes * np.dtype(device.dtype).itemsize != 32
    return Tile(lanes, 8 if has_32_registers else 6, 2)
