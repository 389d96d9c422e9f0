"""The page's section of filters: their tiles, findings and statistics.

Tiles are the bytes that ``cnnviz weights`` draws, with whole pixels for each weight: sharp on any screen,
and the same in light and in dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank, weight_histogram
from cnnviz.analysis.filter_report import Report
from cnnviz.analysis.filters import LayerHealth
from cnnviz.gallery.html import Anchors, card, legend, links, picture
from cnnviz.plots.common.filter_plan import (
    FilterMosaic,
    FilterOptions,
    FilterPlan,
    filter_mosaics,
    plan_filters,
)
from cnnviz.plots.common.filter_words import bank_kind, bank_words, statistics_lines
from cnnviz.plots.common.html import escape
from cnnviz.plots.common.mosaic import color_scale, png
from cnnviz.plots.common.text import counted, number_label
from cnnviz.plots.common.theme import KIND_COLORS

MOST_LAYERS = 16
_OPEN = 3  # cards that are not folded
_OPTIONS = FilterOptions()  # those of ``cnnviz weights``
_NAMED = 12  # numbers of filters in a sentence

Links = Mapping[str, Sequence[tuple[str, str]]]


def filter_layers(report: Report) -> list[str]:
    """Returns the layers that have filters, in the order of the file."""
    return list(dict.fromkeys(health.bank.layer for health in report.layers))


def shown_layers(report: Report) -> list[str]:
    """Returns the layers that have a card: all, or MOST_LAYERS from the first to the last."""
    layers = filter_layers(report)
    if len(layers) <= MOST_LAYERS:
        return layers
    return [layers[place] for place in np.linspace(0, len(layers) - 1, MOST_LAYERS).round().astype(int)]


def filter_words(report: Report) -> str:
    """Returns what the section says above its cards."""
    layers = filter_layers(report)
    troubled = {finding.layer for finding in report.findings}
    words = f"{report.verdict} "
    words += "Smooth, structured filters suggest good training, noisy ones too little of it or overfitting."
    words += f" {len(troubled) or 'None'} of {counted(len(layers), 'layer')} with filters "
    words += "has a finding." if len(troubled) < 2 else "have findings."
    if len(layers) > MOST_LAYERS:
        words += f" {MOST_LAYERS} of them, from the first to the last, are shown."
    return words


def filter_cards(report: Report, anchors: Anchors, elsewhere: Links, progress: Callable[[str], None]) -> str:
    """Returns the cards of the layers that are shown.

    Args:
        elsewhere: other places of the page by layer.
        progress: called with what is being done.
    """
    cards: list[str] = []
    for layer in shown_layers(report):
        progress(f"filters of {layer}")
        found = [health for health in report.layers if health.bank.layer == layer]
        findings = [finding for finding in report.findings if finding.layer in {layer, *_titles(found)}]
        items = "".join(
            f"<li>{escape(f'{finding.layer}: ' if len(found) > 1 else '')}{escape(finding.message)}"
            f"{_numbers(finding.filters, found[0].count)}</li>"
            for finding in findings
        )
        body = f'<p class="links">This layer elsewhere:{links(elsewhere[layer])}</p>'
        body += f'<ul class="findings">{items}</ul>' if items else ""
        for health in found:
            if len(found) > 1:
                body += (
                    f"<h4>{escape(health.bank.title)}<small>{escape(bank_words(health.bank))}</small></h4>"
                )
            body += _bank(health)
        remarks = [bank_words(found[0].bank)] if len(found) == 1 else [counted(len(found), "blob")]
        remarks += [counted(len(findings), "finding")] if findings else []
        is_open = len(cards) < _OPEN
        cards.append(card(anchors.id("filters", layer), layer, " · ".join(remarks), body, open=is_open))
    return "".join(cards)


def _titles(found: Sequence[LayerHealth]) -> list[str]:
    return [health.bank.title for health in found]


def _numbers(filters: Sequence[int], count: int) -> str:
    """Which of ``count`` filters a finding is about, unless it is most of them."""
    if not filters or not _are_few(filters, count):
        return ""
    more = f" and {len(filters) - _NAMED} more" if len(filters) > _NAMED else ""
    what = "Number" if len(filters) == 1 else "Numbers"
    return f" <small>{what} {', '.join(map(str, filters[:_NAMED]))}{more}</small>"


def _are_few(filters: Sequence[int], count: int) -> bool:
    """Whether marking filters one by one is informative: not where most have the finding."""
    return 2 * len(filters) <= count


def _bank(health: LayerHealth) -> str:
    """One blob of filters: the tiles, and numbers beside them."""
    rows = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(value)}</dd></div>"
        for label, value, _ in statistics_lines(health)
        if value  # what has none stands in the list above
    )
    return (
        f'<div class="filters">{_tiles(health)}'
        f'<div class="aside"><dl>{rows}</dl>{_histogram(health.bank)}</div></div>'
    )


def _tiles(health: LayerHealth) -> str:
    """The filters as ``cnnviz weights`` shows them, those with a finding framed."""
    plan = plan_filters(health.bank, _OPTIONS)
    scale = color_scale(health.bank.filters)
    few = [numbers for numbers in health.marks.values() if _are_few(numbers, health.count)]
    shown = set(plan.numbers.tolist())
    framed = {number for numbers in few for number in numbers if number in shown}
    images = "".join(
        picture(png(mosaic.pixels), _alt(plan, mosaic), mosaic.size[1], mosaic.size[0])
        for mosaic in filter_mosaics(plan, scale, _OPTIONS, framed=framed)
    )
    words = [_reading(plan), plan.omitted.capitalize(), "Each filter is divided by its largest weight"]
    words += ["Those with a finding are framed"] if framed and plan.layout else []
    bar = "" if plan.form == "color" else legend(scale.relative)
    caption = " ".join(f"{sentence}." for sentence in words if sentence)
    return (
        f'<figure><div class="blocks">{images}</div><figcaption>{bar}{escape(caption)}</figcaption></figure>'
    )


def _alt(plan: FilterPlan, mosaic: FilterMosaic) -> str:
    if plan.form == "rows":
        return f"Filters {mosaic.places[0]} to {mosaic.places[-1]} of {plan.bank.title}"
    if mosaic.layout is not None:
        return f"{len(plan.numbers)} filters of {plan.bank.title}, {mosaic.layout.columns} in a row"
    return f"Weights of {plan.bank.title}, {len(plan.numbers)} rows and {plan.inner} columns"


def _reading(plan: FilterPlan) -> str:
    """How the filters are arranged, in words."""
    if plan.form == "rows":
        first = plan.blocks[0]
        order = "downwards" if len(first) == len(plan.numbers) else f"{len(first)} in a block"
        return f"A row for each filter, from 0, {order}; a tile for each channel"
    if plan.layout is None:
        row, column = ("filter", "channel") if plan.bank.is_windows else ("output", "input")
        return f"A row for each {row}, from 0 downwards; a column for each {column}"
    words = f"From 0, {plan.layout.columns} in a row"
    if plan.form == "color":
        words += ". Red, green and blue are the weights of each (input channels read as BGR), grey is 0"
    return words


def _histogram(bank: FilterBank) -> str:
    """How often weights occur, as one path, with the ends and 0 below."""
    counts, edges = weight_histogram(bank)
    low, high = float(edges[0]), float(edges[-1])
    heights = 60 * (1 - counts / max(1, int(counts.max())))
    path = "M0 60" + "".join(f"V{height:.1f}h{240 / len(counts):.2f}" for height in heights) + "V60z"
    zero = 240 * -low / (high - low)
    ends = f'<text x="0" y="74">{number_label(low)}</text>'
    ends += f'<text x="240" y="74" text-anchor="end">{number_label(high)}</text>'
    ends += f'<text x="{zero:.0f}" y="74" text-anchor="middle">0</text>' if low < 0 else ""
    words = f"Histogram of the weights from {number_label(low)} to {number_label(high)}"
    return (
        f'<svg class="histogram" viewBox="0 0 240 78" role="img" aria-label="{escape(words)}">'
        f'<path d="{path}" fill="{KIND_COLORS[bank_kind(bank)]}"/>'
        f'<path class="axis" d="M0 60H240M{zero:.1f} 0V63"/>{ends}</svg>'
    )
