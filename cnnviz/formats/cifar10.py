"""CIFAR-10's binary files: records of one label byte and 3 x 32 x 32 bytes in R, G, B planes."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.files import read_bytes

SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILE = "test_batch.bin"


def read_cifar10(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns images (N, 3, 32, 32) in R, G, B and labels (N,) of one file, both uint8.

    Raises:
        FileError: unreadable, or of a size that is not a multiple of 3073 bytes.
    """
    data = read_bytes(path)
    if not data or len(data) % _RECORD:
        raise FileError(
            f"{path}: has {len(data)} bytes, CIFAR-10 binaries have a multiple of {_RECORD}; fetch it again."
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, _RECORD)
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0]


def read_cifar10_folder(folder: str | os.PathLike, train: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns all training or test images and labels of a folder, as ``read_cifar10``.

    Raises:
        FileError: a file is missing or of the wrong size.
    """
    names = TRAIN_FILES if train else (TEST_FILE,)
    images, labels = zip(*(read_cifar10(Path(folder) / name) for name in names), strict=True)
    return np.concatenate(images), np.concatenate(labels)
