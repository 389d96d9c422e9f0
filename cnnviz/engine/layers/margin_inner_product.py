"""MarginInnerProduct: scores by angle, the label's with a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight, positive_axis
from cnnviz.engine.ops.matrix_product import Matrix, matrix_product
from cnnviz.engine.ops.sums import row_sums
from cnnviz.engine.ops.workspace import Workspace
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, MarginInnerProductParameter


class MarginInnerProduct(Layer):
    """y[n, o] = w[o] x[n] = |x| cos t;  for the label o: (|x| f(t) + lambda |x| cos t) / (1 + lambda)

    f(t) = (-1)^k cos(m t) - 2k for t in [k pi/m, (k+1) pi/m], m = 1, 2, 3, 4 for the four types; with m = 1
    nothing is changed. Forward divides the rows of the weights themselves by their length. lambda =
    max(lambda_min, base (1 + gamma i)^-power), i = iteration + the number of forwards so far.

    Backward is the original's: the weights' gradient is that of y = w x, and the gradient of f in terms of
    w and x is divided by the length of its two factors.

    margin_inner_product_param:
        num_output: number of classes; required.
        type: SINGLE (default), DOUBLE, TRIPLE or QUADRUPLE.
        weight_filler: default constant 0.
        axis: first axis of the vector; default 1.
        base, gamma, power, lambda_min: default 1, 0, 1, 0.
        iteration: where the count of forwards starts; default 0.

    Bottom: x (N, ...); labels (N), integers in [0, num_output).
    Top: y (N, num_output): the axes of x before ``axis``, then num_output; lambda (1), optional.
    Parameters: weights (num_output, K).
    Raises: NetError if num_output is missing or the labels are not one for each vector. A label that is no
        class makes the vector's first score NaN.
    Source: Liu et al. 2017, SphereFace; wy1iu's fork of Caffe.
    Checked: against wy1iu's fork but for TRIPLE and lambda after the first forward.
    """

    type = "MarginInnerProduct"
    kind = "inner product"
    num_bottom = (2, 2)
    num_top = (1, 2)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        given = param.margin_inner_product_param
        self.num_output = given.num_output
        self._iteration = given.iteration
        self._lambda = 0.0
        self._workspace = Workspace(self)
        if not self.num_output:
            raise NetError("has no num_output; give the number of classes")

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x, labels = bottom
        axis = positive_axis(self.param.margin_inner_product_param.axis, x)
        self.num, self.length = math.prod(x[:axis]), math.prod(x[axis:])
        if math.prod(labels) != self.num:
            raise NetError(f"has labels {labels} for {self.num} vectors; give one label for each")
        return [(*x[:axis], self.num_output), (1,)][: len(self.param.top)]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        filler = self.param.margin_inner_product_param.weight_filler
        return [Weight((self.num_output, self.length), filler)]

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        return self.num * self.num_output * self.length

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._next_lambda()
        self._normalize_weights()
        x, y = bottom[0].device_data, top[0].mutable_device_data
        weights = Matrix(self.blobs[0].device_data, transposed=True)
        matrix_product(self.device, (self.num, self.num_output, self.length), x, weights, y)
        squares, cosines = self._workspace.get("squares", self.num), self._workspace.get("cosines", self.num)
        row_sums(self.device, (self.num, self.length), x, squares, term="square")
        self._launch("margin_forward", bottom[1].device_data, squares, cosines, y)
        if len(top) > 1:
            top[1].data[...] = np.array(self._lambda)

    def _next_lambda(self) -> None:
        given = self.param.margin_inner_product_param
        self._iteration += 1
        falling = given.base * (1 + given.gamma * self._iteration) ** -given.power
        self._lambda = max(given.lambda_min, falling)

    def _normalize_weights(self) -> None:
        weights, count = self.blobs[0], self.blobs[0].count
        squares = self.device.scratch(self.num_output, "squares of weights")
        row_sums(self.device, (self.num_output, self.length), weights.device_data, squares, term="square")
        self.launch("margin_normalize", count, count, self.length, squares, weights.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        x, dy = bottom[0].device_data, top[0].device_diff
        if self.param_propagate_down[0]:
            shape, dw = (self.num_output, self.length, self.num), self.blobs[0].mutable_device_diff
            matrix_product(self.device, shape, Matrix(dy, transposed=True), x, dw, beta=1.0)
        if propagate_down[0]:
            self._propagate(x, bottom[1].device_data, dy, bottom[0].mutable_device_diff)

    def _propagate(self, x: Any, labels: Any, dy: Any, dx: Any) -> None:
        """Writes the gradient of x: W times dy, in which the label's has a factor, and a part along x."""
        count = self.num * self.num_output
        scaled, along = self.device.scratch(count, "scaled"), self.device.scratch(self.num, "along")
        self.device.copy(scaled, dy, count * self.device.dtype.itemsize)
        squares, cosines = self._workspace.get("squares", self.num), self._workspace.get("cosines", self.num)
        self._launch("margin_backward", labels, squares, cosines, scaled, along)
        shape = (self.num, self.length, self.num_output)
        matrix_product(self.device, shape, scaled, self.blobs[0].device_data, dx)
        count = self.num * self.length
        self.launch("margin_add", count, count, self.length, along, x, dx)

    def _launch(self, kernel: str, *buffers: Any) -> None:
        kind = self.param.margin_inner_product_param.type
        multiple = MarginInnerProductParameter.MarginType.Name(kind)
        sizes = (self.num, self.num_output, self._lambda)
        self.launch(kernel, self.num, *sizes, *buffers, defines=(("MARGIN", multiple),))
