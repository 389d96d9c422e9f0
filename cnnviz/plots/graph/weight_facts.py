"""What the interactive page says of a layer's weights: statistics, and an image of its filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank
from cnnviz.analysis.summary import shape_text
from cnnviz.plots.common.filter_plan import (
    FilterOptions,
    FilterPlan,
    Space,
    grid_layout,
    plan_filters,
    strongest_channels,
)
from cnnviz.plots.common.filter_words import value_lines
from cnnviz.plots.common.html import data_uri
from cnnviz.plots.common.mosaic import color_scale, mosaic, own_divisors, png

_SPACE = Space(width=340, height=420, tile=60)  # of the panel that shows them


@dataclass(frozen=True)
class WeightFacts:
    """Statistics of each parameter blob, and the filters as an image with its caption; "" without one."""

    texts: tuple[str, ...]
    picture: str = ""
    caption: str = ""


def weight_facts(blobs: Sequence[np.ndarray], bank: FilterBank | None) -> WeightFacts:
    """Returns what to say of the parameter blobs of one layer.

    The image has one tile for each filter that ``cnnviz weights`` would show, in the same order: in colour
    where they read the colours of an image (BGR, grey is 0), otherwise the channel with the most energy.

    Args:
        bank: the filters of the first blob, if it has any.
    """
    texts = tuple(map(_statistics, blobs))
    plan = plan_filters(bank, FilterOptions()) if bank is not None else None
    if plan is None or plan.form == "matrix":
        return WeightFacts(texts)
    tiles = _one_tile_each(plan)
    scale = None if plan.form == "color" else color_scale(plan.filters).relative
    layout = grid_layout(len(tiles), tiles.shape[1], tiles.shape[2], _SPACE)
    picture = data_uri(png(mosaic(tiles, layout, scale, own_divisors(tiles))))
    return WeightFacts(texts, picture, _caption(plan))


def _one_tile_each(plan: FilterPlan) -> np.ndarray:
    if plan.form != "rows":
        return plan.tiles(plan.filters, plan.blocks[0])
    shown = plan.filters[plan.numbers]
    return shown[np.arange(len(shown)), strongest_channels(shown)]


def _caption(plan: FilterPlan) -> str:
    count, total = len(plan.numbers), len(plan.filters)
    number = f"{total} filters" if count == total else f"first {count} of {total} filters"
    what = {"color": ", in colour", "rows": ", the strongest channel of each"}
    return number + what.get(plan.form, "")


def _statistics(blob: np.ndarray) -> str:
    values = blob[np.isfinite(blob)].astype(np.float64)
    parts = [shape_text(blob.shape)]
    if values.size:
        zeros = np.count_nonzero(values == 0) / values.size
        ends = float(values.min()), float(values.max())
        lines = value_lines(float(values.mean()), float(values.std()), ends, zeros)
        parts += [f"{label} {value}" for label, value in lines]
    broken = blob.size - values.size
    parts += [f"{broken} not finite"] if broken else []
    return " · ".join(parts)
