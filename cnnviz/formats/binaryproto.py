"""Mean images: .binaryproto as compute_image_mean writes it, and .npy."""

from __future__ import annotations

import os

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import legacy_blob_parts, scan_blob, to_float32, write_parts
from cnnviz.formats.files import atomic_write
from cnnviz.formats.npy import read_npy
from cnnviz.formats.sniff import looks_like_text, reject_other_kinds
from cnnviz.formats.wire import WireReader, map_file

_WANTED = "a mean image"


def read_mean(path: str | os.PathLike) -> np.ndarray:
    """Reads a mean image.

    Args:
        path: a .binaryproto (one BlobProto) or, by the ending, a .npy file.
    Returns:
        The mean as float32 (C, H, W), in the units of the pictures (0 to 255), channels as in the
        database (BGR for color).
    Raises:
        FileError: the file cannot be read, is damaged, or holds another number of axes.
    """
    mean = to_float32(read_npy(path)) if str(path).endswith(".npy") else _read_binaryproto(path)
    if mean.ndim == 4 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim != 3:
        raise FileError(
            f"{path}: has the shape {mean.shape}; a mean image has (channels, height, width). "
            "For one mean per channel use mean_value."
        )
    return mean


def write_mean(path: str | os.PathLike, mean: np.ndarray) -> None:
    """Writes a mean image (C, H, W): .npy by the ending, else the .binaryproto that Caffe reads.

    Raises FileError if the file cannot be written.
    """
    mean = np.ascontiguousarray(mean, "<f4")
    with atomic_write(path) as file:
        if str(path).endswith(".npy"):
            np.save(file, mean)
        else:
            write_parts(file, legacy_blob_parts(mean))


def _read_binaryproto(path: str | os.PathLike) -> np.ndarray:
    data = map_file(path)
    head = bytes(data[:512])
    reject_other_kinds(head, path, _WANTED)
    if looks_like_text(head):
        raise FileError(f"{path}: is a text file, not {_WANTED}. Give the .binaryproto or .npy.")
    return scan_blob(WireReader(data, path, "the mean image"), 0, len(data), whole=False).data()
