"""Convolution, forward and backward, against a plain NumPy sum, in every way that a device has."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

from cnnviz.engine.device import get_device
from cnnviz.engine.ops import fast_convolution, matrix_product, winograd
from cnnviz.engine.ops.convolution import make_convolution
from cnnviz.engine.ops.fast_convolution import FastConvolution
from cnnviz.engine.ops.im2col import Im2col, Window
from cnnviz.engine.ops.plain_convolution import Geometry, PlainConvolution
from cnnviz.engine.ops.register_tile import Tile
from cnnviz.engine.ops.winograd import WinogradConvolution

GUARD = 29
CANARY = 12345.0


def geometry(num, channels, spatial, num_output, kernel, stride=1, pad=0, dilation=1, group=1, end=()):
    def each(value):
        return value if isinstance(value, tuple) else (value,) * len(spatial)

    window = Window(spatial, each(kernel), each(stride), each(pad), each(dilation), end)
    return Geometry(num, channels, window, group, num_output)


FLAT = {
    "plain": geometry(2, 3, (5, 7), 4, 3),
    "one image": geometry(1, 3, (9, 4), 5, 3, pad=1),
    "pointwise": geometry(2, 5, (4, 9), 7, 1),
    "pointwise stride": geometry(2, 5, (5, 8), 7, 1, stride=2),
    "pointwise pad": geometry(2, 3, (3, 5), 2, 1, pad=1),
    "stride": geometry(3, 2, (11, 14), 9, 3, stride=2, pad=1),
    "odd stride": geometry(2, 3, (23, 19), 10, (5, 4), stride=(3, 4), pad=(2, 1)),
    "stride beyond the window": geometry(2, 2, (9, 11), 3, 2, stride=3),
    "dilation": geometry(2, 3, (12, 11), 4, 3, pad=2, dilation=2),
    "dilation and stride": geometry(2, 3, (13, 17), 4, 3, stride=2, pad=(3, 2), dilation=(3, 2)),
    "row window": geometry(2, 3, (6, 13), 4, (1, 5), pad=(0, 2)),
    "column window": geometry(2, 3, (13, 6), 4, (5, 1), pad=(1, 0)),
    "pad beyond the window": geometry(1, 2, (5, 6), 3, 3, pad=(4, 3)),
    "groups": geometry(2, 6, (7, 5), 9, 3, pad=1, group=3),
    "depthwise": geometry(2, 5, (9, 18), 5, 3, pad=1, group=5),
    "depthwise stride": geometry(2, 5, (9, 7), 5, 3, stride=2, pad=1, group=5),
    "multiplier": geometry(2, 3, (6, 8), 12, 3, group=3),
    "window of the image": geometry(9, 3, (5, 4), 33, (5, 4)),
    "many small images": geometry(7, 3, (4, 3), 17, 2),
    "wide": geometry(1, 2, (3, 70), 3, 3, pad=1),
    "many filters": geometry(1, 9, (6, 6), 67, 3, pad=1),
    "few pixels": geometry(5, 4, (3, 3), 21, 3, pad=1),
    "many filters of a group": geometry(3, 10, (9, 8), 340, 3, pad=1, group=2),
    "pads apart": geometry(2, 3, (7, 9), 5, 3, pad=(0, 2), end=(1, 0)),
    "pad after only, pointwise": geometry(2, 3, (4, 5), 4, 1, end=(2, 1)),
    "pads apart, stride": geometry(2, 4, (9, 8), 6, 3, stride=2, pad=(1, 0), end=(0, 2), group=2),
    "pads apart, depthwise": geometry(2, 5, (9, 8), 5, 3, pad=(2, 0), end=(0, 1), group=5),
    "one axis, pads apart": geometry(2, 3, (17,), 4, 5, pad=3, end=(1,)),
    "one axis": geometry(2, 3, (31,), 4, 5, stride=2, pad=3),
    "one pixel": geometry(1, 4, (1, 1), 3, 1),
}  # fmt: skip
OTHERS = {
    "three axes": geometry(
        2, 2, (4, 5, 6), 3, (2, 3, 2), stride=(1, 2, 1), pad=(1, 0, 1), dilation=(1, 1, 2)
    ),
    "no image": geometry(0, 2, (4, 4), 3, 3),
    "four axes": geometry(1, 2, (3, 4, 3, 4), 2, 2),
}


def windows(g, x):
    """Returns x's pixels as (num, channels, *kernel, *out) by indexing, zeros outside."""
    w = g.window
    padded = np.pad(x, [(0, 0), (0, 0), *zip(w.pad, w.end, strict=True)])
    result = np.zeros((*x.shape[:2], *w.kernel, *w.out_spatial))
    for tap in itertools.product(*map(range, w.kernel)):
        spans = zip(tap, w.dilation, w.stride, w.out_spatial, strict=True)
        cut = tuple(slice(k * d, k * d + (o - 1) * s + 1, s) for k, d, s, o in spans)
        result[(slice(None), slice(None), *tap)] = padded[(slice(None), slice(None), *cut)]
    return result


