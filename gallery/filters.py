"""The page's section of filters: their tiles, what is wrong with them, and their numbers.

Tiles are one dot (or a few) a number and the numbers are text, so that both are sharp on any screen, and
the same in light and in dark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank
from cnnviz.analysis.filters import LayerHealth, Report
from cnnviz.gallery.html import Anchors, card, legend, links, picture
from cnnviz.plots.common.html import escape
from cnnviz.plots.common.mosaic import (
    ColorScale,
    color_scale,
    gap_pixels,
    mosaic,
    own_divisors,
    png,
    tile_layout,
)
from cnnviz.plots.common.text import counted, number_label
from cnnviz.plots.common.theme import KIND_COLORS
from cnnviz.plots.weights.forms import (
    bank_kind,
    bank_words,
    in_color,
    statistics_lines,
    tile_form,
    weight_histogram,
)

MOST_LAYERS = 16
_OPEN = 3  # cards that are not folded
_WIDTH, _HEIGHT = 800, 560  # pixels that the filters of a layer take at most, about
_FLAT = 330  # pixels of height that one tile for each filter should take
_MOST_CHANNELS = 64  # of a filter
_MOST_TILES = 1024  # of a fully connected layer that reads pictures; more are a matrix
_MATRIX = 512  # rows
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
    words += "Smooth, structured filters speak of good training, noisy ones of too little or of overfitting."
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
    """Whether marking filters one by one tells something: not where most have the finding."""
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
    bank = health.bank
    filters = bank.filters
    if bank.reads and bank.reads_area and len(filters) * bank.reads[0] <= _MOST_TILES:
        filters = filters.reshape(len(filters), *bank.reads)
    form = tile_form(filters, bank.is_first)
    if form == "matrix":
        return _matrix(bank, filters.reshape(len(filters), -1))
    few = [numbers for numbers in health.marks.values() if _are_few(numbers, len(filters))]
    marked = sorted({number for numbers in few for number in numbers})
    own = filters / own_divisors(filters)[:, None, None, None]
    if form == "color":
        return _colors(bank, own, marked)
    return _grid(bank, own[:, 0], marked) if form == "grid" else _rows(bank, own, marked)


def _colors(bank: FilterBank, own: np.ndarray, marked: Sequence[int]) -> str:
    """A tile a filter, its three channels as red, green and blue (Caffe's order is blue first)."""
    pixels = np.rint(np.nan_to_num(in_color(own, "bgr") * 0.5 + 0.5) * 255).astype(np.uint8)
    note = "Red, green and blue are the weights of each (input channels read as BGR), grey is 0."
    return _one_tile_each(bank, pixels, None, marked, note)


def _grid(bank: FilterBank, own: np.ndarray, marked: Sequence[int]) -> str:
    return _one_tile_each(bank, own, _scale(bank), marked, "")


def _one_tile_each(
    bank: FilterBank, tiles: np.ndarray, scale: ColorScale | None, marked: Sequence[int], note: str
) -> str:
    height, width = tiles.shape[1:3]
    sides = (side for side in range(64, 11, -2) if (_WIDTH // side) * (_FLAT // side) >= len(tiles))
    zoom = max(1, next(sides, 12) // max(height, width))
    most = max(1, _WIDTH // (zoom * width + 3))
    columns = next((n for n in range(min(most, len(tiles)), most // 2, -1) if len(tiles) % n == 0), most)
    shown = tiles[: columns * max(1, _HEIGHT // (zoom * height + 3))]
    alt = f"{len(shown)} filters of {bank.title}, {columns} in a row"
    words = [f"From 0, {columns} in a row.", _left_out(len(shown), len(tiles), "filters"), note]
    framed = [range(k, k + 1) for k in marked if k < len(shown)]
    image = picture(_png(shown, scale, columns, zoom, framed), alt)
    return _figure(image, scale, words, marked)


def _rows(bank: FilterBank, own: np.ndarray, marked: Sequence[int]) -> str:
    """A row a filter and a tile a channel, in blocks side by side."""
    channels = min(own.shape[1], _MOST_CHANNELS)
    height, width = own.shape[2:]
    finest = max(1, 9 // max(height, width))
    zoom = max(finest, min(20 // max(height, width), (_WIDTH // channels - 2) // width))
    while zoom > finest and _room(zoom, channels, height, width) < len(own):
        zoom -= 1
    count = min(len(own), _room(zoom, channels, height, width))
    blocks = max(1, _WIDTH // (channels * (zoom * width + 2) + 16))
    each = -(-count // blocks)
    scale, images = _scale(bank), ""
    for start in range(0, count, each):
        part = own[start : min(count, start + each), :channels]
        rows = (range((k - start) * channels, (k - start + 1) * channels) for k in marked)
        framed = [row for row in rows if row.start >= 0 and row.stop <= len(part) * channels]
        tiles = part.reshape(-1, height, width)
        images += picture(
            _png(tiles, scale, channels, zoom, framed),
            f"Filters {start} to {start + len(part) - 1} of {bank.title}",
        )
    words = [
        f"A row for each filter, from 0, {f'{each} in a block' if each < count else 'downwards'}; "
        "a tile for each channel.",
        _left_out(count, len(own), "filters"),
        _left_out(channels, own.shape[1], "channels"),
    ]
    return _figure(f'<div class="blocks">{images}</div>', scale, words, [k for k in marked if k < count])


def _png(
    tiles: np.ndarray, scale: ColorScale | None, columns: int, zoom: int, framed: Sequence[range]
) -> bytes:
    layout = tile_layout(len(tiles), *tiles.shape[1:3], columns=columns)
    gap = gap_pixels(zoom * layout.height, zoom * layout.width)
    return png(mosaic(tiles, replace(layout, zoom=zoom, gap=gap), scale, framed=framed))


def _room(zoom: int, channels: int, height: int, width: int) -> int:
    """How many filters fit, each a row of tiles."""
    blocks = max(1, _WIDTH // (channels * (zoom * width + 2) + 16))
    return blocks * max(1, _HEIGHT // (zoom * height + 2))


def _matrix(bank: FilterBank, values: np.ndarray) -> str:
    """A row an output (of tall ones a column), each divided by its largest weight."""
    own = values / own_divisors(values)[:, None]
    names = ["filter", "channel"] if bank.is_windows else ["output", "input"]
    if 2 * own.shape[1] < len(own) <= _WIDTH:
        own, names = own.T, names[::-1]
    shown = own[:_MATRIX, :_WIDTH]
    across, down = (max(1, min(12, most // n)) for most, n in ((_WIDTH, shown.shape[1]), (320, len(shown))))
    words = [
        f"A row for each {names[0]}, from 0 downwards; a column for each {names[1]}.",
        _left_out(len(shown), len(own), f"{names[0]}s"),
        _left_out(shown.shape[1], own.shape[1], f"{names[1]}s"),
    ]
    scale = _scale(bank)
    alt = f"Weights of {bank.title}, {len(shown)} {names[0]}s and {shown.shape[1]} {names[1]}s"
    image = picture(png(scale.colors(shown)), alt, across * shown.shape[1], down * len(shown))
    return _figure(image, scale, words, ())


def _scale(bank: FilterBank) -> ColorScale:
    """Of weights divided by the largest of their filter."""
    return color_scale(bank.filters).relative


def _left_out(shown: int, total: int, what: str) -> str:
    return f"The first {shown} of {total} {what}." if shown < total else ""


def _figure(image: str, scale: ColorScale | None, words: Sequence[str], marked: Sequence[int]) -> str:
    bar = legend(scale) if scale is not None else ""
    parts = [*words, "Each filter is divided by its largest weight."]
    parts += ["Those with a finding are framed."] if marked else []
    return f"<figure>{image}<figcaption>{bar}{escape(' '.join(filter(None, parts)))}</figcaption></figure>"


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
