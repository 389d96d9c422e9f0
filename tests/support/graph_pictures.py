"""Nets to draw, and what their pictures say."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from cnnviz.api.graph import graph_picture
from cnnviz.formats.prototxt import parse_net
from cnnviz.plots.graph.options import GraphOptions

SVG = "{http://www.w3.org/2000/svg}"
LENET = """
name: "LeNet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 8 dim: 1 dim: 28 dim: 28 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_h: 5 kernel_w: 3 stride: 2 pad_h: 1 pad_w: 0 group: 1 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" relu_param { negative_slope: 0.1 } }
layer { name: "drop1" type: "Dropout" bottom: "conv1" top: "conv1" dropout_param { dropout_ratio: 0.4 } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: AVE kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool1" top: "ip" inner_product_param { num_output: 10 } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
TRAIN_TEST = """
name: "phases"
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TRAIN }
  dummy_data_param { shape { dim: 64 dim: 8 } shape { dim: 64 } } }
layer { name: "data" type: "DummyData" top: "data" top: "label" include { phase: TEST }
  dummy_data_param { shape { dim: 100 dim: 8 } shape { dim: 100 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 4 } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" top: "accuracy"
  include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


def texts(svg: str) -> list[str]:
    return [t.text or "" for t in ET.fromstring(svg.encode()).iter(f"{SVG}text")]


def picture_of(text: str, **options):
    return graph_picture(parse_net(text), GraphOptions(**options))


def box(picture, name: str) -> list[str]:
    """The lines of text in the box of the layer ``name``."""
    return [label.text for node in picture.scene.nodes if node.name == name for label in node.labels]
