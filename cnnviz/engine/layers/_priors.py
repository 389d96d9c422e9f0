"""What DetectionOutput and MultiBoxLoss share: an SSD detector's predictions for its priors."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cnnviz.engine.blob import Shape
from cnnviz.errors import NetError


def count_priors(bottom: Sequence[Shape], code_classes: int, classes: int) -> int:
    """Returns the number P of priors.

    Args:
        bottom: shapes of the codes (N, 4 P code_classes), scores (N, P classes) and priors (1, 2, 4 P).

    Raises NetError if they do not fit together.
    """
    codes, scores, priors = bottom
    if len(priors) < 3 or priors[1] != 2 or priors[2] % 4 or math.prod(priors) != 2 * priors[2]:
        raise NetError(f"bottom 2 is {priors}, expected priors (1, 2, 4 P)")
    count = priors[2] // 4
    for index, shape, each in ((0, codes, 4 * code_classes), (1, scores, classes)):
        if shape[:1] != codes[:1] or math.prod(shape[1:]) != count * each:
            raise NetError(f"bottom {index} is {shape}, expected {each} values for each of {count} priors")
    return count
