"""The base of layers that are written in Python. pycaffe's caffe.Layer."""

from __future__ import annotations

from typing import Any


class Layer:
    """What a Python layer derives from: see the layer type Python for what its methods are given.

    Args:
        param: the LayerParameter; a subclass with a constructor hands it on.
    """

    type = "Python"
    param_str: str
    phase: int

    def __init__(self, param: Any = None, *args: Any, **options: Any):
        self.layer_param = param
