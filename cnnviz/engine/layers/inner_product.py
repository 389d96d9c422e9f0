"""InnerProduct: a fully connected layer."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight, positive_axis
from cnnviz.engine.ops.bias import add_bias, add_bias_gradient
from cnnviz.engine.ops.matrix_product import Matrix, matrix_product
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class InnerProduct(Layer):
    """y[n, o] = bias[o] + sum over k of w[o, k] x[n, k]

    where x[n] is all elements of x from ``axis`` on, K in number, as one vector.

    inner_product_param:
        num_output: length of each output vector; required.
        bias_term: whether there is a bias; default true.
        axis: first axis of the vector; the axes before it are the batch; default 1.
        transpose: whether the weights lie as (K, num_output); default false.
        weight_filler, bias_filler: how the parameters start; default constant 0.

    Bottom: x (N, C, H, W), of any number of axes.
    Top: y (N, num_output): the axes of x before ``axis``, then num_output.
    Parameters: weights (num_output, K), or (K, num_output) if transpose; bias (num_output).
    Raises: NetError if num_output is missing or there is no such axis.
    Source: Caffe's InnerProductLayer.
    """

    type = "InnerProduct"
    kind = "inner product"

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        inner = param.inner_product_param
        self.num_output = inner.num_output
        self.transpose = inner.transpose
        if not self.num_output:
            raise NetError("has no num_output; give the length of the output vector")

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        axis = positive_axis(self.param.inner_product_param.axis, bottom[0])
        self.num = math.prod(bottom[0][:axis])
        self.length = math.prod(bottom[0][axis:])
        return [(*bottom[0][:axis], self.num_output)]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        inner = self.param.inner_product_param
        shape = (self.num_output, self.length)
        weights = [Weight(shape[::-1] if self.transpose else shape, inner.weight_filler)]
        if inner.bias_term:
            weights.append(Weight((self.num_output,), inner.bias_filler))
        return weights

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        return self.num * self.num_output * self.length

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        x, w, y = bottom[0].device_data, self.blobs[0].device_data, top[0].mutable_device_data
        weights = Matrix(w, transposed=not self.transpose)
        matrix_product(self.device, (self.num, self.num_output, self.length), x, weights, y)
        if len(self.blobs) > 1:
            add_bias(self.device, self.num, self.num_output, 1, self.blobs[1].device_data, y)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dy = top[0].device_diff
        if self.param_propagate_down[0]:
            self._add_weight_gradient(bottom[0].device_data, dy, self.blobs[0].mutable_device_diff)
        if len(self.blobs) > 1 and self.param_propagate_down[1]:
            db = self.blobs[1].mutable_device_diff
            add_bias_gradient(self.device, self.num, self.num_output, 1, dy, db)
        if propagate_down[0]:
            w, dx = self.blobs[0].device_data, bottom[0].mutable_device_diff
            weights = Matrix(w, transposed=self.transpose)
            matrix_product(self.device, (self.num, self.length, self.num_output), dy, weights, dx)

    def _add_weight_gradient(self, x: object, dy: object, dw: object) -> None:
        rows, cols, left, right = self.num_output, self.length, dy, x
        if self.transpose:
            rows, cols, left, right = cols, rows, right, left
        left = Matrix(left, transposed=True)
        matrix_product(self.device, (rows, cols, self.num), left, right, dw, beta=1.0)
