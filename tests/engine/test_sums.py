"""Sums on the device."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.blob import Blob
from cnnviz.engine.device import get_device
from cnnviz.engine.ops.sums import row_sums, sum_of_squares


def blob_of(values: np.ndarray) -> Blob:
    blob = Blob(get_device(), values.shape)
    blob.data[...] = values
    return blob


def sum_of(*blobs: Blob, term: str) -> float:
    """The sum of a term over one blob, or two, by one row."""
    result = blob_of(np.zeros(1))
    source, *other = (blob.device_data for blob in blobs)
    shape = (1, blobs[0].count)
    row_sums(get_device(), shape, source, result.mutable_device_data, term=term, other=(*other, None)[0])
    return float(result.data[0])


@pytest.mark.parametrize("count", [1, 15, 2048, 2049, 5_000_017])
def test_sums_of_any_length(count):
    x = np.random.default_rng(0).uniform(-1, 1, count).astype(np.float32)
    blob = blob_of(x)
    exact = x.astype(float)
    args = (get_device(), blob.device_data, count)
    assert sum_of(blob, term="sum") == pytest.approx(exact.sum(), abs=1e-4 * np.sqrt(count))
    assert sum_of(blob, term="abs") == pytest.approx(np.abs(exact).sum(), rel=1e-5)
    assert sum_of_squares(*args) == pytest.approx((exact**2).sum(), rel=1e-5)
    assert sum_of_squares(*args) == sum_of_squares(*args)


@pytest.mark.simulator
def test_dot():
    x, z = np.random.default_rng(1).uniform(0, 1, (2, 3001)).astype(np.float32)
    assert sum_of(blob_of(x), blob_of(z), term="product") == pytest.approx(
        float(x.astype(float) @ z), rel=1e-5
    )


@pytest.mark.simulator
@pytest.mark.parametrize("shape", [(3, 7), (5, 4099), (1, 0)])
def test_rows(shape):
    x = np.random.default_rng(2).uniform(-1, 1, shape).astype(np.float32)
    source, target = blob_of(x), blob_of(np.full(shape[0] + 2, 9, np.float32))
    options = {"term": "abs", "scale": 0.5, "target_start": 1}
    row_sums(get_device(), shape, source.device_data, target.mutable_device_data, **options)
    want = [9, *0.5 * np.abs(x.astype(float)).sum(axis=1), 9]
    np.testing.assert_allclose(target.data, want, rtol=1e-5)
