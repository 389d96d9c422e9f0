"""Images as uint8 arrays, read and written by OpenCV's conventions where Caffe's data depends on them."""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from cnnviz.errors import FileError
from cnnviz.formats.files import read_bytes

# Formats decoded inside Pillow: others start programs (EPS) or bring no pixels (PDF, MPO streams).
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "JPEG2000", "TGA")
MAX_PIXELS = 1 << 26
_MOST_PIXELS_PER_BYTE = 1 << 16  # an all blank JPEG 2000 comes near; a header that claims more is false
# Red, green, blue in 1/32768: libpng cuts its weights and the sum off, OpenCV rounds for other formats.
_LIBPNG_GREY = (9797, 19234, 3737, 0)
_OPENCV_GREY = (9798, 19234, 3736, 16384)
_COEFFICIENT_BITS = 11
_ORIENTATION = 0x0112  # of EXIF
_BAND = 1 << 21  # pixels that are converted at once
# Pillow warns of damage that it reads around; what it cannot read is an error of ours.
warnings.filterwarnings("ignore", category=Warning, module=r"PIL\.")


def load_image(
    source: str | os.PathLike | bytes, color: bool | None = True, name: str | None = None
) -> np.ndarray:
    """Decodes an image to 8 bits as OpenCV's imdecode does, colours in the order R, G, B.

    The EXIF orientation is applied, of 16 bits the upper 8 are kept, transparency is dropped, and of
    several frames the first one is read.

    Args:
        source: a path, or the bytes of the file.
        color: True gives (H, W, 3), False grey (H, W), None what the file holds: (H, W), (H, W, 3) or,
            with transparency, (H, W, 4).
        name: what errors call the image; default: the path.

    Raises:
        FileError: unreadable, not an image, cut short or above 67 million pixels.
    """
    data = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else read_bytes(source)
    name = name or ("image" if data is source else str(source))
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.size, len(data), name)
            if color is False and image.format == "JPEG":
                image.draft("L", None)  # the stored luminance itself, as libjpeg hands it to OpenCV
            grey_weights = _LIBPNG_GREY if image.format == "PNG" else _OPENCV_GREY
            if image.getexif().get(_ORIENTATION, 1) != 1:
                image = ImageOps.exif_transpose(image)
            return _to_array(image, color, grey_weights)
    except FileError:
        raise
    except UnidentifiedImageError:
        known = ", ".join(FORMATS)
        raise FileError(f"{name}: is not an image that Pillow can read ({known}).") from None
    except Image.DecompressionBombError:
        raise FileError(f"{name}: has more than {MAX_PIXELS} pixels; scale it down first.") from None
    except Exception as error:  # Pillow's decoders raise nearly anything for damaged files
        raise FileError(f"{name}: is not an image that Pillow can read ({error}).") from None


def encode_image(array: np.ndarray, extension: str) -> bytes:
    """Encodes an RGB (H, W, 3) or grey (H, W) uint8 array in the format of ``extension``, e.g. "png".

    JPEG has OpenCV's quality of 95.

    Raises:
        FileError: unknown extension.
    """
    known = Image.registered_extensions()
    format_name = known.get(f".{extension.lstrip('.').lower()}")
    if format_name not in FORMATS:
        raise FileError(f"No encoder for images of type {extension!r}; use png or jpg.")
    buffer = io.BytesIO()
    options = {"quality": 95} if format_name == "JPEG" else {}
    Image.fromarray(array).save(buffer, format_name, **options)
    return buffer.getvalue()


