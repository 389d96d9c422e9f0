"""Matrix product: C = alpha op(A) op(B) + beta C, for every layer that needs one."""

from __future__ import annotations

from typing import Any, NamedTuple

from cnnviz.engine.device import Device

_TILE = 64  # of matrix_product_tiled.cl


class _Matrix(NamedTuple):
    """Where a matrix lies: element (i, j) at ``buffer[offset + i * row + j * col]``."""

    buffer: Any
    offset: int
    row: int
    col: int
    step: int  # elements to the next product's matrix


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
        batch: number of independent products.
        a_step, b_step, c_step: elements from one product's matrix to the next one's.
    """
    left = _Matrix(a, a_offset, *((1, m) if transpose_a else (k, 1)), a_step)
    right = _Matrix(b, b_offset, *((1, k) if transpose_b else (n, 1)), b_step)
    out = _Matrix(c, c_offset, n, 1, c_step)
    _tiled(device, m, n, k, left, right, out, alpha, beta, batch)


def _tiled(
    device: Device,
    m: int,
    n: int,
    k: int,
    a: _Matrix,
    b: _Matrix,
    c: _Matrix,
    alpha: float,
    beta: float,
    batch: int,
) -> None:
    """The way of devices with many small cores: tiles in local memory."""
    groups = (-(-n // _TILE) * 16, -(-m // _TILE) * 16, batch)
    device.launch(
        "matrix_product_tiled",
        "product_tiled",
        groups,
        *(m, n, k, *a, *b, c.buffer, c.offset, c.step, float(alpha), float(beta)),
        local_size=(16, 16, 1),
    )
