"""A net that scores windows of images. pycaffe's caffe.Detector."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cnnviz.pycaffe import io
from cnnviz.pycaffe.classifier import ImageInputNet


class Detector(ImageInputNet):
    """Scores windows of images, each resized to the net's input, as R-CNN does.

    Args:
        context_pad: pixels of the net's input around the window that show its context; what is outside of
            the image is the mean.
        others: see ImageInputNet.

    Windows come from the caller: pycaffe's ``detect_selective_search``, which starts MATLAB, is omitted.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        pretrained_file: str | os.PathLike,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        context_pad: int = 0,
        **options: Any,
    ):
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap, **options)
        self.context_pad = context_pad

    def detect_windows(
        self, images_windows: Iterable[tuple[str | os.PathLike, Sequence[Sequence[float]]]]
    ) -> list[dict[str, Any]]:
        """Scores windows.

        Args:
            images_windows: (path of an image, windows), a window being (ymin, xmin, ymax, xmax) in pixels.

        Returns:
            A dict for each window: ``window``, ``prediction`` (the scores) and ``filename``.
        """
        crops, found = [], []
        for filename, windows in images_windows:
            image = io.load_image(filename)
            for window in windows:
                crops.append(self.crop(image, np.asarray(window)))
                found.append({"window": window, "filename": filename})
        if not crops:
            return []
        scores = self.run(crops)
        return [dict(entry, prediction=score.squeeze()) for entry, score in zip(found, scores, strict=True)]

    def crop(self, im: np.ndarray, window: np.ndarray) -> np.ndarray:
        """Returns the window of an image, with its context if ``context_pad`` is set."""
        top, left, bottom, right = np.asarray(window, float)
        if not self.context_pad:
            return im[int(top) : int(bottom), int(left) : int(right)]
        height, width = self.blobs[self.inputs[0]].shape[2:]
        wide_top, wide_bottom = _widened(top, bottom, height, self.context_pad)
        wide_left, wide_right = _widened(left, right, width, self.context_pad)
        rows, row_at = _inside(wide_top, wide_bottom, im.shape[0], height)
        columns, column_at = _inside(wide_left, wide_right, im.shape[1], width)
        result = np.empty((height, width, im.shape[2]), np.float32)
        result[:] = self._background()
        size = row_at.stop - row_at.start, column_at.stop - column_at.start
        result[row_at, column_at] = io.resize_image(im[rows, columns], size)
        return result

    def _background(self) -> np.ndarray:
        """The mean as an image: preprocessing maps it to zero."""
        name = self.inputs[0]
        zero = np.zeros(self.blobs[name].shape[1:], np.float32)
        return self.transformer.deprocess(name, zero)


def _widened(first: float, last: float, size: int, pad: int) -> tuple[float, float]:
    """Widens first..last so that it fills ``size - 2 * pad`` of ``size`` pixels."""
    middle, half = (first + last) / 2, (last - first) / 2 * size / (size - 2 * pad)
    return middle - half, middle + half


def _inside(first: float, last: float, limit: int, size: int) -> tuple[slice, slice]:
    """Returns the part of first..last that is inside the image, and its place in ``size`` pixels."""
    ratio = size / (last - first)
    low, high = max(0, round(first)), min(limit, round(last))
    start = min(max(0, round((low - first) * ratio)), size - 1)
    stop = max(start + 1, min(size, round((high - first) * ratio)))
    return slice(low, high), slice(start, stop)
