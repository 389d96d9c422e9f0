"""Sums on the device."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.blob import Blob
from cnnviz.engine.device import get_device
from cnnviz.engine.ops.reduction import abs_sum, dot, row_sums, sum_of_squares, total


def blob_of(values: np.ndarray) -> Blob:
    blob = Blob(get_device(), values.shape)
    blob.data[...] = values
    return blob


@pytest.mark.parametrize("count", [1, 15, 2048, 2049, 5_000_017])
def test_sums_of_any_length(count):
    x = np.random.default_rng(0).uniform(-1, 1, count).astype(np.float32)
    blob = blob_of(x)
    exact = x.astype(float)
    args = (get_device(), blob.device_data, count)
    assert total(*args) == pytest.approx(exact.sum(), abs=1e-4 * np.sqrt(count))
    assert abs_sum(*args) == pytest.approx(np.abs(exact).sum(), rel=1e-5)
    assert sum_of_squares(*args) == pytest.approx((exact**2).sum(), rel=1e-5)
    assert sum_of_squares(*args) == sum_of_squares(*args)


@pytest.mark.simulator
def test_dot():
    x, z = np.random.default_rng(1).uniform(0, 1, (2, 3001)).astype(np.float32)
    got = dot(get_device(), blob_of(x).device_data, blob_of(z).device_data, 3001)
    assert got == pytest.approx(float(x.astype(float) @ z), rel=1e-5)


@pytest.mark.simulator
@pytest.mark.parametrize("shape", [(3, 7), (5, 4099), (1, 0)])
def test_rows(shape):
    x = np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)
    source, target = blob_of(x), blob_of(np.full(shape[0] + 2, 9, np.float32))
    row_sums(
        get_device(), *shape, source.device_data, target.mutable_device_data,
        what="abs", scale=0.5, target_start=1,
    )  # fmt: skip
    want = [9, *0.5 * np.abs(x.astype(float)).sum(axis=1), 9]
    np.testing.assert_allclose(target.data, want, rtol=1e-5)
