"""How the filters of a layer become tiles: one plan for figures and pages, in whole pixels for each weight.

A plan says which filters are shown, in which order and form, and where each of their weights lies; figures
show a hundred and fifty of its pixels as an inch, pages show them as they are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnviz.analysis.filter_measures import FilterBank, check_order, order_filters
from cnnviz.errors import CnnvizError, did_you_mean
from cnnviz.plots.common.mosaic import ColorScale, TileLayout, gap_pixels, mosaic, own_divisors

MOST_TILES = 1024  # of one layer, by default


@dataclass(frozen=True)
class FilterOptions:
    """How filters are chosen, ordered and coloured.

    Attributes:
        layers: names of the layers to draw; None leaves the choice to the figure.
        order: of the filters: "file", "norm" (largest first) or "similarity" (like beside like).
        normalize: "filter": each filter has the whole colour scale; "layer": one scale for the layer.
        channel_order: what the net's three input channels are: "bgr" or "rgb".
        limit: maximum number of tiles of one layer.
        marks: whether filters with a finding are marked.
        style: "light" or "dark".

    Raises: CnnvizError for another value.
    """

    layers: Sequence[str] | None = None
    order: str = "file"
    normalize: str = "filter"
    channel_order: str = "bgr"
    limit: int = MOST_TILES
    marks: bool = True
    style: str = "light"

    def __post_init__(self) -> None:
        check_order(self.order)
        _check_choice("normalize", self.normalize, ("filter", "layer"))
        _check_choice("channel_order", self.channel_order, ("bgr", "rgb"))
        if self.limit < 1:
            raise CnnvizError(f"limit is {self.limit}; expected 1 tile or more.")


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        expected = " or ".join(map(repr, known))
        raise CnnvizError(f"{name} is {value!r}; expected {expected}{did_you_mean(str(value), known)}")


@dataclass(frozen=True)
class Space:
    """What the filters of a layer may take, in pixels.

    Attributes:
        width, height: of all tiles; more height only where tiles would be tiny otherwise.
        tile: of a tile's longer side.
        channels: of a filter, where not all tiles are within the limit.
        blocks: of rows side by side.
        matrix: height of a matrix.
    """

    width: int = 840
    height: int = 390
    tile: int = 69
    channels: int = 64
    blocks: int = 8
    matrix: int = 512

    def block_width(self, blocks: int) -> int:
        """Returns the width of the tiles of so many blocks side by side, without what is between them."""
        return self.width - _BETWEEN_BLOCKS * (blocks - 1)

    @property
    def of_first(self) -> Space:
        """What the first convolution may take, whose filters are looked at most."""
        return replace(self, height=round(1.27 * self.height), tile=round(1.43 * self.tile))


MATRIX_ROWS, MATRIX_COLUMNS = 512, 800  # of a matrix that are shown
_BETWEEN_BLOCKS = 84  # pixels, numbers of filters among them
_NUMBER = 22  # pixels above a tile, for its number
_TINY = 12  # pixels of a tile's longer side
_LARGEST_CELL, _ROW, _BAND = 30, 21, 68  # of a matrix: pixels of a cell's width, a row, a named part
_FULL = 0.7  # of the tiles' width is a fair price for full rows


@dataclass(frozen=True, eq=False)
class FilterPlan:
    """Which filters of a layer are shown, and how.

    Attributes:
        form: "color" or "grid" (a tile for each filter), "rows" (a row of tiles for each) or "matrix".
        filters: (N, C, H, W), or (N, D) of a matrix, in the order of the file.
        numbers: (M,) of the filters that are shown, in the order of drawing.
        inner: how many channels, or inputs, of each are shown.
        layout: of the tiles; of "rows", of one block of them. None of a matrix.
        strip: pixels above a tile that its number needs; 0 where there is no room for numbers.
        cell: (height, width) in pixels of a weight in a matrix.
        step: (rows, columns) of a matrix of which one is shown.
    """

    bank: FilterBank
    form: str
    filters: np.ndarray
    numbers: np.ndarray
    inner: int
    layout: TileLayout | None = None
    strip: int = 0
    cell: tuple[int, int] = (1, 1)
    step: tuple[int, int] = (1, 1)

    @property
    def omitted(self) -> str:
        """What is not shown as it is, in words; "" if all is."""
        total, inner = self.filters.shape[:2]
        shown = min(total, len(self.numbers) * self.step[0])
        parts = [f"first {shown} of {total} filters"] if shown < total else []
        if self.form in ("rows", "matrix") and self.inner < inner:
            parts.append(f"first {self.inner} of {inner} {'channels' if self.form == 'rows' else 'inputs'}")
        if self.step != (1, 1):
            parts.append(f"one of {self.step[0]}×{self.step[1]} cells")
        if self.layout is not None and self.layout.note:
            parts.append(self.layout.note)
        return ", ".join(parts)

    @property
    def blocks(self) -> list[range]:
        """The places in ``numbers`` of each block of rows; of other forms one block of all."""
        count = len(self.numbers)
        size = self.layout.rows if self.form == "rows" and self.layout else count
        return [range(start, min(count, start + size)) for start in range(0, count, size)]

    @property
    def is_numbered(self) -> bool:
        """Whether each filter has a tile with room for its number above it."""
        return self.strip > 0

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels of a block, without strips."""
        if self.layout is not None:
            return self.layout.size
        columns = math.ceil(self.inner / self.step[1])
        return len(self.numbers) * self.cell[0], columns * self.cell[1]

    def tiles(self, filters: np.ndarray, places: range, channel_order: str = "bgr") -> np.ndarray:
        """Returns the tiles (T, H, W), or (T, H, W, 3) in colour, of ``filters`` shaped as the bank's.

        A matrix is one tile.
        """
        shown = filters.reshape(self.filters.shape)[self.numbers[places.start : places.stop]]
        if self.form == "matrix":
            return shown[None, :, : self.inner : self.step[1]]
        if self.form == "color":
            return in_color(shown, channel_order)
        return shown[:, : self.inner].reshape(-1, *shown.shape[2:])

    def layout_of(self, places: range, is_numbered: bool = False) -> TileLayout:
        """Returns the layout of a block; with strips for numbers above the tiles if it ``is_numbered``."""
        assert self.layout is not None, "a matrix has no tiles"
        rows = len(places) if self.form == "rows" else self.layout.rows
        count = rows * self.inner if self.form == "rows" else len(places)
        return replace(self.layout, count=count, rows=rows, strip=self.strip if is_numbered else 0)


