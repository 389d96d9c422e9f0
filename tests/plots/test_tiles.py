"""Mosaics: where each value is drawn, in which colour, and what is written of what is not shown as it is."""

from __future__ import annotations

import io
from dataclasses import dataclass

import matplotlib
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection, PathCollection
from PIL import Image

from cnnviz.errors import CnnvizError
from cnnviz.plots.common import mosaic as module
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.mosaic import (
    COLOR_TABLES,
    DIVERGING,
    SEQUENTIAL,
    ColorScale,
    TileLayout,
    color_scale,
    mosaic,
    own_divisors,
    png,
    tile_layout,
)
from cnnviz.plots.common.panels import Mark, color_bar, inch_axes, label_tiles, mark_tiles, show_mosaic
from cnnviz.plots.common.theme import get_theme

THEME = get_theme("dark")


@dataclass
class Drawn:
    axes: Axes
    pixels: np.ndarray
    layout: TileLayout
    scale: ColorScale | None
    divisors: np.ndarray | None


def draw(tiles, normalize="tile", columns=None, strip=0.0, divisors=None) -> Drawn:
    layout = tile_layout(len(tiles), *tiles.shape[1:3], columns=columns, strip=strip)
    divisors = own_divisors(tiles) if normalize == "tile" and divisors is None else divisors
    scale = color_scale(tiles if normalize == "all" else tiles / divisors[:, None, None])
    pixels = mosaic(tiles, layout, scale, divisors)
    axes = inch_axes(new_figure(4, 4, THEME), 0.2, 0.2, 3.6, 3.6)
    np.testing.assert_array_equal(show_mosaic(axes, pixels).get_array(), pixels)
    return Drawn(axes, pixels, layout, scale, divisors)


def pixel(grid, tile: int, row: int, column: int) -> tuple[int, ...]:
    """The colour in the middle of one value of one tile."""
    return tuple(middle(grid.pixels, grid.layout, tile, row, column).tolist())


def middle(pixels, layout, tile: int, row: int, column: int) -> np.ndarray:
    top, left = layout.corner(tile)
    half = layout.zoom // 2
    return pixels[top + row * layout.zoom + half, left + column * layout.zoom + half]


def expected(scale, value: float) -> tuple[int, ...]:
    return tuple(scale.colors(np.array([value]))[0].tolist())


@pytest.mark.parametrize("table", COLOR_TABLES)
def test_colours_are_those_of_the_maps_that_the_field_knows(table):
    values = np.linspace(-2, 2, 101)
    known = matplotlib.colormaps[table]((values + 2) / 4)
    assert np.abs(ColorScale(-2, 2, table).colors(values) - 255 * known).max() < 7


@pytest.fixture
def numbers() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((10, 4, 6)) * np.arange(1, 11)[:, None, None]


def test_every_number_has_its_colour_on_a_common_scale(numbers):
    grid = draw(numbers, normalize="all")
    assert (grid.scale.low, grid.scale.high) == (-np.abs(numbers).max(), np.abs(numbers).max())
    for tile in range(10):
        assert pixel(grid, tile, 1, 5) == expected(grid.scale, numbers[tile, 1, 5])


def test_each_tile_has_the_whole_scale(numbers):
    grid = draw(numbers)
    assert (grid.scale.low, grid.scale.high) == (-1, 1)
    for tile in range(10):
        assert grid.divisors[tile] == np.abs(numbers[tile]).max()
        assert pixel(grid, tile, 3, 2) == expected(grid.scale, numbers[tile, 3, 2] / grid.divisors[tile])


def test_given_divisors_are_used(numbers):
    grid = draw(numbers, divisors=np.full(10, 40.0))
    assert pixel(grid, 9, 0, 0) == expected(grid.scale, numbers[9, 0, 0] / 40)


def test_numbers_that_are_never_negative_get_a_sequential_scale_from_zero(numbers):
    scale = draw(np.abs(numbers), normalize="all").scale
    assert scale.low == 0 and scale.table == SEQUENTIAL
    assert not scale.is_signed


def test_zero_is_the_middle_of_a_signed_scale():
    scale = color_scale(np.array([-0.1, 5]))
    assert (scale.low, scale.high, scale.table) == (-5, 5, DIVERGING)
    assert min(expected(scale, 0)[:3]) > 240  # white


def test_tiles_of_zeros_and_nothing_finite_are_drawn():
    grid = draw(np.stack([np.zeros((3, 3)), np.full((3, 3), np.nan)]))
    assert pixel(grid, 0, 1, 1) == expected(grid.scale, 0)
    assert pixel(grid, 1, 1, 1) == (255, 0, 255, 255)


def test_the_not_finite_are_seen_and_change_no_other_colour(numbers):
    broken = numbers.copy()
    broken[2, 0, 0], broken[2, 1, 1] = np.inf, np.nan
    grid = draw(broken, normalize="all")
    assert pixel(grid, 2, 0, 0) == pixel(grid, 2, 1, 1) == (255, 0, 255, 255)
    assert pixel(grid, 5, 0, 0) == expected(grid.scale, numbers[5, 0, 0])


def test_gaps_are_clear_between_thin_lines(numbers):
    grid = draw(np.repeat(numbers, 12, axis=1), columns=5)  # tiles of 48 pixels have gaps of five
    top, left = grid.layout.corner(1)
    line = (128, 128, 128, 96)
    gap = [tuple(grid.pixels[top, left - k].tolist()) for k in range(grid.layout.gap, 0, -1)]
    assert gap == [line, *[(0, 0, 0, 0)] * (len(gap) - 2), line] and len(gap) > 2
    assert grid.layout.gap <= 0.15 * max(grid.layout.tile_pixels)


