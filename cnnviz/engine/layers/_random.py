"""Seeds for kernels that draw random numbers."""

from __future__ import annotations

import numpy as np


def draw_seeds(random: np.random.Generator) -> tuple[np.uint32, np.uint32]:
    """Returns the two numbers that, with an element's index, fix its random number in random.cl."""
    first, second = random.integers(2**32, size=2, dtype=np.uint32)
    return first, second
