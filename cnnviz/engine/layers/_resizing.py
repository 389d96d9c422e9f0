"""What layers share that bring planes to another size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from cnnviz.engine.blob import MAX_COUNT, Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.engine.ops.resize import AxisMap, Resize
from cnnviz.engine.receptive_field import Fields, Place, ReceptiveField, Shapes
from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter


class Resizing(Layer):
    """Base: a subclass gives the size of the top and, when it runs, where each output reads."""

    kind = "pooling"
    channels_last = False
    """Whether blobs are (N, H, W, C)."""
    mixes = True
    """Whether an output between two inputs is made of both."""

    def out_size(self, axis: int, size: int, shapes: Sequence[Shape]) -> int:
        """Returns the outputs of axis 0 (rows) or 1 (columns) of ``size`` inputs.

        Raises NetError if it cannot be known; a number below 1 is refused by the caller.
        """
        raise NotImplementedError

    def place(self, axis: int, size: int, out: int) -> Place:
        """Returns how far apart ``positions`` are in the mean, and the first one if they were so evenly."""
        raise NotImplementedError

    def positions(self, axis: int, size: int, out: int) -> np.ndarray:
        """Returns the places of the outputs of an axis among its inputs, not decreasing."""
        raise NotImplementedError

    def receptive_field(self, fields: Fields, bottom: Shapes, top: Shapes) -> ReceptiveField | None:
        """Where units do not lie at even distances of those that they see, as with the nearest pixel: the
        largest field, around the mean place."""
        shapes = [bottom[0], top[0]]
        if fields[0] is None or self.channels_last or any(s is None or 0 in s for s in shapes):
            return None
        (_, _, *sizes), (_, _, *outs) = (shape for shape in shapes if shape is not None)
        places = [
            self.place(axis, size, out) for axis, (size, out) in enumerate(zip(sizes, outs, strict=True))
        ]
        return fields[0].resized(places, self.mixes)

    def allow_force_backward(self, bottom_index: int) -> bool:
        return bottom_index == 0

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        x, first = bottom[0], 1 if self.channels_last else 2
        order = "(N, H, W, C)" if self.channels_last else "(N, C, H, W)"
        if len(x) != 4 or 0 in x[first : first + 2]:
            raise NetError(f"expects a bottom {order}, not {x}")
        sizes = x[first : first + 2]
        outs = [self.out_size(axis, size, bottom) for axis, size in enumerate(sizes)]
        if min(outs) < 1 or max(outs) > MAX_COUNT:
            raise NetError(f"{sizes[0]} x {sizes[1]} pixels would become {outs[0]} x {outs[1]}")
        self._sizes = list(zip(sizes, outs, strict=True))
        self._planes, self._inner = (x[0], x[3]) if self.channels_last else (x[0] * x[1], 1)
        self._resize: Resize | None = None
        return [(*x[:first], *outs, *x[first + 2 :])]

    @property
    def resize(self) -> Resize:
        """The tables on the device, made when first needed for a size."""
        if self._resize is None:
            maps = [
                AxisMap(self.positions(axis, size, out), size) for axis, (size, out) in enumerate(self._sizes)
            ]
            self._resize = Resize(self.device, maps[0], maps[1], self._inner)
        return self._resize

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        self.resize.forward(self._planes, bottom[0].device_data, top[0].mutable_device_data)

    def backward(self, top: Sequence[Blob], propagate_down: Sequence[bool], bottom: Sequence[Blob]) -> None:
        if propagate_down[0]:
            self.resize.backward(self._planes, top[0].device_diff, bottom[0].mutable_device_diff)


class ResizingLikeTensorFlow(Resizing):
    """Base of TensorFlow's operators: of a given size or scale, with channels first or last.

    Attributes:
        ways: the fields that determine how pixels are placed, of which one at most is true.
    """

    ways: ClassVar[tuple[str, ...]]

    def __init__(self, param: LayerParameter, phase: int):
        super().__init__(param, phase)
        self.options = options = self.options_of(param)
        if options.data_format not in ("NHWC", "NCHW"):
            raise NetError(f"data_format is {options.data_format!r}, expected NHWC or NCHW")
        chosen = [name for name in self.ways if getattr(options, name)]
        if len(chosen) > 1:
            raise NetError(f"{' and '.join(chosen)} exclude each other; keep one")
        self.channels_last = options.data_format == "NHWC"

    def options_of(self, param: LayerParameter) -> Any:
        """Returns the operator's own message."""
        raise NotImplementedError

    def out_size(self, axis: int, size: int, shapes: Sequence[Shape]) -> int:
        """Returns output_height or output_width, otherwise the size times the scale, rounded down."""
        name = ("height", "width")[axis]
        if self.options.HasField(f"output_{name}"):
            return getattr(self.options, f"output_{name}")
        scale = getattr(self.options, f"scale_{name}")
        if not 0 < scale <= MAX_COUNT:
            raise NetError(f"scale_{name} is {scale:g}; give a number above 0, or output_{name}")
        return int(np.floor(np.float32(size) * np.float32(scale)))
