"""Layer: what every layer type is, and the registry that finds the types by walking layers/.

The life of a layer: made from its LayerParameter (which it checks), asked for the shapes of its tops
and its weights (no device is needed so far: drawing ends here), given a device and blobs by the Net,
then run forward and backward.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import math
import pkgutil
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.device import Device
from cnnviz.engine.receptive_field import PIXEL, Fields, ReceptiveField, Shapes, joined
from cnnviz.errors import CnnvizError, NetError, did_you_mean, for_the_first
from cnnviz.formats.schema import FillerParameter, LayerParameter

KINDS = (
    "data", "convolution", "pooling", "activation", "normalization", "inner product", "recurrent", "loss",
    "arithmetic", "shape", "other",
)  # fmt: skip


@dataclass(frozen=True)
class Weight:
    """One parameter blob that a layer needs: its shape and how it starts."""

    shape: Shape
    filler: Any = field(default_factory=FillerParameter)


def _refuse(reason: str) -> None:
    raise NetError(reason)


class Layer:
    """Base of all layers.

    A layer type sets ``type`` and ``kind`` and overrides ``shapes``, ``forward`` and, if it can,
    ``backward``. Its other traits, for drawings and tables, are the attributes below, which a family inherits
    from its base; no list of types is kept elsewhere.
    Errors are raised as NetError with the bare reason: the graph puts file, line and layer in front.

    Attributes:
        type: the name in prototxt files; None for bases.
        num_bottom, num_top: least and most blobs, None for no limit.
        is_loss: whether top 0 counts in the loss with weight 1 unless the prototxt says otherwise.
        has_backward: whether a gradient exists; Caffe refuses to propagate through others.
        keeps_forward: whether backward needs what forward found beside the blobs, in the same shapes.
        more_params: messages of its parameters whose names are not like the type, as transform_param.
        python_class: module (its last name) and class of the Python layer that this type stands for.
        kind: the family whose colour it has, one of KINDS.
        follows: whether it says little by itself, so that drawings list it in the box of the layer below.
        joins: whether it ends a block by joining branches.
        pointwise: whether a unit of a top sees just the units of the bottoms in the same place.
        same_order: whether the tops hold the bottom's values in the same order, in whatever shape.
        moves_axes: whether the tops hold the bottom's values, but not along the same axes.
        new_maps: whether the tops show anything that the bottoms do not; False for lists of boxes too.
        size_bottom: the bottom of which it reads no more than the size, None if there is none.
        reads_data: whether, without bottoms, it is where a net for training gets its images from.
        reads_sequence: whether it reads x (T, N, ...), T steps of N sequences, and cont (T, N), which is 0
            where a sequence begins.
        is_rectifier: whether it passes positive values on and holds back negative ones.
        has_statistics: whether its parameter blobs are running statistics: saved, but not learned.
        roles: the published names of the parameter blobs, () if they are just weights and bias.
        param: the LayerParameter.
        phase: cnnviz.TRAIN or cnnviz.TEST.
        device: the device; set by Net before ``setup``.
        blobs: the parameter blobs; filled by Net.
        param_propagate_down: for each parameter blob whether its gradient is needed.
        loss_weights: for each top its weight in the loss; set by the graph.
        random: source of random numbers, seeded by the Net.
        needs_backward: whether backward will be called; Net sets it, so that a layer which works in
            place knows whether to keep its bottom.
        absent: why the data of the layer cannot be read, None if it can: such a net can be drawn
            but not run.
        label_classes: number of classes that the labels in bottom 1 count; None if it holds no labels.
        ignored_label: the label that counts for nothing, None if there is none.
        resolve: gives the path of a file that the prototxt mentions; set by the graph.
        complain: called with the reason where a check fails although the shapes can be known: raises
            NetError; the graph of a drawing notes the fault instead, and the layer continues.
    """

    type: ClassVar[str | None] = None
    num_bottom: ClassVar[tuple[int, int | None]] = (1, 1)
    num_top: ClassVar[tuple[int, int | None]] = (1, 1)
    is_loss: ClassVar[bool] = False
    has_backward: ClassVar[bool] = True
    keeps_forward: ClassVar[bool] = False
    more_params: ClassVar[tuple[str, ...]] = ()
    kind: ClassVar[str] = "other"
    follows: ClassVar[bool] = False
    joins: ClassVar[bool] = False
    pointwise: ClassVar[bool] = False
    same_order: ClassVar[bool] = False
    moves_axes: ClassVar[bool] = False
    new_maps: ClassVar[bool] = True
    size_bottom: ClassVar[int | None] = None
    reads_data: ClassVar[bool] = False
    reads_sequence: ClassVar[bool] = False
    is_rectifier: ClassVar[bool] = False
    has_statistics: ClassVar[bool] = False
    roles: ClassVar[tuple[str, ...]] = ()
    python_class: ClassVar[tuple[str, str] | None] = None

    device: Device
    random: np.random.Generator
    needs_backward: bool = True
    absent: CnnvizError | None = None
    complain: Callable[[str], None] = staticmethod(_refuse)

    def __init__(self, param: LayerParameter, phase: int):
        self.param = param
        self.phase = phase
        self.name: str = param.name
        self.blobs: list[Blob] = []
        self.param_propagate_down: list[bool] = []
        self.loss_weights: list[float] = []
        self.states: list[Blob] = []
        self.label_classes: int | None = None
        self.ignored_label: int | None = None
        self.resolve: Callable[[str], str] = str

    @classmethod
    def chosen(cls, param: LayerParameter) -> builtins.type[Layer]:
        """Returns the class that runs a layer of this type with these parameters."""
        return cls

    # Rules that need no device

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        """Returns the tops' shapes for the bottoms' and keeps what forward needs to know of them.

        Raises NetError if the bottoms do not fit.
        """
        raise NotImplementedError

    def weights(self, bottom: Sequence[Shape]) -> list[Weight]:
        """Returns the parameter blobs that the layer needs; called once, after ``shapes``."""
        return []

    def macs(self, bottom: Sequence[Shape], top: Sequence[Shape]) -> int:
        """Returns the multiply-accumulate operations of one forward pass."""
        return 0

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """Returns what a unit of the tops sees of the net's input, given what those of the bottoms see.

        None where that is not a window that moves evenly, or is not known. Shapes are None where a fault
        hides them.
        """
        if not bottom:
            return PIXEL
        return joined(fields) if self.pointwise else None

    def allow_force_backward(self, bottom_index: int) -> bool:
        """Whether ``force_backward`` of the net asks for the gradient of this bottom."""
        return True

    def top_has_gradient(self, top_index: int) -> bool:
        """Whether the diff of this top counts in backward: a mask's or a copy's does not."""
        return True

    # Work on the device

    def setup(self) -> None:
        """Called once when device and parameter blobs are there."""

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        """Computes the tops' data from the bottoms'."""
        raise NotImplementedError

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        """Computes bottoms' diffs where requested, and adds to the parameters' diffs."""
        raise NotImplementedError

    def close(self) -> None:
        """Ends what runs beside the net, such as the reading of a database."""

    def launch(self, kernel: str, global_size: int | tuple[int, ...], *args: Any, **options: Any) -> None:
        """Launches a kernel of the file in kernels/ that has the stem of the layer's module."""
        source = type(self).__module__.rpartition(".")[2].lstrip("_")
        self.device.launch(source, kernel, global_size, *args, **options)


