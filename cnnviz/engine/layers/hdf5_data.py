"""HDF5Data: arrays of any shape from HDF5 files."""

from __future__ import annotations

from collections.abc import Callable

from cnnviz.engine.blob import Shape
from cnnviz.engine.data.sources import HDF5Source
from cnnviz.engine.layers._data import Batch, DataLayer
from cnnviz.errors import NetError


class HDF5Data(DataLayer):
    """Each top is batch_size rows of the dataset that has the top's name.

    hdf5_data_param:
        source: text file that lists HDF5 files, one per line; or an HDF5 file.
        batch_size: rows in a batch, no default; a batch may span files.
        shuffle: files, and rows within each, in random order; default false.

    Datasets may hold floats of any size or integers. transform_param is not allowed.

    Bottom: none.
    Top: one or more of shape (batch_size, ...), named like datasets.
    Raises: NetError if transform_param is given; FileError when the net is to run and a file or a
        dataset is missing or does not fit the others.
    Source: Caffe's HDF5DataLayer.
    """

    type = "HDF5Data"
    num_top = (1, None)

    def batch_size(self) -> int:
        return self.param.hdf5_data_param.batch_size

    def open(self) -> list[Shape]:
        if self.param.HasField("transform_param"):
            raise NetError("HDF5Data does not transform; scale the data in the file and drop transform_param")
        param = self.located_param().hdf5_data_param
        self._source = HDF5Source(param.source, self.param.top, param.shuffle, self.resolve_all)
        return list(self._source.shapes)

    def guess(self) -> list[Shape | None]:
        return [None] * len(self.param.top)

    def reader(self) -> Callable[[], Batch]:
        batches = self._source.batches(self.batch_size(), self.random)
        return lambda: next(batches)
