"""Kinds of layers, by the names of their types."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.theme import KIND_COLORS


@pytest.mark.parametrize(
    "type, kind",
    [
        ("Convolution", "convolution"), ("CONVOLUTION", "convolution"), ("Convolution3D", "convolution"),
        ("Pooling", "pooling"), ("ROIPooling", "pooling"), ("PReLU", "activation"), ("Dropout", "activation"),
        ("BatchNorm", "normalization"), ("Scale", "normalization"), ("INNER_PRODUCT", "inner product"),
        ("LSTM", "recurrent"), ("SoftmaxWithLoss", "loss"), ("SmoothL1LossOHEM", "loss"), ("TOPK", "loss"),
        ("Softmax", "activation"), ("Eltwise", "arithmetic"), ("Concat", "shape"), ("AnnotatedData", "data"),
        ("DetectionOutput", "other"), ("Frobnicate", "other"),
    ],
)  # fmt: skip
def test_kinds_of_layers(type, kind):
    assert kind_of(type) == kind and kind in KIND_COLORS


def test_every_caffe_layer_has_a_kind(reference: Path):
    types = [folder.name for folder in (reference / "layers").iterdir() if folder.is_dir()]
    assert len(types) > 40
    assert [name for name in types if kind_of(name) == "other"] == []
