"""Solver: update rules, policies, log, snapshots. Expected values of solvers/ are Caffe's own."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import cnnviz
from cnnviz.engine.scoring import score
from cnnviz.engine.solver import Solver
from cnnviz.engine.update_rules import learning_rate
from cnnviz.errors import FileError, NetError, WeightsError
from cnnviz.formats.prototxt import parse_solver
from cnnviz.formats.schema import SolverParameter
from support.files import SHARED

TOLERANCE = 1e-4
SOLVERS = SHARED / "reference" / "solvers"

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "target" type: "Input" top: "target" input_param { shape { dim: 4 dim: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "target" top: "loss" }
"""


@pytest.fixture
def solver_file(tmp_path, monkeypatch):
    """Returns a function that writes a solver prototxt with extra lines and gives its path."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.prototxt").write_text(NET)

    def write(lines: str = "") -> Path:
        path = tmp_path / "solver.prototxt"
        path.write_text(
            'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 4 random_seed: 3 '
            f'snapshot_prefix: "{tmp_path.as_posix()}/snap"\n{lines}'
        )
        return path

    return write


def feed(solver: Solver) -> None:
    random = np.random.default_rng(0)
    for name in ("data", "target"):
        blob = solver.net.blobs[name]
        blob.data[...] = random.normal(size=blob.shape)


def close(got: np.ndarray, want: np.ndarray) -> bool:
    return bool(np.abs(got.reshape(want.shape) - want).max() <= TOLERANCE * np.abs(want).max() + 1e-6)


@pytest.mark.skipif(not SOLVERS.is_dir(), reason="../shared/reference is absent")
@pytest.mark.parametrize("case", sorted(p.parent.name for p in SOLVERS.glob("*/data.npz")))
def test_updates_as_in_caffe(case, monkeypatch):
    monkeypatch.chdir(SOLVERS / case)
    arrays = np.load("data.npz")
    solver = cnnviz.get_solver("solver.prototxt")
    for key in arrays.files:
        kind, _, rest = key.partition(":")
        if kind == "param0":
            layer, i = rest.rsplit(":", 1)
            solver.net.params[layer][int(i)].data[...] = arrays[key]
        elif kind == "in":
            solver.net.blobs[rest].data[...] = arrays[key]
    compared = 0
    for t in (1, 2, 3, 5, 10):
        solver.step(t - solver.iter)
        for key in arrays.files:
            kind, _, rest = key.partition(":")
            if kind == f"param@{t}":
                layer, i = rest.rsplit(":", 1)
                assert close(solver.net.params[layer][int(i)].data, arrays[key]), key
                compared += 1
            elif kind == f"history@{t}":
                assert close(solver.history[int(rest)].data, arrays[key]), key
            elif key == f"current_step@{t}":
                assert solver.current_step == arrays[key]
    assert compared > 0
    solver.close()


@pytest.mark.parametrize(
    "fields, iteration, step, want",
    [
        ({"lr_policy": "fixed"}, 100, 0, 0.1),
        ({"lr_policy": "step", "gamma": 0.5, "stepsize": 10}, 25, 2, 0.025),
        ({"lr_policy": "exp", "gamma": 0.9}, 2, 0, 0.081),
        ({"lr_policy": "inv", "gamma": 1, "power": 0.5}, 3, 0, 0.05),
        ({"lr_policy": "multistep", "gamma": 0.1}, 3, 2, 0.001),
        ({"lr_policy": "poly", "max_iter": 10, "power": 2}, 5, 0, 0.025),
        ({"lr_policy": "poly", "max_iter": 10, "power": 1}, 12, 0, 0),
        ({"lr_policy": "sigmoid", "gamma": 1, "stepsize": 5}, 5, 0, 0.05),
    ],
)
def test_learning_rate_policies(fields, iteration, step, want):
    param = SolverParameter(base_lr=0.1, **fields)
    assert learning_rate(param, iteration, step) == pytest.approx(want)


def test_the_same_seed_gives_the_same_weights(solver_file):
    results = []
    for _ in range(2):
        solver = Solver(solver_file())
        feed(solver)
        solver.step(3)
        results.append(solver.net.params["ip"][0].read_data())
    assert np.array_equal(*results)


def test_training_lowers_the_loss(solver_file):
    solver = Solver(solver_file())
    feed(solver)
    first = solver.net.forward()["loss"]
    solver.step(50)
    assert solver.net.forward()["loss"] < 0.5 * first


@pytest.mark.simulator
@pytest.mark.parametrize("snapshot", ["", "snapshot_format: HDF5"])
@pytest.mark.parametrize("rule", ["SGD", "Adam", "AdaDelta"])
def test_resuming_continues_as_if_never_stopped(solver_file, rule, snapshot):
    if snapshot:
        pytest.importorskip("h5py")
    path = solver_file(f'type: "{rule}" momentum: 0.9 delta: 1e-6 {snapshot}')
    whole, half = Solver(path), Solver(path)
    for solver in (whole, half):
        feed(solver)
    whole.step(6)
    half.step(3)
    weights = half.snapshot()
    state = weights.replace(".caffemodel", ".solverstate")
    resumed = Solver(path)
    feed(resumed)
    resumed.restore(state)
    assert resumed.iter == 3
    resumed.step(3)
    for a, b in zip(whole.net.params["ip"], resumed.net.params["ip"], strict=True):
        assert np.allclose(a.data, b.data, rtol=1e-6, atol=1e-7)


def test_resuming_finds_weights_that_were_moved_with_the_state(solver_file, tmp_path):
    solver = Solver(solver_file())
    feed(solver)
    solver.step(2)
    weights = solver.snapshot()
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in (weights, weights.replace(".caffemodel", ".solverstate")):
        shutil.move(file, moved)
    fresh = Solver(solver_file())
    fresh.restore(moved / "snap_iter_2.solverstate")
    assert np.array_equal(fresh.net.params["ip"][0].data, solver.net.params["ip"][0].data)


def test_a_state_of_another_rule_is_refused(solver_file):
    solver = Solver(solver_file())
    solver.step(1)
    state = solver.snapshot().replace(".caffemodel", ".solverstate")
    adam = Solver(solver_file('type: "Adam"'))
    with pytest.raises(WeightsError, match=r"holds 2 history blobs, this solver \(Adam\) expects 4"):
        adam.restore(state)
    assert adam.iter == 0


def test_log_in_caffes_words(solver_file, caplog):
    path = solver_file("display: 2 test_iter: 2 test_interval: 2 average_loss: 2 test_compute_loss: true")
    with caplog.at_level(logging.INFO, "cnnviz"):
        solver = Solver(path)
        feed(solver)
        solver.solve()
    lines = [r.getMessage() for r in caplog.records]
    start = lines.index("Iteration 0, Testing net (#0)")
    assert lines[start + 1].startswith("Test loss: ")
    assert lines[start + 2].startswith("    Test net output #0: loss = ")
    progress = lines[start + 3]
    assert progress.startswith("Iteration 0 (") and "iter/s" in progress and "s/2 iters), loss = " in progress
    assert lines[start + 4].startswith("    Train net output #0: loss = ")
    assert "(* 1 = " in lines[start + 4]
    assert lines[start + 5] == "Iteration 0, lr = 0.1"
    assert lines[-1] == "Optimization Done."
    assert any(line.startswith("Iteration 4, loss = ") for line in lines)
    assert any("Snapshotting solver state to binary proto file" in line for line in lines)


def test_stopping_takes_a_snapshot(solver_file, caplog):
    solver = Solver(solver_file())
    feed(solver)
    with caplog.at_level(logging.INFO, "cnnviz"):
        solver.solve(on_iteration=lambda s: s.stop() if s.iter == 2 else None)
    assert solver.iter == 2
    assert os.path.exists("snap_iter_2.caffemodel") and os.path.exists("snap_iter_2.solverstate")
    assert caplog.records[-1].getMessage() == "Optimization stopped early."


def test_test_nets_share_the_training_weights(solver_file):
    solver = Solver(solver_file("test_iter: 1 test_interval: 5"))
    solver.net.params["ip"][0].data[...] = 7
    assert (solver.test_nets[0].params["ip"][0].read_data() == 7).all()


@pytest.mark.parametrize(
    "lines, message",
    [
        ('type: "Adamm"', "unknown solver type 'Adamm'; did you mean 'Adam'?"),
        ('type: "AdaGrad" momentum: 0.9', "the AdaGrad solver takes no momentum, momentum is 0.9"),
        ('regularization_type: "L3"', "regularization_type is 'L3'"),
        ("test_iter: 3", "test_interval must be > 0"),
        ("test_iter: 3 test_interval: 1 test_state { } test_state { }", "2 test_state for 1 test nets"),
        ('train_net: "net.prototxt"', "names 2 training nets"),
        ("iter_size: 0", "must be at least 1"),
    ],
)
def test_wrong_solvers_are_refused(solver_file, lines, message):
    with pytest.raises(NetError) as error:
        Solver(solver_file(lines))
    assert message in str(error.value) and "solver.prototxt" in str(error.value)


def test_wrong_policy():
    with pytest.raises(NetError, match="unknown lr_policy 'fixd'; did you mean 'fixed'"):
        Solver(parse_solver('net: "x" lr_policy: "fixd"'))


def test_unwritable_snapshots_are_found_before_training(solver_file):
    solver = Solver(solver_file().rename("s.prototxt"))
    solver.param.snapshot_prefix = "/proc/nowhere/snap"
    with pytest.raises(FileError, match="snapshots cannot be written"):
        solver.solve()
    assert solver.iter == 0


def labelled_net(labels: str) -> str:
    return f"""
