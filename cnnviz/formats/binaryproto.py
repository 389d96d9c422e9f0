"""Mean images in each of their file formats: .binaryproto, .npy and .mat."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import legacy_blob_parts, scan_blob, to_float32, write_parts
from cnnviz.formats.files import atomic_write
from cnnviz.formats.mat import is_mat, read_mat_array, write_mat_array
from cnnviz.formats.npy import is_npy, read_npy
from cnnviz.formats.sniff import looks_like_text, reject_other_kinds
from cnnviz.formats.wire import WireReader, map_file

_EXPECTED = "a mean image"
_CHANNELS = (1, 3, 4)
_MOST_CHANNELS = 1 << 16
_MAT_NAME = "mean_data"  # as in Caffe's MATLAB demo
_EXTENSIONS = (".binaryproto", ".npy", ".mat")


def read_mean(path: str | os.PathLike) -> np.ndarray:
    """Reads a mean image, or one mean for each channel.

    Args:
        path: one of three kinds, recognized by its content: a .binaryproto (one BlobProto); a .npy of shape
            (C,), (H, W), (C, H, W) or (1, C, H, W); a .mat, where an array is (W, H) or (W, H, C) as in
            Caffe's MATLAB interface, or (C, H, W).
    Returns:
        The mean as float32 (C, H, W), in the units of the images (0 to 255), channels as in the
        database (BGR for color); (C, 1, 1) where the file holds one value for each channel.
    Raises:
        FileError: the file cannot be read, is damaged, or holds another number of axes.
    """
    data = map_file(path)
    head = bytes(data[:128])
    if is_mat(head):
        mean = _from_matlab(read_mat_array(path, _MAT_NAME))
    else:
        mean = to_float32(read_npy(path)) if is_npy(head) else _read_binaryproto(data, path)
    return _with_three_axes(path, mean)


def write_mean(path: str | os.PathLike, mean: np.ndarray) -> None:
    """Writes a mean image (C, H, W): .npy, .mat or Caffe's .binaryproto, by the extension.

    Raises FileError if the extension is none of these or the file cannot be written.
    """
    suffix = check_extension(path)
    mean = np.ascontiguousarray(mean, "<f4")
    if suffix == ".mat":
        write_mat_array(path, _MAT_NAME, mean.transpose(2, 1, 0))
        return
    with atomic_write(path) as file:
        if suffix == ".npy":
            np.save(file, mean)
        else:
            write_parts(file, legacy_blob_parts(mean))


def check_extension(path: str | os.PathLike) -> str:
    """Returns the extension of ``path``; raises FileError if means are not written in that format."""
    suffix = Path(path).suffix.lower()
    if suffix not in _EXTENSIONS:
        raise FileError(
            f"{path}: a mean is written as {', '.join(_EXTENSIONS)}; the extension is {suffix!r}."
        )
    return suffix


def _read_binaryproto(data: memoryview, path: str | os.PathLike) -> np.ndarray:
    head = bytes(data[:512])
    reject_other_kinds(head, path, _EXPECTED)
    if looks_like_text(head):
        raise FileError(f"{path}: is a text file, not {_EXPECTED}. Give the .binaryproto, .npy or .mat.")
    return scan_blob(WireReader(data, path, "the mean image"), 0, len(data), whole=False).data()


def _from_matlab(array: np.ndarray) -> np.ndarray:
    """MATLAB keeps images as (W, H, C) and drops a last axis of 1; it has no arrays of one axis."""
    if array.ndim == 2 and 1 in array.shape:
        return array.reshape(-1)
    if array.ndim == 3 and array.shape[0] in _CHANNELS and array.shape[2] not in _CHANNELS:
        return array
    return array.T


def _with_three_axes(path: str | os.PathLike, mean: np.ndarray) -> np.ndarray:
    shape = mean.shape
    while mean.ndim > 3 and mean.shape[0] == 1:
        mean = mean[0]
    if mean.ndim == 2 and 1 in mean.shape and max(mean.shape) in _CHANNELS:
        mean = mean.reshape(-1)
    if mean.ndim < 2 and 0 < mean.size <= _MOST_CHANNELS:
        mean = mean.reshape(-1, 1, 1)
    if mean.ndim == 2:
        mean = mean[None]
    if mean.ndim != 3 or not mean.size:
        raise FileError(
            f"{path}: has the shape {shape}; a mean image has (channels, height, width) or (height, width), "
            "or has one value for each channel."
        )
    return mean
