"""The axes of training charts: what they span, where their ticks are and how these are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from cnnviz.analysis.curves import moves_in_steps
from cnnviz.analysis.training import ChartLine, x_unit
from cnnviz.plots.training.options import ChartOptions

# Losses that span more than this factor are shown on a logarithmic axis.
LOG_AXIS_FROM = 50.0
# Points are left outside if the gap to all the others is so many times as wide as these span.
_FAR = 6.0
# At most this share of the points, and of any line's.
_OUTSIDE = 0.05, 0.2
# The number of a line, and x and y of points on it.
Points = tuple[int, np.ndarray, np.ndarray]
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def scale_y(axes: Axes, lines: Sequence[ChartLine], options: ChartOptions) -> None:
    """Sets scale, limits and ticks of the y axis."""
    quantity, log_scale = lines[0].quantity, options.log_scale
    y = np.concatenate([line.y for line in lines])
    y = y[np.isfinite(y)]
    if log_scale is None:
        log_scale = quantity != "Test accuracy" and len(y) > 2 and y.min() > 0 and _needs_log_axis(lines, y)
    shown = y[y > 0] if log_scale else y
    if not len(shown):
        log_scale, shown = False, y
    if not options.full_range and quantity != "Train learning rate":
        shown = _near(lines, shown, log_scale)
    if log_scale:
        _scale_log(axes, shown)
    else:
        low, high = _padded(shown, 0.06)
        if len(y) and quantity == "Test accuracy" and y.min() >= 0:
            low, high = max(low, -0.01), min(high, 1.02) if y.max() <= 1 else high
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    digits = 6
    if not len(shown):
        axes.yaxis.set_major_locator(NullLocator())
    if _is_one(shown):  # no number beside it means anything
        axes.yaxis.set_major_locator(FixedLocator([float(shown[0])]))
        digits = 4
    axes.yaxis.set_major_formatter(FuncFormatter(_tick_writer(axes.get_yticks(), axes.get_ylim(), digits)))


def scale_x(axes: Axes, lines: Sequence[ChartLine], x_axis: str) -> None:
    """Sets limits and ticks of the x axis, which holds all marks too; long times get ticks of whole hours."""
    x = np.concatenate([line.x for line in lines] + [[mark.x for mark in line.marks] for line in lines])
    x = x[np.isfinite(x)]
    low, high = _padded(x, 0.015)
    axes.set_xlim(low, high)
    _, unit = x_unit(x_axis, lines)
    locator = MaxNLocator(8, steps=[1, 2, 5, 10], integer=x_axis == "Iters")
    ticks = np.asarray(locator.tick_values(low / unit, high / unit)) * unit
    axes.xaxis.set_major_locator(FixedLocator((x[:1] if _is_one(x) else ticks).tolist()))
    sign = ""
    if x_axis == "Iters" and high >= 1e4:
        unit, sign = (1e6, "M") if high >= 2e6 else (1e3, "k")
    digits = 4 if _is_one(x) and x_axis == "Seconds" else 6
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / unit:.{digits}g}{sign if v else ''}"))


def outside(axes: Axes, lines: Sequence[ChartLine]) -> dict[str, list[Points]]:
    """Returns the points beyond the y axis, as "above" or "below" -> (number of the line, x, y)."""
    low, high = axes.get_ylim()
    far: dict[str, list[Points]] = {"above": [], "below": []}
    for i, line in enumerate(lines):
        x, y = line.x, line.y
        above, below = y > high, y < low if axes.get_yscale() == "linear" else (y < low) & (y > 0)
        for side, mask in (("above", above), ("below", below)):
            mask = mask & np.isfinite(y) & np.isfinite(x)
            if mask.any():
                far[side].append((i, x[mask], y[mask]))
    return far


def count_hidden(axes: Axes, lines: Sequence[ChartLine]) -> int:
    """Returns how many points have no place on the y axis: those at or below 0 on a logarithmic one."""
    if axes.get_yscale() == "linear":
        return 0
    return sum(int(np.count_nonzero((line.y <= 0) & np.isfinite(line.y))) for line in lines)


def number_text(value: float, digits: int = 4) -> str:
    """Returns ``value`` in ``digits`` digits, with a true minus sign."""
    text = f"{value:.{digits}g}"
    return text.replace("-", "−", 1) if value < 0 else text


def _needs_log_axis(lines: Sequence[ChartLine], y: np.ndarray) -> bool:
    """Whether positive ``y`` span so much that a linear axis would crowd most of them at its bottom.

    A learning rate that falls smoothly to nearly nothing does not; one that falls in steps does.
    """
    low, high = float(y.min()), float(y.max())
    crowded = high > 5 * low and float(np.median(y)) - low < 0.06 * (high - low)
    if lines[0].quantity == "Train learning rate" and not any(moves_in_steps(line.y) for line in lines):
        return crowded
    return crowded or high > LOG_AXIS_FROM * low


def _near(lines: Sequence[ChartLine], y: np.ndarray, log_scale: bool) -> np.ndarray:
    """Returns ``y`` without those few that are so far from all others that these would make a flat line."""
    values = np.sort(np.log10(y) if log_scale else y)
    end = len(values) - _count_far(values)
    start = _count_far(-values[:end][::-1])
    near = values[start:end]
    if len(near) == len(values):
        return y
    low, high = (10 ** near[[0, -1]]) if log_scale else near[[0, -1]]
    slack = 1e-9 * abs(high - low)
    inside = (y >= low - slack) & (y <= high + slack)
    for line in lines:
        own = line.y[np.isfinite(line.y)]
        if np.count_nonzero((own < low - slack) | (own > high + slack)) > _OUTSIDE[1] * len(own):
            return y
    return y[inside]


def _count_far(values: np.ndarray) -> int:
    """Returns how many of the greatest of ascending ``values`` are far from the rest."""
    if len(values) < 8:
        return 0
    count = np.arange(1, max(1, int(_OUTSIDE[0] * len(values))) + 1)
    least, greatest = values[-count], values[-count - 1]
    span = greatest - values[0]
    far = (least - greatest > _FAR * span) & (span > 1e-4 * np.abs(greatest))
    return int(count[far].max(initial=0))


def _scale_log(axes: Axes, positive: np.ndarray) -> None:
    low, high = _padded(np.log10(positive), 0.06)
    axes.set_yscale("log", nonpositive="mask")
    axes.set_ylim(10**low, 10**high)
    if high - low < 0.4:
        axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    else:
        # As many as fit: the closest pair of each is 0.05, 0.12, 0.3 and 1 decades apart.
        steps = (range(1, 10), (1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,))
        subs = steps[sum(high - low > most for most in (0.6, 1.5, 3.6))]
        axes.yaxis.set_major_locator(LogLocator(subs=[float(sub) for sub in subs], numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_formatter(NullFormatter())


def _padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Returns limits a ``share`` wider than ``values`` on either side, never empty."""
    if not len(values):
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    if _is_one(values):
        wide = 0.05 * max(abs(low), abs(high)) or 0.5
        return low - wide, high + wide
    return low - share * (high - low), high + share * (high - low)


def _is_one(values: np.ndarray) -> bool:
    """Whether ``values`` are one number: closer ones have no ticks that differ."""
    if not len(values):
        return False
    low, high = float(values.min()), float(values.max())
    return high - low <= 1e-6 * max(abs(low), abs(high))


def _tick_writer(
    ticks: np.ndarray, limits: tuple[float, float], digits: int
) -> Callable[[float, int | None], str]:
    """Returns what writes ticks: plainly, or all of them by powers of ten if one needs that."""
    shown = np.abs([tick for tick in ticks if limits[0] <= tick <= limits[1] and tick])
    powers = len(shown) and (shown.min() < 0.9e-4 or shown.max() >= 1e6)

    def write(value: float, _: int | None = None) -> str:
        if not powers or not value:
            return number_text(value, digits)
        exponent = math.floor(math.log10(abs(value)) + 1e-9)
        factor = number_text(value / 10.0**exponent)
        power = f"10{str(exponent).translate(_SUPERSCRIPT)}"
        return power if factor == "1" else f"{factor}×{power}"

    return write
