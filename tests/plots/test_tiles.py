"""Tile grids: where each number lands, in which colour, and what is said of what is not shown."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.collections import PatchCollection, PathCollection
from matplotlib.colors import to_rgba

from cnnviz.errors import CnnvizError
from cnnviz.plots.common import mosaic as module
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.mosaic import Mark, color_bar, color_scale, inch_axes, tile_grid, tile_layout
from cnnviz.plots.common.theme import get_theme

THEME = get_theme("dark")


def draw(tiles, theme=THEME, **options):
    figure = new_figure(4, 4, theme)
    return tile_grid(inch_axes(figure, 0.2, 0.2, 3.6, 3.6), tiles, theme, **options)


def pixel(grid, tile: int, row: int, column: int) -> tuple[int, ...]:
    """The colour in the middle of one number of one tile."""
    top, left = grid.layout.corner(tile)
    half = grid.layout.zoom // 2
    place = top + row * grid.layout.zoom + half, left + column * grid.layout.zoom + half
    return tuple(grid.image.get_array()[place].tolist())


def expected(scale, value: float) -> tuple[int, ...]:
    return tuple(scale.mappable().to_rgba([value], bytes=True)[0].tolist())


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
    grid = draw(numbers, normalize=np.full(10, 40.0))
    assert pixel(grid, 9, 0, 0) == expected(grid.scale, numbers[9, 0, 0] / 40)


def test_numbers_that_are_never_negative_get_a_sequential_scale_from_zero(numbers):
    scale = draw(np.abs(numbers), normalize="all").scale
    assert scale.low == 0 and scale.cmap == THEME.sequential
    assert not scale.is_signed


def test_zero_is_the_middle_of_a_signed_scale():
    scale = color_scale(np.array([-0.1, 5]), THEME)
    assert (scale.low, scale.high, scale.cmap) == (-5, 5, THEME.diverging)
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


def test_gaps_have_the_ground_colour(numbers):
    grid = draw(numbers, columns=5)
    ground = tuple(np.round(np.multiply(to_rgba(THEME.background), 255)).astype(int).tolist())
    top, left = grid.layout.corner(1)
    assert tuple(grid.image.get_array()[top, left - 1].tolist()) == ground
    assert grid.layout.gap <= 0.15 * max(grid.layout.tile_pixels)


def test_white_tiles_have_a_frame_on_white_ground():
    theme = get_theme("light")
    grid = draw(np.stack([-np.eye(5), np.eye(5)]), theme)
    top, left = grid.layout.corner(0)
    assert max(grid.image.get_array()[top, left - 1][:3]) < 240


def test_colours_show_zero_as_grey_and_the_largest_as_full():
    tile = np.zeros((1, 2, 2, 3))
    tile[0, 0, 0] = [2, 0, -2]
    grid = draw(tile)
    assert pixel(grid, 0, 0, 0) == (255, 128, 0, 255)
    assert pixel(grid, 0, 1, 1) == (128, 128, 128, 255)
    assert grid.scale is None


def test_bytes_are_shown_as_they_are():
    picture = np.arange(2 * 5 * 5 * 3, dtype=np.uint8).reshape(2, 5, 5, 3)
    grid = draw(picture)
    assert pixel(grid, 1, 2, 3) == (*picture[1, 2, 3].tolist(), 255)


def test_a_limit_is_said(numbers):
    grid = draw(numbers, limit=7, noun="channels")
    assert grid.note == "first 7 of 10 channels"
    assert grid.layout.count == 7
    assert draw(numbers).note == ""


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
    assert "each pixel averages 3 x 3 values" in grid.note
    assert pixel(grid, 2, 30, 30) == expected(grid.scale, 3)


def test_thousands_of_tiles_stay_small():
    layout = tile_layout(10_000, 13, 13)
    assert np.prod(layout.size) < 1.5 * module.MOST_PIXELS


def test_marks_have_a_border_and_a_sign_on_their_tiles(numbers):
    noisy, dead = Mark("noisy", "#D55E00", "o"), Mark("dead", "#0072B2", "s")
    grid = draw(numbers, columns=5, marks={noisy: [1, 7, 99], dead: [7]})
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
    grid = draw(numbers, columns=5, labels=[str(i) for i in range(10)], strip=0.6)
    for i, text in enumerate(grid.axes.texts):
        x, y = text.get_position()
        top, left = grid.layout.corner(i)
        assert text.get_text() == str(i)
        assert x == left and top - grid.layout.strip < y < top


def test_the_colour_bar_can_be_read_back():
    figure = new_figure(4, 4, THEME)
    axes = color_bar(figure, 0.2, 0.2, color_scale(np.array([-0.25, 0.1]), THEME), THEME, "weight")
    assert [t.get_text() for t in axes.get_xticklabels()] == ["−0.25", "0", "0.25"]
    assert axes.get_xticks().tolist() == [-0.25, 0, 0.25]


@pytest.mark.parametrize("tiles", [np.zeros((0, 3, 3)), np.zeros((2, 0, 3))])
def test_nothing_to_draw_is_an_error(tiles):
    with pytest.raises(CnnvizError, match="make no picture"):
        draw(tiles)


def test_unknown_normalization_is_an_error(numbers):
    with pytest.raises(CnnvizError, match="unknown normalization 'each'"):
        draw(numbers, normalize="each")
