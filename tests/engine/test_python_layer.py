"""The Python layer: pycaffe's interface, and no code runs that the caller did not allow."""

import sys
import types

import numpy as np
import pytest

import cnnviz
from cnnviz.engine import python_modules
from cnnviz.engine.net import Net
from cnnviz.errors import NetError
from cnnviz.formats.prototxt import parse_net

NET = """
name: "python"
force_backward: true
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "l" type: "Python" bottom: "x" top: "y"
        python_param { module: "cnnviz_test_layers" layer: "Times" param_str: "3" } }
"""


class Times:
    """y = factor x + b with a learned b."""

    def setup(self, bottom, top):
        self.factor = float(self.param_str)
        self.blobs.add_blob(3)
        self.blobs[0].data[...] = 0.5

    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].shape)

    def forward(self, bottom, top):
        top[0].data[...] = self.factor * bottom[0].data + self.blobs[0].data

    def backward(self, top, propagate_down, bottom):
        self.blobs[0].diff[...] += top[0].diff.sum(axis=0)
        if propagate_down[0]:
            bottom[0].diff[...] = self.factor * top[0].diff


@pytest.fixture
def module(monkeypatch):
    module = types.ModuleType("cnnviz_test_layers")
    module.Times = Times
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(python_modules, "_allowed", set())
    monkeypatch.delenv("CNNVIZ_PYTHON_LAYERS", raising=False)
    return module


def test_code_that_is_not_allowed_does_not_run(module):
    with pytest.raises(
        NetError, match=r"'l' \(Python\): its module .* CNNVIZ_PYTHON_LAYERS=cnnviz_test_layers"
    ):
        Net(parse_net(NET), cnnviz.TEST)


@pytest.mark.parametrize("way", ["call", "environment"])
def test_allowed_layer_runs_both_ways(module, monkeypatch, way):
    if way == "call":
        python_modules.allow_modules("cnnviz_test_layers")
    else:
        monkeypatch.setenv("CNNVIZ_PYTHON_LAYERS", "other,cnnviz_test_layers")
    net = Net(parse_net(NET), cnnviz.TEST)
    x = np.arange(6).reshape(2, 3)
    assert np.array_equal(net.forward(x=x)["y"], 3 * x + 0.5)
    back = net.backward(y=np.ones((2, 3)))
    assert np.array_equal(back["x"], np.full((2, 3), 3.0))
    assert np.array_equal(net.params["l"][0].diff, [2, 2, 2])
    net.blobs["x"].reshape(4, 3)
    assert net.forward()["y"].shape == (4, 3)


def test_a_wrong_class_name_is_named(module):
    python_modules.allow_modules("cnnviz_test_layers")
    with pytest.raises(NetError, match="no class 'Time'; did you mean 'Times'"):
        Net(parse_net(NET.replace('"Times"', '"Time"')), cnnviz.TEST)
