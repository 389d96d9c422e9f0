"""Differences of two snapshots, and film strips of several."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.analysis.filter_report import filter_report
from cnnviz.api.compare import plot_weight_difference
from cnnviz.api.filmstrip import plot_weight_filmstrip
from cnnviz.errors import CnnvizError, WeightsError
from support.weight_figures import assert_texts_are_apart, graph, images, small, words


@pytest.mark.parametrize("style", ["light", "dark"])
def test_a_difference_has_three_grids_a_layer_and_the_drift(style):
    before, after = small(0, "s_iter_1.caffemodel"), small(1, "s_iter_2.caffemodel")
    figure = plot_weight_difference(before, after, model=graph(), style=style)
    assert len(images(figure)) == 9
    said = words(figure)
    assert "s_iter_1.caffemodel → s_iter_2.caffemodel" in said
    for name in before:
        moved = np.linalg.norm(after[name][0] - before[name][0]) / np.linalg.norm(before[name][0])
        assert f"{moved:.2%}" in said
    bars = next(axes for axes in figure.axes if len(axes.patches) == 3 and not axes.images).patches
    assert len(bars) == 3
    assert_texts_are_apart(figure)


def test_before_and_after_share_their_scale():
    before, after = small(0), small(0)
    after["conv2"][0] *= 3
    figure = plot_weight_difference(before, after, layers=["conv2"])
    old, new, moved = (image.get_array().astype(int) for image in images(figure))
    assert (new != old).any()
    np.testing.assert_array_equal(moved, new)  # 2 w on a scale of 2 w is 3 w on a scale of 3 w


def test_a_difference_of_large_matrices_says_which_cells_it_shows():
    rng = np.random.default_rng(3)
    before, after = ({"ip": [rng.normal(size=(500, 800)).astype(np.float32)]} for _ in range(2))
    figure = plot_weight_difference(before, after)
    assert "one of 3×3 cells" in words(figure)
    assert [image.get_array().shape[:2] for image in images(figure)] == [(167, 267)] * 3
    small_one = plot_weight_difference({"ip": [before["ip"][0][:10]]}, {"ip": [after["ip"][0][:10, :]]})
    assert "one of 1×3 cells" in words(small_one)
    whole = plot_weight_difference(*({"ip": [blobs["ip"][0][:10, :300]]} for blobs in (before, after)))
    assert "cells" not in words(whole)


def test_unknown_and_unequal_layers_of_a_difference_are_errors():
    other = small()
    other["ip"][0] = np.ones((4, 80))
    with pytest.raises(CnnvizError, match=r"did you mean 'conv\d'"):
        plot_weight_difference(small(), small(1), layers=["conv0"])
    with pytest.raises(WeightsError, match="layers in both: conv1, conv2"):
        plot_weight_difference(small(), other, layers=["ip"])


def test_a_film_strip_sorts_snapshots_and_follows_each_filter():
    snapshots = [small(n, f"s_iter_{n}.caffemodel") for n in (300, 100, 200)]
    figure = plot_weight_filmstrip(snapshots, layer="conv2")
    said = words(figure)
    rows = [line for line in said.splitlines() if line.startswith("iteration ") and line[10].isdigit()]
    assert rows == ["iteration 100", "iteration 200", "iteration 300"]
    last = snapshots[0]["conv2"][0]
    strongest = (last**2).sum(axis=(2, 3)).argmax(axis=1)
    assert f"0, c{strongest[0]}" in said
    drift, noise, rank = [axes.lines[0] for axes in figure.axes if axes.lines]
    assert drift.get_xdata().tolist() == [200, 300]
    healths = [
        filter_report({"c": [s["conv2"][0]]}).layers[0] for s in (snapshots[1], snapshots[2], snapshots[0])
    ]
    assert noise.get_ydata() == pytest.approx([np.median(h.noise) for h in healths])
    assert rank.get_ydata() == pytest.approx([h.rank for h in healths])
    assert_texts_are_apart(figure)


def test_a_film_strip_says_its_limit_and_needs_windows():
    snapshots = [small(n, f"snapshot {n}") for n in range(2)]
    assert "first 2 of 6 filters" in words(plot_weight_filmstrip(snapshots, limit=2))
    with pytest.raises(
        CnnvizError, match="'ip' has no windows to show as a filmstrip; layers that have: conv1, conv2"
    ):
        plot_weight_filmstrip(snapshots, layer="ip")
    with pytest.raises(WeightsError, match="expected two or more"):
        plot_weight_filmstrip(snapshots[:1])
    snapshots[1]["conv1"][0] = np.ones((6, 3, 3, 3))
    with pytest.raises(WeightsError, match="Give snapshots of one net"):
        plot_weight_filmstrip(snapshots)