def plan_filters(bank: FilterBank, options: FilterOptions, space: Space | None = None) -> FilterPlan:
    """Decides how the filters of a layer are shown; the defaults are the same wherever they are.

    A first convolution on three channels is shown in colour, one tile per filter; windows on one channel
    have a tile per filter too, deeper ones a row of tiles per filter, a tile for each channel. A fully
    connected layer is shown as tiles of the shape it reads if all of them fit the limit, otherwise as a
    matrix; so are recurrent layers and 1 x 1 convolutions.
    """
    space = space or Space()
    space = space.of_first if bank.is_first else space
    filters = bank.filters
    if bank.reads and bank.reads_area and len(filters) * bank.reads[0] <= options.limit:
        filters = filters.reshape(len(filters), *bank.reads)
    form = _form(filters, bank.is_first)
    if form == "matrix":
        filters = filters.reshape(len(filters), -1)
    plan = FilterPlan(bank, form, filters, order_filters(bank.filters, options.order), 1)
    planner = {"rows": _plan_rows, "matrix": _plan_matrix}.get(form, _plan_grid)
    return planner(plan, options.limit, space)


def _form(filters: np.ndarray, is_first: bool) -> str:
    if filters.ndim != 4 or math.prod(filters.shape[2:]) == 1:
        return "matrix"
    if filters.shape[1] == 3 and is_first:
        return "color"
    return "grid" if filters.shape[1] == 1 else "rows"


def _plan_grid(plan: FilterPlan, limit: int, space: Space) -> FilterPlan:
    """One tile per filter: as large as the space allows."""
    count = min(len(plan.filters), limit)
    height, width = plan.filters.shape[2:]
    unit = count // max(1, len(plan.bank.bands))
    layout = grid_layout(count, height, width, space, unit)
    plan = replace(plan, numbers=plan.numbers[:count], inner=plan.filters.shape[1], layout=layout)
    return replace(plan, strip=_number_strip(layout))


