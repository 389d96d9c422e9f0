"""Embed: a learned vector for each index."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.engine.ops.channels import Channels
from cnnviz.engine.ops.row_gather import RowGather
from cnnviz.errors import NetError


class Embed(Layer):
    """y = W[index] + b: an inner product with a one-hot vector

    embed_param:
        num_output: length D of the vectors.
        input_dim: number V of indices.
        bias_term: whether b is added; default true.
        weight_filler: of W; default constant 0.
        bias_filler: of b; default constant 0.

    Bottom: indices of any shape (...), whole numbers from 0 to V - 1.
    Top: (..., D). The indices have no gradient.
    Parameters: W (V, D), b (D).
    Raises: NetError if a size is not positive, in forward if an index is out of range.
    Source: Caffe's EmbedLayer (which does not check the indices).
    """

    type = "Embed"
    keeps_forward = True
    kind = "inner product"

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        given = self.param.embed_param
        for name in ("num_output", "input_dim"):
            if getattr(given, name) < 1:
                raise NetError(f"embed_param.{name} is missing or 0")
        return [(*bottom[0], given.num_output)]

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        given = self.param.embed_param
        weights = [Weight((given.input_dim, given.num_output), given.weight_filler)]
        return weights + ([Weight((given.num_output,), given.bias_filler)] if given.bias_term else [])

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        given = self.param.embed_param
        try:
            self._rows = RowGather(self.device, bottom[0].read_data(), given.input_dim)
        except NetError as error:
            raise NetError(f"layer {self.name!r} (Embed): {error}.") from None
        y = top[0].mutable_device_data
        self._rows.gather(given.num_output, self.blobs[0].device_data, y)
        if given.bias_term:
            self._channels(top[0]).affine(y, y, bias=self.blobs[1].device_data)

    def _channels(self, top: Blob) -> Channels:
        return Channels.of(self.device, top.shape, len(top.shape) - 1)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            raise NetError(
                f"layer {self.name!r} (Embed): the indices have no gradient, but one is asked for."
            )
        dy, width = top[0].device_diff, self.param.embed_param.num_output
        if self.param_propagate_down[0]:
            self._rows.scatter(width, dy, self.blobs[0].mutable_device_diff, add=True)
        if len(self.blobs) > 1 and self.param_propagate_down[1]:
            bias_diff = self.blobs[1].mutable_device_diff
            self._channels(top[0]).sums(dy, dy, bias_diff, term="PLAIN", add=True)
