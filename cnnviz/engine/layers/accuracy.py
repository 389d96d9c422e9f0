"""Accuracy: how often the label is among the classes with the highest scores."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer, axis_sizes
from cnnviz.engine.ops.ranges import row_range
from cnnviz.engine.ops.sums import row_sums


class Accuracy(Layer):
    """accuracy = number of items whose label is among the top_k classes / number of items

    An item is correct if fewer than top_k other classes have a score of at least the label's: ties count
    against it, and so does a NaN.

    accuracy_param:
        top_k: default 1.
        axis: the axis of the classes; default 1.
        ignore_label: items with this label do not count; default: none.

    Bottom: scores (N, C, ...); labels (N, ...), one integer for each item and position.
    Top: the accuracy (), 0 if no item counts; the accuracy of each class (C,), optional, 0 for a class
        without items.
    Raises: NetError if top_k is greater than C, or the labels are not as many as the items.
    Source: Caffe's AccuracyLayer. There is no gradient.
    """

    type = "Accuracy"
    kind = "loss"
    pointwise = True
    num_bottom = (2, 2)
    num_top = (1, 2)
    has_backward = False

    def allow_force_backward(self, bottom_index: int) -> bool:
        return False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x, labels = bottom
        options = self.param.accuracy_param
        self.sizes = outer, classes, inner = axis_sizes(options.axis, x)
        self.label_classes = classes
        self.ignored_label = options.ignore_label if options.HasField("ignore_label") else None
        if math.prod(labels) != outer * inner:
            self.complain(f"has labels {labels} for predictions {x}; give one label per item and position")
        if options.top_k > classes:
            self.complain(f"top_k {options.top_k} is greater than the number of classes, {classes}")
        return [(), (classes,)][: max(1, len(self.param.top))]

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        outer, classes, inner = self.sizes
        options = self.param.accuracy_param
        items = outer * inner
        scores, labels = bottom[0].device_data, bottom[1].device_data
        flags, totals = self.device.scratch(2 * items, "flags"), self.device.scratch(2, "totals")
        size, work = row_range(inner, outer)
        ignore = options.HasField("ignore_label"), options.ignore_label
        args = (*self.sizes, *ignore, options.top_k, scores, labels, flags)
        self.launch("accuracy_items", size, *args, **work)
        row_sums(self.device, (2, items), flags, totals)
        self.launch("accuracy_mean", 1, totals, top[0].mutable_device_data)
        if len(top) > 1:
            per_class = top[1].mutable_device_data
            self.launch("accuracy_per_class", classes, classes, items, labels, flags, per_class)
