"""Trained weights and the random numbers they started with: fillers, known structure and real files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cnnviz.analysis.comparison import compare_weights
from cnnviz.analysis.filter_measures import spectrum
from cnnviz.analysis.filter_report import filter_report
from cnnviz.analysis.randomness import BEYOND, FEWEST, randomness
from cnnviz.engine.filler import fill
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.schema import FillerParameter

SHAPES = {"conv1": (20, 1, 5, 5), "conv2": (50, 20, 5, 5), "ip1": (200, 300), "ip2": (20, 500)}
FILLERS = {
    "xavier": FillerParameter(type="xavier"),
    "msra": FillerParameter(type="msra"),
    "gaussian": FillerParameter(type="gaussian", std=0.01),
    "sparse": FillerParameter(type="gaussian", std=1, sparse=5),
    "uniform": FillerParameter(type="uniform"),  # from 0 to 1: all positive
    "positive_unitball": FillerParameter(type="positive_unitball"),
}


def fresh(filler: str, seed: int = 3) -> dict[str, list[np.ndarray]]:
    random = np.random.default_rng(seed)
    return {name: [fill(shape, FILLERS[filler], random)] for name, shape in SHAPES.items()}


def measured(filters: np.ndarray, group: int = 1):
    return randomness(filters, spectrum(filters, group))


@pytest.mark.parametrize("filler", FILLERS)
def test_what_a_filler_made_looks_initialised(filler):
    for seed in range(3):
        report = filter_report(fresh(filler, seed))
        kinds = [layer.randomness.is_random for layer in report.layers if layer.randomness.is_judged]
        assert kinds == [True] * 3
        assert report.verdict == (
            "Looks like its initialisation: 3 layers judged, and all look like random initial weights."
        )


def test_the_largest_singular_value_of_noise_is_as_expected():
    random = np.random.default_rng(0)
    found = [measured(random.standard_normal((40, 90))) for _ in range(300)]
    assert np.mean([one.strength for one in found]) == pytest.approx(0.975, abs=0.01)
    excess = np.array([one.excess for one in found])
    # Tracy and Widom's law: mean -1.21, standard deviation 1.27, above 2.02 once in a hundred times.
    assert excess.mean() == pytest.approx(-1.21, abs=0.2)
    assert excess.std() == pytest.approx(1.27, abs=0.15)
    assert excess.max() < BEYOND


def test_a_direction_beyond_the_edge_is_structure():
    random = np.random.default_rng(1)
    noise = random.standard_normal((60, 200))
    one = np.outer(random.standard_normal(60), random.standard_normal(200))
    assert measured(noise).is_random
    assert measured(noise + 0.02 * one).is_random  # its singular value is far inside the edge
    shown = measured(noise + 0.5 * one)
    assert not shown.is_random and shown.strength > 1.5


def test_patterns_of_windows_are_structure_where_filters_have_none():
    random = np.random.default_rng(2)
    windows = random.standard_normal((32, 16, 3, 3))
    assert measured(windows).is_random
    flat = windows.copy()
    flat[:, :, 1] *= 1.3  # every window lies flat
    assert not measured(flat).is_random and measured(flat).strength > 1.1
    depthwise = random.standard_normal((256, 1, 3, 3))
    assert measured(depthwise, group=256).strength == pytest.approx(1, abs=0.1)


def test_numbers_neither_uniform_nor_normal_are_no_filler():
    heavy = np.random.default_rng(3).laplace(size=(20, 100))
    found = measured(heavy)
    assert found.excess < BEYOND and not found.is_random
    moved = np.random.default_rng(3).uniform(-1, 1, (20, 100)) + np.random.default_rng(4).normal(
        0, 0.3, (20, 100)
    )
    found = measured(moved)  # every number moved away from a uniform start
    assert found.excess < BEYOND and not found.is_random


def test_scale_and_mean_change_nothing():
    values = np.random.default_rng(4).standard_normal((30, 80))
    plain, moved = measured(values), measured(1e-4 * (values + 7))
    assert (moved.strength, moved.unlike) == pytest.approx((plain.strength, plain.unlike), rel=0.02, abs=0.02)


def test_few_or_equal_weights_are_not_judged():
    random = np.random.default_rng(5)
    assert not measured(random.standard_normal((20, FEWEST // 20 - 1))).is_judged
    assert measured(random.standard_normal((20, FEWEST // 20))).is_judged
    assert not measured(random.standard_normal((10, FEWEST))).is_judged
    equal = measured(np.full((50, 50), 0.3))
    assert not equal.is_judged and not equal.is_random
    assert measured(np.zeros((1, 2000))).is_judged is False
    few = filter_report({"ip": [random.standard_normal((4, 9))]})
    assert few.verdict == (
        "No layer is large enough (1,000 weights, 16 filters and as many inputs) to distinguish training "
        "from random initialisation."
    )
    assert few.to_data()["layers"][0]["as_initialised"] is None


def test_the_report_names_layers_like_random_numbers():
    weights = fresh("xavier")
    weights["conv2"][0][:25] = np.cos(np.arange(25)).reshape(5, 5)
    report = filter_report(weights)
    assert report.verdict == ("2 of 3 layers judged look like random initial weights: ip1, ip2.")
    assert report.verdict in report.to_text()
    data = json.loads(report.to_json())
    assert data["verdict"] == report.verdict
    assert [layer["as_initialised"] for layer in data["layers"]] == [None, False, True, True]
    assert [f.layer for f in report.findings if f.kind == "as initialised"] == ["ip1", "ip2"]


def test_leaving_the_random_start_is_a_sign_of_training():
    before = fresh("gaussian")
    after = {name: [blobs[0].copy()] for name, blobs in before.items()}
    after["ip1"][0] += 0.01
    after["ip1"][0][::2] -= 0.02
    forth, back = compare_weights(before, after), compare_weights(after, before)
    assert [(sign.what, sign.direction) for sign in forth.signs] == [
        ("layers like random numbers: 3 -> 2 of 3", 1)
    ]
    assert back.signs[0].direction == -1
    assert forth.verdict.startswith("after looks further trained than before.")


def test_noise_that_becomes_smoother_is_a_sign_of_training():
    before = fresh("gaussian")
    after = {name: [blobs[0].copy()] for name, blobs in before.items()}
    for blobs in after.values():
        if blobs[0].ndim == 4:
            blobs[0] += 0.05 * blobs[0].mean(axis=(2, 3), keepdims=True)
    forth, back = compare_weights(before, after), compare_weights(after, before)
    noisy, smooth = forth.signs
    assert noisy.direction == 0 and smooth.direction == 1
    assert smooth.what.endswith("of 70 filters have become smoother")
    assert back.signs[1].direction == -1


# --- real files ---------------------------------------------------------------------------------

TRAINED = [
    "lenet_mnist/lenet_iter_10000",
    "lenet_everpeace/lenet_iter_5000",
    "lenet_everpeace/lenet_iter_10000",
    "cifar10_everpeace/cifar10_full_iter_10000",
    "cifar10_everpeace/cifar10_full_iter_70000",
    "squeezenet_v1.0/decompressed_SqueezeNet",
    "mtcnn_cholihao/det1",
    "mtcnn_cholihao/det3",
    "hyperlpr/HorizonalFinemapping",
]


@pytest.mark.parametrize("name", TRAINED)
def test_published_nets_have_been_trained(real, name):
    weights = read_weights(real / "caffemodels" / f"{name}.caffemodel")
    assert filter_report(weights).verdict.startswith("Trained: ")


@pytest.mark.parametrize(
    "name", ["lenet_mnist/lenet_iter_10000", "cifar10_everpeace/cifar10_full_iter_10000"]
)
@pytest.mark.parametrize("filler", ["xavier", "gaussian"])
def test_a_fresh_net_of_the_same_shapes_has_not(real, name, filler):
    trained = read_weights(real / "caffemodels" / f"{name}.caffemodel")
    random = np.random.default_rng(6)
    net = {layer: [fill(blobs[0].shape, FILLERS[filler], random)] for layer, blobs in trained.items()}
    assert filter_report(net).verdict.startswith("Looks like its initialisation: ")
    comparison = compare_weights(net, trained)
    assert comparison.verdict.startswith(f"{comparison.after} looks further trained than")


def test_a_layer_that_hardly_left_its_wide_start_is_found(real):
    # Its filler's standard deviation is 0.1; momentum 0.9, decay 0.004, 4000 steps at rate 0.001 and 1000 at
    # 0.0001 take exp(-0.164) of it. That is what is found: what it learned is small beside its start.
    folder = real / "caffemodels/cifar10_everpeace"
    report = filter_report(read_weights(folder / "cifar10_quick_iter_5000.caffemodel"))
    assert report.verdict == ("1 of 4 layers judged looks like random initial weights: ip1.")
    (ip1,) = [layer for layer in report.layers if layer.bank.title == "ip1"]
    assert ip1.total_std == pytest.approx(0.1 * np.exp(-0.164), rel=0.01)


def test_a_verdict_on_many_layers_names_some():
    weights = {f"ip{i}": fresh("xavier")["ip1"] for i in range(6)}
    weights["ip0"] = [np.outer(np.arange(1, 40), np.arange(1, 60.0))]
    verdict = filter_report(weights).verdict
    assert verdict.startswith("5 of 6 layers ") and verdict.endswith(": ip1, ip2, ip3, ip4, ...")
