"""Matrix product: C = alpha A B + beta C, for every layer that needs one."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

from cnnviz.engine.device import Device
from cnnviz.engine.ops.register_tile import Tile, tile_of

_NO_LIMIT = 2**31 - 1
_GROUP_SIDE, _PER_ITEM = 16, 4  # of matrix_product_tiled.cl; the side is less on devices with small groups
_ROWS_OF_A = 4  # A_LINES of register_tile.h
_PACK_AT_LEAST = 8192  # elements for one work item


class Matrix(NamedTuple):
    """A row-major matrix in a buffer of the device; all numbers are elements.

    Attributes:
        offset: where it begins.
        row: from one row, as it lies in memory, to the next; 0: the rows lie without gaps.
        step: from one product's matrix to the next one's in a batch.
        transposed: whether its transpose is what lies in memory.
    """

    buffer: Any
    offset: int = 0
    row: int = 0
    step: int = 0
    transposed: bool = False


class _Strided(NamedTuple):
    """A matrix whose element (i, j) lies at ``buffer[offset + i * row + j * col]``."""

    buffer: Any
    offset: int
    row: int
    col: int
    step: int


class _Product(NamedTuple):
    """All that one call asks for."""

    m: int
    n: int
    k: int
    a: _Strided
    b: _Strided
    c: _Strided
    alpha: float
    beta: float
    batch: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        return self.m, self.n, self.k

    @property
    def output(self) -> tuple[Any, ...]:
        """The kernels' last arguments: where C lies, whose columns are adjacent, and the factors."""
        c = self.c
        return c.buffer, c.offset, c.row, c.step, self.alpha, self.beta


def matrix_product(
    device: Device,
    shape: tuple[int, int, int],
    a: Any,
    b: Any,
    c: Any,
    *,
    alpha: float = 1.0,
    beta: float = 0.0,
    batch: int = 1,
) -> None:
    """Computes C (m, n) = alpha A (m, k) B (k, n) + beta C on the device.

    Args:
        shape: (m, n, k).
        a, b, c: each a Matrix, or a buffer that begins with one. C, which is not transposed, must not overlap
            A or B, and is not read if beta is 0.
        batch: number of independent products.
    """
    m, n, k = shape
    left, right, out = _strided(a, m, k), _strided(b, k, n), _strided(c, m, n)
    product = _Product(m, n, k, left, right, out, float(alpha), float(beta), batch)
    _algorithm(device.is_cpu, shape, left.col == 1, right.row == 1)(device, product)


def _strided(matrix: Any, rows: int, cols: int) -> _Strided:
    if not isinstance(matrix, Matrix):
        return _Strided(matrix, 0, cols, 1, 0)
    if matrix.transposed:
        return _Strided(matrix.buffer, matrix.offset, 1, matrix.row or rows, matrix.step)
    return _Strided(matrix.buffer, matrix.offset, matrix.row or cols, 1, matrix.step)


@functools.cache
def _algorithm(is_cpu: bool, shape: tuple[int, int, int], a_along_k: bool, b_along_k: bool) -> Any:
    """Returns the function that is fastest for a product of this shape."""
    m, n, k = shape
    if not is_cpu:
        return by_groups
    if n == 1 and m > 1 and not a_along_k:
        return _swapped
    # Summing the lanes at the end costs as much as a hundred steps of k.
    if a_along_k and b_along_k and min(m, n) <= 256 and (k >= 128 or min(m, n) < 32):
        return by_rows
    return by_tiles


