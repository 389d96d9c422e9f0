"""What Convolution and Deconvolution share: several bottoms and tops, one set of weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight, positive_axis
from cnnviz.engine.layers._window import check_fits, field_of_window
from cnnviz.engine.ops.convolution import make_convolution
from cnnviz.engine.ops.im2col import Axes
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import ConvolutionParameter, LayerParameter


class BaseConvolution(Layer):
    """Base of Convolution and Deconvolution: several bottoms and tops share one set of weights."""

    kind = "convolution"
    num_bottom: ClassVar[tuple[int, int | None]] = (1, None)
    num_top: ClassVar[tuple[int, int | None]] = (1, None)

    geometry: Geometry

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = conv = self.options_of(param)
        self.num_output = conv.num_output
        self.group = conv.group
        self.bias_term = conv.bias_term
        if not self.num_output:
            raise NetError("has no num_output; give the number of filters")
        if not self.group or self.num_output % self.group:
            self.complain(f"num_output {self.num_output} cannot be divided into group: {self.group} parts")
            self.group = 1
        self._op: PlainConvolution | None = None

    def options_of(self, param: LayerParameter) -> ConvolutionParameter:
        """Returns what the layer computes, in Caffe's form."""
        return param.convolution_param

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if len(self.param.top) != len(bottom):
            self.complain(f"has {len(bottom)} bottoms and {len(self.param.top)} tops; give as many of each")
        if any(shape != bottom[0] for shape in bottom):
            self.complain(f"bottoms have different shapes: {', '.join(map(str, bottom))}")
        axis = positive_axis(self.options.axis, bottom[0])
        channels = bottom[0][axis]
        if not channels:
            raise NetError(f"the bottom {bottom[0]} has no channels")
        if channels % self.group:
            self.complain(f"{channels} channels cannot be divided into group: {self.group} parts")
        geometry, spatial = self.geometry_of(bottom[0], axis)
        check_fits(geometry.window)
        self._set_geometry(geometry)
        return [(*bottom[0][:axis], self.num_output, *spatial)] * len(bottom)

    def geometry_of(self, bottom: Shape, axis: int) -> tuple[Geometry, Axes]:
        """Returns the convolution to compute and the spatial size of the top."""
        raise NotImplementedError

    def _set_geometry(self, geometry: Geometry) -> None:
        if self._op is not None and self._op.geometry != geometry:
            self._op = None
        self.geometry = geometry

    @property
    def op(self) -> PlainConvolution:
        """The convolution on the device, made when first needed for a geometry."""
        if self._op is None:
            self._op = make_convolution(self.device, self.geometry)
        return self._op

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        conv, g = self.options, self.geometry
        axis = positive_axis(conv.axis, bottom[0])
        kernel = g.window.kernel if len(bottom[0]) > axis + 1 else ()
        weights = [Weight((g.num_output, g.group_channels, *kernel), conv.weight_filler)]
        if self.bias_term:
            weights.append(Weight((self.num_output,), conv.bias_filler))
        return weights

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        g = self.geometry
        return len(bottom) * g.num * g.num_output * g.window.out_count * g.depth

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return field_of_window(self.options, fields[0], bottom[0])

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        raise NotImplementedError

    def _needs_diff(self, index: int) -> bool:
        """Whether the gradient of parameter blob ``index`` is asked for."""
        return index < len(self.blobs) and self.param_propagate_down[index]
