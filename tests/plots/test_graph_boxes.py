"""What the boxes of a drawn graph say."""

from __future__ import annotations

import pytest

from cnnviz.api.graph import draw_net
from cnnviz.formats.prototxt import parse_net
from support.graph_pictures import LENET, box, picture_of, texts


def test_a_box_names_what_a_reader_wants_to_know():
    assert box(picture_of(LENET), "conv1") == [
        "conv1",
        "Convolution 5×3 → 20, stride 2,",
        "pad 1×0",
        "8×20×13×13 · 320 params",
        "406 K MACs · 108 KB · field 5 px",
        "+ ReLU (negative_slope 0.1),",
        "Dropout 0.4",
    ]


def test_defaults_are_not_shown():
    lines = box(picture_of(LENET), "pool1")
    assert lines[1] == "Pooling AVE 2×2, stride 2"
    assert box(picture_of(LENET), "ip")[1] == "InnerProduct → 10"


def test_learning_rates_of_weights_and_biases():
    rates = 'top: "ip" param { lr_mult: 1 } param { lr_mult: 2.5 } inner'
    text = LENET.replace('top: "ip" inner', rates)
    assert "lr_mult 1, 2.5" in box(picture_of(text, rates=True), "ip")
    assert "lr_mult 1, 1" in box(picture_of(LENET, rates=True), "conv1")
    assert not any("lr_mult" in line for line in box(picture_of(text), "ip"))


def test_costs_can_be_left_out():
    assert not any("MACs" in line for line in box(picture_of(LENET, costs=False), "conv1"))


def test_totals_and_legend():
    svg = draw_net(parse_net(LENET))
    shown = " ".join(texts(svg))
    assert "7 layers · 10.1 K parameters" in shown
    assert "batch of 8" in shown
    assert all(kind in texts(svg) for kind in ("data", "convolution", "pooling", "inner product"))


def test_totals_of_a_net_without_any_known_shape_are_not_zeros():
    text = LENET.replace("dim: 8 dim: 1 dim: 28 dim: 28", "dim: 8").replace(
        'type: "Input"', 'type: "ForkData"'
    )
    shown = picture_of(text + 'layer { name: "s" type: "Silence" bottom: "prob" }').scene.heading
    assert list(shown) == ["TEST phase · 8 layers · shapes unknown"]


def test_no_folding_draws_every_layer():
    assert {n.name for n in picture_of(LENET, fold=False).scene.nodes} >= {"relu1", "drop1"}
    assert "relu1" not in {n.name for n in picture_of(LENET).scene.nodes}


HEAD = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 32 dim: 32 } } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 8 kernel_size: 3 pad: 1 } }
layer { name: "loc" type: "Convolution" bottom: "c" top: "loc"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }
layer { name: "perm" type: "Permute" bottom: "loc" top: "perm"
  permute_param { order: 0 order: 2 order: 3 order: 1 } }
layer { name: "flat" type: "Flatten" bottom: "perm" top: "flat" }
layer { name: "prior" type: "PriorBox" bottom: "c" bottom: "data" top: "prior"
  prior_box_param { min_size: 8 } }
"""


def test_layers_that_reorder_values_show_the_shape_they_end_in():
    assert box(picture_of(HEAD), "loc")[2:] == [
        "1×4×32×32 · 292 params",
        "295 K MACs · 49.2 KB · field 5 px",
        "+ Permute 0 2 3 1, Flatten → 1×4096",
    ]
    assert {"perm", "flat"} <= {n.name for n in picture_of(HEAD, fold=False).scene.nodes}


def test_an_input_of_which_only_the_size_is_read_is_a_word_and_no_line():
    def lines(**options):
        scene = picture_of(HEAD, **options).scene
        names = {n.key: n.name for n in scene.nodes}
        return {(names[link.source], names[link.target]) for link in scene.links}

    assert "size of data" in box(picture_of(HEAD), "prior")
    assert lines() == {("data", "c"), ("c", "loc"), ("c", "prior")}
    assert ("data", "prior") in lines(fold=False)
    norm = 'layer { name: "bn" type: "BatchNorm" bottom: "data" top: "data" }'
    assert "size of data" in box(picture_of(HEAD.replace("32 } } }", "32 } } }" + norm, 1)), "prior")
    own = HEAD.replace('bottom: "c" bottom: "data"', 'bottom: "data" bottom: "c"')
    assert "size of c" not in box(picture_of(own), "prior")  # "c" is no input of the net


def test_folded_layers_are_named_where_the_pointer_rests():
    node = next(n for n in picture_of(LENET).scene.nodes if n.name == "conv1")
    assert "relu1 (ReLU)" in node.tooltip and "drop1 (Dropout)" in node.tooltip


def test_a_layer_that_others_read_before_it_changes_is_not_folded_away():
    text = LENET.replace('bottom: "pool1" top: "ip"', 'bottom: "conv1" top: "ip"')
    assert "+ ReLU" in " ".join(box(picture_of(text), "conv1"))
    branching = """
    layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
    layer { name: "a" type: "InnerProduct" bottom: "data" top: "a" inner_product_param { num_output: 3 } }
    layer { name: "r" type: "ReLU" bottom: "a" top: "r" }
    layer { name: "b" type: "Eltwise" bottom: "a" bottom: "r" top: "b" }
    """
    assert {"r", "a", "b"} <= {n.name for n in picture_of(branching).scene.nodes}


def test_unknown_fields_and_types_are_shown_at_their_layer():
    text = LENET.replace("stride: 2 }", "stride: 2 ceil_modus: false }", 1)
    text = text.replace('type: "Softmax"', 'type: "DetectionOutputOfSomeFork"')
    picture = picture_of(text.replace("kernel_size: 2 stride: 2", "kernel_size: 2 stride: 2 wrap_mode: 3"))
    assert any("wrap_mode: 3" in line for line in box(picture, "pool1"))
    assert "type not built in" in box(picture, "prob")
    assert "shape unknown" in box(picture, "prob")
    assert next(n for n in picture.scene.nodes if n.name == "prob").dash


@pytest.mark.parametrize(
    "old, new, layer, shown",
    [
        ('bottom: "pool1"', 'bottom: "pool9"', "ip", "unknown bottom 'pool9'; did you mean 'pool1'?"),
        ('"Softmax"', '"SoftMax"', "prob", "unknown type 'SoftMax'; did you mean 'Softmax'?"),
    ],
)
def test_an_error_is_written_in_red_where_it_is(old, new, layer, shown):
    picture = picture_of(LENET.replace(old, new))
    node = next(n for n in picture.scene.nodes if n.name == layer)
    assert node.stroke == "warning" and node.strong
    assert shown.replace(" ", "") in "".join(box(picture, layer)).replace(" ", "")
    assert sum(n.stroke == "warning" for n in picture.scene.nodes) == 1


def test_shared_and_frozen_weights_are_marked():
    text = LENET.replace('top: "ip" inner', 'top: "ip" param { lr_mult: 0 } param { lr_mult: 0 } inner')
    assert "lr_mult 0" in " ".join(box(picture_of(text), "ip"))
