"""Every row of the table of layers (layer_cases/), and every case of Caffe's own."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
from pathlib import Path

import pytest

from cnnviz.engine.blob import Blob
from cnnviz.engine.device import get_device
from cnnviz.engine.graph import build_graph
from cnnviz.engine.layer import layer_types
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net
from layer_cases import CASES
from support.files import SHARED
from support.layer_harness import (
    check_bounds,
    check_fan_out,
    check_gradient,
    check_guards,
    check_in_place,
    check_repeats,
    check_values,
    double_device,
    guarded,
    layer_types_of,
    run_reference_case,
)

REFERENCE = SHARED / "reference" / "layers"
REFERENCE_CASES = sorted(path for path in REFERENCE.glob("*/*.prototxt") if path.with_suffix(".npz").exists())
# What reads files is tested beside its formats.
TESTED_ELSEWHERE = {
    "AnnotatedData", "Data", "DummyData", "HDF5Data", "HDF5Output", "ImageData", "Input", "MemoryData",
    "Parameter", "Python", "WindowData",
}  # fmt: skip


def rows(predicate=lambda case: True):
    chosen = [case for case in CASES if predicate(case)]
    return pytest.mark.parametrize("case", chosen, ids=[case.id for case in chosen])


@pytest.mark.simulator
@rows(lambda case: case.reference is not None)
def test_values_are_those_of_plain_numpy(case):
    check_values(case)


@rows(lambda case: case.gradient)
def test_gradient_agrees_with_differences(case):
    device = double_device()
    if device is None:
        pytest.skip("no double precision here")
    check_gradient(case, device, case.slack)


@rows(lambda case: case.gradient)
def test_gradient_agrees_with_differences_in_single_precision(case):
    check_gradient(case, get_device(), 1e-3)


@pytest.mark.simulator
@rows(lambda case: case.gradient)
def test_backward_overwrites_bottoms_and_adds_to_parameters(case):
    check_repeats(case)


@rows(lambda case: case.gradient)
def test_backward_without_forward_runs_or_is_refused(case):
    net = case.net(get_device())
    if any(layer.keeps_forward for layer in net.layers):
        with pytest.raises(NetError, match="forward has not run"):
            net.backward()
    else:
        net.backward()
    get_device().finish()


@rows(lambda case: case.gradient)
def test_two_readers_add_their_gradients(case):
    check_fan_out(case)


@rows(lambda case: case.in_place)
def test_in_place_gives_the_same_numbers(case):
    check_in_place(case)


@rows()
def test_nothing_is_written_beyond_its_buffer(case):
    check_bounds(case)


def test_the_guard_notices_one_element_too_many():
    device = get_device()
    with guarded(device) as buffers:
        blob = Blob(device, (8,))
        device.launch("probe", "probe", 9, 9, blob.mutable_device_data)
        with pytest.raises(AssertionError, match="past a blob"):
            check_guards(device, buffers)


def test_rows_have_names_of_their_own():
    ids = [case.id for case in CASES]
    assert len(ids) == len(set(ids)), sorted({i for i in ids if ids.count(i) > 1})


@pytest.mark.parametrize("name", [n for n in layer_types() if n not in TESTED_ELSEWHERE])
def test_every_layer_has_a_row(name):
    assert any(case.type == name for case in CASES), f"layer_cases/ has no row for {name}"


@pytest.mark.parametrize("name", list(layer_types()))
def test_every_layer_says_what_it_reads_and_writes(name):
    layer = layer_types()[name]
    text = inspect.getdoc(layer) if layer.__doc__ else ""
    assert layer.num_bottom[1] == 0 or "Bottom:" in text
    assert layer.num_top[1] == 0 or "Top:" in text


@pytest.fixture(scope="module")
def tolerances() -> dict:
    return json.loads((SHARED / "reference" / "tolerances.json").read_text())


def tolerance_of(tolerances: dict, path: Path) -> float:
    key = path.with_suffix("").relative_to(SHARED / "reference").as_posix()
    for value in tolerances.values():
        entry = value.get(key) if isinstance(value, dict) else None
        if isinstance(entry, dict):
            return entry.get("recommended", entry.get("tolerance", 2e-5))
        if entry is not None:
            return entry
    return 2e-5


ODD_SHAPES = [(), (0,), (2, 3), (2, 0, 4), (2, 3, 0, 0), (1,) * 5, (2, 3, 4, 5, 6, 7)]


@pytest.mark.parametrize("type", sorted({case.type for case in CASES}))
def test_bottoms_of_odd_shapes_give_shapes_or_one_sentence(type):
    case = next(case for case in CASES if case.type == type)
    places = range(len(case.bottoms))
    for changed, shape in itertools.product([*([i] for i in places), places], ODD_SHAPES):
        bottoms = [shape if i in changed else given for i, given in enumerate(case.bottoms)]
        definition = parse_net(dataclasses.replace(case, bottoms=bottoms).text())
        layer = build_graph(definition, strict=False, splits=False).layers[-1]
        assert layer.fault or None not in layer.top_shapes
        try:
            build_graph(definition, splits=False)
        except NetError as error:
            assert layer.fault and "\n" not in str(error)


@pytest.mark.parametrize("type", sorted({case.type for case in CASES}))
def test_bottoms_without_elements_run_or_are_refused(type):
    case = next(case for case in CASES if case.type == type)
    shapes = [(0, *shape[1:]) for shape in case.bottoms]
    for bottoms in [shapes, *([shape] * len(shapes) for shape in [(0,), (2, 0, 4), (2, 3, 0, 0)])]:
        definition = parse_net(dataclasses.replace(case, bottoms=bottoms).text())
        if any(node.fault for node in build_graph(definition, strict=False).layers):
            continue
        net = Net(definition, case.phase, seed=5)
        net.forward()
        if all(layer.has_backward for layer in net.layers):
            net.backward()


@pytest.mark.parametrize("path", REFERENCE_CASES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_agrees_with_caffe(path, tolerances, monkeypatch):
    if not layer_types_of(path) <= set(layer_types()):
        pytest.skip("has a type that is not there yet")
    monkeypatch.chdir(path.parent)
    assert not run_reference_case(path, tolerance_of(tolerances, path))
