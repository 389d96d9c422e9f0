"""Words for filters, in figures and on pages: kinds, shapes and statistics."""

from __future__ import annotations

import math

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank, median
from cnnviz.analysis.filters import LAYER_FINDINGS, LayerHealth
from cnnviz.analysis.summary import shape_text
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.text import number_label, percent

_ROLES = {
    "W_xc": "input to gates",
    "W_xc_static": "static input to gates",
    "W_hc": "hidden state to gates",
    "W_xh": "input to hidden state",
    "W_xh_static": "static input to hidden state",
    "W_hh": "hidden state to itself",
    "W_ho": "hidden state to output",
}


def bank_kind(bank: FilterBank) -> str:
    """Returns the kind of layer, a key of KIND_COLORS, also where its type is not known."""
    return kind_of(bank.type or ("Convolution" if bank.is_windows else "InnerProduct"))


def bank_words(bank: FilterBank) -> str:
    """Returns a layer's type and its filters' number and shape, in words."""
    count = len(bank.filters)
    what = f"{count} filters of {shape_text(bank.filter_shape)}"
    if bank.type == "Embed":
        what = f"{count} vectors of {bank.filters.shape[1]} values"
    elif not bank.is_windows:
        rows = f"{len(bank.bands)} × {count // len(bank.bands)}" if bank.bands else f"{count}"
        what = f"{rows} outputs of {bank.filters.shape[1]} inputs"
        what += f" ({shape_text(bank.reads)})" if bank.reads_area else ""
    role = f"{bank.role}, {_ROLES[bank.role]}" if bank.role else ""
    parts = [bank.type or "", role, what, f"group {bank.group}" if bank.group > 1 else ""]
    return " · ".join(part for part in parts if part)


def value_lines(mean: float, std: float, ends: tuple[float, float], zeros: float) -> list[tuple[str, str]]:
    """Returns lines (label, value) on the distribution of values.

    Args:
        ends: the smallest and the largest value.
        zeros: share of values that are 0; it is not mentioned where it rounds to nothing.
    """
    lines = [
        ("mean, std", f"{number_label(mean)}, {number_label(std)}"),
        ("range", f"{number_label(ends[0])} to {number_label(ends[1])}"),
    ]
    return lines + ([("zeros", percent(zeros))] if zeros >= 0.005 else [])


def statistics_lines(health: LayerHealth) -> list[tuple[str, str, str | None]]:
    """Returns the statistics of a layer: lines (label, value, kind of finding or None)."""
    ends = float(health.low.min()), float(health.high.max())
    values = value_lines(float(health.mean.mean()), health.total_std, ends, float(health.zeros.mean()))
    lines: list[tuple[str, str, str | None]] = [
        ("weights", f"{health.bank.filters.size:,}", None),
        *((label, value, None) for label, value in values),
        ("norm of filters", f"{number_label(health.norm.min())} to {number_label(health.norm.max())}", None),
        ("effective rank", f"{health.rank:.1f} of {health.highest_rank}", None),
    ]
    if np.isfinite(health.noise).any():
        lines.append(("noise", f"{median(health.noise):.2f} (white: 1)", None))
    if math.isfinite(health.randomness.strength):
        lines.append(("strength", f"{health.randomness.strength:.2f} (random: 1)", None))
    lines += [(kind, f"{len(filters)} of {health.count}", kind) for kind, filters in health.marks.items()]
    lines += [(kind, "", kind) for kind in layer_kinds(health)]
    return lines


def layer_kinds(health: LayerHealth) -> list[str]:
    """Returns the kinds of findings about the layer that its filters' findings do not imply."""
    return [f.kind for f in health.findings() if f.kind in LAYER_FINDINGS and f.kind != "noisy layer"]
