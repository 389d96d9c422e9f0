"""Python: a layer written in Python by the user; which modules may run: see engine/python_modules.py."""

from __future__ import annotations

import builtins
import importlib
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.engine.blob import Axes, Blob, Shape
from cnnviz.engine.layer import Layer, Weight, layer_types
from cnnviz.engine.python_modules import VARIABLE, is_allowed
from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats.schema import LayerParameter


class _Phase(int):
    """The phase as a number that prints as its name, which some forks' layers compare with."""

    def __str__(self) -> str:
        return "TEST" if self else "TRAIN"


class Python(Layer):
    """What a Python class computes, written for pycaffe's interface.

    The class has methods setup(bottom, top), reshape(bottom, top), forward(bottom, top) and
    backward(top, propagate_down, bottom); bottom and top are lists of blobs with ``data`` and ``diff``
    (NumPy arrays), ``shape``, ``reshape``, ``num``, ``channels``, ``height``, ``width``, ``count``. It
    finds ``self.param_str``, ``self.phase``, and ``self.blobs``, to which setup may add parameters by
    ``self.blobs.add_blob(*shape)``. A constructor is given the LayerParameter if it takes one. Before setup
    and reshape the bottoms' data is zero where no device is involved yet. A top keeps its shape where
    reshape does not change it. Other attributes of ``net.layers[i]`` are those of the user's object.

    python_param:
        module: the module that holds the class; imported only if allowed, see ``allow_modules``.
        layer: the class.
        param_str: handed to the class; default "".
        share_in_parallel: accepted, changes nothing.

    ProposalLayer of a module rpn.proposal_layer is built in, see Proposal, and runs without being allowed.

    Bottom: any.
    Top: as reshape makes them.
    Raises: NetError if the module is not allowed, cannot be imported or has no such class.
    Source: Caffe's PythonLayer.
    """

    type = "Python"
    kind = "other"
    reads_data = True
    num_bottom = (0, None)
    num_top = (0, None)

    @classmethod
    def chosen(cls, param: LayerParameter) -> builtins.type[Layer]:
        given = param.python_param
        if is_allowed(given.module):
            return cls
        name = (given.module.rpartition(".")[2], given.layer)
        return next((kind for kind in layer_types().values() if kind.python_class == name), cls)

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        user = _made(_load(param), param)
        user.param_str = param.python_param.param_str
        user.param_str_ = user.param_str  # older pycaffe's name
        user.phase = _Phase(phase)
        user.blobs = _UserBlobs()
        self._is_set_up = False
        self._top_shapes: list[Shape] = [()] * len(param.top)
        self._user = user

    def __getattr__(self, name: str) -> Any:
        if name == "_user":  # not made yet
            raise AttributeError(name)
        return getattr(self._user, name)

    def __setattr__(self, name: str, value: Any) -> None:
        mine = "_user" not in self.__dict__ or name in self.__dict__ or name in Layer.__annotations__
        super().__setattr__(name, value) if mine else setattr(self._user, name, value)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        below = [_HostBlob(shape) for shape in bottom]
        above = [_HostBlob(shape) for shape in self._top_shapes]
        if not self._is_set_up:
            self._user.setup(below, above)
            self._is_set_up = True
        self._user.reshape(below, above)
        self._top_shapes = [blob.shape for blob in above]
        return self._top_shapes

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        return [Weight(blob.shape) for blob in self._user.blobs]

    def setup(self) -> None:
        for blob, start in zip(self.blobs, self._user.blobs, strict=True):
            blob.data[...] = start.data
        self._user.blobs = _UserBlobs(self.blobs)

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self._user.reshape(bottom, top)
        self._user.forward(bottom, top)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        self._user.backward(top, propagate_down, bottom)


def _load(param: LayerParameter) -> type:
    """Returns the class that python_param names."""
    module_name, class_name = param.python_param.module, param.python_param.layer
    if not module_name or not class_name:
        raise NetError(
            "python_param needs module and layer, the names of a Python module and of a class in it"
        )
    if not is_allowed(module_name):
        raise NetError(
            f"its module {module_name!r} is code that was not allowed to run; if you trust it, set the "
            f"environment variable {VARIABLE}={module_name} or call allow_modules({module_name!r})"
        )
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise NetError(
            f"module {module_name!r} cannot be imported ({error}); add its folder to PYTHONPATH"
        ) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        raise NetError(
            f"module {module_name!r} has no class {class_name!r}{did_you_mean(class_name, dir(module))}"
        )
    return found


def _made(user_class: type, param: LayerParameter) -> Any:
    """Returns an object of the user's class; its constructor gets ``param`` if it takes an argument."""
    try:
        inspect.signature(user_class).bind(param)
    except TypeError:
        return user_class()
    except ValueError:  # a class whose constructor has no known signature
        pass
    return user_class(param)


class _HostBlob(Axes):
    """A blob without a device, for setup and reshape before the net is built."""

    def __init__(self, shape: Sequence[int]):
        self.reshape(*shape)

    def reshape(self, *shape: int) -> None:
        self.shape = tuple(int(axis) for axis in shape)
        self._data: np.ndarray | None = None
        self._diff: np.ndarray | None = None

    @property
    def data(self) -> np.ndarray:
        if self._data is None:
            self._data = np.zeros(self.shape, np.float32)
        return self._data

    @property
    def diff(self) -> np.ndarray:
        if self._diff is None:
            self._diff = np.zeros(self.shape, np.float32)
        return self._diff


class _UserBlobs(list[Any]):
    """The parameters of a user's layer, as pycaffe's BlobVec."""

    def add_blob(self, *shape: int) -> None:
        """Adds a parameter blob of zeros."""
        self.append(_HostBlob(shape))