def grouped_windows(g, x):
    """Returns (num, group, depth, out_count)."""
    return windows(g, x).reshape(g.num, g.group, g.depth, g.window.out_count)


def expected(g, x, w, bias, dy):
    """Returns y, dw, db and dx in double precision."""
    columns = grouped_windows(g, x)
    filters = w.reshape(g.group, g.group_output, g.depth)
    grouped_dy = dy.reshape(g.num, g.group, g.group_output, g.window.out_count)
    y = np.einsum("gok,ngkp->ngop", filters, columns).reshape(dy.shape)
    y += bias.reshape(-1, *[1] * len(g.window.spatial))
    dw = np.einsum("ngop,ngkp->gok", grouped_dy, columns).reshape(w.shape)
    db = dy.sum(axis=(0, *range(2, dy.ndim)))
    # dx from the definition: the windows of the pixels' numbers say where each column goes back to.
    numbers = np.arange(1.0, x.size + 1).reshape(x.shape)
    where = grouped_windows(g, numbers).astype(int).ravel()
    back = np.einsum("gok,ngop->ngkp", filters, grouped_dy).ravel()
    dx = np.bincount(where, weights=back, minlength=x.size + 1)[1:].reshape(x.shape)
    return y, dw, db, dx


def arrays(g, seed=3):
    rng = np.random.default_rng(seed)
    shapes = (
        (g.num, g.channels, *g.window.spatial),
        (g.num_output, g.group_channels, *g.window.kernel),
        (g.num_output,),
        (g.num, g.num_output, *g.window.out_spatial),
    )
    return [rng.standard_normal(shape) for shape in shapes]


class Guarded:
    """A buffer with something after it that must neither be read nor written."""

    def __init__(self, device, array, guard):
        self.device, self.shape, self.guard = device, array.shape, guard
        self.buffer = device.upload(np.append(array.ravel(), [guard] * GUARD).astype(device.dtype))

    def read(self):
        values = np.empty(math.prod(self.shape) + GUARD, self.device.dtype)
        self.device.read(self.buffer, values)
        assert (values[-GUARD:] == self.guard).all(), "written past the end"
        return values[:-GUARD].reshape(self.shape)


