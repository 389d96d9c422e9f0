"""HDF5Output: writes two blobs to a file."""

from __future__ import annotations

import io
from collections.abc import Sequence

from cnnviz.engine.blob import Blob, Shape
from cnnviz.engine.layer import Layer
from cnnviz.errors import NetError, require
from cnnviz.formats.files import write_bytes


class HDF5Output(Layer):
    """Writes bottom 0 as the dataset "data" and bottom 1 as "label".

    hdf5_output_param:
        file_name: the HDF5 file, no default. Each forward replaces it, completely or not at all.

    Shapes with fewer than 4 axes get trailing axes of 1.

    Bottom: data and label of any shapes with the same first axis.
    Top: none.
    Raises: NetError if file_name is missing or the first axes differ; MissingDependencyError without
        h5py; FileError if the file cannot be written.
    Source: Caffe's HDF5OutputLayer.
    """

    type = "HDF5Output"
    kind = "shape"
    num_bottom = (2, 2)
    num_top = (0, 0)
    has_backward = False

    def shapes(self, bottom: Sequence[Shape]) -> list[Shape]:
        if not self.param.hdf5_output_param.file_name:
            raise NetError('hdf5_output_param has no file_name; add file_name: "out.h5"')
        if bottom[0][:1] != bottom[1][:1]:
            raise NetError(f"bottoms of shape {bottom[0]} and {bottom[1]} differ in their first axis")
        return []

    def setup(self) -> None:
        self._h5py = require("h5py", "hdf5", "writing HDF5")

    def forward(self, bottom: Sequence[Blob], top: Sequence[Blob]) -> None:
        buffer = io.BytesIO()
        with self._h5py.File(buffer, "w") as file:
            for name, blob in zip(("data", "label"), bottom, strict=True):
                file[name] = blob.read_data().reshape(blob.shape + (1,) * (4 - len(blob.shape)))
        write_bytes(self.param.hdf5_output_param.file_name, buffer.getvalue())
