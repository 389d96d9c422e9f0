"""The divisor D of a loss, as its loss_param gives it."""

from __future__ import annotations

from cnnviz.formats.schema import LossParameter


class Normalization:
    """What a loss is divided by, by ``normalization`` or the older ``normalize``.

    Attributes:
        mode: VALID, FULL, BATCH_SIZE, NONE or PRE_FIXED of LossParameter.
    """

    def __init__(self, options: LossParameter, default: int = LossParameter.VALID):
        self.mode = default
        self.pre_fixed = options.pre_fixed_normalizer
        if options.HasField("normalization"):
            self.mode = options.normalization
        elif options.HasField("normalize"):
            self.mode = LossParameter.VALID if options.normalize else LossParameter.BATCH_SIZE

    def divisor(self, valid: float, full: int, num: int) -> float:
        """Returns D for ``valid`` elements that count of ``full``, in ``num`` items."""
        divisors = {
            LossParameter.VALID: valid,
            LossParameter.FULL: full,
            LossParameter.BATCH_SIZE: num,
            LossParameter.NONE: 1,
            LossParameter.PRE_FIXED: self.pre_fixed,
        }
        return float(divisors[self.mode])
