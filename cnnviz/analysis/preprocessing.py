"""From a picture to the numbers that a net expects: size, channel order, mean and scale."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np

from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.images import load_image, resize_image
from cnnviz.formats.prototxt import NetDefinition

GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Preprocessing:
    """input = (pixels - mean) * scale, pixels 0 to 255 in ``channel_order``.

    Attributes:
        mean: per channel (C,), per pixel (C, H, W) in the blob's channel order, or None.
        scale: factor after the mean is taken away; default 1.
        channel_order: "bgr" (Caffe's habit) or "rgb".
        fit: "crop" keeps the picture's proportions and cuts the middle, "stretch" uses all of it.
    """

    mean: np.ndarray | None = None
    scale: float = 1.0
    channel_order: str = "bgr"
    fit: str = "crop"

    def prepare(self, image: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Fits a picture into a blob.

        Args:
            image: (H, W) or (H, W, 3) in RGB, 0 to 255.
            shape: (C, H, W) of the blob; C is 1 or 3.

        Returns:
            The values (C, H, W) in float32, and the picture as it was seen: (H, W) or (H, W, 3), uint8.

        Raises:
            CnnvizError: the blob takes no picture, or the mean does not fit.
        """
        channels, height, width = shape
        if channels not in (1, 3):
            raise CnnvizError(f"The net's input has {channels} channels; a picture has 1 or 3.")
        seen = self._fit(_with_channels(image, channels), height, width)
        planes = seen[None] if seen.ndim == 2 else seen.transpose(2, 0, 1)
        if channels == 3 and self.channel_order == "bgr":
            planes = planes[::-1]
        values = planes.astype(np.float32)
        if self.mean is not None:
            values = values - self._mean_for(shape)
        return np.ascontiguousarray(values * np.float32(self.scale)), seen

    def _fit(self, image: np.ndarray, height: int, width: int) -> np.ndarray:
        if self.fit == "stretch":
            return resize_image(image, height, width)
        ratio = max(height / image.shape[0], width / image.shape[1])
        rows, columns = max(height, round(image.shape[0] * ratio)), max(width, round(image.shape[1] * ratio))
        resized = resize_image(image, rows, columns)
        top, left = (rows - height) // 2, (columns - width) // 2
        return resized[top : top + height, left : left + width]

    def _mean_for(self, shape: tuple[int, int, int]) -> np.ndarray:
        mean = np.asarray(self.mean, np.float32)
        if mean.ndim == 1 and mean.size in (1, shape[0]):
            return mean.reshape(-1, 1, 1)
        if mean.ndim == 3 and mean.shape[0] == shape[0]:
            if mean.shape[1] < shape[1] or mean.shape[2] < shape[2]:
                return mean.mean(axis=(1, 2), keepdims=True)
            top, left = (mean.shape[1] - shape[1]) // 2, (mean.shape[2] - shape[2]) // 2
            return mean[:, top : top + shape[1], left : left + shape[2]]
        raise CnnvizError(f"A mean of shape {mean.shape} does not fit an input of {shape}.")


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if channels == 3:
        return np.stack([image] * 3, axis=2) if image.ndim == 2 else image
    if image.ndim == 2:
        return image
    return np.rint(image @ np.array(GREY)).astype(np.uint8)


def preprocessing_of(definition: NetDefinition) -> Preprocessing:
    """Returns what the transform_param of the net's data layer says (its TEST one if there are two)."""
    result = Preprocessing()
    for layer in definition.proto.layer:
        if not layer.HasField("transform_param"):
            continue
        param = layer.transform_param
        result = replace(result, scale=param.scale)
        if param.mean_value:
            result = replace(result, mean=np.array(param.mean_value, np.float32))
        elif param.mean_file and os.path.exists(param.mean_file):
            from cnnviz.formats.binaryproto import read_mean

            result = replace(result, mean=read_mean(param.mean_file))
    return result


def preprocessing_from_options(
    definition: NetDefinition, mean: str | None, scale: float | None, rgb: bool = False, stretch: bool = False
) -> Preprocessing:
    """Returns what the command line's options say; what they leave open, the net's data layer says.

    Args:
        mean: numbers such as "104,117,123", or the path of a .binaryproto or .npy file.

    Raises CnnvizError or FileError if the mean is neither.
    """
    result = preprocessing_of(definition)
    if mean is not None:
        result = replace(result, mean=_parse_mean(mean))
    if scale is not None:
        result = replace(result, scale=scale)
    return replace(result, channel_order="rgb" if rgb else "bgr", fit="stretch" if stretch else "crop")


def _parse_mean(text: str) -> np.ndarray:
    from cnnviz.formats.binaryproto import read_mean

    try:
        return np.array([float(part) for part in text.split(",")], np.float32)
    except ValueError:
        if not os.path.exists(text):
            raise CnnvizError(
                f"--mean {text}: is neither numbers such as 104,117,123 nor a file (.binaryproto, .npy)."
            ) from None
        return read_mean(text)


def parse_size(text: str) -> tuple[int, int]:
    """Returns (height, width) of "H,W" or "HxW".

    Raises CnnvizError for anything else.
    """
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) == 2 and all(part.strip().isdigit() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[1])
    raise CnnvizError(f"A size is HEIGHT,WIDTH in pixels, such as 227,227, not {text!r}.")


def load_pictures(paths: list[str]) -> list[tuple[str, np.ndarray]]:
    """Returns (path, picture) of files, and of all pictures in folders, in order of name.

    Raises FileError if a folder holds no picture or a file is none.
    """
    found = []
    for path in paths:
        if not os.path.isdir(path):
            found.append((path, load_image(path, None)))
            continue
        files = [os.path.join(path, name) for name in sorted(os.listdir(path))]
        pictures = [
            f for f in files if f.lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif"))
        ]
        if not pictures:
            raise FileError(f"{path}: holds no picture (png, jpg, bmp, webp, gif).")
        found += [(f, load_image(f, None)) for f in pictures]
    return [(path, image[..., :3] if image.ndim == 3 else image) for path, image in found]
