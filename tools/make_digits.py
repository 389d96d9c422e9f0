"""Selects the digits of ``cnnviz demo`` out of the complete MNIST files.

    python tools/make_digits.py FOLDER_WITH_THE_FOUR_IDX_FILES

writes cnnviz/engine/data/digits.npz: of each digit the first 500 of the training set and the first 100
of the test set, in the order of the set.
"""

import sys
from pathlib import Path

import numpy as np

from cnnviz.formats.files import atomic_write
from cnnviz.formats.idx import labels_path, read_digits

TARGET = Path(__file__).resolve().parent.parent / "cnnviz" / "engine" / "data" / "digits.npz"


def select(images_path: Path, each: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the images and labels of the first ``each`` of every digit."""
    images, labels = read_digits(images_path, labels_path(images_path))
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == digit)[:each] for digit in range(10)]))
    return images[chosen], labels[chosen]


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    train_images, train_labels = select(folder / "train-images-idx3-ubyte.gz", 500)
    test_images, test_labels = select(folder / "t10k-images-idx3-ubyte.gz", 100)
    with atomic_write(TARGET) as file:
        np.savez_compressed(
            file,
            train_images=train_images,
            train_labels=train_labels,
            test_images=test_images,
            test_labels=test_labels,
        )