def check(device, g, make, tolerance=40):
    # Uninitialised work memory may hold anything.
    for slot in ("spread image", "wide gradient", "pixel panels", "columns", "transformed top", "tap panels"):
        device.fill(device.scratch(100_000, slot), math.nan, 100_000)
    x, w, bias, dy = arrays(g)
    want_y, want_dw, want_db, want_dx = expected(g, x, w, bias, dy)
    old_dw, old_db = w[::-1], bias * 2  # gradients of parameters are added to what is there
    op = make(device, g)
    inputs = [Guarded(device, a, math.nan).buffer for a in (x, w, bias, dy)]
    y, dx = (
        Guarded(device, np.full_like(dy, math.nan), CANARY),
        Guarded(device, np.full_like(x, math.nan), CANARY),
    )
    dw, db = Guarded(device, old_dw, CANARY), Guarded(device, old_db, CANARY)
    op.forward(inputs[0], inputs[1], inputs[2], y.buffer)
    op.backward_data(inputs[3], inputs[1], dx.buffer)
    op.backward_weights(inputs[0], inputs[3], dw.buffer, db.buffer)
    eps = np.finfo(device.dtype).eps * tolerance
    for name, got, want in (
        ("y", y, want_y), ("dx", dx, want_dx), ("dw", dw, want_dw + old_dw), ("db", db, want_db + old_db),
    ):  # fmt: skip
        limit = eps * max(1.0, np.abs(want).max(initial=0))
        np.testing.assert_allclose(got.read(), want, rtol=0, atol=limit, err_msg=name)
    op.forward(inputs[0], inputs[1], None, y.buffer)
    without = want_y - bias.reshape(-1, *[1] * len(g.window.spatial))
    np.testing.assert_allclose(y.read(), without, rtol=0, atol=eps * max(1.0, np.abs(want_y).max(initial=0)))


@pytest.fixture(scope="module", params=[np.float32, np.float64], ids=["float", "double"])
def device(request):
    return get_device().with_dtype(request.param)


@pytest.mark.parametrize("name", FLAT)
def test_fast(device, name, monkeypatch):
    monkeypatch.setattr(fast_convolution, "_PANEL_PIXELS", 150)  # so that images are taken in several parts
    check(device, FLAT[name], FastConvolution)


WINOGRAD = {
    "no pad": geometry(1, 8, (6, 7), 9, 3),
    "pad": geometry(2, 11, (13, 13), 9, 3, pad=1),
    "long rows": geometry(1, 9, (5, 71), 17, 3, pad=1),
    "high": geometry(1, 9, (90, 3), 8, 3, pad=(1, 2)),
    "many images": geometry(11, 8, (7, 9), 10, 3, pad=(0, 1)),
    "many tiles": geometry(2, 16, (60, 68), 8, 3, pad=1),
    "pad beyond the window": geometry(1, 8, (5, 6), 8, 3, pad=(4, 3)),
}


@pytest.mark.parametrize("name", WINOGRAD)
def test_winograd(device, name, monkeypatch):
    monkeypatch.setattr(winograd, "_CHUNK", 36 * 24 * 100)  # several chunks even of a few tiles
    monkeypatch.setattr(winograd, "_LEAST_TILES", 50)
    check(device, WINOGRAD[name], WinogradConvolution, tolerance=400)


@pytest.mark.parametrize("name", FLAT | OTHERS)
def test_plain(device, name):
    check(device, (FLAT | OTHERS)[name], PlainConvolution)


@pytest.mark.parametrize("name", ["stride", "groups", "depthwise", "pointwise", "many filters", "three axes"])
def test_plain_as_on_a_gpu(device, name, monkeypatch):
    monkeypatch.setattr(matrix_product, "_algorithm", lambda *shape: matrix_product.by_groups)
    check(device, (FLAT | OTHERS)[name], PlainConvolution)


