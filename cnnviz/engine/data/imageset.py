"""Makes databases from image files, and means and images from databases: Caffe's tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.engine.data.sources import IMAGE_SUFFIXES, load_listed, read_image_list
from cnnviz.errors import FileError
from cnnviz.formats.cifar10 import read_cifar10_folder
from cnnviz.formats.databases import Database, array_to_datum, check_free, create_database, datum_to_array
from cnnviz.formats.files import describe_os_error, read_bytes, write_bytes
from cnnviz.formats.idx import read_digits
from cnnviz.formats.images import encode_image, load_image, resize_image, to_planes
from cnnviz.formats.paths import existing
from cnnviz.formats.schema import Datum

Track = Callable[[Iterable[Any]], Iterable[Any]]
"""Wraps an iterable to show progress; ``iter`` shows none."""


@dataclass
class ImageOptions:
    """How convert_imageset treats images.

    Attributes:
        gray: store grey images instead of B, G, R.
        height, width: resize to so many pixels, both or none; 0 keeps the size.
        check_size: refuse images that differ in size from the first.
        encoded: store files (PNG, JPEG) instead of pixels.
        encode_type: "png", "jpg", ...: the file type for ``encoded``; default each file's own. Files
            that have it already and are not resized are stored as they are.
    """

    gray: bool = False
    height: int = 0
    width: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""


@dataclass
class Conversion:
    """What a conversion did: entries written, and why files were skipped."""

    count: int = 0
    skipped: list[str] = field(default_factory=list)


def convert_imageset(
    root: str,
    list_path: str | os.PathLike,
    target: str | os.PathLike,
    options: ImageOptions | None = None,
    *,
    backend: str = "LMDB",
    shuffle: bool = False,
    seed: int | None = None,
    track: Track = iter,
) -> Conversion:
    """Writes a database of the images that a list names, as Caffe's convert_imageset.

    Keys are the 8-digit number in the list, "_" and the path in the list. Images that cannot be read
    are skipped and reported.

    Args:
        root: folder that the list's paths count from; "" for the current one.
        list_path: text file with a line "path label" for each image.
        target: the database, which must not exist.
        options: how images are stored.
        backend: "LMDB" or "LEVELDB".
        shuffle: whether the list is shuffled first, by ``seed``.

    Raises:
        FileError: the list or the target is wrong, no image could be read, or sizes differ.
    """
    options = options or ImageOptions()
    if bool(options.height) != bool(options.width):
        raise FileError("Give both --resize_width and --resize_height, or none of them.")
    entries = read_image_list(list_path)
    if shuffle:
        entries = [entries[i] for i in np.random.default_rng(seed).permutation(len(entries))]
    done = Conversion()
    shape = None
    with create_database(target, backend) as writer:
        for number, (name, label) in enumerate(track(entries)):
            path = existing(f"{root.rstrip('/')}/{name.lstrip('/')}" if root else name)
            try:
                image = load_listed(path, not options.gray)
            except FileError as error:
                done.skipped.append(str(error))
                continue
            shape = shape or image.shape
            if options.check_size and image.shape != shape:
                raise FileError(f"{path}: is {_size(image.shape)}, the first image {_size(shape)} pixels.")
            writer.put(f"{number:08d}_{name}", image_to_datum(path, image, label, options))
            done.count += 1
        if not done.count:
            raise FileError(f"{list_path}: none of its images could be read; the first: {done.skipped[0]}")
    return done


def image_to_datum(path: str, image: np.ndarray, label: int, options: ImageOptions) -> Any:
    """Returns the Datum of an image file.

    Args:
        path: the file, which is stored as it is where the options allow.
        image: the same, decoded: RGB or grey.
        label: its class.
        options: how it is stored.
    """
    if options.height:
        image = resize_image(image, options.height, options.width)
    if not options.encoded:
        datum = array_to_datum(to_planes(image), label)
        datum.encoded = False  # said outright, as Caffe does: the entries are equal byte for byte
        return datum
    extension = Path(path).suffix[1:].lower()
    target = (options.encode_type or extension).lower()
    same_type = extension == target or (extension, target) == ("jpeg", "jpg")
    if same_type and not options.height and not options.gray:
        data = read_bytes(path)
    else:
        data = encode_image(image, target)
    return Datum(data=data, label=label, encoded=True)


def convert_mnist(
    images: str | os.PathLike,
    labels: str | os.PathLike,
    target: str | os.PathLike,
    backend: str = "LMDB",
    track: Track = iter,
) -> Conversion:
    """Writes a database of MNIST's idx files (gzipped or not); keys are 8-digit numbers.

    Raises:
        FileError: the files are wrong, or the target exists.
    """
    digits, classes = read_digits(images, labels)
    return _convert_arrays(digits[:, None], classes, target, backend, 8, track)


def convert_cifar10(
    folder: str | os.PathLike, target: str | os.PathLike, backend: str = "LMDB", track: Track = iter
) -> list[Conversion]:
    """Writes cifar10_train_<backend> and cifar10_test_<backend> into a folder; keys have 5 digits.

    Raises:
        FileError: a binary is missing or wrong, or a target exists.
    """
    parts = [read_cifar10_folder(folder, train=part == "train") for part in ("train", "test")]
    try:
        os.makedirs(target, exist_ok=True)
    except OSError as error:
        raise FileError(f"{target}: cannot be made: {describe_os_error(error)}.") from None
    places = [Path(target) / f"cifar10_{part}_{backend.lower()}" for part in ("train", "test")]
    for place in places:
        check_free(place)
    return [
        _convert_arrays(*arrays, place, backend, 5, track)
        for arrays, place in zip(parts, places, strict=True)
    ]


def _convert_arrays(
    images: np.ndarray,
    labels: np.ndarray,
    target: str | os.PathLike,
    backend: str,
    digits: int,
    track: Track,
) -> Conversion:
    with create_database(target, backend) as writer:
        for number in track(range(len(images))):
            writer.put(f"{number:0{digits}d}", array_to_datum(images[number], int(labels[number])))
    return Conversion(len(images))


def database_mean(database: Database, track: Track = iter) -> np.ndarray:
    """Returns the mean (C, H, W) in float32 of all images of a database, encoded ones decoded.

    Raises:
        FileError: the database is empty, or its images differ in size.
    """
    total: np.ndarray | None = None
    count = 0
    for key, datum in track(database.datums()):
        image = datum_to_array(datum, f"{database.path}: entry {key!r}")
        if total is None:
            total = np.zeros(image.shape, np.float64)
        elif image.shape != total.shape:
            raise FileError(
                f"{database.path}: entry {key!r} is of shape {image.shape}, those before of {total.shape}; "
                "convert the images with --resize_width and --resize_height."
            )
        total += image
        count += 1
    if total is None:
        raise FileError(f"{database.path}: is empty, so it has no mean; convert the data again.")
    return (total / count).astype(np.float32)


def resize_and_crop(image: np.ndarray, side: int) -> np.ndarray:
    """Returns the centre square of an image whose shorter side was resized to ``side`` pixels."""
    height, width = image.shape[:2]
    shorter = min(height, width)
    new_height, new_width = side * height // shorter, side * width // shorter
    image = resize_image(image, new_height, new_width)
    top, left = (new_height - side) // 2, (new_width - side) // 2
    return image[top : top + side, left : left + side]


def resize_images(
    folder: str | os.PathLike,
    target: str | os.PathLike,
    side: int = 256,
    size: tuple[int, int] | None = None,
    track: Track = iter,
) -> Conversion:
    """Writes a resized copy of every image of a folder, subfolders included, to another folder.

    Args:
        folder: where the images are.
        target: where the copies go, under the same names; made if needed.
        side: the shorter side is resized to so many pixels, and the centre square cut out.
        size: (height, width) to resize to instead, whatever the proportions.

    Raises:
        FileError: there is no image, or a copy cannot be written.
    """
    if not os.path.isdir(folder):
        raise FileError(f"{folder}: no such folder; give the folder that holds the images.")
    files = sorted(f for f in Path(folder).rglob("*") if f.suffix.lower() in IMAGE_SUFFIXES and f.is_file())
    if not files:
        raise FileError(f"{folder}: holds no image ({', '.join(IMAGE_SUFFIXES)}).")
    done = Conversion()
    for file in track(files):
        try:
            image = load_image(file)
        except FileError as error:
            done.skipped.append(str(error))
            continue
        image = resize_image(image, *size) if size else resize_and_crop(image, side)
        place = Path(target) / file.relative_to(folder)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{place.parent}: cannot be made: {describe_os_error(error)}.") from None
        write_bytes(place, encode_image(image, file.suffix))
        done.count += 1
    return done


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
