"""A field that the schema lacks keeps a net from running where it may change the numbers, and only there."""

from __future__ import annotations

import inspect
import re

import pytest

from cnnviz.engine.graph import build_graph
from cnnviz.engine.layer import layer_types
from cnnviz.engine.unknown_fields import is_own_message
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

NET = """layer {{ name: "x" type: "Input" top: "x" input_param {{ shape: {{ dim: [1, 2, 6, 6] }} }} }}
layer {{ name: "l" type: "{type}" bottom: "x" top: "y"
  {text} }}
"""
CONVOLUTION = "num_output: 2 kernel_size: 3"


def build(kind: str, text: str, strict: bool = True):
    return build_graph(parse_net(NET.format(type=kind, text=text)), "TEST", strict=strict)


@pytest.mark.parametrize(
    "kind, text, field",
    [
        ("Convolution", f"convolution_param {{ {CONVOLUTION} fuse: RELU }}", "convolution_param.fuse"),
        ("Pooling", "pooling_param { kernel_size: 2 pad_mode { same: true } }", "pooling_param.pad_mode"),
        ("Im2col", "convolution_param { kernel_size: 2 skew: 1 }", "convolution_param.skew"),
        ("TanH", "tan_h_param { slope: 2 }", "tan_h_param"),
        ("ReLU", "relu_param { negative_slope: 1 upper: 6 }", "relu_param.upper"),
    ],
)
def test_a_layers_own_parameters_must_be_known(kind, text, field):
    with pytest.raises(
        NetError, match=rf"^<text>:2: layer 'l' .*unknown field {re.escape(field)} \(line 3\)"
    ):
        build(kind, text)
    assert build(kind, text, strict=False).shapes["y"] is not None  # it is drawn all the same


def test_a_typo_gets_a_suggestion():
    with pytest.raises(NetError, match=r"unknown field param.lr_mutl \(line 3\); did you mean 'lr_mult'\?"):
        build("Convolution", f"param {{ lr_mutl: 0 }} convolution_param {{ {CONVOLUTION} }}")


@pytest.mark.parametrize(
    "kind, text",
    [
        ("Convolution", f"convolution_param {{ {CONVOLUTION} weight_filler {{ type: 'xavier' alpha: 1 }} }}"),
        ("Convolution", f"convolution_param {{ {CONVOLUTION} cudnn_convolution_algo_seeker: FINDEX }}"),
        ("Convolution", f"convolution_param {{ {CONVOLUTION} engine: MKLX }}"),
        ("Convolution", f"device: 3 forward_type: FLOAT16 convolution_param {{ {CONVOLUTION} }}"),
        ("Convolution", f"quantization_param {{ bits: 8 }} convolution_param {{ {CONVOLUTION} }}"),
        ("Pooling", "pooling_param { kernel_size: 2 } dropout_param { keep: 1 }"),
    ],
)
def test_what_changes_no_number_is_let_pass(kind, text):
    assert build(kind, text).shapes["y"] is not None


def test_augmentation_of_forks_is_drawn_but_does_not_run():
    text = 'layer { name: "d" type: "Data" top: "x" data_param { batch_size: 2 source: "no_such_folder" }\n'
    text += "transform_param { resize_param { height: 3 width: 4 } } }"
    with pytest.raises(NetError, match=r"layer 'd' \(Data\): transform_param.resize_param is not supported"):
        build_graph(parse_net(text), "TRAIN")
    assert not build_graph(parse_net(text), "TRAIN", strict=False).layers[0].fault


@pytest.mark.parametrize("name", layer_types())
def test_the_messages_that_a_docstring_describes_are_the_types_own(name):
    kind = layer_types()[name]
    text = (inspect.getdoc(kind) or "") if kind.__doc__ else ""
    for section in set(re.findall(r"^(\w+_param):", text, re.MULTILINE)):
        assert is_own_message(kind, section), f"add {section} to more_params of {name}"