def by_groups(device: Device, p: _Product) -> None:
    """For devices with many small cores: work groups share tiles in local memory."""
    side = _GROUP_SIDE
    while device.fitting_group((side, side)) != (side, side):
        side //= 2
    tile = side * _PER_ITEM
    size, group = (-(-p.n // tile) * side, -(-p.m // tile) * side, p.batch), (side, side, 1)
    args = (*p.sizes, *p.a, *p.b, *p.output)
    defines = (("SIDE", side),)
    device.launch("matrix_product_tiled", "product_tiled", size, *args, local_size=group, defines=defines)


def by_rows(device: Device, p: _Product) -> None:
    """Where both matrices run along k and one side is short: nothing is copied."""
    tile = tile_of(device)
    size = (-(-p.m // _ROWS_OF_A), -(-p.n // (tile.rows - 2)), p.batch)
    a, b = (p.a.buffer, p.a.offset, p.a.row, p.a.step), (p.b.buffer, p.b.offset, p.b.col, p.b.step)
    _launch(device, tile, "product_rows", size, *p.sizes, *a, *b, *p.output)


def by_tiles(device: Device, p: _Product) -> None:
    """For large products: each work item makes a tile in registers.

    B is packed unless its rows can be read where they lie and too few tiles would profit; A is read
    where it lies unless it is transposed, so that each step of k would touch another page.
    """
    m, n, k, a, b = p.m, p.n, p.k, p.a, p.b
    tile = tile_of(device)
    rows, cols = -(-m // tile.rows), -(-n // tile.cols)
    if m < tile.rows or (a.row == 1 and k > 64 and n > 256):
        panels = _packed(device, tile, "rows", (m, k), tile.rows, a, p.batch)
        a_args = (panels, 0, _NO_LIMIT, k, 1, tile.rows, rows * tile.rows * k)
    else:
        a_args = (a.buffer, a.offset, m - tile.rows, a.row, a.row, a.col, a.step)
    if b.col != 1 or n < tile.cols or (m >= 128 and k > 64):
        panels = _packed(device, tile, "columns", (n, k), tile.cols, _turned(b), p.batch)
        b_args = (panels, 0, _NO_LIMIT, k, tile.cols, cols * tile.cols * k)
    else:
        b_args = (b.buffer, b.offset, n - tile.cols, 1, b.row, b.step)
    _launch(device, tile, "product_tile", (rows, cols, p.batch), *p.sizes, *a_args, *b_args, *p.output)


def _packed(
    device: Device, tile: Tile, slot: str, shape: tuple[int, int], width: int, matrix: _Strided, batch: int
) -> Any:
    """Returns a work buffer with a matrix of ``shape`` (count, k) cut into panels of ``width`` rows.

    A panel holds its rows' elements of one k next to each other; the last one is filled up with zeros.
    """
    count, k = shape
    panel_count = -(-count // width)
    panels = device.scratch(batch * panel_count * width * k, f"packed {slot}")
    size = (panel_count, max(1, k * width // _PACK_AT_LEAST), batch)
    _launch(device, tile, "pack", size, count, width, k, *matrix, panels)
    return panels


def packed(device: Device, slot: str, shape: tuple[int, int], width: int, matrix: Any, batch: int) -> Any:
    """Returns a work buffer with ``batch`` row-major matrices of ``shape`` (count, k) cut into panels.

    A panel holds the elements of one k of ``width`` rows next to each other; the last one is filled up with
    zeros.
    """
    count, k = shape
    return _packed(device, tile_of(device), slot, shape, width, _Strided(matrix, 0, k, 1, count * k), batch)


def product_of_panels(
    device: Device, shape: tuple[int, int, int], a: Any, panels: Any, c: Any, batch: int
) -> None:
    """Computes ``batch`` products C (m, n) = A (m, k) B on a CPU, where B lies in packed panels already.

    ``shape`` is (m, n, k); m must be at least a tile's rows and n a multiple of its columns.
    """
    m, n, k = shape
    tile = tile_of(device)
    a_args = (a, 0, m - tile.rows, k, k, 1, m * k)
    b_args = (panels, 0, _NO_LIMIT, k, tile.cols, n * k)
    output = (c, 0, n, m * n, 1.0, 0.0)
    size = (-(-m // tile.rows), n // tile.cols, batch)
    _launch(device, tile, "product_tile", size, *shape, *a_args, *b_args, *output)


def _launch(device: Device, tile: Tile, kernel: str, size: tuple[int, int, int], *args: Any) -> None:
    """Launches a kernel of a CPU, whose work items are groups of their own."""
    device.launch("matrix_product", kernel, size, *args, local_size=(1, 1, 1), defines=tile.defines)


def _turned(matrix: _Strided) -> _Strided:
    return matrix._replace(row=matrix.col, col=matrix.row)


def _swapped(device: Device, p: _Product) -> None:
    """A column vector: C and B lie as rows do, so the product is taken as C' = B' A'."""
    by_tiles(device, p._replace(m=p.n, n=p.m, a=_turned(p.b), b=_turned(p.a), c=p.c._replace(row=p.m)))