layer {{ name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {{
  shape {{ dim: 2 dim: 3 }} data_filler {{ type: "gaussian" }}
  shape {{ dim: 2 }} data_filler {{ {labels} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 4 weight_filler {{ type: "xavier" }} }} }}
layer {{ name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss"
  loss_param {{ ignore_label: -1 }} }}
layer {{ name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  accuracy_param {{ ignore_label: -1 }} }}
"""


@pytest.mark.parametrize(
    "labels, message",
    [
        (
            "value: 4",
            "2 of the 2 labels in the first batch are not among the 4 classes, 0 to 3: 4; "
            "give the layer before",
        ),
        ("value: -2", "0 to 3: -2; give"),
        ("value: 1.5", "0 to 3: 1.5; a label is the whole number of a class"),
        ("value: 3", None),
        ("value: -1", None),
    ],
)
def test_labels_that_are_no_class_are_warned_of_once(solver_file, tmp_path, caplog, labels, message):
    (tmp_path / "net.prototxt").write_text(labelled_net(labels))
    solver = Solver(solver_file("test_iter: 2 test_interval: 2"))
    solver.solve()
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(warnings) == (4 if message else 0), (
        warnings
    )  # two layers, in the training net and in the test net
    assert all(message in text for text in warnings)
    caplog.clear()
    lines = list(score(cnnviz.Net("net.prototxt", cnnviz.TEST), 2))
    assert len(lines) > 4 and len(caplog.records) == (2 if message else 0)
