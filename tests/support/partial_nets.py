"""A net, and layers that it cannot run."""

from __future__ import annotations

from click.testing import CliRunner

import cnnviz
from cnnviz.cli.main import cnnviz_command
from cnnviz.formats.prototxt import parse_net

INPUT = 'input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }\n'
CONV = """layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
"""
IP = """layer { name: "ip" type: "InnerProduct" bottom: "conv" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
"""
PROB = 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }\n'
WHOLE = INPUT + CONV + IP + PROB
# A data layer in place of the input.
FED = 'layer { name: "data" type: "DummyData" top: "data" dummy_data_param { '
FED += "shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n"


def save(text: str, path: str) -> None:
    cnnviz.Net(parse_net(text), "TEST", seed=1).save(path)


def run(*arguments: str):
    return CliRunner().invoke(cnnviz_command, arguments)
