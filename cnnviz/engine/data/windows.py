"""Windows cut out of images, as object detectors (R-CNN) are trained on."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from cnnviz.engine.data.transformer import load_mean
from cnnviz.errors import FileError, NetError
from cnnviz.formats.images import MAX_PIXELS, load_image, resize_image, to_planes
from cnnviz.formats.text import read_lines

_CACHED_IMAGES = 4096


class Box(NamedTuple):
    """Corners in pixels, both inside the box."""

    x1: int
    y1: int
    x2: int
    y2: int


class Window(NamedTuple):
    """A box of an image with its class and its overlap with a true object, 0 to 1."""

    image: int
    label: int
    overlap: float
    box: Box


class Placement(NamedTuple):
    """Where a box, grown by its context and cut off at the image's edge, goes in the crop."""

    box: Box
    height: int
    width: int
    top: int
    left: int


@dataclass
class WindowFile:
    """A window file: its images with their channels, and all windows."""

    images: list[str] = field(default_factory=list)
    channels: int = 0
    windows: list[Window] = field(default_factory=list)


def read_window_file(path: str | os.PathLike, root_folder: str = "") -> WindowFile:
    """Reads a window file.

    For each image: a line "# index", its path, channels, height, width, the number of windows, and
    for each window "class overlap x1 y1 x2 y2".

    Args:
        path: the file.
        root_folder: put in front of each image's path as it is.

    Raises:
        FileError: unreadable, or a line is not what it should be.
    """
    lines = iter([(n, line) for n, line in enumerate(read_lines(path, "a window file"), 1) if line])
    result = WindowFile()
    number = 0
    try:
        for number, line in lines:
            if not line.startswith("#"):
                raise ValueError
            number, name = next(lines)
            numbers = []
            for _ in range(4):
                number, line = next(lines)
                numbers.append(int(line))
            result.channels = numbers[0]
            for _ in range(numbers[3]):
                number, line = next(lines)
                label, overlap, *corners = line.split()
                box = Box(*map(int, corners))
                if box.x2 < box.x1 or box.y2 < box.y1:
                    raise ValueError
                result.windows.append(Window(len(result.images), int(label), float(overlap), box))
            result.images.append(root_folder + name)
    except (ValueError, TypeError):
        raise FileError(
            f"{path}:{number}: is not the line that a window file has here: {line[:60]!r}."
        ) from None
    except StopIteration:
        raise FileError(f"{path}: ends inside the windows of an image; write it again.") from None
    if not result.images:
        raise FileError(f"{path}: holds no image; write it again.")
    return result


