"""What the layers have in common that read batches from files in the background."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, cast

import numpy as np

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.data.prefetch import Prefetcher
from cnnviz.engine.data.transformer import load_mean
from cnnviz.engine.layer import Layer
from cnnviz.errors import CnnvizError, FileError, MissingDependencyError, NetError
from cnnviz.formats.paths import find_listed
from cnnviz.formats.schema import LayerParameter

Batch = list[np.ndarray]
_FILES = {  # message of a layer's parameters -> its field that names a file
    "transform_param": "mean_file",
    "data_param": "source",
    "image_data_param": "source",
    "hdf5_data_param": "source",
    "window_data_param": "source",
}


class DataLayer(Layer):
    """Base: opens its source to know the shapes, and reads from it in a thread once it runs.

    Where the source or the package that reads it is absent, the shapes are what the parameters give
    and ``absent`` keeps the reason: the net can be drawn, but not run.
    """

    kind = "data"
    reads_data = True
    num_bottom = (0, 0)
    more_params = ("transform_param",)
    num_top: ClassVar[tuple[int, int | None]] = (1, 2)
    has_backward = False

    _prefetcher: Prefetcher | None = None

    @abstractmethod
    def batch_size(self) -> int:
        """Returns the batch_size of the parameters."""

    @abstractmethod
    def open(self) -> list[Shape]:
        """Opens the source and returns the tops' shapes without the batch axis."""

    @abstractmethod
    def reader(self) -> Callable[[], Batch]:
        """Returns what gives the next batch; called after ``open``, in the layer's first forward."""

    def guess(self) -> list[Shape | None]:
        """Returns what the parameters determine of the shapes, without the batch axis."""
        return [None, ()]

    def mean_shape(self) -> tuple[int, Shape]:
        """Returns the channels and the (height, width) that the mean determines; 0 and () for others:
        one value serves any channels, one for each channel any size."""
        try:
            mean = load_mean(self.located_param().transform_param)
        except CnnvizError:
            mean = None
        if mean is None:
            return 0, ()
        size = mean.shape[1:] if mean[0].size > 1 else ()
        return (0 if mean.size == 1 else len(mean)), size

    def located_param(self) -> LayerParameter:
        """Returns the parameters with the paths of the files that they name."""
        located = LayerParameter()
        located.CopyFrom(self.param)
        for message, field in _FILES.items():
            if located.HasField(message):
                part = getattr(located, message)
                setattr(part, field, self.resolve(getattr(part, field)))
        return located

    def resolve_all(self, names: Sequence[str]) -> list[str]:
        """Returns the paths of files that a list names: all are looked for where the first one is."""
        return find_listed(list(names), self.resolve)

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        size = self.batch_size()
        if not size:
            raise NetError("batch_size is missing; give the number of items in a batch, such as 64")
        try:
            tops: Sequence[Shape | None] = self.open()
            self.absent = None
        except (FileError, MissingDependencyError) as error:
            self.absent = error
            tops = self.guess()
        whole = [None if shape is None else (size, *shape) for shape in tops[: len(self.param.top)]]
        return cast(list[Shape], whole)  # None is met where nothing runs

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        if self._prefetcher is None:
            self._prefetcher = Prefetcher(self.reader(), self.param.data_param.prefetch)
        try:
            batch = self._prefetcher.next()
        except NetError as error:
            raise NetError(f"layer {self.name!r} ({self.type}): {error}.") from None
        for blob, values in zip(top, batch, strict=False):  # the label's top is optional
            if blob.shape != values.shape:
                blob.reshape(*values.shape)
            blob.data[...] = values

    def close(self) -> None:
        if self._prefetcher is not None:
            self._prefetcher.close()
            self._prefetcher = None
