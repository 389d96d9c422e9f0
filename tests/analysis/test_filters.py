"""Filters: measures against known cases, findings, and early and late snapshots of real nets."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from cnnviz.analysis.comparison import (
    compare_snapshots,
    compare_weights,
    in_order,
    iteration_of,
    iterations_of,
)
from cnnviz.analysis.filter_measures import (
    filter_banks,
    nearest_filters,
    noise_scores,
    order_filters,
    spectrum,
)
from cnnviz.analysis.filter_report import filter_report
from cnnviz.analysis.filters import THRESHOLDS
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError, WeightsError
from cnnviz.formats.caffemodel import read_weights
from cnnviz.formats.prototxt import parse_net


@pytest.fixture
def noise() -> np.random.Generator:
    return np.random.default_rng(7)


def stripes(count: int, period: float, size: int = 7) -> np.ndarray:
    """Filters of one channel with upright stripes in different phases."""
    phase = np.linspace(0, 1, count)[:, None, None]
    wave = np.cos(2 * np.pi * (np.arange(size) / period + phase))
    return np.broadcast_to(wave, (count, size, size)).reshape(count, 1, size, size)


# --- measures -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 7, 7), (16, 3, 3), (4, 1, 7), (8, 2, 2)])
def test_white_noise_scores_one(noise, shape):
    scores, spread = noise_scores(noise.standard_normal((4000, *shape)))
    assert scores.mean() == pytest.approx(1, abs=0.03)
    assert spread.mean() == pytest.approx(1, abs=0.06)


def test_smooth_filters_score_low_and_a_checkerboard_scores_high():
    ramp = np.add.outer(np.arange(5.0), np.arange(5.0))[None, None]
    board = np.indices((5, 5)).sum(axis=0)[None, None] % 2 * 2.0 - 1
    assert noise_scores(ramp)[0][0] < 0.05
    assert noise_scores(board)[0][0] > 1.4


def test_fine_stripes_are_not_spread():
    scores, spread = noise_scores(stripes(8, 2.5))
    assert scores.min() > 0.8
    assert spread.max() < 0.6


def test_noise_is_not_defined_without_a_window_or_energy():
    assert np.isnan(noise_scores(np.ones((3, 8, 1, 1)))[0]).all()
    assert np.isnan(noise_scores(np.zeros((1, 1, 5, 5)))[0]).all()


def test_noise_does_not_depend_on_scale(noise):
    filters = noise.standard_normal((5, 2, 5, 5))
    np.testing.assert_allclose(noise_scores(filters)[0], noise_scores(1e-6 * filters)[0])


def test_nearest_filters_stay_in_their_group():
    filters = np.eye(4)[[0, 0, 1, 2]] + 0.01
    nearest, cosine, overlap = nearest_filters(filters)
    assert nearest[0] == 1 and nearest[1] == 0
    assert cosine[0] == pytest.approx(1, abs=1e-6)
    assert 0 < overlap < 1
    grouped = nearest_filters(np.eye(4)[[0, 1, 0, 1]], group=2)
    assert grouped[0].tolist() == [1, 0, 3, 2]
    assert grouped[1].max() == pytest.approx(0)


def test_nearest_filters_in_blocks_equal_those_at_once(noise, monkeypatch):
    filters = noise.standard_normal((50, 12))
    whole = nearest_filters(filters)
    monkeypatch.setattr("cnnviz.analysis.filter_measures._BLOCK", 7)
    parts = nearest_filters(filters)
    assert (whole[0] == parts[0]).all()
    np.testing.assert_allclose(whole[1], parts[1], rtol=1e-5)
    assert whole[2] == pytest.approx(parts[2])


def test_a_filter_alone_has_no_nearest():
    nearest, cosine, overlap = nearest_filters(np.ones((3, 9)), group=3)
    assert nearest.tolist() == [-1, -1, -1]
    assert np.isnan(cosine).all() and math.isnan(overlap)


def test_effective_rank_counts_directions():
    for filters, rank, highest in [(np.eye(6), 6, 6), (np.outer(np.arange(1, 9), np.ones(30)), 1, 8)]:
        found = spectrum(filters)
        assert (found.rank, found.highest_rank) == (pytest.approx(rank), highest)
    assert spectrum(np.zeros((4, 4))).rank == 0
    grouped = spectrum(np.ones((4, 1, 3, 3)), group=4)
    assert (grouped.rank, grouped.highest_rank) == (pytest.approx(4), 4)


def test_effective_rank_of_a_large_matrix_is_that_of_some_rows(noise, monkeypatch):
    monkeypatch.setattr("cnnviz.analysis.filter_measures._MOST_RANK", 10)
    filters = noise.standard_normal((25, 40))
    assert spectrum(filters).rank == spectrum(filters[::3]).rank
    assert spectrum(filters[:, :10]).highest_rank == 10


def test_orders():
    filters = np.array([[1.0, 0], [0, 3], [2, 0.1], [0.1, 2]])
    assert order_filters(filters, "file").tolist() == [0, 1, 2, 3]
    assert order_filters(filters, "norm").tolist() == [1, 2, 3, 0]
    assert order_filters(filters, "similarity").tolist() == [1, 3, 2, 0]


def test_similarity_puts_like_beside_like(noise):
    kinds = np.repeat(noise.standard_normal((5, 40)), 6, axis=0)
    filters = noise.permutation(kinds) + 0.01 * noise.standard_normal(kinds.shape)
    unit = filters / np.linalg.norm(filters, axis=1, keepdims=True)
    chain = unit[order_filters(filters, "similarity")]
    assert ((chain[1:] * chain[:-1]).sum(axis=1) > 0.9).sum() == 25


def test_unknown_order_is_an_error():
    with pytest.raises(CnnvizError, match=r"unknown order 'size'; expected file, norm or similarity"):
        order_filters(np.ones((2, 2)), "size")


# --- banks --------------------------------------------------------------------------------------


def test_old_files_lose_their_leading_ones(noise):
    weights = {
        "conv": [noise.standard_normal((1, 1, 5, 5)), np.zeros((1, 1, 1, 1))],
        "ip": [noise.standard_normal((1, 1, 10, 84)), np.zeros((1, 1, 1, 10))],
    }
    shapes = {bank.layer: bank.filters.shape for bank in filter_banks(weights)}
    assert shapes == {"conv": (1, 1, 5, 5), "ip": (10, 84)}


def test_types_of_the_file_distinguish_a_small_matrix_from_a_window(noise):
    class Typed(dict):
        layer_types = {"ip": "InnerProduct"}  # noqa: RUF012

    banks = filter_banks(Typed(ip=[noise.standard_normal((1, 1, 5, 5))]))
    assert banks[0].filters.shape == (5, 5)


NET = """
name: "Small"
input: "data" input_shape { dim: 1 dim: 4 dim: 9 dim: 9 }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
        convolution_param { num_output: 6 kernel_size: 3 group: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up"
        convolution_param { num_output: 5 kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param { num_output: 3 } }
"""


def test_the_net_gives_groups_outputs_and_what_is_read(noise):
    graph = build_graph(parse_net(NET), strict=False, splits=False)
    weights = {
        "conv": [noise.standard_normal((6, 2, 3, 3))],
        "up": [noise.standard_normal((6, 5, 2, 2))],
        "ip": [noise.standard_normal((3, 294))],
    }
    conv, up, ip = filter_banks(weights, graph)
    assert conv.group == 2
    assert up.filters.shape == (5, 6, 2, 2)
    np.testing.assert_array_equal(up.filters[3, 4], weights["up"][0][4, 3])
    assert ip.reads == (6, 7, 7)


def test_blobs_left_out_by_sharing_are_passed_over(noise):
    banks = filter_banks({"a": [noise.standard_normal((4, 9)), np.zeros(4)], "b": [None, None]})
    assert [bank.layer for bank in banks] == ["a"]
    assert filter_report({"b": [None]}).layers == ()


# --- findings -----------------------------------------------------------------------------------


def kinds_of(filters: np.ndarray) -> dict[str, tuple[int, ...]]:
    return filter_report({"layer": [filters]}).layers[0].marks


def smooth_filters(noise: np.random.Generator, count: int = 12) -> np.ndarray:
    """Filters of slow waves, all different, none alike."""
    rows, columns = np.mgrid[0:7, 0:7] / 7
    angles, phases = np.linspace(0, np.pi, count, endpoint=False), noise.uniform(0, 6, (2, count, 3))
    waves = [
        [np.cos(2 * (rows * np.cos(a) + columns * np.sin(a)) * (1 + c) + p[c]) for c in range(3)]
        for a, p in zip(angles, phases[0], strict=True)
    ]
    # No trained filter has two weights that are exactly equal.
    return np.array(waves) + 0.02 * noise.standard_normal((count, 3, 7, 7))


def test_sound_filters_have_no_findings(noise):
    assert kinds_of(smooth_filters(noise)) == {}


def test_each_problem_is_found_and_named(noise):
    filters = smooth_filters(noise)
    filters[1] = np.nan
    filters[2] *= 1e-4
    filters[3] = 0.5
    filters[4] = noise.standard_normal(filters[4].shape)
    filters[6] = 2 * filters[5]
    filters[7] *= 50
    found = kinds_of(filters)
    assert found["not finite"] == (1,)
    assert found["dead"] == (2,)
    assert found["constant"] == (3,)
    assert found["noisy"] == (4,)
    assert found["near-duplicate"] == (5, 6)
    assert found["outlier"] == (7,)
    assert "saturated" not in found


def test_clipped_weights_are_saturated(noise):
    filters = smooth_filters(noise)
    bound = 0.6
    filters[:6] *= 0.5
    assert kinds_of(np.clip(filters, -bound, bound))["saturated"] == tuple(range(6, 12))


def test_opposite_filters_are_no_duplicates(noise):
    filters = smooth_filters(noise, 4)
    assert "near-duplicate" not in kinds_of(np.concatenate([filters, -filters]))


def test_tiny_windows_are_not_judged(noise):
    report = filter_report({"depthwise": [noise.standard_normal((64, 1, 3, 3))]})
    assert report.layers[0].marks == {}
    assert report.noisy == (0, 0)
    assert "No filter is large enough" in report.to_text()


def test_white_noise_is_rarely_missed_and_structure_rarely_accused(noise):
    judged = noise.standard_normal((500, 8, 5, 5))
    assert len(kinds_of(judged)["noisy"]) > 0.95 * 500
    assert "noisy" not in kinds_of(stripes(40, 2.5, 9) * np.linspace(1, 2, 40)[:, None, None, None])


def test_layer_findings(noise):
    report = filter_report(
        {"conv": [noise.standard_normal((10, 4, 5, 5))], "ip": [np.outer(np.ones(20), np.arange(50.0))]}
    )
    kinds = [(f.layer, f.kind) for f in report.findings]
    assert ("conv", "noisy layer") in kinds
    assert ("ip", "low rank") in kinds


def test_a_broken_bias_is_found(noise):
    report = filter_report({"conv": [smooth_filters(noise), np.array([0, np.inf, np.nan])]})
    (finding,) = report.findings
    assert (finding.layer, finding.kind) == ("conv", "not finite")
    assert "blob 1 holds 2 nan or inf" in finding.message


def test_report_as_json_is_strict_and_complete(noise):
    filters = smooth_filters(noise)
    filters[0, 0, 0, 0] = np.inf
    text = filter_report({"conv": [filters], "ip": [noise.standard_normal((4, 30))]}).to_json()
    data = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} in JSON"))
    conv, ip = data["layers"]
    assert data["thresholds"] == THRESHOLDS
    assert conv["per_filter"]["not_finite"][0] == 1
    assert len(conv["per_filter"]["noise"]) == conv["filters"] == 12
    assert conv["findings"] == ["not finite"]
    assert ip["median_noise"] is None


def test_report_as_text_explains_each_kind_once(noise):
    text = filter_report({f"conv{i}": [noise.standard_normal((20, 4, 5, 5))] for i in range(3)}).to_text()
    assert text.count("weights like white noise") == 1
    assert "filter 0, 1, 2" in text
    assert "..." in text  # 20 numbers are shortened


def test_layers_with_a_finding_share_lines(noise):
    text = filter_report({f"layer{i}": [noise.standard_normal((40, 50))] for i in range(30)}).to_text()
    lines = text.split("as initialised: weights")[1].split("\n\n")[0].splitlines()[1:]
    assert len(lines) == 3 and max(map(len, lines)) <= 98
    assert "layer0, layer1, layer2" in lines[0] and "layer29" in lines[2]


def test_names_cannot_steer_the_terminal(noise):
    text = filter_report({"a\x1b[2Jb": [noise.standard_normal((2, 3, 3, 3))]}).to_text()
    assert "\x1b" not in text


# --- drift --------------------------------------------------------------------------------------


def test_drift_of_known_changes(noise):
    before = {"a": [noise.standard_normal((4, 30))], "b": [np.ones((2, 30))], "c": [np.ones((2, 30))]}
    after = {"a": [1.1 * before["a"][0]], "b": before["b"], "c": [-before["c"][0]]}
    a, b, c = compare_weights(before, after).layers
    assert (a.relative, a.cosine, a.changed) == (pytest.approx(0.1), pytest.approx(1), 1)
    assert a.per_filter == pytest.approx([0.1] * 4)
    assert (b.relative, b.changed, b.word) == (0, 0, "unchanged")
    assert (c.relative, c.cosine, c.word) == (pytest.approx(2), pytest.approx(-1), "rewritten")


def test_equal_snapshots_are_equal(noise):
    weights = {"conv": [noise.standard_normal((4, 2, 3, 3))]}
    comparison = compare_weights(weights, weights)
    assert comparison.verdict == "The snapshots are equal."
    assert json.loads(comparison.to_json())["layers"][0]["relative_drift"] == 0


def test_growth_from_zero_is_not_a_number_in_json(noise):
    comparison = compare_weights({"a": [np.zeros((3, 20))]}, {"a": [noise.standard_normal((3, 20))]})
    assert math.isinf(comparison.layers[0].relative)
    assert json.loads(comparison.to_json())["layers"][0]["relative_drift"] is None


def test_layers_that_differ_are_skipped_and_said(noise):
    before = {"a": [np.ones((2, 9))], "b": [np.ones((2, 9))], "old": [np.ones((2, 9))]}
    after = {"a": [np.ones((2, 9))], "b": [np.ones((3, 9))], "new": [np.ones((2, 9))]}
    comparison = compare_weights(before, after)
    assert comparison.skipped == ("b", "new", "old")
    assert "b, new, old" in comparison.to_text()


def test_nets_without_a_common_layer_are_an_error():
    with pytest.raises(WeightsError, match=r"^x and y share no layer of the same shape: .* has a, .* b\."):
        compare_weights({"a": [np.ones((2, 9))]}, {"b": [np.ones((2, 9))]}, names=("x", "y"))


def test_a_series_needs_two_and_reports_each_step(noise):
    snapshots = [{"a": [noise.standard_normal((3, 20))]} for _ in range(3)]
    series = compare_snapshots(snapshots, names=("x", "y", "z"))
    assert [(step.before, step.after) for step in series.steps] == [("x", "y"), ("y", "z")]
    assert series.to_text().count("\n") > 5
    assert len(json.loads(series.to_json())["steps"]) == 2
    with pytest.raises(WeightsError, match="expected two or more"):
        compare_snapshots(snapshots[:1])


def test_iterations_come_from_names():
    assert iteration_of("a/lenet_iter_5000.caffemodel") == 5000
    assert iteration_of("a_iter_10.caffemodel.h5") == 10
    assert iteration_of("lenet.caffemodel") is None
    files = [SimpleNamespace(path=f"x_iter_{n}.caffemodel") for n in (900, 1000, 50)]
    assert iterations_of([files[0], files[0]]) is None  # of two trainings
    assert [w.path for w in in_order(files)] == [f"x_iter_{n}.caffemodel" for n in (50, 900, 1000)]


# --- real snapshots -----------------------------------------------------------------------------

PAIRS = [
    ("lenet_everpeace/lenet_iter_{}.caffemodel", 5000, 10000),
    ("cifar10_everpeace/cifar10_quick_iter_{}.caffemodel", 4000, 5000),
    ("cifar10_everpeace/cifar10_full_iter_{}.caffemodel", 10000, 40000),
    ("cifar10_everpeace/cifar10_full_iter_{}.caffemodel", 40000, 70000),
]


@pytest.mark.parametrize("name, early, late", PAIRS)
def test_the_later_snapshot_is_recognized(real, name, early, late):
    files = [read_weights(real / "caffemodels" / name.format(n)) for n in (early, late)]
    forth, back = compare_weights(*files), compare_weights(*reversed(files))
    assert f"iter_{late}.caffemodel looks further trained than" in forth.verdict
    assert back.verdict.split(".caffemodel")[0] == forth.verdict.split(".caffemodel")[0]
    assert {sign.direction for sign in forth.signs} <= {0, 1}


def test_the_early_lenet_is_noisier(real):
    folder = real / "caffemodels" / "lenet_everpeace"
    early, late = (filter_report(read_weights(folder / f"lenet_iter_{n}.caffemodel")) for n in (5000, 10000))
    assert early.noisy[0] > 1.5 * late.noisy[0]
    kinds = [[f.kind for f in report.findings] for report in (early, late)]
    assert "noisy layer" in kinds[0] and "noisy layer" not in kinds[1]


def test_a_published_first_layer_is_not_called_noisy(real):
    folder = real / "caffemodels" / "squeezenet_v1.0"
    weights = read_weights(folder / "decompressed_SqueezeNet.caffemodel")
    health = filter_report({"conv1": weights["conv1"]}).layers[0]
    assert (health.noise > THRESHOLDS["noise"]).sum() > 20  # fine stripes, and yet
    assert health.marks == {}
