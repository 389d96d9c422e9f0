"""The sample of real handwritten digits that comes with cnnviz."""

from __future__ import annotations

from importlib import resources

import numpy as np


def load_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns train images, train labels, test images and test labels, all uint8.

    5,000 images of MNIST's training set and 1,000 of its test set, each digit equally often: images
    (N, 28, 28) with strokes bright on black, labels (N,). See digits.NOTICE.txt for the licence.
    """
    file = resources.files("cnnviz.engine.data").joinpath("digits.npz")
    with file.open("rb") as stream, np.load(stream) as arrays:
        return tuple(arrays[f"{part}_{kind}"] for part in ("train", "test") for kind in ("images", "labels"))
