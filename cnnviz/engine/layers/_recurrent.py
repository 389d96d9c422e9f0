"""What recurrent layers share: the products over all time steps, and the state carried on.

T steps, N sequences, D = num_output. What the input adds to each step does not depend on the steps
before, so it is one product for all steps; only the product with the hidden state is done step by
step. The gradients of all weights are one product each as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.engine.layers._shape import refuse_in_place
from cnnviz.engine.ops.channels import Channels
from cnnviz.engine.ops.matrix_product import Matrix, matrix_product
from cnnviz.engine.ops.ranges import row_range
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Recurrent(Layer):
    """Base of LSTM and RNN.

    A subclass gives ``gates`` (values that the input adds per hidden unit), ``num_states`` (blobs
    carried from step to step), ``hidden_weights`` and the two walks through time.

    Attributes:
        pre: what the units get before their functions (T, N, gates D), with gradient.
        before: the hidden state that each step starts from, cut by cont (T, N, D), with gradient.
        states: what the next forward starts from, num_states blobs of (1, N, D).
    """

    kind = "recurrent"
    keeps_forward = True
    reads_sequence = True
    more_params = ("recurrent_param",)

    gates: ClassVar[int]
    num_states: ClassVar[int]

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self._exposed = self.num_states if param.recurrent_param.expose_hidden else 0
        self.num_bottom = (2 + self._exposed, 3 + self._exposed)  # type: ignore[misc]
        self.num_top = (1 + self._exposed, 1 + self._exposed)  # type: ignore[misc]

    def hidden_weights(self, dim: int) -> list[Weight]:
        """Returns the weights after those of the input."""
        raise NotImplementedError

    def run_forward(self, cont: Any, top: Blob) -> None:
        """Walks through time: from ``pre`` to the tops' data and the new states."""
        raise NotImplementedError

    def run_backward(self, cont: Any, top: Blob) -> None:
        """Walks back: from the top's diff to ``pre``'s, and adds to the hidden weights' diffs."""
        raise NotImplementedError

    # Shapes

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        given = self.param.recurrent_param
        if given.num_output < 1:
            raise NetError("recurrent_param.num_output is missing or 0")
        x, cont = bottom[:2]
        if len(x) < 2 or x[0] < 1:
            raise NetError(f"bottom 0 is {x}, expected (steps, sequences, ...), at least one step")
        if cont != x[:2]:
            self.complain(
                f"bottom 1 (cont) is {cont}, expected {x[:2]}, one number for each step and sequence"
            )
        self._has_static = len(bottom) > 2 + self._exposed
        if self._has_static and bottom[2][:1] != x[1:2]:
            self.complain(f"bottom 2 (static) is {bottom[2]}, expected {x[1]} sequences along axis 0")
        state = (1, x[1], given.num_output)
        for index in range(len(bottom) - self._exposed, len(bottom)):
            if bottom[index] != state:
                self.complain(f"bottom {index} (state) is {bottom[index]}, expected {state}")
        self.steps, self.num, self.dim = x[0], x[1], given.num_output
        return [(*x[:2], self.dim)] + [state] * self._exposed

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given, width = self.param.recurrent_param, self.gates * self.dim
        weights = [self.matrix(width, math.prod(bottom[0][2:])), Weight((width,), given.bias_filler)]
        if self._has_static:
            weights.append(self.matrix(width, math.prod(bottom[2][1:])))
        return weights + self.hidden_weights(self.dim)

    def matrix(self, rows: int, columns: int) -> Weight:
        return Weight((rows, columns), self.param.recurrent_param.weight_filler)

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        weights = [math.prod(w.shape) for w in self.weights(bottom) if len(w.shape) == 2]
        total = self.steps * self.num * sum(weights)
        if self._has_static:  # once per sequence, not per step
            total -= (self.steps - 1) * self.num * weights[1]
        return total

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index != 1

    # Forward

    def setup(self) -> None:
        def blob(name: str) -> Blob:
            return Blob(self.device, (0,), f"{name} of layer {self.name!r}")

        self.pre, self.before = blob("gates"), blob("hidden states")
        self._static = blob("static part")
        self.states = [blob(f"state {i}") for i in range(self.num_states)]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._resize()
        if self._exposed:
            for state, source in zip(self.states, bottom[-self._exposed :], strict=True):
                state.copy_data_from(source)
        self._project(bottom)
        self.run_forward(bottom[1].device_data, top[0])
        for state, target in zip(self.states, top[1:], strict=False):
            target.copy_data_from(state)

    def _resize(self) -> None:
        self.pre.reshape(self.steps, self.num, self.gates * self.dim)
        self.before.reshape(self.steps, self.num, self.dim)
        self._static.reshape(self.num, self.gates * self.dim)
        shape = (1, self.num, self.dim)
        for state in self.states:
            if state.shape != shape:  # other sequences: nothing to carry on
                state.reshape(*shape)
                state.fill_data(0.0)

    def _project(self, bottom: Sequence[Blob]) -> None:
        """Writes to ``pre`` what the inputs add to each step."""
        width, pre = self.gates * self.dim, self.pre.mutable_device_data
        rows = self.steps * self.num
        self.product(rows, width, bottom[0].count // max(rows, 1), bottom[0], self.blobs[0], pre)
        self.rows_of(width).affine(pre, pre, bias=self.blobs[1].device_data)
        if self._has_static:
            static = self._static.mutable_device_data
            self.product(self.num, width, bottom[2].count_from(1), bottom[2], self.blobs[2], static)
            self._static_channels().affine(pre, pre, bias=static)

    def product(self, rows: int, width: int, depth: int, x: Blob, weight: Blob, result: Any) -> None:
        """Writes x (rows, depth) times the transposed weight (width, depth)."""
        weights = Matrix(weight.device_data, transposed=True)
        matrix_product(self.device, (rows, width, depth), x.device_data, weights, result)

    def rows_of(self, width: int) -> Channels:
        """A blob of shape (T, N, width), each of the width values a channel."""
        return Channels(self.device, self.steps * self.num, width, 1)

    def _static_channels(self) -> Channels:
        """``pre`` as T times the same N gates D values."""
        return Channels(self.device, self.steps, self.num * self.gates * self.dim, 1)

    def step_size(self, step: int) -> int:
        """Returns where ``step`` begins in a blob of shape (T, N, D)."""
        return step * self.num * self.dim

    def add_hidden(self, step: int, cont: Any, hidden: Any, hidden_at: int, weight: Blob) -> None:
        """Adds to ``pre`` of a step the product with the hidden state before it."""
        size, options = row_range(self.dim, self.num)
        at, before = self.step_size(step), self.before.mutable_device_data
        args = (self.num, self.dim, cont, step * self.num, hidden, hidden_at, before, at)
        self.device.launch("recurrent", "recurrent_continue", size, *args, **options)
        matrix_product(
            self.device,
            (self.num, self.gates * self.dim, self.dim),
            Matrix(before, at),
            Matrix(weight.device_data, transposed=True),
            Matrix(self.pre.mutable_device_data, at * self.gates),
            beta=1.0,
        )

    # Backward

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[1]:
            raise NetError(f"layer {self.name!r} ({self.type}): cont has no gradient, but one is asked for.")
        self.run_backward(bottom[1].device_data, top[0])
        rows, dpre = self.steps * self.num, self.pre.device_diff
        self.input_backward(rows, self.pre, bottom[0], self.blobs[0], 0, propagate_down[0])
        if self.param_propagate_down[1]:
            channels = self.rows_of(self.gates * self.dim)
            channels.sums(dpre, dpre, self.blobs[1].mutable_device_diff, term="PLAIN", add=True)
        if self._has_static:
            total = self._static.mutable_device_diff
            self._static_channels().sums(dpre, dpre, total, term="PLAIN")
            self.input_backward(self.num, self._static, bottom[2], self.blobs[2], 2, propagate_down[2])
        # Nothing flows back into the sequences before: the states' own gradients are zero.
        for index in range(len(bottom) - self._exposed, len(bottom)):
            if propagate_down[index]:
                bottom[index].clear_diff()

    def input_backward(
        self, rows: int, result: Blob, x: Blob, weight: Blob, index: int, propagate: bool
    ) -> None:
        """Gradients of result (rows, width) = x (rows, depth) times the transposed weight."""
        width, depth = weight.shape
        dy = result.device_diff
        if self.param_propagate_down[index]:
            self.weight_backward(rows, dy, x.device_data, index)
        if propagate:
            dx = x.mutable_device_diff
            matrix_product(self.device, (rows, depth, width), dy, weight.device_data, dx)

    def weight_backward(self, rows: int, dy: Any, x: Any, index: int) -> None:
        """Adds dy^T x to the diff of parameter ``index``."""
        width, depth = self.blobs[index].shape
        diff = self.blobs[index].mutable_device_diff
        matrix_product(self.device, (width, depth, rows), Matrix(dy, transposed=True), x, diff, beta=1.0)

    def gather_diff(self, step: int, cont: Any, dy: Any, dh: Any) -> None:
        """Writes to ``dh`` of a step what comes from above and from the step after it."""
        size, options = row_range(self.dim, self.num)
        at, following, dbefore = self.step_size(step), step + 1, self.before.device_diff
        from_above = (dy, at)
        from_after = (cont, following * self.num, dbefore, self.step_size(following))
        args = (self.num, self.dim, *from_above, following < self.steps, *from_after, dh, at)
        self.device.launch("recurrent", "recurrent_gather_diff", size, *args, **options)

    def hidden_backward(self, step: int, weight: Blob) -> None:
        """Writes the diff of ``before`` at a step from that of ``pre``."""
        at = self.step_size(step)
        matrix_product(
            self.device,
            (self.num, self.dim, self.gates * self.dim),
            Matrix(self.pre.device_diff, at * self.gates),
            weight.device_data,
            Matrix(self.before.mutable_device_diff, at),
        )
