"""Matrix products against NumPy in double precision, by every method and around every tile's edge."""

import numpy as np
import pytest

from cnnviz.engine.device import get_device
from cnnviz.engine.ops import matrix_product as module
from cnnviz.engine.ops.matrix_product import Matrix, by_groups, by_rows, by_tiles, matrix_product
from cnnviz.engine.ops.register_tile import Tile

CANARY = 12345.0
GUARD = 37
SHAPES = [
    (1, 1, 1), (1, 1, 300), (7, 1, 5), (1, 33, 2), (8, 32, 16), (9, 33, 17), (13, 31, 129), (64, 10, 500),
    (101, 67, 3), (130, 300, 70), (257, 259, 131), (3, 600, 65), (600, 3, 65), (5, 5, 0), (300, 1, 200),
]  # fmt: skip


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float", "double"])
def device(request):
    return get_device().with_dtype(request.param)


def check(device, m, n, k, transpose_a=False, transpose_b=False, alpha=1.0, beta=0.0, batch=1):
    """Runs one product at odd offsets between guards and compares all that lies in C's buffer."""
    rng = np.random.default_rng(m * 10007 + n * 101 + k)
    a = rng.standard_normal((batch, *((k, m) if transpose_a else (m, k))))
    b = rng.standard_normal((batch, *((n, k) if transpose_b else (k, n))))
    # Without beta C is not read: whatever lies there must not matter.
    c = rng.standard_normal((batch, m, n)) if beta else np.full((batch, m, n), np.nan)
    want = alpha * (a.swapaxes(1, 2) if transpose_a else a) @ (b.swapaxes(1, 2) if transpose_b else b)
    if beta:
        want += beta * c
    buffers = []
    for matrix in (a, b, c):
        guard = np.full(GUARD, CANARY)
        buffers.append(device.upload(np.concatenate([guard, matrix.ravel(), guard]).astype(device.dtype)))
    left = Matrix(buffers[0], GUARD, step=m * k, transposed=transpose_a)
    right = Matrix(buffers[1], GUARD, step=k * n, transposed=transpose_b)
    out = Matrix(buffers[2], GUARD, step=m * n)
    matrix_product(device, (m, n, k), left, right, out, alpha=alpha, beta=beta, batch=batch)
    got = device.read(buffers[2], np.empty(2 * GUARD + batch * m * n, device.dtype))
    assert (got[:GUARD] == CANARY).all() and (got[-GUARD:] == CANARY).all()
    tolerance = np.finfo(device.dtype).eps * 8 * (np.sqrt(k) + 2)
    np.testing.assert_allclose(got[GUARD:-GUARD].reshape(want.shape), want, atol=tolerance * 4, rtol=0)


@pytest.fixture(params=[None, by_groups, by_rows, by_tiles], ids=["chosen", "groups", "rows", "tiles"])
def way(request, monkeypatch):
    if request.param is not None:
        monkeypatch.setattr(module, "_algorithm", lambda *shape: request.param)
    return request.param


@pytest.mark.parametrize("transpose_a", [False, True], ids=["A", "At"])
@pytest.mark.parametrize("transpose_b", [False, True], ids=["B", "Bt"])
def test_shapes(device, way, transpose_a, transpose_b):
    if way is by_rows and (transpose_a or not transpose_b):
        pytest.skip("this way is only for matrices that run along k")
    for m, n, k in SHAPES:
        check(device, m, n, k, transpose_a, transpose_b)


@pytest.mark.parametrize("beta", [1.0, -0.5])
def test_alpha_and_beta(device, way, beta):
    for m, n, k in [(9, 33, 17), (20, 70, 40), (1, 40, 3), (130, 40, 70)]:
        check(device, m, n, k, transpose_b=True, alpha=0.75, beta=beta)


def test_batch(device, way):
    check(device, 9, 35, 20, transpose_b=True, batch=3, beta=1.0)
    check(device, 3, 5, 2, transpose_b=True, batch=4)


def test_results_repeat(device):
    rng = np.random.default_rng(1)
    a, b = (device.upload(rng.standard_normal((200, 200)).astype(device.dtype)) for _ in range(2))
    results = []
    for _ in range(2):
        c = device.new_buffer(200 * 200 * device.dtype.itemsize, "c")
        matrix_product(device, (200, 200, 200), a, b, c)
        results.append(device.read(c, np.empty((200, 200), device.dtype)))
    assert np.array_equal(*results)


@pytest.mark.parametrize("lanes, rows", [(4, 8), (8, 6), (8, 8), (16, 8)])
def test_tiles_of_other_processors(device, monkeypatch, lanes, rows):
    monkeypatch.setattr(module, "tile_of", lambda device: Tile(lanes, rows, 2))
    for m, n, k in [(9, 33, 17), (33, 70, 129), (5, 10, 3), (140, 40, 70)]:
        for transpose_a in (False, True):
            for transpose_b in (False, True):
                check(device, m, n, k, transpose_a, transpose_b)
