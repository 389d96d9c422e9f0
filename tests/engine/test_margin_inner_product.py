"""MarginInnerProduct: forward and backward against the paper's formulas in plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.engine.net import Net
from cnnviz.formats.prototxt import parse_net

NET = """
force_backward: true
layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 9 dim: 4 }} }} }}
layer {{ name: "t" type: "Input" top: "t" input_param {{ shape {{ dim: 9 }} }} }}
layer {{ name: "l" type: "MarginInnerProduct" bottom: "x" bottom: "t" top: "y" top: "lambda"
        margin_inner_product_param {{ num_output: 3 type: {kind} base: 3 gamma: 0.5 power: 2 lambda_min: 0.4
                                      weight_filler {{ type: "uniform" min: -1 }} }} }}
"""
KINDS = {"SINGLE": 1, "DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}
LABELS = np.array([0, 1, 2] * 3)


def net_of(kind):
    net = Net(parse_net(NET.format(kind=kind)), seed=3)
    net.blobs["x"].data[...] = np.random.default_rng(2).normal(size=(9, 4))
    net.blobs["t"].data[...] = LABELS
    return net


def margin(cosine, m):
    """(-1)^k cos(m t) - 2k for t in [k pi/m, (k+1) pi/m]."""
    angle = np.arccos(cosine)
    k = np.floor(angle * m / np.pi)
    return (-1) ** k * np.cos(m * angle) - 2 * k


def scores(x, w, m, weight):
    norms = np.linalg.norm(x, axis=1)
    y = x @ w.T
    rows = np.arange(len(x))
    plain = y[rows, LABELS]
    y[rows, LABELS] = (norms * margin(plain / norms, m) + weight * plain) / (1 + weight)
    return y


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_those_of_the_paper(kind):
    net = net_of(kind)
    net.forward()
    w, x = net.params["l"][0].read_data().astype(float), net.blobs["x"].read_data().astype(float)
    np.testing.assert_allclose(np.linalg.norm(w, axis=1), 1, atol=1e-6)
    weight = max(0.4, 3 * 1.5**-2)
    np.testing.assert_allclose(net.blobs["lambda"].read_data(), [weight], rtol=1e-6)
    np.testing.assert_allclose(net.blobs["y"].read_data(), scores(x, w, KINDS[kind], weight), atol=2e-5)


def test_lambda_falls_with_every_forward_to_its_least():
    net, seen = net_of("DOUBLE"), []
    for _ in range(6):
        net.forward()
        seen.append(float(net.blobs["lambda"].read_data()[0]))
    expected = [max(0.4, 3 * (1 + 0.5 * i) ** -2) for i in range(1, 7)]
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_is_the_papers_with_factors_of_length_one(kind):
    net = net_of(kind)
    net.forward()
    dy = np.random.default_rng(5).normal(size=(9, 3))
    net.blobs["y"].diff[...] = dy
    net.backward()
    w, x = net.params["l"][0].read_data().astype(float), net.blobs["x"].read_data().astype(float)
    weight = float(net.blobs["lambda"].read_data()[0])
    dx = dy @ w
    for n, label in enumerate(LABELS if kind != "SINGLE" else []):
        toward_w, toward_x = factors(x[n], w[label], KINDS[kind])
        length = np.hypot(toward_w, toward_x)
        pulled = (toward_w * w[label] + toward_x * x[n]) / length
        dx[n] += dy[n, label] * ((pulled + weight * w[label]) / (1 + weight) - w[label])
    np.testing.assert_allclose(net.blobs["x"].read_diff(), dx, atol=2e-5)
    np.testing.assert_allclose(net.params["l"][0].read_diff(), dy.T @ x, atol=2e-5)


def factors(x, w, m, step=1e-6):
    """The gradient of |x| f(cos) in terms of w and x: |x| f' is taken by differences."""
    norm = np.linalg.norm(x)
    cosine = x @ w / norm
    slope = (margin(cosine + step, m) - margin(cosine - step, m)) / (2 * step)
    return slope, (margin(cosine, m) - slope * cosine) / norm


def test_a_label_that_is_no_class_makes_the_first_score_nan():
    net = net_of("QUADRUPLE")
    net.blobs["t"].data[4] = 3
    net.forward()
    unknown = np.isnan(net.blobs["y"].read_data())
    assert unknown[4, 0] and unknown.sum() == 1
