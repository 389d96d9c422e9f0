"""ShuffleChannel: channels of different groups, in turn."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import positive_axis
from cnnviz.engine.layers._shape import Rearrangement, refuse_in_place
from cnnviz.engine.ops.views import permuted
from cnnviz.errors import NetError


class ShuffleChannel(Rearrangement):
    """Channel c of the top is channel (c mod group) C / group + c div group of the bottom

    shuffle_channel_param:
        group: number of groups, a divisor of C; default 1.

    Bottom: x of shape (N, C, ...).
    Top: of the same shape.
    Raises: NetError if the channels cannot be divided into the groups.
    Source: Zhang et al. 2018 (ShuffleNet); forks of Caffe.
    Checked: against ShuffleNet's fork (farmingyard/ShuffleNet).
    """

    type = "ShuffleChannel"
    pointwise = True

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        refuse_in_place(self.param)
        shape, group = bottom[0], self.param.shuffle_channel_param.group
        channels = shape[positive_axis(1, shape)]
        if group < 1 or channels % group:
            raise NetError(f"{channels} channels cannot be divided into {group} groups")
        split = (*shape[:1], group, channels // group, *shape[2:])
        self.view = permuted(split, [0, 2, 1, *range(3, len(split))])
        return [shape]
