"""From an image to the values that a net expects: size, channel order, mean and scale."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnviz.analysis.arrays import InputArray, read_array
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.files import describe_os_error
from cnnviz.formats.images import load_image, resize_image
from cnnviz.formats.nets import open_net
from cnnviz.formats.paths import existing
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, Phase

GREY = (0.299, 0.587, 0.114)
_IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff")

log = logging.getLogger("cnnviz")


@dataclass(frozen=True)
class Preprocessing:
    """input = (pixels - mean) * scale, pixels 0 to 255 in ``channel_order``.

    Attributes:
        mean: per channel (C,), per pixel (C, H, W) in the blob's channel order, or None.
        scale: factor after the mean is subtracted; default 1.
        channel_order: "bgr" (Caffe's habit) or "rgb".
        fit: "crop" keeps the image's proportions and crops the center, "stretch" resizes the whole image.
    """

    mean: np.ndarray | None = None
    scale: float = 1.0
    channel_order: str = "bgr"
    fit: str = "crop"

    @property
    def is_bare(self) -> bool:
        """Whether pixels go in as 0 to 255."""
        return self.mean is None and self.scale == 1

    def prepare(self, image: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Fits an image into a blob.

        Args:
            image: (H, W) or (H, W, 3) in RGB, 0 to 255.
            shape: (C, H, W) of the blob; C is 1 or 3.

        Returns:
            The values (C, H, W) in float32, and the image as the net sees it: (H, W) or (H, W, 3), uint8.

        Raises:
            CnnvizError: the blob takes no image, or the mean does not fit.
        """
        channels, height, width = shape
        if channels not in (1, 3):
            raise CnnvizError(
                f"The net's input has {channels} channels; an image has 1 or 3. "
                "Give an .npy array with all channels instead."
            )
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
        if mean.ndim == 3 and mean.shape[0] in (1, shape[0]):
            if mean.shape[1] < shape[1] or mean.shape[2] < shape[2]:
                return mean.mean(axis=(1, 2), keepdims=True)
            top, left = (mean.shape[1] - shape[1]) // 2, (mean.shape[2] - shape[2]) // 2
            return mean[:, top : top + shape[1], left : left + shape[2]]
        raise CnnvizError(
            f"A mean of shape {mean.shape} does not fit an input of {shape}; give one number for each of its "
            f"{shape[0]} channels, one for all, or a mean image with as many channels."
        )


def _with_channels(image: np.ndarray, channels: int) -> np.ndarray:
    if channels == 3:
        return np.stack([image] * 3, axis=2) if image.ndim == 2 else image
    if image.ndim == 2:
        return image
    return np.rint(image @ np.array(GREY)).astype(np.uint8)


def preprocessing_of(definition: NetDefinition) -> Preprocessing:
    """Returns mean and scale of the transform_param of the net's data layer: the TEST one's if there are two.

    A mean_file is looked up at its path and in the folder of the prototxt; one that is missing is
    ignored with a warning.
    """
    layers = [layer for layer in definition.proto.layer if layer.HasField("transform_param")]
    if not layers:
        return Preprocessing()
    param = max(layers, key=_is_for_test).transform_param
    mean = np.array(param.mean_value, np.float32) if param.mean_value else None
    if mean is None and param.mean_file:
        mean = _mean_of_file(definition, param.mean_file)
    return Preprocessing(mean, param.scale)


def training_net(path: str | None, definition: NetDefinition) -> NetDefinition:
    """Returns the net whose data layer gives mean and scale: the one in ``path``, otherwise
    ``definition``.

    Raises CnnvizError if the net in ``path`` has no data layer.
    """
    if path is None:
        return definition
    trained = open_net(path)
    if not any(layer.HasField("transform_param") or "Data" in layer.type for layer in trained.proto.layer):
        raise CnnvizError(
            f"{path}: has no data layer that gives mean and scale; give the prototxt for training, "
            "or --mean and --scale."
        )
    return trained


def _is_for_test(layer: LayerParameter) -> int:
    phases = [rule.phase for rule in layer.include if rule.HasField("phase")]
    return 2 if Phase.Value("TEST") in phases else 1 if not phases else 0


def _mean_of_file(definition: NetDefinition, name: str) -> np.ndarray | None:
    from cnnviz.formats.binaryproto import read_mean

    in_folder = os.path.join(os.path.dirname(definition.path), os.path.basename(name))
    for path in (definition.resolve(name), in_folder):
        if os.path.isfile(path):
            return read_mean(path)
    log.warning("%s: the mean file %s is missing; give it with --mean.", definition.path, name)
    return None


def preprocessing_from_options(
    definition: NetDefinition, mean: str | None, scale: float | None, rgb: bool = False, stretch: bool = False
) -> Preprocessing:
    """Returns the preprocessing of the command line's options; the net's data layer gives what is missing.

    Args:
        definition: the net, or the one it was trained as if that alone has a data layer.
        mean: values such as "104,117,123", or the path of a .binaryproto, .npy or .mat file.

    Raises CnnvizError or FileError if the mean is neither.
    """
    result = Preprocessing() if mean is not None and scale is not None else preprocessing_of(definition)
    if mean is not None:
        result = replace(result, mean=_parse_mean(mean))
    if scale is not None:
        if not (math.isfinite(scale) and scale):
            raise CnnvizError(
                f"--scale {scale:g} leaves nothing of the image; give a factor such as 0.0078125."
            )
        result = replace(result, scale=scale)
    return replace(result, channel_order="rgb" if rgb else "bgr", fit="stretch" if stretch else "crop")


def _parse_mean(text: str) -> np.ndarray:
    from cnnviz.formats.binaryproto import read_mean

    try:
        mean = np.array([float(part) for part in text.split(",")], np.float32)
        if not np.isfinite(mean).all():
            raise CnnvizError(f"--mean {text}: is not finite; give numbers such as 104,117,123.")
        return mean
    except ValueError:
        path = existing(text)
        if not os.path.exists(path):
            raise CnnvizError(
                f"--mean {text}: is neither numbers such as 104,117,123 nor a file (.binaryproto, .npy, "
                ".mat)."
            ) from None
        return read_mean(path)


def parse_size(text: str) -> tuple[int, int]:
    """Returns (height, width) of "H,W" or "HxW".

    Raises CnnvizError for anything else.
    """
    parts = text.lower().replace("x", ",").split(",")
    if len(parts) == 2 and all(part.strip().isdigit() and int(part) > 0 for part in parts):
        return int(parts[0]), int(parts[1])
    raise CnnvizError(f"A size is HEIGHT,WIDTH in pixels, such as 227,227, not {text!r}.")


def find_images(paths: Sequence[str | os.PathLike]) -> list[str]:
    """Returns the files among ``paths`` and, of folders among them, all images in order of name.

    Raises FileError if one of them is missing, or a folder holds no image or cannot be read.
    """
    found: list[str] = []
    for path in [os.fspath(path) for path in paths]:
        if not os.path.exists(path):
            raise FileError(f"{path}: cannot be read: no such file or directory.")
        if not os.path.isdir(path):
            found.append(path)
            continue
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            raise FileError(f"{path}: cannot be read: {describe_os_error(error)}.") from None
        images = [os.path.join(path, name) for name in names if is_image_file(name)]
        images = images or [os.path.join(path, name) for name in names if is_array_file(name)]
        if not images:
            raise FileError(f"{path}: holds no image ({', '.join(_IMAGES)}).")
        found += images
    return found


def load_input(path: str | os.PathLike) -> np.ndarray | InputArray:
    """Returns an image as ``read_image``, or the array of an .npy file.

    Raises FileError if it is neither.
    """
    return read_array(os.fspath(path)) if is_array_file(path) else read_image(path)


def is_image_file(path: str | os.PathLike) -> bool:
    """Whether a file is an image by its name."""
    return os.fspath(path).lower().endswith(_IMAGES)


def is_array_file(path: str | os.PathLike) -> bool:
    """Whether a file is an array by its name."""
    return os.fspath(path).lower().endswith(".npy")


def read_image(path: str | os.PathLike) -> np.ndarray:
    """Returns an image as (H, W) or (H, W, 3), RGB, without transparency.

    Raises FileError if it is not an image.
    """
    image = load_image(path, None)
    return image[..., :3] if image.ndim == 3 else image