class WindowSampler:
    """Draws batches of windows: fg_fraction of them objects, the others background.

    Args:
        param: a LayerParameter of type WindowData.
        file: what ``read_window_file`` gave.

    Raises:
        NetError: crop_size or mean do not fit, crop_mode is unknown, or no window is of a needed kind.

    Source: Caffe's WindowDataLayer; Girshick et al. 2014.
    """

    def __init__(self, param: Any, file: WindowFile):
        self.param = param.window_data_param
        self.transform = param.transform_param
        self.crop = param.transform_param.crop_size
        if self.crop == 0 or 2 * self.param.context_pad >= self.crop:
            raise NetError(f"transform_param needs a crop_size above twice the context_pad, not {self.crop}")
        if self.crop**2 > MAX_PIXELS:
            raise NetError(f"crop_size {self.crop} is a square above {MAX_PIXELS} pixels; take less")
        if self.param.crop_mode not in ("warp", "square"):
            raise NetError(f"unknown crop_mode {self.param.crop_mode!r}; use warp or square")
        self.shape = (file.channels, self.crop, self.crop)
        self.images = file.images
        self.mean = self._load_mean()
        if file.channels not in (1, 3):
            raise NetError(f"the window file's images have {file.channels} channels; cnnviz reads 1 or 3")
        self.objects = int(np.float32(self.param.batch_size) * np.float32(self.param.fg_fraction))
        least, below = self.param.fg_threshold, self.param.bg_threshold
        self.foreground = [w for w in file.windows if w.overlap >= least]
        # Background counts as class 0 whatever the file says.
        self.background = [w._replace(label=0) for w in file.windows if w.overlap < min(least, below)]
        self._check_counts()
        self._load = lru_cache(_CACHED_IMAGES if self.param.cache_images else 0)(self._load_image)

    def batches(self, random: np.random.Generator) -> Iterator[list[np.ndarray]]:
        """Yields data (N, C, crop, crop) and labels (N) without end, background first."""
        size = self.param.batch_size
        while True:
            data = np.zeros((size, *self.shape), np.float32)
            labels = np.zeros(size, np.float32)
            for i in range(size):
                kind = self.background if i < size - self.objects else self.foreground
                window = kind[random.integers(len(kind))]
                mirror = self.transform.mirror and random.integers(2) == 1
                self._cut(window, mirror, data[i])
                labels[i] = window.label
            yield [data, labels]

    def _check_counts(self) -> None:
        for kind, windows, count in (
            ("an overlap of fg_threshold or more", self.foreground, self.objects),
            ("an overlap below bg_threshold", self.background, self.param.batch_size - self.objects),
        ):
            if count > 0 and not windows:
                raise NetError(f"no window has {kind}; change the threshold or fg_fraction")

    def _load_mean(self) -> np.ndarray | float:
        """Returns the mean of the crop: the centre of a mean file, or one value for each channel."""
        mean = load_mean(self.transform)
        if mean is None:
            return 0.0
        height, width = mean.shape[1:]
        if len(mean) not in (1, self.shape[0]) or (height > 1 and min(height, width) < self.crop):
            raise NetError(f"the mean of shape {mean.shape} does not fit crops of {self.shape}")
        if height == 1:
            return mean
        offset = (width - self.crop) // 2
        return mean[:, offset : offset + self.crop, offset : offset + self.crop]

    def _load_image(self, index: int) -> np.ndarray:
        return load_image(self.images[index], color=self.shape[0] == 3)

    def _cut(self, window: Window, mirror: bool, out: np.ndarray) -> None:
        image = self._load(window.image)
        place = self.place(window.box, image.shape[0], image.shape[1], mirror)
        box = place.box
        if min(place.height, place.width) < 1:  # the window lies outside of the image
            return
        patch = resize_image(image[box.y1 : box.y2 + 1, box.x1 : box.x2 + 1], place.height, place.width)
        if mirror:
            patch = patch[:, ::-1]
        rows = slice(place.top, place.top + place.height)
        columns = slice(place.left, place.left + place.width)
        mean = self.mean
        if isinstance(mean, np.ndarray) and mean.shape[1] > 1:
            mean = mean[:, rows, columns]
        out[:, rows, columns] = (to_planes(patch) - mean) * np.float32(self.transform.scale)

    def place(self, box: Box, height: int, width: int, mirror: bool) -> Placement:
        """Returns what to cut out of an image of height x width for ``box``, and where to put it."""
        crop = self.crop
        square = self.param.crop_mode == "square"
        grown = self._grow(box, square) if self.param.context_pad or square else box
        full_height, full_width = grown.y2 - grown.y1 + 1, grown.x2 - grown.x1 + 1
        clipped = Box(
            min(max(grown.x1, 0), width - 1),
            min(max(grown.y1, 0), height - 1),
            max(min(grown.x2, width - 1), 0),
            max(min(grown.y2, height - 1), 0),
        )
        scale_y, scale_x = crop / full_height, crop / full_width
        new_height = _round((clipped.y2 - clipped.y1 + 1) * scale_y)
        new_width = _round((clipped.x2 - clipped.x1 + 1) * scale_x)
        top = _round(max(0, -grown.y1) * scale_y)
        missing = max(0, grown.x2 - width + 1) if mirror else max(0, -grown.x1)
        left = _round(missing * scale_x)
        # Rounding may push the patch one pixel over the crop's edge.
        new_height, new_width = min(max(new_height, 1), crop - top), min(max(new_width, 1), crop - left)
        return Placement(clipped, new_height, new_width, top, left)

    def _grow(self, box: Box, square: bool) -> Box:
        """Returns the box with context around it, so that the crop has context_pad pixels of it."""
        scale = self.crop / (self.crop - 2 * self.param.context_pad)
        half_height, half_width = (box.y2 - box.y1 + 1) / 2, (box.x2 - box.x1 + 1) / 2
        center_x, center_y = box.x1 + half_width, box.y1 + half_height
        if square:
            half_height = half_width = max(half_height, half_width)
        return Box(
            _round(center_x - half_width * scale),
            _round(center_y - half_height * scale),
            _round(center_x + half_width * scale),
            _round(center_y + half_height * scale),
        )


def _round(value: float) -> int:
    """Rounds halves away from zero, as C does."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))
