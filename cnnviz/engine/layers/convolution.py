"""Convolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Weight, positive_axis
from cnnviz.engine.layers._base_convolution import BaseConvolution
from cnnviz.engine.layers._window import window_of
from cnnviz.engine.ops.im2col import Axes
from cnnviz.engine.ops.plain_convolution import Geometry
from cnnviz.errors import NetError
from cnnviz.formats.schema import Convolution3DParameter, ConvolutionParameter, LayerParameter


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
        axis: the channel axis; axes before it are the batch, those after it spatial; default 1.
        weight_filler, bias_filler: how the parameters start; default constant 0.
        engine, force_nd_im2col: accepted; the fastest way is taken in any case.
        kernel_depth, temporal_stride, temporal_pad, filter_group: refused; they are for Convolution3D.

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
        window = window_of(self.options, spatial)
        num = math.prod(bottom[:axis])
        geometry = Geometry(num, bottom[axis], window, self.group, self.num_output)
        return geometry, window.out_spatial if spatial else ()

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        w = self.blobs[0].device_data
        bias = self.blobs[1].device_data if self.bias_term else None
        for x, y in zip(bottom, top, strict=True):
            self.op.forward(x.device_data, w, bias, y.mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        dw = self.blobs[0].mutable_device_diff if self._needs_diff(0) else None
        db = self.blobs[1].mutable_device_diff if self._needs_diff(1) else None
        for x, y, down in zip(bottom, top, propagate_down, strict=True):
            if dw is not None or db is not None:
                self.op.backward_weights(x.device_data, y.device_diff, dw, db)
            if down:
                self.op.backward_data(y.device_diff, self.blobs[0].device_data, x.mutable_device_diff)


def _as_3d(older: ConvolutionParameter) -> Convolution3DParameter:
    """Returns what C3D-v1.0 writes in convolution_param, where each field is given once."""
    given = Convolution3DParameter()
    for descriptor, value in older.ListFields():
        name = descriptor.name
        if name not in given.DESCRIPTOR.fields_by_name:
            raise NetError(f"convolution_param.{name} does not exist in C3D; remove it")
        if name in ("kernel_size", "stride", "pad"):
            if len(value) > 1:
                raise NetError(
                    f"{name} is given {len(value)} times; give it once, and kernel_depth and the like"
                )
            setattr(given, name, value[0])
        elif name.endswith("_filler"):
            getattr(given, name).CopyFrom(value)
        else:
            setattr(given, name, value)
    return given


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
        self.group = max(1, bottom[0][positive_axis(self.options.axis, bottom[0])])
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


class Convolution3D(Convolution):
    """y[n, o, p] = bias[o] + sum over c, k of w[o, c, k] x[n, c, p stride - pad + k], over volumes

    convolution3d_param:
        num_output: filters; required.
        kernel_depth, kernel_size: length of the window in frames, its height and width in pixels; required.
        temporal_stride, stride: step between windows in frames and in pixels; default 1.
        temporal_pad, pad: zeros around the volume in frames and in pixels; default 0.
        bias_term: whether there is a bias; default true.
        weight_filler, bias_filler: how the parameters start; default constant 0.
        filter_group: in how many portions the original works; accepted, of no effect on the result.
        group: refused above 1; the original reads it and makes no use of it.

    C3D-v1.0 writes the same fields in convolution_param.

    Bottom: x (N, C, L, H, W).
    Top: y (N, num_output, L', H', W'), sized as by Convolution.
    Parameters: weights (num_output, C, kernel_depth, kernel_size, kernel_size), bias (1, 1, 1, 1,
        num_output).
    Raises: NetError for other axes than five, or if the window does not fit.
    Source: Tran et al. 2015, C3D; checked against v1.1.
    """

    type = "Convolution3D"
    more_params = ("convolution_param",)
    num_bottom = (1, 1)
    num_top = (1, 1)

    def options_of(self, param: LayerParameter) -> ConvolutionParameter:
        given = param.convolution3d_param
        if not param.HasField("convolution3d_param") and param.HasField("convolution_param"):
            given = _as_3d(param.convolution_param)
        if given.group > 1:
            raise NetError("group is without effect in C3D; omit it, or use Convolution")
        if not given.filter_group or given.num_output % given.filter_group:
            self.complain(
                f"num_output {given.num_output} cannot be divided into {given.filter_group} portions"
            )
        options = ConvolutionParameter(num_output=given.num_output, bias_term=given.bias_term)
        options.kernel_size.extend([given.kernel_depth, given.kernel_size, given.kernel_size])
        options.stride.extend([given.temporal_stride, given.stride, given.stride])
        options.pad.extend([given.temporal_pad, given.pad, given.pad])
        options.weight_filler.CopyFrom(given.weight_filler)
        options.bias_filler.CopyFrom(given.bias_filler)
        return options

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(bottom[0]) != 5:
            raise NetError(f"expects a bottom (N, C, L, H, W), not {bottom[0]}")
        return super().shapes(bottom)

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        weights, *bias = super().weights(bottom)
        return [weights, *(Weight((1, 1, 1, 1, *b.shape), b.filler) for b in bias)]
