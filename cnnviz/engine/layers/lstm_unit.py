"""LSTMUnit: one time step of LSTM cells."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError


class LSTMUnit(Layer):
    """c = cont f c_prev + i g, h = o tanh c, with i, f, o = sigmoid and g = tanh of the four gates

    Bottom: c_prev (1, N, D); gates before their functions (1, N, 4 D), in the order i, f, o, g; cont
        (1, N), 0 where a sequence begins, otherwise 1, without gradient.
    Top: c, h, both (1, N, D).
    Raises: NetError if the shapes do not fit.
    Source: Hochreiter and Schmidhuber 1997; Caffe's LSTMUnitLayer.
    """

    type = "LSTMUnit"
    kind = "recurrent"
    num_bottom = (3, 3)
    num_top = (2, 2)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        cell, gates, cont = bottom
        if len(cell) != 3 or cell[0] != 1:
            raise NetError(f"c_prev is {cell}, expected (1, N, D)")
        if gates != (1, cell[1], 4 * cell[2]):
            raise NetError(f"the gates are {gates}, expected {(1, cell[1], 4 * cell[2])}")
        if cont != cell[:2]:
            raise NetError(f"cont is {cont}, expected {cell[:2]}")
        return [cell, cell]

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index != 2

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        c_prev, gates, cont = (blob.device_data for blob in bottom)
        _, num, dim = bottom[0].shape
        size, options = row_range(dim, num)
        c, h = (blob.mutable_device_data for blob in top)
        self.launch("lstm_unit_forward", size, num, dim, cont, 0, gates, 0, c_prev, 0, c, 0, h, 0, **options)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[2]:
            raise NetError(f"layer {self.name!r} (LSTMUnit): cont has no gradient, but one is asked for.")
        if not any(propagate_down):
            return
        c_prev, gates, cont = (blob.device_data for blob in bottom)
        _, num, dim = bottom[0].shape
        size, options = row_range(dim, num)
        c, dc, dh = top[0].device_data, top[0].device_diff, top[1].device_diff
        dc_prev, dgates = bottom[0].mutable_device_diff, bottom[1].mutable_device_diff
        args = (num, dim, cont, 0, gates, 0, c_prev, 0, c, 0, dc, dh, 0, dgates, dc_prev)
        self.launch("lstm_unit_backward", size, *args, **options)
