"""Images and messages in and out of nets. pycaffe's caffe.io.

Images here are float arrays (H, W, K), RGB, 0 to 1; a Transformer brings them into the form of a blob.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import numpy as np

from cnnviz.errors import CnnvizError
from cnnviz.formats import images
from cnnviz.formats.schema import BlobProto, BlobProtoVector, Datum
from cnnviz.pycaffe.proto import caffe_pb2

__all__ = [
    "Transformer", "array_to_blobproto", "array_to_datum", "arraylist_to_blobprotovector_str",
    "blobproto_to_array", "blobprotovector_str_to_arraylist", "caffe_pb2", "datum_to_array", "load_image",
    "oversample", "resize", "resize_image",
]  # fmt: skip

# Luminance of linear RGB (ITU-R BT.709), the grey of scikit-image, which pycaffe reads images with.
_GREY = (0.2125, 0.7154, 0.0721)


class Transformer:
    """blob = (raw_scale * channel_swap(transpose(resize(image))) - mean) * input_scale.

    Args:
        inputs: blob name -> its shape (N, K, H, W). Steps that are not set are skipped.
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]):
        self.inputs = {name: tuple(shape) for name, shape in inputs.items()}
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """Returns an image (H, W, K) in the form of the blob ``in_``, float32."""
        self._check_input(in_)
        result = np.asarray(data, np.float32)
        size = self.inputs[in_][2:]
        if result.shape[:2] != size:
            result = resize_image(result, size)
        if in_ in self.transpose:
            result = result.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            result = result[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            result = result * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            result = result - self.mean[in_]
        if in_ in self.input_scale:
            result = result * np.float32(self.input_scale[in_])
        return result

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """Returns the image (H, W, K) that ``preprocess`` maps to ``data``, (K, H, W) or (1, K, H, W)."""
        self._check_input(in_)
        result = np.array(data)
        if result.ndim == len(self.inputs[in_]):
            result = result[0]
        if in_ in self.input_scale:
            result = result / self.input_scale[in_]
        if in_ in self.mean:
            result = result + self.mean[in_]
        if in_ in self.raw_scale:
            result = result / self.raw_scale[in_]
        if in_ in self.channel_swap:
            result = result[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            result = result.transpose(np.argsort(self.transpose[in_]))
        return result

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Sets the order of an image's axes in the blob: (2, 0, 1) for (H, W, K) to (K, H, W)."""
        self._check_input(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise ValueError("Transpose order needs to have the same number of dimensions as the input.")
        self.transpose[in_] = tuple(order)

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Sets the order of the channels after the transposition: (2, 1, 0) for RGB to BGR."""
        self._check_input(in_)
        if len(order) != self.inputs[in_][1]:
            raise ValueError(
                "Channel swap needs to have the same number of dimensions as the input channels."
            )
        self.channel_swap[in_] = tuple(order)

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Sets the factor applied before the mean is subtracted: 255 for images of 0 to 1."""
        self._check_input(in_)
        self.raw_scale[in_] = scale

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Sets the factor applied after the mean is subtracted."""
        self._check_input(in_)
        self.input_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """Sets the mean to subtract: (K,), or (K, H, W), which is resized to the blob's size."""
        self._check_input(in_)
        mean = np.asarray(mean, np.float32)
        channels, size = self.inputs[in_][1], self.inputs[in_][2:]
        if mean.ndim == 1:
            if len(mean) != channels:
                raise ValueError(f"Mean channels incompatible with input: {len(mean)} for {channels}.")
            mean = mean[:, None, None]
        elif mean.ndim == 2:
            mean = mean[None]
        if mean.ndim != 3 or len(mean) not in (1, channels):
            raise ValueError(f"Mean shape invalid: {mean.shape} for an input of {self.inputs[in_][1:]}.")
        if mean.shape[1:] not in ((1, 1), size):
            mean = resize_image(mean.transpose(1, 2, 0), size).transpose(2, 0, 1)
        self.mean[in_] = mean

    def _check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise ValueError(f"{in_!r} is not one of the net inputs: {list(self.inputs)}")


def load_image(filename: str | bytes | os.PathLike | IO[bytes], color: bool = True) -> np.ndarray:
    """Reads an image as float32, 0 to 1: (H, W, 3) in RGB, or (H, W, 1) if ``color`` is False.

    Transparency is dropped, and of 16 bits the upper 8 are kept.

    Args:
        filename: a path, or an open binary file such as BytesIO.

    Raises:
        FileError: it is not an image.
    """
    is_path = isinstance(filename, str | bytes | os.PathLike)
    source = os.fsdecode(filename) if is_path else filename.read()  # type: ignore[arg-type, union-attr]
    image = images.load_image(source, None).astype(np.float32) / np.float32(255)
    if image.ndim == 2:
        return np.repeat(image[:, :, None], 3 if color else 1, axis=2)
    image = image[:, :, :3]
    return image if color else (image @ np.array(_GREY, np.float32))[:, :, None]


def resize_image(im: np.ndarray, new_dims: Sequence[int], interp_order: int = 1) -> np.ndarray:
    """Resizes an image (H, W, K) without smoothing, to float32.

    One or three channels are sampled with pixel centres at half positions, and what is outside has the
    image's smallest value, as scikit-image did for pycaffe; other numbers of channels
    are sampled with aligned corners, as SciPy's zoom did.

    Args:
        new_dims: (height, width).
        interp_order: 0 for the nearest pixel, 1 for bilinear; 3 for bicubic (Catmull-Rom, as scikit-image),
            for one or three channels.
    """
    im = np.asarray(im, np.float32)
    centred = im.shape[-1] in (1, 3)
    if interp_order not in ((0, 1, 3) if centred else (0, 1)):
        raise CnnvizError(
            f"resize_image: interp_order {interp_order} is not supported for {im.shape[-1]} channels; "
            "use 0 or 1."
        )
    outside = im.min()
    if centred and im.max() == outside:
        return np.full((*new_dims, im.shape[-1]), outside, np.float32)
    for axis in (0, 1):
        im = _resized_axis(im, axis, int(new_dims[axis]), centred, outside, interp_order)
    return im.astype(np.float32)


def resize(image: np.ndarray, output_shape: Sequence[int], order: int = 1) -> np.ndarray:
    """Resizes an image (H, W) or (H, W, K), as ``resize_image`` does; scikit-image's function of this name.

    Integers are first scaled to 0 to 1, as there.

    Args:
        output_shape: (height, width) or (height, width, K).

    Raises CnnvizError if K would change.
    """
    im = np.asarray(image)
    if np.issubdtype(im.dtype, np.integer):
        im = im / np.float32(np.iinfo(im.dtype).max)
    planes = im.reshape(*im.shape[:2], -1)
    if len(output_shape) > 2 and int(np.prod(output_shape[2:])) != planes.shape[2]:
        raise CnnvizError(f"resize: an image of shape {im.shape} cannot become {tuple(output_shape)}.")
    size = int(output_shape[0]), int(output_shape[1])
    resized = [resize_image(planes[:, :, i : i + 1], size, order) for i in range(planes.shape[2])]
    return np.concatenate(resized, axis=2).reshape(*size, *im.shape[2:])


def _resized_axis(
    im: np.ndarray, axis: int, new: int, centred: bool, outside: float, order: int
) -> np.ndarray:
    old, steps = im.shape[axis], np.arange(new, dtype=np.float64)
    at = (steps + 0.5) * (old / new) - 0.5 if centred else steps * ((old - 1) / max(1, new - 1))
    return _sampled(im, at, axis, outside, order)


def _sampled(im: np.ndarray, at: np.ndarray, axis: int, outside: float, order: int) -> np.ndarray:
    """Returns ``im`` at the positions ``at`` of one axis; around it, values are ``outside``."""
    last = im.shape[axis] - 1
    if order == 0:
        return np.take(im, np.clip(np.floor(at + 0.5), 0, last).astype(int), axis)
    edge = [(2, 2) if i == axis else (0, 0) for i in range(im.ndim)]
    padded = np.pad(im.astype(np.float64), edge, constant_values=outside)
    first = np.floor(at).astype(int)
    shares = _linear(at - first) if order == 1 else _cubic(at - first)
    total = 0.0
    for step, share in shares.items():
        values = np.take(padded, np.clip(first + step + 2, 0, last + 4), axis)
        total = total + values * share.reshape([-1 if i == axis else 1 for i in range(im.ndim)])
    return np.asarray(total)


def _linear(t: np.ndarray) -> dict[int, np.ndarray]:
    """Weights of the pixels 0 and 1 for a position ``t`` between them."""
    return {0: 1 - t, 1: t}


def _cubic(t: np.ndarray) -> dict[int, np.ndarray]:
    """Catmull-Rom weights of the pixels -1 to 2 for a position ``t`` between 0 and 1."""
    return {
        -1: (-t + 2 * t**2 - t**3) / 2,
        0: (2 - 5 * t**2 + 3 * t**3) / 2,
        1: (t + 4 * t**2 - 3 * t**3) / 2,
        2: (-(t**2) + t**3) / 2,
    }


def oversample(images: Iterable[np.ndarray], crop_dims: Sequence[int]) -> np.ndarray:
    """Returns the crops of the four corners and the center of each image, then the same five mirrored.

    Args:
        images: (H, W, K), all of the same size.
        crop_dims: (height, width) of a crop.

    Returns:
        (10 * number of images, height, width, K), float32.
    """
    sources = list(images)
    (rows, columns), (height, width) = sources[0].shape[:2], (int(crop_dims[0]), int(crop_dims[1]))
    if height > rows or width > columns:
        raise ValueError(f"A crop of {height} x {width} does not fit into an image of {rows} x {columns}.")
    places = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    places.append(((rows - height) // 2, (columns - width) // 2))
    crops = []
    for image in sources:
        five = [image[top : top + height, left : left + width] for top, left in places]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.array(crops, np.float32)


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """Returns the values of a BlobProto (or its gradient) in its shape, (N, C, H, W) in the old form."""
    values = np.array(blob.diff if return_diff else blob.data, np.float32)
    if blob.HasField("shape") or not any(blob.HasField(axis) for axis in _LEGACY_AXES):
        return values.reshape(blob.shape.dim)
    return values.reshape([getattr(blob, axis) for axis in _LEGACY_AXES])


_LEGACY_AXES = ("num", "channels", "height", "width")


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """Returns an array, and a gradient of the same shape, as a BlobProto."""
    blob = BlobProto(data=np.ravel(arr).astype(float))
    blob.shape.dim.extend(np.shape(arr))
    if diff is not None:
        blob.diff.extend(np.ravel(diff).astype(float))
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """Returns arrays as a serialized BlobProtoVector."""
    return BlobProtoVector(blobs=[array_to_blobproto(array) for array in arraylist]).SerializeToString()


def blobprotovector_str_to_arraylist(data: bytes) -> list[np.ndarray]:
    """Returns the arrays of a serialized BlobProtoVector."""
    return [blobproto_to_array(blob) for blob in BlobProtoVector.FromString(data).blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """Returns an array (C, H, W) as a Datum: bytes if it is uint8, otherwise floats."""
    if arr.ndim != 3:
        raise ValueError("Incorrect array shape: a Datum has (channels, height, width).")
    datum = Datum(channels=arr.shape[0], height=arr.shape[1], width=arr.shape[2])
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """Returns a Datum's pixels or values as (C, H, W); its label is ``datum.label``."""
    shape = datum.channels, datum.height, datum.width
    if datum.data:
        return np.frombuffer(datum.data, np.uint8).reshape(shape)
    return np.array(datum.float_data).astype(float).reshape(shape)
