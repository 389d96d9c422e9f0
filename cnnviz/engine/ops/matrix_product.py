"""Matrix product: C = alpha op(A) op(B) + beta C, for every layer that needs one."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from cnnviz.engine.device import Device
from cnnviz.engine.ops.tile import tile_of

_NO_LIMIT = 2**31 - 1
_GROUP_SIDE, _PER_ITEM = 16, 4  # of matrix_product_tiled.cl; the side is less on devices with small groups
_ROWS_OF_A = 4  # A_LINES of tile.h
_PACK_AT_LEAST = 8192  # elements for one work item


class _Matrix(NamedTuple):
    """Where a matrix lies: element (i, j) at ``buffer[offset + i * row + j * col]``."""

    buffer: Any
    offset: int
    row: int
    col: int
    step: int  # elements from one product's matrix to the next one's


class _Product(NamedTuple):
    """All that one call asks for."""

    m: int
    n: int
    k: int
    a: _Matrix
    b: _Matrix
    c: _Matrix
    alpha: float
    beta: float
    batch: int


def matrix_product(
    device: Device,
    m: int,
    n: int,
    k: int,
    a: Any,
    b: Any,
    c: Any,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
    a_offset: int = 0,
    b_offset: int = 0,
    c_offset: int = 0,
    a_row: int = 0,
    c_row: int = 0,
    batch: int = 1,
    a_step: int = 0,
    b_step: int = 0,
    c_step: int = 0,
) -> None:
    """Computes C (m, n) = alpha op(A) (m, k) op(B) (k, n) + beta C on the device, row-major.

    Args:
        a, b, c: buffers of the device; C must not overlap A or B, and is not read if beta is 0.
        transpose_a: A lies in memory as (k, m).
        transpose_b: B lies in memory as (n, k).
        a_offset, b_offset, c_offset: where each matrix begins, in elements.
        a_row, c_row: elements from one row of A, as it lies in memory, or of C to the next; 0: they lie
            without gaps.
        batch: number of independent products.
        a_step, b_step, c_step: elements from one product's matrix to the next one's.
    """
    left = _Matrix(a, a_offset, *((1, a_row or m) if transpose_a else (a_row or k, 1)), a_step)
    right = _Matrix(b, b_offset, *((1, k) if transpose_b else (n, 1)), b_step)
    out = _Matrix(c, c_offset, c_row or n, 1, c_step)
    product = _Product(m, n, k, left, right, out, float(alpha), float(beta), batch)
    along_k = left.col == 1 and right.row == 1
    _way(device.is_cpu, m, n, k, transpose_a, along_k)(device, product)


@functools.cache
def _way(is_cpu: bool, m: int, n: int, k: int, transpose_a: bool, along_k: bool) -> Any:
    """Returns the function that is fastest for a product of this shape."""
    if not is_cpu:
        return by_groups
    if n == 1 and m > 1 and transpose_a:
        return _swapped
    # Summing the lanes at the end costs as much as a hundred steps of k.
    if along_k and min(m, n) <= 256 and (k >= 128 or min(m, n) < 32):
        return by_rows
    return by_tiles


def by_groups(device: Device, p: _Product) -> None:
    """The way of devices with many small cores: work groups share tiles in local memory."""
    side = _GROUP_SIDE
    while device.fitting_group((side, side)) != (side, side):
        side //= 2
    tile = side * _PER_ITEM
    global_size = (-(-p.n // tile) * side, -(-p.m // tile) * side, p.batch)
    device.launch(
        "matrix_product_tiled",
        "product_tiled",
        global_size,
        *(p.m, p.n, p.k, *p.a, *p.b, p.c.buffer, p.c.offset, p.c.row, p.c.step, p.alpha, p.beta),
        local_size=(side, side, 1),
        defines=(("SIDE", side),),
    )


def by_rows(device: Device, p: _Product) -> None:
    """The way where both matrices run along k and one side is short: nothing is copied."""
    tile = tile_of(device)
    device.launch(
        "matrix_product",
        "product_rows",
        (-(-p.m // _ROWS_OF_A), -(-p.n // (tile.rows - 2)), p.batch),
        *(p.m, p.n, p.k),
        *(p.a.buffer, p.a.offset, p.a.row, p.a.step),
        *(p.b.buffer, p.b.offset, p.b.col, p.b.step),
        *(p.c.buffer, p.c.offset, p.c.row, p.c.step, p.alpha, p.beta),
        local_size=(1, 1, 1),
        defines=tile.defines,
    )


def by_tiles(device: Device, p: _Product) -> None:
    """The way of large products: each work item makes a tile in registers.

    B is packed unless its rows can be read where they lie and too few tiles would profit; A is read
    where it lies unless it is transposed, so that each step of k would touch another page.
    """
    m, n, k, a, b = p.m, p.n, p.k, p.a, p.b
    tile = tile_of(device)
    rows, cols = -(-m // tile.rows), -(-n // tile.cols)
    if m < tile.rows or (a.row == 1 and k > 64 and n > 256):
        panels = _packed(device, "rows", tile.rows, m, k, a, p.batch)
        a_args = (panels, 0, _NO_LIMIT, k, 1, tile.rows, rows * tile.rows * k)
    else:
        a_args = (a.buffer, a.offset, m - tile.rows, a.row, a.row, a.col, a.step)
    if b.col != 1 or n < tile.cols or (m >= 128 and k > 64):
        panels = _packed(device, "columns", tile.cols, n, k, _turned(b), p.batch)
        b_args = (panels, 0, _NO_LIMIT, k, tile.cols, cols * tile.cols * k)
    else:
        b_args = (b.buffer, b.offset, n - tile.cols, 1, b.row, b.step)
    device.launch(
        "matrix_product",
        "product_tile",
        (rows, cols, p.batch),
        *(m, n, k, *a_args, *b_args, p.c.buffer, p.c.offset, p.c.row, p.c.step, p.alpha, p.beta),
        local_size=(1, 1, 1),
        defines=tile.defines,
    )


def _packed(device: Device, slot: str, width: int, count: int, k: int, matrix: _Matrix, batch: int) -> Any:
    """Returns a work buffer with a (count, k) matrix cut into panels of ``width`` rows.

    A panel holds its rows' elements of one k next to each other; the last one is filled up with zeros.
    """
    panel_count = -(-count // width)
    panels = device.scratch(batch * panel_count * width * k, f"packed {slot}")
    device.launch(
        "matrix_product",
        "pack",
        (panel_count, max(1, k * width // _PACK_AT_LEAST), batch),
        *(count, width, k, *matrix, panels),
        local_size=(1, 1, 1),
        defines=tile_of(device).defines,
    )
    return panels


def packed(device: Device, slot: str, width: int, count: int, k: int, matrix: Any, batch: int) -> Any:
    """Returns a work buffer with ``batch`` row-major (count, k) matrices cut into panels of ``width`` rows.

    A panel holds its rows' elements of one k next to each other; the last one is filled up with zeros.
    """
    return _packed(device, slot, width, count, k, _Matrix(matrix, 0, k, 1, count * k), batch)


def product_of_panels(
    device: Device, m: int, n: int, k: int, a: Any, panels: Any, c: Any, batch: int
) -> None:
    """Computes ``batch`` products C (m, n) = A (m, k) B on a CPU, where B lies in packed panels already.

    m must be at least a tile's rows and n a multiple of its columns.
    """
    tile = tile_of(device)
    device.launch(
        "matrix_product",
        "product_tile",
        (-(-m // tile.rows), n // tile.cols, batch),
        *(m, n, k, a, 0, m - tile.rows, k, k, 1, m * k),
        *(panels, 0, _NO_LIMIT, k, tile.cols, n * k),
        *(c, 0, n, m * n, 1.0, 0.0),
        local_size=(1, 1, 1),
        defines=tile.defines,
    )


def _turned(matrix: _Matrix) -> _Matrix:
    return matrix._replace(row=matrix.col, col=matrix.row)


def _swapped(device: Device, p: _Product) -> None:
    """A column vector: C and B lie as rows do, so the product is taken as C' = B' A'."""
    by_tiles(device, p._replace(m=p.n, n=p.m, a=_turned(p.b), b=_turned(p.a), c=p.c._replace(row=p.m)))