def in_parts(make):
    """``make`` for a device whose largest buffer holds the column matrix of two channels."""

    def made(device, g):
        op = make(device, g)
        with pytest.MonkeyPatch.context() as patch:
            two = 2 * g.window.kernel_count * g.window.out_count
            patch.setattr(device, "piece_limit", two * device.dtype.itemsize)
            assert len(op._parts) == g.group * -(-g.group_channels // 2)
        return op

    return made


@pytest.mark.parametrize("as_on_a_gpu", [False, True])
@pytest.mark.parametrize(
    "name", ["stride", "groups", "many filters", "depthwise", "three axes", "few pixels"]
)
def test_plain_in_parts(device, name, as_on_a_gpu, monkeypatch):
    """Where the column matrix of one image is more than the device gives in one piece."""
    if as_on_a_gpu:
        monkeypatch.setattr(matrix_product, "_algorithm", lambda *shape: matrix_product.by_groups)
    g = (FLAT | OTHERS)[name]
    if g.channels <= 2:
        g = dataclasses.replace(g, channels=5 * g.group)
    check(device, g, in_parts(PlainConvolution))


@pytest.mark.parametrize("name", ["odd stride", "dilation and stride", "pads apart, stride"])
def test_the_way_back_of_fast_in_parts(device, name):
    g = dataclasses.replace(FLAT[name], channels=3 * FLAT[name].group)
    check(device, g, in_parts(FastConvolution))


@pytest.mark.parametrize("name", FLAT | OTHERS)
def test_chosen(device, name):
    check(device, (FLAT | OTHERS)[name], make_convolution)


@pytest.mark.parametrize("lanes, rows", [(4, 8), (8, 6)])
def test_tiles_of_other_processors(device, monkeypatch, lanes, rows):
    monkeypatch.setattr(fast_convolution, "tile_of", lambda device: Tile(lanes, rows, 2))
    for name in ("plain", "odd stride", "groups", "depthwise", "many filters", "many small images"):
        check(device, FLAT[name], FastConvolution)


@pytest.mark.parametrize("name", ["odd stride", "dilation", "groups", "depthwise", "row window", "one image"])
def test_gradients_by_central_differences(name):
    device = get_device().with_dtype(np.float64)
    g = FLAT[name]
    rng = np.random.default_rng(5)
    x, w, bias, dy = arrays(g)
    op = make_convolution(device, g)

    def weighted_sum(x, w, bias):
        y = device.upload(np.zeros_like(dy))
        op.forward(*map(device.upload, (x, w, bias)), y)
        return np.vdot(dy, device.read(y, np.empty_like(dy)))

    gradients = [device.upload(np.zeros_like(a)) for a in (x, w, bias)]
    op.backward_data(device.upload(dy), device.upload(w), gradients[0])
    op.backward_weights(device.upload(x), device.upload(dy), gradients[1], gradients[2])
    for i, (array, gradient) in enumerate(zip((x, w, bias), gradients, strict=True)):
        # Along one random direction the slope is the gradient's product with it.
        direction = rng.standard_normal(array.shape)
        ends = []
        for step in (1e-3, -1e-3):
            arguments = [x, w, bias]
            arguments[i] = array + step * direction
            ends.append(weighted_sum(*arguments))
        slope = (ends[0] - ends[1]) / 2e-3
        assert np.vdot(device.read(gradient, np.empty_like(array)), direction) == pytest.approx(
            slope, rel=1e-8
        )


def test_results_repeat(device):
    g = geometry(4, 8, (13, 13), 24, 3, pad=1)
    x, _, _, dy = (device.upload(a.astype(device.dtype)) for a in arrays(g))
    op = make_convolution(device, g)
    results = []
    for _ in range(2):
        dw = device.upload(np.zeros((24, 8, 3, 3), device.dtype))
        op.backward_weights(x, dy, dw, None)
        results.append(device.read(dw, np.empty((24, 8, 3, 3), device.dtype)))
    assert np.array_equal(*results)


@pytest.mark.parametrize("name", ["stride", "dilation and stride", "one axis", "three axes"])
def test_im2col_and_back(device, name):
    g = (FLAT | OTHERS)[name]
    x = arrays(g)[0]
    columns = windows(g, x)
    op = Im2col(device, g.window)
    col = Guarded(device, np.full_like(columns, math.nan), CANARY)
    op.im2col(g.num * g.channels, device.upload(x.astype(device.dtype)), col.buffer)
    np.testing.assert_array_equal(col.read(), columns.astype(device.dtype))
    # col2im of ones counts in how many windows each pixel is.
    numbers = windows(g, np.arange(1.0, x.size + 1).reshape(x.shape)).astype(int).ravel()
    counts = np.bincount(numbers, minlength=x.size + 1)[1:].reshape(x.shape)
    back = Guarded(device, np.full_like(x, math.nan), CANARY)
    op.col2im(g.num * g.channels, device.upload(np.ones(columns.shape, device.dtype)), back.buffer)
    np.testing.assert_array_equal(back.read(), counts)
