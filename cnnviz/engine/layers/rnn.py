"""RNN: the plain recurrent layer."""

from __future__ import annotations

from typing import Any

from cnnviz.engine.blob import Blob
from cnnviz.engine.layer import Weight
from cnnviz.engine.layers._recurrent import Recurrent
from cnnviz.engine.ops.matrix_product import matrix_product


class RNN(Recurrent):
    """h_t = tanh(W_xh x_t + b_h + W_hh (cont_t h_(t-1))), y_t = tanh(W_ho h_t + b_o) for each step t

    W_xh_static x_static is added inside h_t if there is one. h at the end is carried on to the next
    forward, where cont_0 decides whether it is used; it begins with 0.

    recurrent_param:
        num_output: D, the number of hidden and of output units.
        weight_filler: of the matrices; default constant 0.
        bias_filler: of the biases; default constant 0.
        expose_hidden: whether h at the start is a bottom and that at the end is a top, instead of being
            carried on; no gradient flows through them; default false.
        debug_info: accepted, changes nothing.

    Bottom: x (T, N, ...), T steps of N sequences; cont (T, N), 0 where a sequence begins, otherwise 1; then
        x_static (N, ...), the same in every step, may follow; then h_0 (1, N, D) if exposed.
    Top: y (T, N, D); then h_T (1, N, D) if exposed.
    Parameters: W_xh (D, I), b_h (D), W_xh_static (D, I_static) with a static bottom, W_hh (D, D),
        W_ho (D, D), b_o (D).
    Raises: NetError if the shapes do not fit.
    Source: Caffe's RNNLayer.
    """

    type = "RNN"
    roles = ("W_xh", "b_h", "W_hh", "W_ho", "b_o")
    gates = 1
    num_states = 1

    def hidden_weights(self, dim: int) -> list[Weight]:
        bias = Weight((dim,), self.param.recurrent_param.bias_filler)
        return [self.matrix(dim, dim), self.matrix(dim, dim), bias]

    def run_forward(self, cont: Any, top: Blob) -> None:
        state = self.states[0].mutable_device_data
        count = self.step_size(1)
        for step in range(self.steps):
            hidden, at = (self.pre.device_data, self.step_size(step - 1)) if step else (state, 0)
            self.add_hidden(step, cont, hidden, at, self.blobs[-3])
            self._tanh(count, self.step_size(step), self.pre.mutable_device_data)
        item = self.device.dtype.itemsize
        self.device.copy(state, self.pre.device_data, count * item, start=count * (self.steps - 1) * item)
        self._output(top)

    def _output(self, top: Blob) -> None:
        rows, y = self.steps * self.num, top.mutable_device_data
        self.product(rows, self.dim, self.dim, self.pre, self.blobs[-2], y)
        self.rows_of(self.dim).affine(y, y, bias=self.blobs[-1].device_data)
        self._tanh(top.count, 0, y)

    def _tanh(self, count: int, offset: int, y: Any) -> None:
        self.device.launch("recurrent", "recurrent_tanh", count, count, offset, y)

    def run_backward(self, cont: Any, top: Blob) -> None:
        rows, output, bias = self.steps * self.num, len(self.blobs) - 2, len(self.blobs) - 1
        do = self.device.scratch(top.count, "recurrent do")
        self._tanh_backward(top.count, 0, top.device_data, top.device_diff, do)
        if self.param_propagate_down[output]:
            self.weight_backward(rows, do, self.pre.device_data, output)
        if self.param_propagate_down[bias]:
            self.rows_of(self.dim).sums(do, do, self.blobs[-1].mutable_device_diff, term="PLAIN", add=True)
        dh = self.device.scratch(top.count, "recurrent dh")
        matrix_product(self.device, (rows, self.dim, self.dim), do, self.blobs[-2].device_data, dh)
        for step in reversed(range(self.steps)):
            self.gather_diff(step, cont, dh, dh)
            dpre = self.pre.mutable_device_diff
            self._tanh_backward(self.step_size(1), self.step_size(step), self.pre.device_data, dh, dpre)
            self.hidden_backward(step, self.blobs[-3])
        if self.param_propagate_down[output - 1]:
            self.weight_backward(rows, self.pre.device_diff, self.before.device_data, output - 1)

    def _tanh_backward(self, count: int, offset: int, y: Any, dy: Any, dx: Any) -> None:
        self.device.launch("recurrent", "recurrent_tanh_backward", count, count, offset, y, dy, dx)
