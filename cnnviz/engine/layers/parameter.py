"""Parameter: a blob that is learned."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.engine.receptive_field import Fields, ReceptiveField, Shapes
from cnnviz.errors import NetError


class Parameter(Layer):
    """The top is the layer's own parameter.

    parameter_param:
        shape: of the parameter.

    The gradient of the top and that of the parameter are one memory, so that each backward overwrites
    it, as in Caffe: with iter_size the solver sees the last sub-batch's only.

    Bottom: none.
    Top: of the given shape.
    Parameters: one of the given shape, zero at the start.
    Raises: NetError if the shape has a negative dimension.
    Source: Caffe's ParameterLayer.
    """

    type = "Parameter"
    kind = "data"
    num_bottom = (0, 0)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        shape = tuple(self.param.parameter_param.shape.dim)
        if any(axis < 0 for axis in shape):
            raise NetError(f"parameter_param.shape is {shape}; a dimension cannot be negative")
        return [shape]

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        return None

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        return [Weight(tuple(self.param.parameter_param.shape.dim))]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        top[0].copy_data_from(self.blobs[0])
        top[0].share_diff(self.blobs[0])

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """The top's gradient is the parameter's."""
