"""What Caffe does to images on their way into a net: crop, mirror, mean, scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import cnnviz
from cnnviz.errors import NetError


def load_mean(param: Any) -> np.ndarray | None:
    """Returns the mean that a TransformationParameter asks for: (C, H, W), (C, 1, 1) or (1, 1, 1).

    Raises:
        NetError: mean_file and mean_value together.
        FileError: the mean file cannot be read.
    """
    if param.mean_file and param.mean_value:
        raise NetError("mean_file and mean_value exclude each other; keep one")
    if param.mean_file:
        from cnnviz.formats.binaryproto import read_mean

        return read_mean(param.mean_file).astype(np.float32)
    return np.array(param.mean_value, np.float32).reshape(-1, 1, 1) if param.mean_value else None


class Transformer:
    """top = (bottom - mean) * scale, on a crop, mirrored or not.

    Args:
        param: a TransformationParameter. ``scale`` (1), ``mean_file`` (none) or ``mean_value`` (none; one
            for all channels, or one each), ``crop_size`` in pixels (0: no crop; TEST takes the centre,
            offset rounded down, TRAIN a random place), ``mirror`` (False; each image with probability
            1/2, in both phases), ``force_color`` and ``force_gray`` (False; for encoded images).
        phase: cnnviz.TRAIN or cnnviz.TEST.

    The mean file has the size of the uncropped image and is cropped with it.

    Raises:
        NetError: mean_file and mean_value together, force_color and force_gray together.
        FileError: the mean file cannot be read.

    Source: Caffe's DataTransformer.
    """

    def __init__(self, param: Any, phase: int):
        if param.force_color and param.force_gray:
            raise NetError("force_color and force_gray exclude each other; keep one")
        self._scale = np.float32(param.scale)
        self._crop = param.crop_size
        self._mirror = param.mirror
        self._random_crop = phase == cnnviz.TRAIN
        self.color: bool | None = True if param.force_color else False if param.force_gray else None
        self._mean = load_mean(param)
        self._entries = "means in its mean_file" if param.mean_file else "mean_value entries"
        # A mean file may hold one number for each channel.
        self._mean_image = param.mean_file if self._mean is not None and self._mean[0].size > 1 else ""

    def shape(self, item: Sequence[int]) -> tuple[int, int, int]:
        """Returns the (C, H, W) that an image of shape ``item`` comes out with.

        Raises:
            NetError: the crop or the mean does not fit it.
        """
        channels, height, width = item
        crop = self._crop
        if crop > height or crop > width:
            raise NetError(f"crop_size {crop} is larger than the image of {height} x {width}")
        mean = self._mean
        if mean is not None and self._mean_image:
            if mean.shape != (channels, height, width):
                raise NetError(
                    f"mean_file {self._mean_image} is of shape {mean.shape}, the image of "
                    f"{(channels, height, width)}; compute the mean of this data"
                )
        elif mean is not None and len(mean) not in (1, channels):
            raise NetError(f"has {len(mean)} {self._entries} for {channels} channels; give 1 or {channels}")
        return (channels, crop or height, crop or width)

    def transform(self, items: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
        """Returns the batch (N, C, H, W) in float32 made from images (C, H, W).

        Args:
            items: the images; with crop_size their heights and widths may differ.
            random: decides on random crops and mirrors.

        Raises:
            NetError: the images differ in size after the crop, or do not fit crop or mean.
        """
        shape = self.shape(items[0].shape)
        batch = np.empty((len(items), *shape), np.float32)
        size = items[0].shape
        for item, out in zip(items, batch, strict=True):
            if item.shape != size and self.shape(item.shape) != shape:
                raise NetError(
                    f"images of {size} and {item.shape} are in one batch; resize them, or set crop_size"
                )
            self._transform_one(item, out, random)
        if self._scale != 1:
            batch *= self._scale
        return batch

    def _transform_one(self, item: np.ndarray, out: np.ndarray, random: np.random.Generator) -> None:
        mirrored = self._mirror and random.integers(2) == 1
        mean = self._mean
        if self._crop:
            height, width = item.shape[1:]
            window = self._window(height, width, random)
            item = item[window]
            if mean is not None and self._mean_image:
                mean = mean[window]
        if mirrored:
            out = out[:, :, ::-1]
        if mean is None:
            out[...] = item
        else:
            np.subtract(item, mean, out=out, dtype=np.float32)

    def _window(self, height: int, width: int, random: np.random.Generator) -> tuple[slice, slice, slice]:
        crop = self._crop
        if self._random_crop:
            top, left = (int(random.integers(size - crop + 1)) for size in (height, width))
        else:
            top, left = (height - crop) // 2, (width - crop) // 2
        return np.s_[:, top : top + crop, left : left + crop]
