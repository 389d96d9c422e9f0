"""caffe.io, Classifier and Detector: images on their way into nets, by pycaffe's rules."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import cnnviz.pycaffe as caffe
from cnnviz.errors import CnnvizError, FileError
from cnnviz.pycaffe.proto import caffe_pb2

NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 3 dim: 4 dim: 4 } } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean"
  pooling_param { pool: AVE global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "mean" top: "flat" }
"""  # the output is each channel's mean, so that every step of the input can be followed


@pytest.fixture
def net_files(tmp_path):
    net = tmp_path / "net.prototxt"
    net.write_text(NET)
    caffe.Net(str(net), caffe.TEST).save(str(tmp_path / "net.caffemodel"))
    return str(net), str(tmp_path / "net.caffemodel")


@pytest.fixture
def picture():
    return np.random.default_rng(3).random((6, 8, 3)).astype(np.float32)


# Pictures


def test_load_image(tmp_path):
    rgba = np.random.default_rng(0).integers(0, 256, (4, 5, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    Image.fromarray(rgba[..., 0]).save(tmp_path / "grey.png")
    image = caffe.io.load_image(tmp_path / "rgba.png")
    assert image.dtype == np.float32 and np.array_equal(image, rgba[..., :3] / np.float32(255))
    grey = caffe.io.load_image(tmp_path / "rgba.png", color=False)
    assert grey.shape == (4, 5, 1)
    luminance = rgba[..., :3] @ np.array([0.2125, 0.7154, 0.0721]) / 255
    assert np.allclose(grey[..., 0], luminance, atol=1e-6)
    assert caffe.io.load_image(tmp_path / "grey.png").shape == (4, 5, 3)
    assert caffe.io.load_image(tmp_path / "grey.png", color=False).shape == (4, 5, 1)
    (tmp_path / "no.png").write_text("no")
    with pytest.raises(FileError, match="is not an image"):
        caffe.io.load_image(tmp_path / "no.png")


def test_resize_samples_between_centres_with_the_least_value_outside():
    image = np.array([0, 1, 2, 3], np.float32).reshape(1, 4, 1) + 5
    assert np.allclose(caffe.io.resize_image(image, (1, 2)).ravel(), [5.5, 7.5])
    # Twice as wide: positions -0.25, 0.25, 0.75 ... 3.25; at the ends a quarter of what is outside, 5.
    wide = [5, 5.25, 5.75, 6.25, 6.75, 7.25, 7.75, 8 * 0.75 + 5 * 0.25]
    assert np.allclose(caffe.io.resize_image(image, (1, 8)).ravel(), wide)
    assert np.allclose(caffe.io.resize_image(image, (1, 2), interp_order=0).ravel(), [6, 8])


def test_resize_of_other_channels_keeps_the_corners():
    image = np.arange(6, dtype=np.float32).reshape(2, 3, 1) * np.ones(2, np.float32)
    grown = caffe.io.resize_image(image, (3, 5))
    assert np.allclose(grown[..., 0], [[0, 0.5, 1, 1.5, 2], [1.5, 2, 2.5, 3, 3.5], [3, 3.5, 4, 4.5, 5]])


def test_resize_of_one_colour_and_of_an_unknown_order():
    assert np.array_equal(caffe.io.resize_image(np.full((2, 2, 3), 7), (3, 1)), np.full((3, 1, 3), 7))
    with pytest.raises(CnnvizError, match="interp_order 2"):
        caffe.io.resize_image(np.zeros((2, 2, 3)), (3, 1), interp_order=2)


def test_oversample_takes_corners_middle_and_mirrors(picture):
    crops = caffe.io.oversample([picture, picture + 1], (3, 4))
    assert crops.shape == (20, 3, 4, 3) and crops.dtype == np.float32
    assert np.array_equal(crops[0], picture[:3, :4]) and np.array_equal(crops[1], picture[:3, 4:])
    assert np.array_equal(crops[2], picture[3:, :4]) and np.array_equal(crops[3], picture[3:, 4:])
    assert np.array_equal(crops[4], picture[1:4, 2:6])
    assert np.array_equal(crops[5:10], crops[:5, :, ::-1])
    assert np.allclose(crops[10:], crops[:10] + 1)
    with pytest.raises(ValueError, match="does not fit"):
        caffe.io.oversample([picture], (7, 4))


# Transformer


def transformer(**shape):
    return caffe.io.Transformer({"data": (1, 3, 4, 5)} | shape)


def test_preprocess_is_every_step_in_order():
    steps = transformer()
    steps.set_transpose("data", (2, 0, 1))
    steps.set_channel_swap("data", (2, 1, 0))
    steps.set_raw_scale("data", 255)
    steps.set_mean("data", np.array([1, 2, 3]))
    steps.set_input_scale("data", 0.5)
    image = np.random.default_rng(1).random((4, 5, 3)).astype(np.float32)
    blob = steps.preprocess("data", image)
    expected = (255 * image[..., ::-1].transpose(2, 0, 1) - np.array([1, 2, 3]).reshape(3, 1, 1)) / 2
    assert blob.dtype == np.float32 and np.allclose(blob, expected, atol=1e-4)
    assert np.allclose(steps.deprocess("data", blob[None]), image, atol=1e-5)
    assert np.allclose(steps.deprocess("data", blob), image, atol=1e-5)
    assert steps.preprocess("data", np.zeros((9, 9, 3))).shape == (3, 4, 5)


def test_a_mean_of_another_size_is_resized():
    steps = transformer()
    mean = np.random.default_rng(2).random((3, 8, 10)).astype(np.float32) * 100
    steps.set_mean("data", mean)
    assert steps.mean["data"].shape == (3, 4, 5)
    assert np.allclose(steps.mean["data"], mean.reshape(3, 4, 2, 5, 2).mean(axis=(2, 4)), atol=1e-3)


def test_wrong_settings_are_named():
    steps = transformer()
    with pytest.raises(ValueError, match="'label' is not one of the net inputs"):
        steps.set_raw_scale("label", 1)
    with pytest.raises(ValueError, match="Transpose order"):
        steps.set_transpose("data", (1, 0))
    with pytest.raises(ValueError, match="Channel swap"):
        steps.set_channel_swap("data", (1, 0))
    with pytest.raises(ValueError, match="Mean channels incompatible"):
        steps.set_mean("data", np.zeros(4))
    with pytest.raises(ValueError, match="Mean shape invalid"):
        steps.set_mean("data", np.zeros((2, 4, 5)))


# Messages


def test_blobs_there_and_back():
    array = np.random.default_rng(4).standard_normal((2, 3)).astype(np.float32)
    blob = caffe.io.array_to_blobproto(array, diff=2 * array)
    assert np.array_equal(caffe.io.blobproto_to_array(blob), array)
    assert np.array_equal(caffe.io.blobproto_to_array(blob, return_diff=True), 2 * array)
    old = caffe_pb2.BlobProto(num=1, channels=1, height=2, width=3, data=range(6))
    assert caffe.io.blobproto_to_array(old).shape == (1, 1, 2, 3)
    listed = caffe.io.blobprotovector_str_to_arraylist(
        caffe.io.arraylist_to_blobprotovector_str([array, array[0]])
    )
    assert [a.shape for a in listed] == [(2, 3), (3,)]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_datums_there_and_back(dtype):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    datum = caffe.io.array_to_datum(array, 7)
    again = caffe_pb2.Datum.FromString(datum.SerializeToString())
    assert np.array_equal(caffe.io.datum_to_array(again), array) and again.label == 7
    assert bool(again.data) == (dtype == np.uint8)
    with pytest.raises(ValueError, match="Incorrect array shape"):
        caffe.io.array_to_datum(array[0])


# Classifier and Detector


def test_classifier_crops_and_averages(net_files, picture):
    classifier = caffe.Classifier(
        *net_files, image_dims=(6, 8), mean=np.array([1, 2, 3]), raw_scale=255, channel_swap=(2, 1, 0)
    )
    swapped = picture[..., ::-1] * 255 - np.array([1, 2, 3])
    middle = classifier.predict([picture], oversample=False)
    assert np.allclose(middle, [swapped[1:5, 2:6].mean(axis=(0, 1))], atol=1e-3)
    crops = [
        swapped[r : r + 4, c : c + 4].mean(axis=(0, 1)) for r, c in ((0, 0), (0, 4), (2, 0), (2, 4), (1, 2))
    ]
    assert np.allclose(classifier.predict([picture]), [np.mean(crops, axis=0)], atol=1e-3)
    assert classifier.predict([picture, picture, picture]).shape == (3, 3)


def test_detector_scores_windows(net_files, tmp_path):
    pixels = np.zeros((10, 10, 3), np.uint8)
    pixels[2:6, 4:8] = (255, 0, 51)
    path = tmp_path / "windows.png"
    Image.fromarray(pixels).save(path)
    detector = caffe.Detector(*net_files)
    found = detector.detect_windows([(path, [(2, 4, 6, 8), (6, 0, 10, 4)])])
    assert [entry["window"] for entry in found] == [(2, 4, 6, 8), (6, 0, 10, 4)]
    assert found[0]["filename"] == path
    assert np.allclose(found[0]["prediction"], [1, 0, 0.2], atol=1e-6)
    assert np.allclose(found[1]["prediction"], 0)
    assert detector.detect_windows([]) == []


def test_context_surrounds_a_window_and_the_mean_what_is_outside(net_files):
    picture = np.ones((8, 8, 3), np.float32)
    detector = caffe.Detector(*net_files, mean=np.array([51, 0, 0]), raw_scale=255, context_pad=1)
    # A window of 4 in a net of 4 with 1 of context: twice as wide, 8, all of it inside.
    assert np.allclose(detector.crop(picture, np.array([2, 2, 6, 6])), 1)
    # At the upper edge a quarter lies outside, where the mean stands (0.2 in red).
    crop = detector.crop(picture, np.array([0, 2, 4, 6]))
    assert np.allclose(crop[0], [0.2, 0, 0]) and np.allclose(crop[1:], 1)


def test_classifier_knows_the_cat(real):
    folder = real / "caffemodels" / "squeezenet_v1.0"
    classifier = caffe.Classifier(
        str(folder / "SqueezeNet_deploy.prototxt"),
        str(folder / "decompressed_SqueezeNet.caffemodel"),
        image_dims=(256, 256),
        mean=np.array([104, 117, 123]),
        raw_scale=255,
        channel_swap=(2, 1, 0),
    )
    scores = classifier.predict([caffe.io.load_image(real / "images" / "skimage_chelsea.png")])
    best = np.argsort(-scores.ravel())[:3]
    assert set(best) == {281, 282, 285}  # tabby, tiger cat, Egyptian cat
