"""What losses share that begin with a softmax over the classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._label_loss import LabelLoss
from cnnviz.engine.ops.ranges import row_range


class SoftmaxLoss(LabelLoss):
    """Base: p = softmax(x) along an axis of bottom 0; p may be a second top."""

    num_top = (1, 2)

    def top_has_gradient(self, top_index: int) -> bool:
        return top_index == 0

    def set_labels(self, labels: Shape) -> None:
        """Keeps what the labels mean; raises NetError unless there are as many as items."""
        self.check_label_count(labels)
        has_ignored, ignored = self.ignore
        self.label_classes, self.ignored_label = self.sizes[1], ignored if has_ignored else None

    @property
    def prob(self) -> Any:
        """The buffer of p, which forward leaves to backward."""
        return self.workspace.get("prob", math.prod(self.sizes))

    def launch_items(self, kernel: str, *args: Any) -> None:
        """Launches a kernel with one work item per (inner, outer)."""
        outer, _, inner = self.sizes
        size, options = row_range(inner, outer)
        self.launch(kernel, size, *self.sizes, *args, **options)

    def copy_to_tops(self, tops: Sequence[Blob], *sources: Any) -> None:
        """Fills the optional tops, as many as there are, from buffers."""
        for top, source in zip(tops, sources, strict=False):
            self.device.copy(top.mutable_device_data, source, top.count * self.device.dtype.itemsize)