def _number_strip(layout: TileLayout) -> int:
    return _NUMBER if layout.tile_pixels[0] >= 36 and layout.count <= 256 else 0


def grid_layout(count: int, height: int, width: int, space: Space, unit: int | None = None) -> TileLayout:
    """Returns the layout of ``count`` tiles of ``height`` by ``width`` values, as large as the space allows.

    Args:
        unit: so many tiles should fill whole rows; by default all of them.
    """
    layouts = [_layout(count, 1, height, width, *scale) for scale in _scales(height, width, space.tile)]
    for layout in layouts:
        columns = _fitting_columns(layout, space.width)
        rows = math.ceil(count / columns)
        needed = replace(layout, columns=columns, rows=rows, strip=_number_strip(layout)).size[0]
        if needed <= space.height or max(layout.tile_pixels) <= _TINY:
            break
    columns = _filled_columns(columns, count, rows, unit or count)
    return row_layout(count, columns, height, width, replace(space, tile=max(layout.tile_pixels)))


def row_layout(count: int, columns: int, height: int, width: int, space: Space) -> TileLayout:
    """Returns the layout of ``count`` tiles in ``columns``, as large as the space's width and tile allow."""
    for scale in _scales(height, width, space.tile):
        layout = _layout(count, columns, height, width, *scale)
        if layout.size[1] <= space.width:
            break
    return layout


