"""What losses share that are a mean over the items whose label counts."""

from __future__ import annotations

import math
from typing import Any

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layers._loss import Loss
from cnnviz.engine.layers._normalization import Normalization
from cnnviz.engine.ops.sums import row_sums
from cnnviz.formats.schema import LayerParameter, LossParameter


class LabelLoss(Loss):
    """Base: loss = sum of the items' losses / D; each item has a label, and one label can be ignored.

    Attributes:
        sizes: (outer, classes, inner), how bottom 0 is seen; each pair of outer and inner is an item.
        ignore: (whether a label is ignored, which), as the kernels expect them.
    """

    default_normalization = LossParameter.VALID
    sizes: tuple[int, int, int]

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        options = param.loss_param
        self.ignore: tuple[bool, int] = (options.HasField("ignore_label"), options.ignore_label)
        self.normalization = Normalization(options, self.default_normalization)
        if self.normalization.mode == LossParameter.PRE_FIXED and not options.pre_fixed_normalizer > 0:
            self.complain("pre_fixed_normalizer, which PRE_FIXED divides by, must be greater than 0")

    @property
    def items(self) -> int:
        outer, _, inner = self.sizes
        return outer * inner

    def check_label_count(self, labels: Shape) -> None:
        """Raises NetError unless there are as many labels as items."""
        count = math.prod(labels)
        if count != self.items:
            self.complain(
                f"has {count} labels {labels} for {self.items} predictions; expected one label for each "
                "item and position, without the axis of the classes"
            )

    def new_losses(self) -> Any:
        """Returns a work buffer (2, items): a kernel writes each item's loss, then whether it counts."""
        return self.device.scratch(2 * self.items, "losses")

    @property
    def divisor(self) -> Any:
        """The buffer of D, which forward leaves to backward."""
        return self.workspace.get("divisor", 1)

    def normalize(self, losses: Any, divisor: Any, top: Blob) -> None:
        """Writes D, and the sum of the losses divided by D to the top."""
        totals = self.device.scratch(2, "totals")
        row_sums(self.device, (2, self.items), losses, totals)
        # 0: the kernel takes the number of items that count.
        fixed = self.normalization.divisor(valid=0, full=self.items, num=self.sizes[0])
        self.device.launch("loss", "loss_mean", 1, fixed, totals, divisor, top.mutable_device_data)
