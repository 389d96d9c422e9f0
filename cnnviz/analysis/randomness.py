"""Whether a layer's weights differ from the independent random numbers that a filler starts it with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.filter_measures import Spectrum, energies

FEWEST = 1000  # weights of a layer that is judged: fewer tell too little
NARROWEST = 16  # rows and columns: in a narrow layer, training may strengthen all directions alike
BEYOND = 5.0  # of Tracy and Widom's law: random matrices are beyond it less than once in 10,000 times
UNLIKE = 5.0  # standard errors of the kurtosis
# Kurtosis of what fillers draw, and the variance of the kurtosis of n such numbers times n: uniform, normal.
_SHAPES = ((1.8, 1.317), (3.0, 24.0))
_SPARSE = 0.2  # share of zeros from which the law does not hold, and shuffled weights are asked
_SHUFFLES = 10
_PART = 1 << 20  # numbers whose powers are worked out at once


@dataclass(frozen=True)
class Randomness:
    """How far the weights of a layer are from independent random numbers of one distribution.

    Attributes:
        strength: the largest singular value over the one expected of random numbers; about 1 for them.
            Of two matrices the one that is further off: a row a filter, or a row a window.
        excess: how far its square is beyond the expected one, in units of Tracy and Widom's law.
        unlike: how far the kurtosis of what is not 0 is from that of uniform or normal numbers, whichever is
            nearer, in standard errors.
        count: how many weights there are.
        side: rows or columns of the filters' matrix (of one group), whichever is less.
    """

    strength: float
    excess: float
    unlike: float
    count: int
    side: int

    @property
    def is_judged(self) -> bool:
        return self.count >= FEWEST and self.side >= NARROWEST and math.isfinite(self.excess)

    @property
    def is_random(self) -> bool:
        """Whether nothing here distinguishes the weights from random ones."""
        return self.is_judged and self.excess < BEYOND and self.unlike < UNLIKE


def randomness(filters: np.ndarray, spectrum: Spectrum) -> Randomness:
    """Compares the filters of a layer with random numbers of their own variance.

    Numbers drawn one by one, as all of Caffe's random fillers draw them, give singular values up to an edge
    that depends on the matrix' shape and their variance alone; training adds directions beyond it.

    Args:
        filters: (N, C, H, W) or (N, D), finite.
        spectrum: of the same filters.

    Source: Marchenko and Pastur 1967 for the edge; Johnstone 2001 for how the largest value scatters around
    it, with the centring of Ma 2012.
    """
    sample, size = spectrum.matrices, spectrum.matrices.size
    side = min(sample.shape[1:])
    mean = float(sample.mean(dtype=np.float64))
    variance = float(spectrum.energies.sum()) / size - mean**2
    if not variance > 1e-12 * mean**2:
        return Randomness(math.nan, math.nan, math.nan, filters.size, side)
    zeros = float((sample == 0).mean())
    # A common mean is no structure, but would be the strongest direction of all.
    is_centred = mean**2 * size <= 16 * variance
    centred = sample if is_centred else sample - sample.dtype.type(mean)
    found = []
    if sample.shape[1] > 1:
        found.append(_beyond(centred, spectrum.energies if is_centred else energies(centred), zeros))
    points = math.prod(filters.shape[2:]) if filters.ndim == 4 else 1
    if points > 2:
        windows = filters.reshape(1, -1, points) - filters.dtype.type(mean)
        found.append(_beyond(windows, energies(windows), zeros))
    if not found:
        return Randomness(math.nan, math.nan, math.nan, filters.size, side)
    strength, excess = max(found, key=lambda pair: pair[1])
    return Randomness(strength, excess, _unlike(sample, mean, zeros), filters.size, side)


def _beyond(matrices: np.ndarray, own: np.ndarray, zeros: float) -> tuple[float, float]:
    """Returns strength and excess of the largest of the energies (``own``) of centred ``matrices``."""
    rows, columns = (side - 0.5 for side in matrices.shape[1:])
    variance, root = float(own.sum()) / matrices.size, math.sqrt(rows) + math.sqrt(columns)
    expected = variance * root**2
    unit = variance * root * (rows**-0.5 + columns**-0.5) ** (1 / 3)
    if zeros >= _SPARSE:
        expected, unit = _among_shuffled(matrices, unit)
    top = float(own.max())
    return math.sqrt(top / expected), (top - expected) / unit


def _among_shuffled(matrices: np.ndarray, unit: float) -> tuple[float, float]:
    """Returns mean and standard deviation (at least ``unit``) of the largest energy of shuffled matrices."""
    random = np.random.default_rng(0)
    shuffled = (random.permutation(matrices.ravel()).reshape(matrices.shape) for _ in range(_SHUFFLES))
    tops = np.array([energies(one).max() for one in shuffled])
    return float(tops.mean()), max(unit, float(tops.std()))


def _unlike(sample: np.ndarray, mean: float, zeros: float) -> float:
    """Returns how far the kurtosis of what is not 0 is from a filler's, in standard errors."""
    count = round(sample.size * (1 - zeros))
    middle = mean * sample.size / count
    second = fourth = 0.0
    for part in np.array_split(sample.ravel(), math.ceil(sample.size / _PART)):
        squares = (part[part != 0].astype(np.float64) - middle) ** 2
        second += float(squares.sum())
        fourth += float((squares**2).sum())
    if not second > 0:
        return math.inf  # all that is not 0 is equal, which no random filler makes
    kurtosis = count * fourth / second**2
    return min(abs(kurtosis - usual) / math.sqrt(spread / count) for usual, spread in _SHAPES)