def resize_image(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resizes a uint8 (H, W) or (H, W, C) image as OpenCV's resize with INTER_LINEAR does.

    Bilinear between pixel centres at half positions without smoothing, in 11-bit fixed point; exactly
    half the size in both directions is the mean of four pixels.

    Args:
        height: new height in pixels.
        width: new width in pixels.

    Raises FileError above 67 million pixels.
    """
    old_height, old_width = image.shape[:2]
    if height * width > MAX_PIXELS:
        raise FileError(
            f"An image of {height} x {width} pixels is larger than {MAX_PIXELS} pixels; take less."
        )
    if (old_height, old_width) == (height, width):
        return image.copy()
    result = np.empty((height, width, *image.shape[2:]), np.uint8)
    rows = max(1, _BAND // max(width, 1))
    halved = (old_height, old_width) == (2 * height, 2 * width)
    for top in range(0, height, rows):
        band = slice(top, min(top + rows, height))
        result[band] = _halved(image, band) if halved else _interpolated(image, height, width, band)
    return result


def _halved(image: np.ndarray, band: slice) -> np.ndarray:
    pixels = image[2 * band.start : 2 * band.stop].astype(np.int32)
    quads = pixels.reshape(len(pixels) // 2, 2, image.shape[1] // 2, 2, *image.shape[2:])
    return ((quads.sum(axis=(1, 3)) + 2) >> 2).astype(np.uint8)


def _interpolated(image: np.ndarray, height: int, width: int, band: slice) -> np.ndarray:
    """Returns the rows ``band`` of the resized image."""
    top, bottom, upper, lower = (part[band] for part in _neighbours(image.shape[0], height))
    left, right, nearer, farther = _neighbours(image.shape[1], width)
    needed = np.union1d(top, bottom)
    pixels = image[needed].astype(np.int32)
    top, bottom = np.searchsorted(needed, top), np.searchsorted(needed, bottom)
    trailing = (1,) * (image.ndim - 2)
    nearer, farther = nearer.reshape(-1, *trailing), farther.reshape(-1, *trailing)
    rows = (pixels[:, left] * nearer + pixels[:, right] * farther) >> 4
    upper, lower = upper.reshape(-1, 1, *trailing), lower.reshape(-1, 1, *trailing)
    return ((((rows[top] * upper) >> 16) + ((rows[bottom] * lower) >> 16) + 2) >> 2).astype(np.uint8)


def to_planes(image: np.ndarray) -> np.ndarray:
    """Returns an image in the order of Caffe's data: (C, H, W), colours B, G, R (then transparency)."""
    if image.ndim == 2:
        return image[None]
    order = [2, 1, 0, 3][: image.shape[2]]
    return np.ascontiguousarray(image[:, :, order].transpose(2, 0, 1))


def from_planes(planes: np.ndarray) -> np.ndarray:
    """Returns (1, H, W) grey or (3, H, W) BGR planes as an image (H, W) or (H, W, 3) in RGB."""
    return planes[0] if len(planes) == 1 else np.ascontiguousarray(planes[::-1].transpose(1, 2, 0))


def _check_size(size: tuple[int, int], stored: int, name: str) -> None:
    if size[0] * size[1] > stored * _MOST_PIXELS_PER_BYTE:
        raise FileError(
            f"{name}: its {stored} bytes cannot hold {size[0]} x {size[1]} pixels; fetch it again."
        )
    if size[0] * size[1] > MAX_PIXELS:
        raise FileError(f"{name}: has {size[0]} x {size[1]} pixels, above {MAX_PIXELS}; scale it down.")


def _to_array(image: Image.Image, color: bool | None, grey_weights: tuple[int, ...]) -> np.ndarray:
    """Converts band by band, so that a large image is in memory once beside what Pillow decoded."""
    width, height = image.size
    rows = max(1, _BAND // max(width, 1))
    first = _band_to_array(image.crop((0, 0, width, min(rows, height))), color, grey_weights)
    if rows >= height:
        return first
    whole = np.empty((height, *first.shape[1:]), np.uint8)
    whole[:rows] = first
    for top in range(rows, height, rows):
        band = image.crop((0, top, width, min(top + rows, height)))
        whole[top : top + rows] = _band_to_array(band, color, grey_weights)
    return whole


def _band_to_array(image: Image.Image, color: bool | None, grey_weights: tuple[int, ...]) -> np.ndarray:
    image = _to_8_bits(image)
    alpha = image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info
    if image.mode in ("1", "L", "LA", "La") and not (color is None and alpha):
        grey = np.array(image.convert("L"))
        return np.repeat(grey[:, :, None], 3, axis=2) if color else grey
    if color is None and alpha:
        return np.array(image.convert("RGBA"))
    # Straight from RGBA to RGB drops the transparency; anything else would blend it.
    rgb = np.array(image.convert("RGB"))
    return _to_grey(rgb, *grey_weights) if color is False else rgb


def _to_8_bits(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return Image.fromarray((np.clip(np.asarray(image), 0, 65535) >> 8).astype(np.uint8))
    if image.mode == "F":
        return Image.fromarray(np.clip(np.nan_to_num(np.asarray(image)), 0, 255).astype(np.uint8))
    return image


def _to_grey(rgb: np.ndarray, red: int, green: int, blue: int, half: int) -> np.ndarray:
    wide = rgb.astype(np.int32)
    return ((wide[:, :, 0] * red + wide[:, :, 1] * green + wide[:, :, 2] * blue + half) >> 15).astype(
        np.uint8
    )


def _neighbours(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each new position the two old ones it lies between and their weights in 1/2048."""
    position = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(position).astype(np.int64)
    fraction = position - first
    fraction[(first < 0) | (first >= old - 1)] = 0
    first = np.clip(first, 0, old - 1)
    one = 1 << _COEFFICIENT_BITS
    weights = (np.rint((1 - fraction) * one).astype(np.int32), np.rint(fraction * one).astype(np.int32))
    return first, np.minimum(first + 1, old - 1), *weights
