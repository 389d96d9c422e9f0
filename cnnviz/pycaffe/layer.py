"""The base class of layers written in Python. pycaffe's caffe.Layer."""

from __future__ import annotations

from typing import Any


class Layer:
    """The base class of Python layers; see the layer type Python for the arguments of its methods.

    Args:
        param: the LayerParameter; a subclass with a constructor passes it on.
    """

    type = "Python"
    param_str: str
    phase: int

    def __init__(self, param: Any = None, *args: Any, **options: Any):
        self.layer_param = param
