"""Images: decoding, grey, resizing as OpenCV does, and clear errors."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from cnnviz.errors import FileError
from cnnviz.formats.images import (
    MAX_PIXELS,
    encode_image,
    from_planes,
    load_image,
    resize_image,
    to_planes,
)


def encoded(array: np.ndarray, file_format: str = "PNG", mode: str | None = None, **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array, mode).save(buffer, file_format, **options)
    return buffer.getvalue()


def random_picture(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


def test_color_and_grey_of_a_color_png():
    picture = random_picture(5, 7, 3)
    data = encoded(picture)
    assert (load_image(data) == picture).all()
    assert (load_image(data, color=None) == picture).all()
    grey = load_image(data, color=False)
    assert grey.shape == (5, 7)
    weighted = picture @ np.array([0.299, 0.587, 0.114])
    assert (np.abs(grey - weighted) <= 1).all()


def test_grey_images_become_color_by_repeating():
    picture = random_picture(4, 3)
    for color in (False, None):
        assert (load_image(encoded(picture), color) == picture).all()
    assert (load_image(encoded(picture)) == picture[:, :, None]).all()


def test_transparency_is_dropped_not_blended():
    picture = random_picture(4, 3, 4)
    data = encoded(picture)
    assert (load_image(data) == picture[:, :, :3]).all()
    assert (load_image(data, color=None) == picture).all()


def test_of_16_bits_the_upper_8_are_kept():
    deep = np.array([[0, 255, 256, 65535, 0x1234]], np.uint16)
    assert load_image(encoded(deep), color=False).tolist() == [[0, 0, 1, 255, 0x12]]


def test_palette_images_have_colors():
    image = Image.fromarray(random_picture(6, 6, 3)).quantize(4)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert (load_image(buffer.getvalue()) == np.array(image.convert("RGB"))).all()


def test_exif_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    buffer = io.BytesIO()
    Image.fromarray(random_picture(4, 8, 3)).save(buffer, "JPEG", exif=exif)
    assert load_image(buffer.getvalue()).shape == (8, 4, 3)


def test_errors_say_what_is_wrong(tmp_path):
    text = tmp_path / "x.txt"
    text.write_text("no picture")
    with pytest.raises(FileError, match=r"x\.txt: is not an image that Pillow can read"):
        load_image(text)
    with pytest.raises(FileError, match=r"missing\.png: cannot be read: no such file"):
        load_image(tmp_path / "missing.png")
    whole = encoded(random_picture(40, 40, 3))
    with pytest.raises(FileError, match=r"^entry 7: is not an image that Pillow can read"):
        load_image(whole[: len(whole) // 2], name="entry 7")


def test_a_bomb_is_refused_before_it_unpacks():
    side = int(MAX_PIXELS**0.5) + 1
    bomb = io.BytesIO()
    Image.new("1", (side, side)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 50_000
    with pytest.raises(FileError, match=f"has {side} x {side} pixels"):
        load_image(bomb.getvalue())


def test_a_header_that_claims_more_than_the_file_can_hold():
    liar = io.BytesIO()
    Image.new("L", (1, 1)).save(liar, "PNG")
    data = liar.getvalue().replace(struct.pack(">II", 1, 1), struct.pack(">II", 8000, 8000))
    data = data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
    with pytest.raises(FileError, match=r"its \d+ bytes cannot hold 8000 x 8000 pixels; fetch it again"):
        load_image(data)
    blank = io.BytesIO()
    Image.new("RGB", (4000, 4000)).save(blank, "JPEG2000")
    assert load_image(blank.getvalue()).shape == (4000, 4000, 3)


def test_programs_are_never_started_for_an_image():
    with pytest.raises(FileError, match="is not an image"):
        load_image(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")


@pytest.mark.parametrize("size", [(5, 7), (9, 3), (1, 1), (20, 31), (4, 6)])
def test_resize_is_bilinear_between_pixel_centres(size):
    picture = random_picture(8, 12, 3)
    height, width = size
    resized = resize_image(picture, height, width)
    assert resized.shape == (height, width, 3) and resized.dtype == np.uint8
    if size == (4, 6):
        expected = picture.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    else:
        expected = bilinear(bilinear(picture.astype(float), height).swapaxes(0, 1), width).swapaxes(0, 1)
    assert np.abs(resized - expected).max() <= 1


def bilinear(values: np.ndarray, size: int) -> np.ndarray:
    position = np.clip((np.arange(size) + 0.5) * len(values) / size - 0.5, 0, len(values) - 1)
    first = np.floor(position).astype(int)
    second = np.minimum(first + 1, len(values) - 1)
    weight = (position - first)[:, None, None]
    return values[first] * (1 - weight) + values[second] * weight


def test_resize_agrees_with_opencv(reference):
    folder = reference / "files"
    expected = np.load(folder / "data_resized.npz")["batch0:data"]
    names = [line.split()[0] for line in (folder / "list.txt").read_text().splitlines()]
    for name, want in zip(names, expected, strict=False):
        assert (to_planes(resize_image(load_image(folder / name), 16, 20)) == want).all()


def test_planes_and_back():
    picture = random_picture(3, 4, 3)
    planes = to_planes(picture)
    assert planes.shape == (3, 3, 4) and (planes[0] == picture[:, :, 2]).all()
    assert (from_planes(planes) == picture).all()
    assert (from_planes(to_planes(picture[:, :, 0])) == picture[:, :, 0]).all()


def test_encoding():
    picture = random_picture(6, 5, 3)
    assert (load_image(encode_image(picture, "png")) == picture).all()
    assert load_image(encode_image(picture, ".JPG")).shape == picture.shape
    with pytest.raises(FileError, match="No encoder for images of type 'xyz'"):
        encode_image(picture, "xyz")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_images_give_one_error():
    random = np.random.default_rng(5)
    whole = [encoded(random_picture(12, 9, 3), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF")]
    read = refused = 0
    for _ in range(400):
        data = bytearray(whole[random.integers(len(whole))])
        for _ in range(random.integers(1, 6)):
            data[random.integers(len(data))] = random.integers(256)
        try:
            load_image(bytes(data[: random.integers(1, len(data) + 1)]))
            read += 1
        except FileError:
            refused += 1
    assert read and refused


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "I;16", "F", "CMYK", "LA", "1"])
@pytest.mark.parametrize("color", [True, False, None])
def test_large_images_are_converted_in_bands_alike(monkeypatch, mode, color):
    random = np.random.default_rng(0)
    image = Image.fromarray(random.integers(0, 256, (37, 11, 3), dtype=np.uint8))
    image = (
        Image.fromarray(random.integers(0, 65536, (37, 11)).astype(np.uint16)) if mode == "I;16" else image
    )
    file = io.BytesIO()
    (image if mode == "I;16" else image.convert(mode)).save(file, "TIFF")
    whole = load_image(file.getvalue(), color)
    sizes = [(37, 11), (80, 22), (5, 3), (18, 40)]
    resized = [resize_image(whole, *size) for size in sizes]
    halved = resize_image(whole[:36, :10], 18, 5)
    monkeypatch.setattr("cnnviz.formats.images._BAND", 50)
    assert np.array_equal(load_image(file.getvalue(), color), whole)
    for size, expected in zip(sizes, resized, strict=True):
        assert np.array_equal(resize_image(whole, *size), expected)
    assert np.array_equal(resize_image(whole[:36, :10], 18, 5), halved)


def test_no_image_is_resized_beyond_reason():
    with pytest.raises(FileError, match="60000 x 60000 pixels is larger than"):
        resize_image(np.zeros((2, 2), np.uint8), 60000, 60000)
