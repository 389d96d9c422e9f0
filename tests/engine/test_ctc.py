"""CTC against a sum over all ways to write the labels, and its three layers' ways to say what they are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from cnnviz.engine.net import Net
from cnnviz.engine.ops.ctc import ctc
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net


def written(symbols, blank, merge):
    """What a way to write means: repeated symbols merged, blanks taken out."""
    kept = [s for i, s in enumerate(symbols) if not merge or i == 0 or s != symbols[i - 1]]
    return [s for s in kept if s != blank]


def brute_force(scores, labels, blank, merge=True):
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    ways = itertools.product(range(p.shape[1]), repeat=len(p))
    total = sum(
        np.prod(p[np.arange(len(p)), list(way)]) for way in ways if written(way, blank, merge) == labels
    )
    return -np.log(total) if total else np.inf


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("labels", [[], [1], [0, 1], [1, 1], [1, 0, 1], [0, 0, 1]])
@pytest.mark.parametrize("steps", [4, 5])
def test_loss_and_gradient_are_those_of_all_ways(steps, labels, merge):
    scores = np.random.default_rng(steps).normal(size=(steps, 3))
    loss, gradient = ctc(scores, labels, 2, merge)
    assert loss == pytest.approx(brute_force(scores, labels, 2, merge))
    for place in np.ndindex(scores.shape):
        step = np.zeros_like(scores)
        step[place] = 1e-5
        slope = (
            brute_force(scores + step, labels, 2, merge) - brute_force(scores - step, labels, 2, merge)
        ) / 2e-5
        assert gradient[place] == pytest.approx(slope, abs=1e-6)


def test_what_cannot_be_written_costs_infinitely_much():
    loss, _ = ctc(np.zeros((2, 3)), [1, 1], 2)
    assert loss == np.inf


def test_long_sequences_do_not_underflow():
    loss, gradient = ctc(np.zeros((2000, 50)), list(range(40)) * 10, 49)
    assert np.isfinite(loss) and loss > 1000 and np.isfinite(gradient).all()


SCORES = np.random.default_rng(4).normal(size=(5, 3, 4))


def net_of(type, inputs, params):
    """A net of one loss over SCORES and the other inputs."""
    lines = ["force_backward: true"]
    values = [SCORES, *map(np.asarray, inputs)]
    for i, value in enumerate(values):
        dims = " ".join(f"dim: {d}" for d in value.shape)
        lines.append(
            f"layer {{ name: 'x{i}' type: 'Input' top: 'x{i}' input_param {{ shape {{ {dims} }} }} }}"
        )
    bottoms = " ".join(f"bottom: 'x{i}'" for i in range(len(values)))
    lines.append(f"layer {{ name: 'l' type: '{type}' {bottoms} top: 'y' ctc_loss_param {{ {params} }} }}")
    net = Net(parse_net("\n".join(lines)))
    for i, value in enumerate(values):
        net.blobs[f"x{i}"].data[...] = value
    return net


def check(net, steps, labels, blank, delay=0, merge=True):
    """Loss and gradient are the means over the sequences."""
    net.forward()
    net.backward()
    want, slopes = 0.0, np.zeros_like(SCORES)
    for n, (length, mine) in enumerate(zip(steps, labels, strict=True)):
        if length:
            loss, slopes[delay:length, n] = ctc(SCORES[delay:length, n], mine, blank, merge)
            want += loss / 3
    np.testing.assert_allclose(net.blobs["y"].read_data(), want, rtol=1e-5)
    np.testing.assert_allclose(net.blobs["x0"].read_diff(), slopes / 3, atol=1e-6)


MARKS = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 1, 0], [1, 0, 0]])
ROWS = np.array([[1, 0, 2], [1, 2, -1], [0, -1, -1], [-1, -1, -1], [-1, -1, -1]])


@pytest.mark.parametrize(
    "params, options",
    [
        ("", {"blank": 3}),
        ("blank_index: 3 ctc_merge_repeated: false", {"blank": 3, "merge": False}),
        ("output_delay: 1", {"blank": 3, "delay": 1}),
    ],
)
def test_ctc_loss_reads_marks_and_labels(params, options):
    check(net_of("CTCLoss", [MARKS, ROWS], params), [5, 4, 2], [[1, 1, 0], [0, 2], [2]], **options)


def test_ctc_loss_merges_repeated_labels_before_if_asked():
    net = net_of("CTCLoss", [MARKS, ROWS], "preprocess_collapse_repeated: true")
    check(net, [5, 4, 2], [[1, 0], [0, 2], [2]], 3)


def test_ctc_loss_leaves_out_sequences_without_labels():
    marks, rows = MARKS.copy(), ROWS.copy()
    marks[1:, 2], rows[:, 2] = 0, -1
    check(net_of("CTCLoss", [marks, rows], ""), [5, 4, 0], [[1, 1, 0], [0, 2], []], 3)


def test_warp_ctc_reads_marks_or_lengths():
    labels = [[1, 1, 2], [3, 2], [2]]
    rows = np.array([[1, 3, 2], [1, 2, -1], [2, -1, -1], [-1, -1, -1], [-1, -1, -1]])
    check(net_of("WarpCTCLoss", [MARKS, rows], "blank_index: 0"), [5, 4, 2], labels, 0)
    inputs = [[5, 4, 2], [3, 2, 1], rows[:3]]
    check(net_of("WarpCTCLoss", inputs, "blank_index: 0"), [5, 4, 2], labels, 0)


def test_warp_ctc_takes_labels_that_do_not_fit_for_nothing():
    inputs = [[5, 4, 2], [3, 2, 2], np.array([[1, 3, 2], [1, 2, 2], [2, 1, 1]])]
    check(net_of("WarpCTCLoss", inputs, "blank_index: 0"), [5, 4, 0], [[1, 1, 2], [3, 2], []], 0)


def test_ctc_loss_of_warpctc_caffe_reads_padded_rows():
    rows = np.array([[1, 1, 3], [0, 2, 0], [2, 0, 0]])
    net = net_of("CtcLoss", [rows], "alphabet_size: 4 time_step: 4")
    check(net, [4, 4, 4], [[1, 1, 3], [2], [2]], 0)


@pytest.mark.parametrize(
    "type, inputs, params, message",
    [
        ("CTCLoss", [MARKS, ROWS[:3]], "", "bottom 2 is"),
        ("CTCLoss", [MARKS, ROWS], "blank_index: 4", "there are 4 classes"),
        ("CTCLoss", [MARKS, ROWS], "output_delay: 5", "there are 5 steps"),
        ("CTCLoss", [MARKS, ROWS], "blank_label: 2", "belongs to another fork's layer"),
        ("WarpCTCLoss", [MARKS, ROWS], "", "has no blank_index"),
        ("WarpCTCLoss", [[5, 4], [3, 2, 1], ROWS], "blank_index: 0", "bottoms 1 to 3"),
        ("CtcLoss", [ROWS[:3]], "alphabet_size: 5 time_step: 4", "expected 4, and 1 to 5"),
    ],
)
def test_what_does_not_fit_is_refused(type, inputs, params, message):
    with pytest.raises(NetError, match=message):
        net_of(type, inputs, params)


@pytest.mark.parametrize(
    "type, inputs, params, message",
    [
        ("CTCLoss", [MARKS, np.where(ROWS == 2, 9, ROWS)], "", None),
        ("CTCLoss", [MARKS, np.where(ROWS == 1, 9, ROWS)], "", "label 9 is blank or not one of the"),
        ("CTCLoss", [MARKS, np.full((5, 3), 1)], "", "sequence 1 has 5 labels for 4 steps"),
        ("CTCLoss", [MARKS, np.full((5, 3), -1)], "", "sequence 0 has 5 steps, but no label"),
        ("WarpCTCLoss", [[6, 4, 2], [1, 1, 1], ROWS], "blank_index: 3", "expected 0 to 5"),
        ("CtcLoss", [np.full((3, 2), 4)], "alphabet_size: 4 time_step: 4", "label 4 is not one of"),
    ],
)
def test_labels_that_cannot_be_are_refused_in_forward(type, inputs, params, message):
    net = net_of(type, inputs, params)
    if message is None:
        net.forward()
        return
    with pytest.raises(NetError, match=message):
        net.forward()
