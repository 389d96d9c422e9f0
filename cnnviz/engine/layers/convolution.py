"""Convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._base_convolution import BaseConvolution, window_of
from cnnviz.engine.ops.im2col import Axes
from cnnviz.engine.ops.plain_convolution import Geometry
from cnnviz.errors import NetError


class Convolution(BaseConvolution):
    """y[n, o, p] = bias[o] + sum over c, k of w[o, c, k] x[n, c, p stride - pad + k dilation]

    with x = 0 outside the image; o and c run inside one group.

    convolution_param:
        num_output: filters; required.
        kernel_size: sides of the window in pixels, once or once per spatial axis; or kernel_h and
            kernel_w for two axes; required.
        stride: pixels from one window to the next; default 1; or stride_h, stride_w.
        pad: zeros around the image; default 0; or pad_h, pad_w; or, in Synopsys' fork, pad_t, pad_b, pad_l
            and pad_r for each border, or pad_type: 1, by which the top has H / stride rows, rounded up.
        dilation: pixels from one tap of the window to the next; default 1; or, in DeepLab's first fork, hole,
            or hole_h and hole_w.
        group: parts into which the channels of bottom and top are cut; default 1.
        bias_term: whether there is a bias; default true.
        axis: the channel axis; axes before it are the batch, those behind it spatial; default 1.
        weight_filler, bias_filler: how the parameters start; default constant 0.
        engine, force_nd_im2col: accepted; the fastest way is taken in any case.

    Bottom: one or more x of one shape (N, C, H, W), with any number of spatial axes.
    Top: as many y of shape (N, num_output, (H + 2 pad - (dilation (kernel - 1) + 1)) / stride + 1, ...),
        rounded down.
    Parameters: weights (num_output, C / group, kernel_h, kernel_w), bias (num_output).
    Raises: NetError if the channels cannot be cut into groups or the window does not fit the bottom.
    Source: LeCun et al. 1998; Caffe's ConvolutionLayer, checked against it. hole, pad_t and the like and
        pad_type follow the named forks' sources and are not checked against their numbers.
    """

    type = "Convolution"

    def geometry_of(self, bottom: Shape, axis: int) -> tuple[Geometry, Axes]:
        spatial = bottom[axis + 1 :]
        window = window_of(self.param.convolution_param, spatial or (1,))
        num = math.prod(bottom[:axis])
        geometry = Geometry(num, bottom[axis], window, self.group, self.num_output)
        return geometry, window.out_spatial if spatial else ()

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        w = self.blobs[0].device_data
        bias = self.blobs[1].device_data if self.bias_term else None
        for x, y in zip(bottom, top, strict=True):
            self.op.forward(x.device_data, w, bias, y.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dw = self.blobs[0].mutable_device_diff if self._wants(0) else None
        db = self.blobs[1].mutable_device_diff if self._wants(1) else None
        for x, y, down in zip(bottom, top, propagate_down, strict=True):
            if dw is not None or db is not None:
                self.op.backward_weights(x.device_data, y.device_diff, dw, db)
            if down:
                self.op.backward_data(y.device_diff, self.blobs[0].device_data, x.mutable_device_diff)


class DepthwiseConvolution(Convolution):
    """A convolution of each channel by itself: group is the number of channels

    convolution_param:
        as of Convolution; num_output is a multiple of the channels; group is not used.

    Bottom: one or more x of one shape (N, C, H, W).
    Top: as many y of shape (N, num_output, ...), sized as by Convolution.
    Parameters: weights (num_output, 1, kernel_h, kernel_w), bias (num_output).
    Raises: NetError if num_output is not a multiple of the channels.
    Source: Howard et al. 2017 (MobileNet); yonghenglh6's DepthwiseConvolution, checked against it.
    """

    type = "DepthwiseConvolution"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        self.group = bottom[0][positive_axis(self.param.convolution_param.axis, bottom[0])]
        if not self.group:
            raise NetError(f"the bottom {bottom[0]} has no channels")
        if self.num_output % self.group:
            self.complain(f"num_output {self.num_output} is not a multiple of the {self.group} channels")
        return super().shapes(bottom)


class ConvolutionDepthwise(DepthwiseConvolution):
    """A convolution of each channel by itself: another fork's name for DepthwiseConvolution

    convolution_param:
        as of DepthwiseConvolution.

    Bottom: one or more x of one shape (N, C, H, W).
    Top: as many y of shape (N, num_output, ...), sized as by Convolution.
    Source: Tiny-DSOD's fork of Caffe, checked against it.
    """

    type = "ConvolutionDepthwise"
