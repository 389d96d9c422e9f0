"""Attributions agree with their definitions, and change when the weights do."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.analysis import attribution
from cnnviz.analysis.attribution import METHODS, attribute
from cnnviz.analysis.gradients import input_gradient, score_blob
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.maximization import Ascent, maximize_activation
from cnnviz.analysis.preprocessing import preprocessing_of
from cnnviz.errors import CnnvizError
from cnnviz.formats.images import load_image
from cnnviz.formats.prototxt import read_net


@pytest.fixture
def inspector(demo):
    folder, result = demo
    definition = read_net(folder / "lenet_train_test.prototxt")
    inspector = Inspector(
        definition, result.weights, ImageOptions(preprocessing_of(definition)), gradients=True
    )
    inspector.show(load_image(folder / "digits" / "digit_3.png", None))
    inspector.net.run_forward()
    return inspector


def score(inspector: Inspector, target: int) -> float:
    blob, last = score_blob(inspector)
    inspector.net.run_forward(0, last)
    return float(inspector.net.blobs[blob].read_data()[0, target])


def test_the_gradient_is_the_scores_slope(inspector):
    random = np.random.default_rng(0)
    # Noise, because the even background of a digit stands exactly on the kinks of max pooling.
    noise = random.normal(0, 0.1, (1, 1, 28, 28)).astype(np.float32)
    picture = inspector.net.blobs["data"].read_data() + noise
    inspector.net.blobs["data"].data[...] = picture
    inspector.net.run_forward()
    gradient = input_gradient(inspector, 3)
    for _ in range(5):
        direction = random.normal(size=picture.shape).astype(np.float32)
        step = 1e-3
        inspector.net.blobs["data"].data[...] = picture + step * direction
        up = score(inspector, 3)
        inspector.net.blobs["data"].data[...] = picture - step * direction
        down = score(inspector, 3)
        want = float((gradient * direction).sum())
        assert (up - down) / (2 * step) == pytest.approx(want, rel=0.1, abs=0.05)


def test_integrated_gradients_sum_to_the_scores_difference(inspector):
    picture = inspector.net.blobs["data"].read_data()
    whole = score(inspector, 3)
    inspector.net.blobs["data"].data[...] = 0
    nothing = score(inspector, 3)
    inspector.net.blobs["data"].data[...] = picture
    found = attribution.integrated_gradients(inspector, 3, steps=64)
    assert found.values.sum() == pytest.approx(whole - nothing, rel=0.05)


def test_occlusion_is_a_masked_forward(inspector):
    picture = inspector.net.blobs["data"].read_data()
    whole = score(inspector, 3)
    found = attribution.occlusion(inspector, 3, window=14, stride=14)
    masked = picture.copy()
    masked[..., :14, 14:] = 0
    inspector.net.blobs["data"].data[...] = masked
    assert found.values[3, 20] == pytest.approx(whole - score(inspector, 3), rel=1e-4)
    assert found.signed


@pytest.mark.parametrize("method", ["occlusion", "integrated"])
def test_batches_change_nothing(inspector, method, monkeypatch):
    together = attribute(inspector, method, 3).values
    monkeypatch.setattr("cnnviz.analysis.image_input._BATCH_VALUES", 1)
    alone = attribute(inspector, method, 3).values
    assert np.allclose(together, alone, atol=1e-4 * np.abs(alone).max())
    assert inspector.net.blobs["data"].shape == (1, 1, 28, 28)


@pytest.mark.parametrize("method", METHODS)
def test_the_image_is_left_as_it_was(inspector, method):
    before = inspector.net.blobs["data"].read_data()
    found = attribute(inspector, method)
    assert found.values.shape == (28, 28) and found.target == 3 and found.target_name == "3"
    assert np.isfinite(found.values).all() and np.ptp(found.values) > 0
    assert np.array_equal(inspector.net.blobs["data"].read_data(), before)


@pytest.mark.parametrize("method", METHODS)
def test_random_weights_change_the_attribution(inspector, method):
    trained = attribute(inspector, method, 3).values.ravel()
    random = np.random.default_rng(0)
    for blobs in inspector.net.params.values():
        values = blobs[0].data
        values[...] = random.normal(0, values.std(), values.shape)
    other = attribute(inspector, method, 3).values.ravel()
    assert abs(np.corrcoef(trained, other)[0, 1]) < 0.8


def test_maximized_input_raises_the_score(inspector):
    before = score(inspector, 7)
    values = maximize_activation(inspector, 7, ascent=Ascent(steps=16)).values
    inspector.net.blobs["data"].data[0] = values
    assert score(inspector, 7) > before + 5


def test_a_class_that_is_not_there(inspector):
    with pytest.raises(CnnvizError, match="Class 10 is out of range: the net has 10 classes"):
        attribute(inspector, "saliency", 10)


def test_an_unknown_method(inspector):
    with pytest.raises(CnnvizError, match="Unknown attribution 'grad-cam'; did you mean 'gradcam'"):
        attribute(inspector, "grad-cam")
