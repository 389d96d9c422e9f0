"""Net building: states, splits, names, errors. Expected values of netstate/ are Caffe's own."""

from __future__ import annotations

import json

import pytest

from cnnviz.engine.graph import build_graph
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net, read_net

DATA = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 } } }\n'


def graph(text: str, **options):
    return build_graph(parse_net(DATA + text, "net.prototxt"), "TRAIN", **options)


def test_states_and_splits_as_in_caffe(reference):
    cases = 0
    for path in sorted((reference / "netstate").glob("*.json")):
        definition = read_net(path.with_suffix(".prototxt"))
        for case in json.loads(path.read_text()):
            state = (case["phase"], case["level"], case["stages"])
            want = case["result"]
            if want is None:
                with pytest.raises(NetError):
                    build_graph(definition, *state)
                continue
            got = build_graph(definition, *state)
            assert [[n.name, n.type] for n in got.layers] == want["layers"]
            assert [[n, list(s)] for n, s in got.shapes.items()] == want["blobs"]
            assert got.outputs == want["outputs"]
            assert {n.name: n.bottoms for n in got.layers} == want["bottoms"]
            assert {n.name: n.tops for n in got.layers} == want["tops"]
            cases += 1
    assert cases > 10


def test_accepted_and_rejected_as_in_caffe(reference):
    # Refused by Caffe only because it was never written there, or is broken there.
    departures = {
        "pool_stochastic_cpu", "softmaxloss_two_tops", "softmaxloss_two_tops_two_weights",
        "batchnorm_1d_input", "prelu_1d",
    }  # fmt: skip
    path = reference / "layers" / "accepted_and_rejected.json"
    for name, case in json.loads(path.read_text()).items():
        if name in departures:
            continue
        if case["accepted"]:
            shapes = build_graph(parse_net(case["prototxt"]), "TRAIN").shapes
            if case["blobs"]:
                want = case["blobs"].items() if isinstance(case["blobs"], dict) else case["blobs"]
                assert {k: list(shapes[k]) for k, _ in want} == {k: list(v) for k, v in want}, name
        else:
            with pytest.raises(NetError) as error:
                build_graph(parse_net(case["prototxt"]), "TRAIN")
            assert "\n" not in str(error.value) and str(error.value).endswith((".", "?")), name


@pytest.mark.parametrize(
    "text, message",
    [
        (
            'layer { name: "r" type: "ReLU" bottom: "dat" top: "r" }',
            "net.prototxt:2: layer 'r' (ReLU): unknown bottom 'dat'; did you mean 'data'?",
        ),
        (
            'layer { name: "r" type: "Relu" bottom: "data" top: "r" }',
            "net.prototxt:2: layer 'r' (Relu): unknown type 'Relu'; did you mean 'ReLU'?",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" bottom: "data" top: "r" }',
            "net.prototxt:2: layer 'r' (ReLU): has 2 bottom blob(s), expected 1.",
        ),
        (
            'layer { name: "a" type: "ReLU" bottom: "data" top: "y" }\n'
            'layer { name: "b" type: "ReLU" bottom: "data" top: "y" }',
            "net.prototxt:3: layer 'b' (ReLU): top 'y' is produced by an earlier layer too; "
            "rename one of them.",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" top: "r" include { phase: TRAIN } '
            "exclude { phase: TEST } }",
            "net.prototxt:2: layer 'r' (ReLU): has include and exclude rules; give one kind only.",
        ),
        (
            'layer { name: "i" type: "InnerProduct" bottom: "data" top: "i" param { } param { } param { } '
            "inner_product_param { num_output: 2 } }",
            "net.prototxt:2: layer 'i' (InnerProduct): has 3 param entries for 2 parameter blob(s).",
        ),
        (
            'layer { name: "r" type: "ReLU" bottom: "data" top: "r" loss_weight: 1 loss_weight: 2 }',
            "net.prototxt:2: layer 'r' (ReLU): loss_weight has 2 entries for 1 tops; "
            "give one for each, or none.",
        ),
    ],
)
def test_errors_are_one_sentence_with_the_place(text, message):
    with pytest.raises(NetError) as error:
        graph(text)
    assert str(error.value) == message


def test_a_value_that_the_schema_lacks_is_drawn_but_not_run():
    text = 'layer { name: "p" type: "Softmax" bottom: "data" top: "p" softmax_param { engine: MKL2017 } }\n'
    assert graph(text).shapes["p"] == (2, 3)
    text = (
        'layer { name: "p" type: "Eltwise" bottom: "data" bottom: "data" top: "p" '
        "eltwise_param { operation: MEAN } }"
    )
    with pytest.raises(
        NetError, match=r"layer 'p' \(Eltwise\): unknown value in 'operation: MEAN' of eltwise_param"
    ):
        graph(text)
    assert graph(text, strict=False).shapes["p"] == (2, 3)


def test_a_broken_net_can_still_be_drawn():
    g = graph(
        'layer { name: "x" type: "Nonsense" bottom: "data" top: "x" }\n'
        'layer { name: "r" type: "ReLU" bottom: "x" top: "r" }\n'
        'layer { name: "s" type: "ReLU" bottom: "nowhere" top: "s" }',
        strict=False,
        splits=False,
    )
    assert [layer.fault for layer in g.layers] == [
        None,
        "unknown type 'Nonsense'",
        None,
        "unknown bottom 'nowhere'",
    ]
    assert g.shapes == {"data": (2, 3), "x": None, "r": None, "s": None}


def test_shapes_too_large_for_32_bits_are_refused():
    text = 'layer { name: "d" type: "Input" top: "d" input_param { shape { dim: 65536 dim: 65536 } } }'
    with pytest.raises(NetError, match="more than 2147483647 elements"):
        build_graph(parse_net(text), "TEST")


def test_shared_parameters_have_one_owner():
    layer = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" param {{ name: "w" }} '
        "inner_product_param {{ num_output: 3 bias_term: false }} }}\n"
    )
    g = graph(layer.format("a", "data") + layer.format("b", "a"))
    assert [p.owner for node in g.layers for p in node.params] == [(1, 0), (1, 0)]
    assert g.param_count == 9


def test_backward_runs_only_where_a_loss_is_reached():
    fc = (
        'layer {{ name: "{0}" type: "InnerProduct" bottom: "{1}" top: "{0}" '
        "inner_product_param {{ num_output: 3 }} }}\n"
    )
    g = graph(
        fc.format("a", "data")
        + fc.format("b", "data")
        + 'layer { name: "loss" type: "EuclideanLoss" bottom: "a" bottom: "data" top: "loss" }'
    )
    needs = {node.name: node.needs_backward for node in g.layers}
    assert needs["a"] and needs["loss"] and not needs["b"] and not needs["data"]
