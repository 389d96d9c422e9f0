"""A net that classifies images. pycaffe's caffe.Classifier."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from cnnviz.pycaffe import io
from cnnviz.pycaffe.net import Net


class ImageInputNet(Net):
    """A net in phase TEST with one input for images, and the Transformer that preprocesses them.

    Args:
        model_file: its prototxt.
        pretrained_file: its weights.
        mean: (K,) or (K, H, W), subtracted after ``raw_scale``.
        input_scale: factor after the mean.
        raw_scale: factor before the mean: 255 for a net that was trained on bytes.
        channel_swap: order of the channels: (2, 1, 0) for a net that was trained on BGR.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        pretrained_file: str | os.PathLike,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        **options: Any,
    ):
        super().__init__(model_file, "TEST", weights=pretrained_file, **options)
        name = self.inputs[0]
        self.transformer = io.Transformer({name: self.blobs[name].shape})
        self.transformer.set_transpose(name, (2, 0, 1))
        if mean is not None:
            self.transformer.set_mean(name, mean)
        if input_scale is not None:
            self.transformer.set_input_scale(name, input_scale)
        if raw_scale is not None:
            self.transformer.set_raw_scale(name, raw_scale)
        if channel_swap is not None:
            self.transformer.set_channel_swap(name, channel_swap)

    def run(self, images: Iterable[np.ndarray]) -> np.ndarray:
        """Returns the first output for each image (H, W, K)."""
        name = self.inputs[0]
        batch = np.stack([self.transformer.preprocess(name, image) for image in images])
        return self.forward_all(**{name: batch})[self.outputs[0]]


class Classifier(ImageInputNet):
    """Scores images with a net.

    Args:
        image_dims: (height, width) that images are resized to before they are cropped; default: the input's.
        others: see ImageInputNet.
    """

    def __init__(
        self,
        model_file: str | os.PathLike,
        pretrained_file: str | os.PathLike,
        image_dims: Sequence[int] | None = None,
        mean: np.ndarray | None = None,
        input_scale: float | None = None,
        raw_scale: float | None = None,
        channel_swap: Sequence[int] | None = None,
        **options: Any,
    ):
        super().__init__(model_file, pretrained_file, mean, input_scale, raw_scale, channel_swap, **options)
        self.crop_dims = self.blobs[self.inputs[0]].shape[2:]
        self.image_dims = tuple(image_dims or self.crop_dims)

    def predict(self, inputs: Iterable[np.ndarray], oversample: bool = True) -> np.ndarray:
        """Returns the net's output for each image.

        Args:
            inputs: images (H, W, K) as ``caffe.io.load_image`` returns them.
            oversample: whether to average over the corners, the center and their mirror images instead of
                using the center alone.

        Returns:
            (number of images, number of classes).
        """
        images = [io.resize_image(image, self.image_dims) for image in inputs]
        if oversample:
            crops = io.oversample(images, self.crop_dims)
        else:
            top, left = (np.array(self.image_dims) - np.array(self.crop_dims)) // 2
            height, width = self.crop_dims
            crops = np.stack([image[top : top + height, left : left + width] for image in images])
        scores = self.run(crops)
        return scores.reshape(len(images), -1, *scores.shape[1:]).mean(axis=1)