def positive_axis(axis: int, shape: Shape) -> int:
    """Returns ``axis`` with negative ones counted from the end.

    Raises NetError if the shape has no such axis.
    """
    if not -len(shape) <= axis < len(shape):
        raise NetError(f"axis {axis} is out of range for a bottom of shape {shape}")
    return axis % len(shape)


def legacy_shape(shape: Shape) -> tuple[int, int, int, int]:
    """Returns ``shape`` as Caffe's older layers see it: (num, channels, height, width), 1 where absent.

    Raises NetError if there are more axes than these four, as Caffe does.
    """
    if len(shape) > 4:
        raise NetError(
            f"a bottom of shape {shape} has more than the four axes (N, C, H, W) that are expected"
        )
    num, channels, height, width = (*shape, 1, 1, 1, 1)[:4]
    return num, channels, height, width


def axis_sizes(axis: int, shape: Shape) -> tuple[int, int, int]:
    """Returns how many elements of ``shape`` stand before an axis, along it, and after it.

    Raises NetError if the shape has no such axis.
    """
    axis = positive_axis(axis, shape)
    return math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :])


@functools.cache
def layer_types() -> dict[str, type[Layer]]:
    """Returns every layer type by name, found by importing the modules of engine/layers."""
    package = importlib.import_module("cnnviz.engine.layers")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    found: dict[str, type[Layer]] = {}
    pending = [Layer]
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        # Classes that users define elsewhere do not become types by themselves.
        if cls.type is not None and cls.__module__.startswith(package.__name__):
            found[cls.type] = cls
    return dict(sorted(found.items()))


def traits_of(type: str | None) -> builtins.type[Layer]:
    """Returns the class of a layer type; Layer itself for a type that is not built in."""
    return layer_types().get(type or "", Layer)


@for_the_first(10_000, otherwise="")
def _similar_type(name: str) -> str:
    return did_you_mean(name, layer_types())


def create_layer(param: LayerParameter, phase: int, complain: Callable[[str], None] | None = None) -> Layer:
    """Returns the layer that ``param`` describes; ``complain``: see ``Layer``.

    Raises NetError if the type is unknown or a parameter is wrong.
    """
    types = layer_types()
    if param.type not in types:
        raise NetError(f"unknown type {param.type!r}{_similar_type(param.type)}")
    cls = types[param.type].chosen(param)
    layer = cls.__new__(cls)
    if complain is not None:  # set before the first check
        layer.complain = complain
    layer.__init__(param, phase)  # type: ignore[misc]
    return layer


def raised_text(error: Exception) -> str:
    """Returns what a user's Python code raised, and where: "its code raised KeyError: 'a' (mine.py:12)"."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"its code raised {type(error).__name__}: {error} ({place.filename}:{place.lineno})"
