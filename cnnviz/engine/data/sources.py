"""Where images and labels come from: databases, lists, folders, idx files, CIFAR-10 and HDF5.

Every source knows the shape of its data by its first item, and gives items for ever: after the last
comes the first.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

import cnnviz
from cnnviz.engine.data.transformer import Transformer
from cnnviz.errors import FileError, did_you_mean, require
from cnnviz.formats.cifar10 import TEST_FILE, TRAIN_FILES, read_cifar10, read_cifar10_folder
from cnnviz.formats.databases import Database, datum_to_array, find_backend, open_database, parse_datum
from cnnviz.formats.hdf5 import dataset, named_damage, open_hdf5
from cnnviz.formats.idx import is_idx, labels_path, read_digits
from cnnviz.formats.images import load_image, resize_image, to_planes
from cnnviz.formats.sniff import HDF5_MAGIC
from cnnviz.formats.text import read_lines
from cnnviz.formats.wire import map_file

Item = tuple[np.ndarray, float]
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


class Source(ABC):
    """Images (C, H, W) with labels, in order and for ever."""

    @abstractmethod
    def items(self, random: np.random.Generator, skip: int = 0) -> Iterator[Item]:
        """Yields (image, label) without end.

        Args:
            random: decides on the order where it is random.
            skip: how many items are skipped at the start.
        """

    def first(self) -> np.ndarray:
        """Returns the first image, which determines the shape."""
        return next(self.items(np.random.default_rng(0)))[0]

    def close(self) -> None:  # noqa: B027 (most sources hold nothing open)
        """Gives files back."""


class DatabaseSource(Source):
    """Datums of an LMDB or LevelDB, in the order of keys.

    Args:
        database: what ``open_database`` gave.
        color: for encoded images: True B, G, R, False grey, None as stored.
    """

    def __init__(self, database: Database, color: bool | None = None):
        self.database = database
        self.color = color

    def items(self, random: np.random.Generator, skip: int = 0) -> Iterator[Item]:
        for key, value in islice(self.database.cursor(), skip, None):
            place = self.database.place(key)
            datum = parse_datum(value, place)
            yield datum_to_array(datum, place, self.color), datum.label

    def close(self) -> None:
        self.database.close()


class ArraySource(Source):
    """Images that fit in memory: (N, C, H, W) with labels (N,)."""

    def __init__(self, images: np.ndarray, labels: np.ndarray):
        self.images = images
        self.labels = labels

    def items(self, random: np.random.Generator, skip: int = 0) -> Iterator[Item]:
        for i in count(skip):
            yield self.images[i % len(self.images)], self.labels[i % len(self.images)]


class ImageSource(Source):
    """Image files with labels.

    Args:
        entries: (path, label) for each image.
        color: True B, G, R, False grey.
        size: (height, width) in pixels that every image is resized to; None leaves them.
        shuffle: whether each round through the images has a random order.
    """

    def __init__(
        self,
        entries: Sequence[tuple[str | os.PathLike, int]],
        color: bool = True,
        size: tuple[int, int] | None = None,
        shuffle: bool = False,
    ):
        self.entries = entries
        self.color = color
        self.size = size
        self.shuffle = shuffle

    def items(self, random: np.random.Generator, skip: int = 0) -> Iterator[Item]:
        start = skip % len(self.entries)
        while True:
            order = random.permutation(len(self.entries)) if self.shuffle else np.arange(len(self.entries))
            for i in order[start:]:
                path, label = self.entries[i]
                yield self._load(path), label
            start = 0

    def _load(self, path: str | os.PathLike) -> np.ndarray:
        image = load_listed(path, self.color)
        return to_planes(resize_image(image, *self.size) if self.size else image)


class HDF5Source:
    """Rows of the datasets of HDF5 files, file after file and for ever; a batch may span files.

    Args:
        source: a text file that lists HDF5 files, one a line, or an HDF5 file.
        names: the datasets to read.
        shuffle: whether files, and rows within a file, come in random order.
        resolve: gives the paths of the files that the list names.

    Raises:
        FileError: unreadable, or a dataset is missing, not of numbers, or does not fit the others.
        MissingDependencyError: h5py is not installed.
    """

    def __init__(
        self,
        source: str | os.PathLike,
        names: Sequence[str],
        shuffle: bool = False,
        resolve: Callable[[list[str]], list[str]] = list,
    ):
        require("h5py", "hdf5", "reading HDF5")
        self.names = list(names)
        self.shuffle = shuffle
        self.paths = self._paths(source, resolve)
        self.shapes: list[tuple[int, ...]] = []
        with open_hdf5(self.paths[0]) as first:
            self.shapes = [values.shape[1:] for values in self._datasets(self.paths[0], first)]

    def batches(self, size: int, random: np.random.Generator) -> Iterator[list[np.ndarray]]:
        """Yields for each name an array of ``size`` rows in float32, without end."""
        files = self._files(random)
        datasets, rows = next(files)
        while True:
            batch = [np.empty((size, *shape), np.float32) for shape in self.shapes]
            filled = 0
            while filled < size:
                if not len(rows):
                    datasets, rows = next(files)
                part, rows = rows[: size - filled], rows[size - filled :]
                for values, out in zip(datasets, batch, strict=True):
                    self._copy(values, part, out[filled : filled + len(part)])
                filled += len(part)
            yield batch

    def _copy(self, values: Any, rows: np.ndarray, out: np.ndarray) -> None:
        with named_damage(values.file.filename), np.errstate(over="ignore", invalid="ignore"):
            if not self.shuffle:
                out[...] = values[rows[0] : rows[-1] + 1]
                return
            for i, row in enumerate(rows):
                out[i] = values[row]

    def _files(self, random: np.random.Generator) -> Iterator[tuple[list[Any], np.ndarray]]:
        """Yields for each file in turn its datasets and the numbers of its rows in order."""
        while True:
            for i in self._order(len(self.paths), random):
                with open_hdf5(self.paths[i]) as file:
                    datasets = self._datasets(self.paths[i], file)
                    yield datasets, self._order(len(datasets[0]), random)

    def _order(self, total: int, random: np.random.Generator) -> np.ndarray:
        return random.permutation(total) if self.shuffle else np.arange(total)

    def _paths(self, source: str | os.PathLike, resolve: Callable[[list[str]], list[str]]) -> list[str]:
        if bytes(map_file(source)[: len(HDF5_MAGIC)]) == HDF5_MAGIC:
            return [str(source)]
        paths = [line for line in read_lines(source, "a list of HDF5 files in text") if line]
        if not paths:
            raise FileError(f"{source}: lists no HDF5 file; write one path a line.")
        return resolve(paths)

    def _datasets(self, path: str, file: Any) -> list[Any]:
        """Returns the datasets of one file; those of the first file decide on the shapes of rows."""
        found = []
        for i, name in enumerate(self.names):
            values = dataset(path, file, name)
            if values is None:
                hint = did_you_mean(name, file)
                raise FileError(f"{path}: has no dataset {name!r}{hint}; tops are named like datasets.")
            found.append(values)
            self._check(
                f"{path}: dataset {name!r}", values, found[0], self.shapes[i] if self.shapes else None
            )
        return found

    def _check(self, place: str, values: Any, first: Any, row_shape: tuple[int, ...] | None) -> None:
        if not values.shape or not len(values):
            raise FileError(f"{place} is of shape {values.shape}, expected rows of numbers.")
        if len(values) != len(first):
            raise FileError(
                f"{place} has {len(values)} rows, {self.names[0]!r} {len(first)}; all need the same."
            )
        if row_shape not in (None, values.shape[1:]):
            raise FileError(f"{place} has rows of shape {values.shape[1:]}, the first file of {row_shape}.")


class BatchReader:
    """Makes batches of a source's images.

    Args:
        source: where they come from.
        transformer: what is done to them.
        random: decides on order, skip, crop and mirror, so that a seed repeats the batches.
        rand_skip: fewer than so many items, drawn at random, are skipped at the start.
    """

    def __init__(
        self,
        source: Source,
        transformer: Transformer,
        random: np.random.Generator,
        rand_skip: int = 0,
    ):
        self.transformer = transformer
        self.random = random
        self._items = source.items(random, int(random.integers(rand_skip)) if rand_skip else 0)

    def next_batch(self, size: int) -> list[np.ndarray]:
        """Returns data (size, C, H, W) and labels (size,), both float32."""
        items = list(islice(self._items, size))
        images = [image for image, _ in items]
        labels = np.array([label for _, label in items], np.float32)
        return [self.transformer.transform(images, self.random), labels]


def open_source(
    path: str | os.PathLike, color: bool | None, phase: int, backend: str | None = None
) -> Source:
    """Opens what a Data layer's ``source`` points at, recognised by its content.

    Args:
        path: an LMDB or LevelDB; an images file in MNIST's idx form with its labels file beside it; a
            file or folder of CIFAR-10 binaries (in R, G, B); a folder with one subfolder of images
            for each class (labels count the subfolders by name from 0).
        color: for images: True B, G, R, False grey, None as stored (folders: B, G, R).
        phase: which files of a CIFAR-10 folder are read.
        backend: "LMDB" or "LEVELDB" if a database must be one.

    Raises:
        FileError: nothing of these, or unreadable.
    """
    place = Path(path)
    if find_backend(place) is None:
        is_file = os.path.isfile(place)
        if is_file and is_idx(place):
            images, labels = read_digits(place, labels_path(place))
            return ArraySource(images[:, None], labels)
        if is_file and place.suffix == ".bin":
            return ArraySource(*read_cifar10(place))
        if any(os.path.isfile(place / name) for name in (TRAIN_FILES[0], TEST_FILE)):
            return ArraySource(*read_cifar10_folder(place, phase == cnnviz.TRAIN))
        if entries := _folder_entries(place):
            return ImageSource(entries, color is not False)
    return DatabaseSource(open_database(place, backend), color)


def read_image_list(path: str | os.PathLike, root_folder: str = "") -> list[tuple[str, int]]:
    """Returns (image path, label) for each line "path label" of a list.

    Args:
        path: the list.
        root_folder: put in front of each path as it is, so it ends with a slash.

    Raises:
        FileError: unreadable, empty, or a line without an integer label.
    """
    entries = []
    for number, line in enumerate(read_lines(path, "a list in text"), 1):
        if not line:
            continue
        name, *label = line.rsplit(None, 1)
        if not label or not re.fullmatch(r"[+-]?[0-9]{1,9}", label[0]):
            raise FileError(f"{path}:{number}: {_entry_fault(line)}")
        entries.append((root_folder + name, int(label[0])))
    if not entries:
        raise FileError(f"{path}: lists no image; write a path, a space and a label on each line.")
    return entries


def load_listed(path: str | os.PathLike, color: bool | None) -> np.ndarray:
    """Loads an image that a list names as load_image does, and reports a line with several labels."""
    try:
        return load_image(path, color)
    except FileError as error:
        several = re.fullmatch(r"(.*?\S)(\s+[+-]?[0-9]+)+", str(path))
        if several and os.path.isfile(several[1]):
            raise FileError(
                f"{several[1]}: has several labels in the list, of which an image takes one. Several are "
                "read by HDF5Data."
            ) from None
        raise error


def _entry_fault(line: str) -> str:
    """Returns what is wrong with a line of an image list, and the way out."""
    found = f"found {line[:60]!r}"
    label = line.rsplit(None, 1)[-1]
    if _NUMBER.fullmatch(label) and label != line:
        return (
            f"{found}, but a label is a whole number, the number of a class, not {label[:20]!r}. "
            "Values such as those of a regression are read by HDF5Data, which takes floats."
        )
    if re.search(r"[^\s,;],\s*[+-]?[0-9]+$|[^\s,;];\s*[+-]?[0-9]+$", line):
        return f"{found}, expected an image's path, a space and its label; write a space for the comma."
    if label != line and label.isalpha():
        return (
            f"{found}, but a label is a whole number, not {label[:20]!r}. Number the classes from 0 and "
            "write each image's number."
        )
    return f"{found}, expected an image's path, a space and its label."


def _folder_entries(folder: Path) -> list[tuple[Path, int]]:
    classes = sorted(child for child in folder.iterdir() if child.is_dir()) if os.path.isdir(folder) else []
    return [
        (file, label)
        for label, child in enumerate(classes)
        for file in sorted(child.iterdir())
        if file.suffix.lower() in IMAGE_SUFFIXES
    ]