def test_colours_show_zero_as_grey_and_the_largest_as_full():
    tile = np.zeros((1, 2, 2, 3))
    tile[0, 0, 0] = [2, 0, -2]
    tile[0, 1, 0, 1] = np.nan
    layout = tile_layout(1, 2, 2)
    pixels = mosaic(tile, layout)
    assert middle(pixels, layout, 0, 0, 0).tolist() == [255, 128, 0, 255]
    assert middle(pixels, layout, 0, 1, 1).tolist() == [128, 128, 128, 255]
    assert middle(pixels, layout, 0, 1, 0).tolist() == [255, 0, 255, 255]
    halved = mosaic(tile, layout, divisors=np.array([4.0]))
    assert middle(halved, layout, 0, 0, 0).tolist() == [191, 128, 64, 255]


def test_bytes_are_shown_as_they_are():
    picture = np.arange(2 * 5 * 5 * 3, dtype=np.uint8).reshape(2, 5, 5, 3)
    layout = tile_layout(2, 5, 5)
    assert middle(mosaic(picture, layout), layout, 1, 2, 3).tolist() == [*picture[1, 2, 3].tolist(), 255]


@pytest.mark.parametrize("colors", [2, 256, 257])
def test_a_png_holds_the_pixels(colors):
    pixels = np.zeros((20, 20, 4), np.uint8)
    pixels.reshape(-1, 4)[:, 0] = np.arange(400) % min(colors, 256)
    pixels[0, 0] = (1, 2, 3, 4) if colors > 256 else pixels[0, 0]
    image = Image.open(io.BytesIO(png(pixels)))
    assert image.mode == ("RGBA" if colors > 256 else "P")
    np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), pixels)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 20, 32, 64, 96, 97, 1000])
def test_layouts_are_near_square_and_hold_all(count):
    layout = tile_layout(count, 5, 5)
    assert layout.rows * layout.columns >= count
    assert (layout.rows - 1) * layout.columns < count
    assert 0.4 <= layout.columns / layout.rows <= 2.6 or count < 4
    boxes = {layout.corner(i) for i in range(count)}
    assert len(boxes) == count


def test_full_rows_are_preferred():
    assert (tile_layout(96, 7, 7).columns, tile_layout(96, 7, 7).rows) in ((8, 12), (12, 8))
    assert tile_layout(20, 5, 5).columns in (4, 5)


def test_large_tiles_are_averaged_and_that_is_said(monkeypatch):
    monkeypatch.setattr(module, "MOST_PIXELS", 10_000)
    tiles = np.ones((4, 101, 100))
    tiles[2] *= 3
    grid = draw(tiles, normalize="all")
    assert np.prod(grid.layout.size) < 20_000
    assert grid.layout.note == "each pixel averages 3 × 3 values"
    assert pixel(grid, 2, 30, 30) == expected(grid.scale, 3)
    assert tile_layout(1, 51, 50, side=40).note == "each pixel averages 2 × 2 values"
    assert tile_layout(4, 10, 10).note == ""


def test_thousands_of_tiles_stay_small():
    layout = tile_layout(10_000, 13, 13)
    assert np.prod(layout.size) < 1.5 * module.MOST_PIXELS


def test_marks_have_a_border_and_a_sign_on_their_tiles(numbers):
    noisy, dead = Mark("noisy", "#D55E00", "o"), Mark("dead", "#0072B2", "s")
    grid = draw(numbers, columns=5)
    mark_tiles(grid.axes, grid.layout, {noisy: [1, 7, 99], dead: [7]})
    found = {c.get_gid(): c for c in grid.axes.collections}
    assert isinstance(found["border noisy"], PatchCollection)
    assert isinstance(found["sign dead"], PathCollection)
    assert len(found["border noisy"].get_paths()) == 2
    assert len(found["border dead"].get_paths()) == 0  # tile 7 has its border already
    signs = np.concatenate([found["sign noisy"].get_offsets(), found["sign dead"].get_offsets()])
    top, left = grid.layout.corner(7)
    height, width = grid.layout.tile_pixels
    inside = (signs >= [left, top]).all(axis=1) & (signs <= [left + width, top + height]).all(axis=1)
    assert inside.tolist() == [False, True, True]
    assert signs[1, 0] != signs[2, 0]


def test_labels_stand_above_their_tiles(numbers):
    grid = draw(numbers, columns=5, strip=0.6)
    label_tiles(grid.axes, grid.layout, [str(i) for i in range(10)], 6.0, THEME)
    for i, text in enumerate(grid.axes.texts):
        x, y = text.get_position()
        top, left = grid.layout.corner(i)
        assert text.get_text() == str(i)
        assert x == left and top - grid.layout.strip < y < top


def test_the_colour_bar_can_be_read_back():
    figure = new_figure(4, 4, THEME)
    axes = color_bar(figure, 0.2, 0.2, color_scale(np.array([-0.25, 0.1])), THEME, "weight")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−0.25", "0", "0.25"]
    assert axes.get_xticks().tolist() == [-0.25, 0, 0.25]


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 3)])
def test_nothing_to_draw_is_an_error(shape):
    with pytest.raises(CnnvizError, match="make no image"):
        tile_layout(*shape)
