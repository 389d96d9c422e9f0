"""LSTM: long short-term memory."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._recurrent import Recurrent
from cnnviz.engine.ops.ranges import row_range


class LSTM(Recurrent):
    """For each step t: c_t = cont_t f c_(t-1) + i g, y_t = h_t = o tanh c_t

    i, f, o (sigmoid) and g (tanh) are functions of the four parts of
    W_xc x_t + b_c + W_hc (cont_t h_(t-1)), plus W_xc_static x_static if there is one. h and c at the end
    are carried on to the next forward, where cont_0 decides whether they are used; they begin with 0.

    recurrent_param:
        num_output: D, the number of cells.
        weight_filler: of the matrices; default constant 0.
        bias_filler: of the bias; default constant 0.
        expose_hidden: whether h and c at the start are bottoms and those at the end are tops, instead
            of being carried on; no gradient flows through them; default false.
        debug_info: accepted, changes nothing.

    Bottom: x (T, N, ...), T steps of N sequences; cont (T, N), 0 where a sequence begins, otherwise 1; then
        x_static (N, ...), the same in every step, may follow; then h_0 and c_0 (1, N, D) if exposed.
    Top: y (T, N, D); then h_T and c_T (1, N, D) if exposed.
    Parameters: W_xc (4 D, I), b_c (4 D), W_xc_static (4 D, I_static) with a static bottom, W_hc (4 D, D);
        the 4 D rows are those of i, f, o, g.
    Raises: NetError if the shapes do not fit.
    Source: Hochreiter and Schmidhuber 1997; Donahue et al. 2015; Caffe's LSTMLayer.
    """

    type = "LSTM"
    roles = ("W_xc", "b_c", "W_hc")
    gates = 4
    num_states = 2

    def hidden_weights(self, dim: int) -> list[Weight]:
        return [self.matrix(4 * dim, dim)]

    def setup(self) -> None:
        super().setup()
        self._cells = Blob(self.device, (0,), f"cells of layer {self.name!r}")  # (T + 1, N, D)

    def run_forward(self, cont: Any, top: Blob) -> None:
        self._cells.reshape(self.steps + 1, self.num, self.dim)
        nbytes = self.step_size(1) * self.device.dtype.itemsize
        h, cells = top.mutable_device_data, self._cells.mutable_device_data
        h_state, c_state = (state.mutable_device_data for state in self.states)
        self.device.copy(cells, c_state, nbytes)
        for step in range(self.steps):
            hidden, at = (h, self.step_size(step - 1)) if step else (h_state, 0)
            self.add_hidden(step, cont, hidden, at, self.blobs[-1])
            self._step_forward(step, cont, cells, h)
        self.device.copy(h_state, h, nbytes, start=nbytes * (self.steps - 1))
        self.device.copy(c_state, cells, nbytes, start=nbytes * self.steps)

    def _step_forward(self, step: int, cont: Any, cells: Any, h: Any) -> None:
        size, options = row_range(self.dim, self.num)
        at, following = self.step_size(step), self.step_size(step + 1)
        sizes = (self.num, self.dim, cont, step * self.num)
        data = (self.pre.device_data, 4 * at, cells, at, cells, following, h, at)
        self.device.launch("lstm_unit", "lstm_unit_forward", size, *sizes, *data, **options)

    def run_backward(self, cont: Any, top: Blob) -> None:
        self._cells.clear_diff()
        dh = self.device.scratch(top.count, "recurrent dh")
        for step in reversed(range(self.steps)):
            self.gather_diff(step, cont, top.device_diff, dh)
            self._step_backward(step, cont, dh)
            self.hidden_backward(step, self.blobs[-1])
        if self.param_propagate_down[-1]:
            index = len(self.blobs) - 1
            dpre, before = self.pre.device_diff, self.before.device_data
            self.weight_backward(self.steps * self.num, dpre, before, index)

    def _step_backward(self, step: int, cont: Any, dh: Any) -> None:
        size, options = row_range(self.dim, self.num)
        at, following = self.step_size(step), self.step_size(step + 1)
        cells, dcells = self._cells.device_data, self._cells.mutable_device_diff
        sizes = (self.num, self.dim, cont, step * self.num)
        data = (self.pre.device_data, 4 * at, cells, at, cells, following)
        diffs = (dcells, dh, at, self.pre.mutable_device_diff, dcells)
        self.device.launch("lstm_unit", "lstm_unit_backward", size, *sizes, *data, *diffs, **options)