def _fitting_columns(layout: TileLayout, width: int) -> int:
    return min(layout.count, max(1, (width - layout.gap) // (layout.tile_pixels[1] + layout.gap)))


def _filled_columns(columns: int, count: int, rows: int, unit: int) -> int:
    """Returns a number of columns near the given one that ``unit`` tiles (a part of all) fill evenly."""
    most = int(columns / _FULL)  # smaller tiles are a low price for full rows
    if unit < count:  # a part is whole rows, if that does not make the grid much narrower
        widest = max(n for n in range(1, most + 1) if unit % n == 0)
        return widest if 2 * widest >= columns else columns
    fewest = math.ceil(count / rows)
    even = [n for n in range(fewest, most + 1) if count % n == 0]
    return even[0] if even else fewest  # a last row of two tiles looks forgotten


def _scales(height: int, width: int, tile: int) -> Iterator[tuple[int, int]]:
    """Yields (pixels per value, side of averaged blocks) from tiles of at most ``tile`` pixels downwards."""
    side = max(height, width)
    yield from ((zoom, 1) for zoom in range(tile // side, 0, -1))
    yield from ((1, block) for block in range(max(2, math.ceil(side / tile)), side + 1))


def _layout(count: int, columns: int, height: int, width: int, zoom: int, block: int) -> TileLayout:
    height, width = math.ceil(height / block), math.ceil(width / block)
    gap, rows = gap_pixels(height * zoom, width * zoom), math.ceil(count / columns)
    return TileLayout(count, rows, columns, height, width, zoom, gap, block=block)


def _plan_rows(plan: FilterPlan, limit: int, space: Space) -> FilterPlan:
    """A row per filter, the rows in blocks side by side so that tiles are as large as may be."""
    count, channels, height, width = plan.filters.shape
    if count * channels > limit:
        channels = min(channels, space.channels, limit)
        count = min(count, max(1, limit // channels))
    channels = min(channels, (space.width - 1) // (min(width, _TINY) + 1))

    def layouts(blocks: int) -> list[TileLayout]:
        """Those whose width fits, from large to small."""
        tiles = math.ceil(count / blocks) * channels
        found = [
            _layout(tiles, channels, height, width, *scale) for scale in _scales(height, width, space.tile)
        ]
        return [one for one in found if blocks * one.size[1] <= space.block_width(blocks)]

    def best(blocks: int) -> TileLayout:
        """The largest that fits; the smallest that is not tiny where none does."""
        found = layouts(blocks)
        large = [one for one in found if max(one.tile_pixels) >= min(15, 3 * max(height, width))]
        fitting = [one for one in found if one.size[0] <= space.height]
        return fitting[0] if fitting and fitting[0] in (large or fitting) else (large or found)[-1]

    sizes = {n: max(best(n).tile_pixels) for n in range(1, min(count, space.blocks) + 1) if layouts(n)}
    blocks = max(n for n in sizes if sizes[n] >= 0.8 * max(sizes.values()))  # more make a lower figure
    return replace(plan, numbers=plan.numbers[:count], inner=channels, layout=best(blocks))


def _plan_matrix(plan: FilterPlan, limit: int, space: Space) -> FilterPlan:
    """A row per filter; cells need not be square, as few long rows would be hairlines."""
    rows, columns = (
        min(pair) for pair in zip(plan.filters.shape, (MATRIX_ROWS, MATRIX_COLUMNS), strict=True)
    )
    step = math.ceil(columns / space.width)
    needed = min(space.matrix, max(space.width * rows / columns, min(rows * _ROW, 180)))
    skip = math.ceil(rows / needed)
    across = max(1, min(_LARGEST_CELL, space.width // math.ceil(columns / step)))
    shown = math.ceil(rows / skip)
    target = min(space.height, max(shown * min(across, 6.75), min(shown * _ROW, 210)))
    down = max(1, int(target // shown), math.ceil(_BAND * len(plan.bank.bands) / shown))
    across = min(across, max(4 * down, math.ceil(120 / columns)))
    return replace(
        plan, numbers=plan.numbers[:rows:skip], inner=columns, cell=(down, across), step=(skip, step)
    )


@dataclass(frozen=True, eq=False)
class FilterMosaic:
    """A block of a layer's filters as an image.

    Attributes:
        places: of the filters in the plan's numbers.
        pixels: (height, width, 4) bytes; of a matrix one for each weight.
        layout: of the tiles; None of a matrix.
        size: (height, width) at which it is shown, in pixels.
    """

    places: range
    pixels: np.ndarray
    layout: TileLayout | None
    size: tuple[int, int]


def filter_mosaics(
    plan: FilterPlan,
    scale: ColorScale,
    options: FilterOptions,
    *,
    is_numbered: bool = False,
    framed: Collection[int] = (),
) -> list[FilterMosaic]:
    """Returns the blocks of a plan as images.

    Args:
        scale: of the layer's weights.
        is_numbered: whether there is room for numbers above the tiles, if the plan has any.
        framed: numbers of filters with a frame.
    """
    found = []
    for places in plan.blocks:
        tiles = plan.tiles(plan.filters, places, options.channel_order)
        divisors = _divisors(plan, places, scale, options.normalize)
        shown = scale.relative if options.normalize == "filter" else scale
        if plan.form == "matrix":
            values = tiles[0] if divisors is None else tiles[0] / divisors[:, None]
            found.append(FilterMosaic(places, shown.colors(values), None, plan.size))
            continue
        layout = plan.layout_of(places, is_numbered)
        per = layout.count // len(places)
        frames = [range(i * per, (i + 1) * per) for i, p in enumerate(places) if plan.numbers[p] in framed]
        own = divisors if divisors is None else divisors.repeat(per)
        pixels = mosaic(tiles, layout, None if plan.form == "color" else shown, own, frames)
        found.append(FilterMosaic(places, pixels, layout, layout.size))
    return found


def _divisors(plan: FilterPlan, places: range, scale: ColorScale, normalize: str) -> np.ndarray | None:
    """What each filter is divided by; colours are always shares of something."""
    if normalize == "filter":
        return own_divisors(plan.filters[plan.numbers[places.start : places.stop]])
    return np.full(len(places), scale.high) if plan.form == "color" else None


def in_color(filters: np.ndarray, channel_order: str) -> np.ndarray:
    """Returns tiles (N, H, W, 3) in red, green and blue of filters (N, 3, H, W)."""
    return filters[:, :: -1 if channel_order == "bgr" else 1].transpose(0, 2, 3, 1)


def strongest_channels(filters: np.ndarray) -> np.ndarray:
    """Returns (N,) of each filter (N, C, H, W) the channel with the most energy."""
    return (
        (np.where(np.isfinite(filters), filters, 0).astype(np.float64) ** 2).sum(axis=(2, 3)).argmax(axis=1)
    )
