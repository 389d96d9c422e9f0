"""What activates channels: patches of real images, and inputs made by gradient ascent."""

from __future__ import annotations

import numpy as np
import pytest

from cnnviz.analysis.gradients import check_channel
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.maximization import Ascent, input_image, maximize_activation, parse_target
from cnnviz.analysis.preprocessing import find_images, preprocessing_of, read_image
from cnnviz.analysis.top_images import PATCH, top_images
from cnnviz.errors import CnnvizError, NetError
from cnnviz.formats.images import resize_image
from cnnviz.formats.prototxt import read_net
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maximization import maximization_figure, top_images_figure


@pytest.fixture(scope="module")
def inspector(demo):
    folder, result = demo
    definition = read_net(folder / "lenet_train_test.prototxt")
    return Inspector(definition, result.weights, ImageOptions(preprocessing_of(definition)), gradients=True)


@pytest.fixture
def paths(demo):
    return find_images([demo[0] / "digits"])


def test_top_images_are_the_largest_activations(inspector, paths):
    found = top_images(inspector, "conv2", paths, count=2, channels=[3, 11])
    for channel, patches in zip(found.channels, found.patches, strict=True):
        largest = {p: inspector.run(read_image(p), layers=["conv2"]).maps[0].values[channel] for p in paths}
        best = sorted(paths, key=lambda p: -largest[p].max())[:2]
        assert [patch.path for patch in patches] == best
        for patch in patches:
            assert patch.value == pytest.approx(largest[patch.path].max(), rel=1e-6)
            assert largest[patch.path][patch.unit] == pytest.approx(patch.value, rel=1e-6)
    assert found.total == 50 and found.images == 3 and found.size == (14, 14)


def test_patches_are_what_the_unit_sees(inspector, paths):
    (patch,) = top_images(inspector, "conv1", paths, count=1, channels=[0]).patches[0]
    row, column = patch.unit
    cut = read_image(patch.path)[row : row + 5, column : column + 5]
    want = np.repeat(cut[..., None], 3, axis=2).repeat(PATCH // 5, axis=0).repeat(PATCH // 5, axis=1)
    assert np.array_equal(patch.pixels, resize_image(want, PATCH, PATCH))


def test_fully_connected_layers_see_the_whole_image(inspector, paths):
    found = top_images(inspector, "ip2", paths, count=3)
    assert found.size is None and len(found.channels) == 10
    assert found.patches[5][0].path.endswith("digit_5.png")
    figure = top_images_figure(found, theme=get_theme("light"))
    texts = [t.get_text() for t in figure.texts]
    assert "Top images of ip2" in texts and "channel 9" in texts
    assert len(figure.axes[0].texts) == 30


def test_the_rest_of_the_channels_is_said(inspector, paths):
    figure = top_images_figure(top_images(inspector, "conv2", paths, limit=4), theme=get_theme("dark"))
    assert any("4 of 50 channels" in t.get_text() for t in figure.texts)


def test_an_input_for_a_channel_activates_it(inspector):
    before = inspector.net.blobs["data"].read_data()
    made = maximize_activation(inspector, 7, "conv2", ascent=Ascent(steps=16))
    assert made.after > made.before + 0.2
    assert np.array_equal(inspector.net.blobs["data"].read_data(), before)
    inspector.net.blobs["data"].data[0] = made.values
    inspector.net.run_forward()
    assert inspector.net.blobs["conv2"].read_data()[0, 7].mean() == pytest.approx(made.after, rel=1e-4)
    inspector.net.blobs["data"].data[...] = before


def test_channels_that_are_not_there(inspector):
    with pytest.raises(CnnvizError, match="Channel 50 is out of range: layer 'conv2' has 50 channels"):
        maximize_activation(inspector, 50, "conv2")
    with pytest.raises(NetError, match="no layer 'conv3'; did you mean 'conv"):
        maximize_activation(inspector, 0, "conv3")
    check_channel(inspector, "conv2", 49, "conv2")


def test_images_of_inputs_are_rgb_around_grey():
    values = np.zeros((3, 2, 2), np.float32)
    values[0, 0, 0] = 1  # blue in Caffe's order
    image = input_image(values, "bgr")
    assert image[1, 1].tolist() == [128, 128, 128] and image[0, 0].tolist() == [128, 128, 255]
    assert input_image(values[:1], "bgr").shape == (2, 2)


def test_inputs_are_labelled_with_their_activations(inspector):
    made = [maximize_activation(inspector, k, ascent=Ascent(steps=2)) for k in (3, 5)]
    figure = maximization_figure(made, theme=get_theme("light"))
    labels = [t.get_text() for t in figure.axes[0].texts]
    assert labels[0].startswith("class 3: ") and f"{made[1].after:.3g}" in labels[1]


def test_targets_are_classes_channels_and_layers(inspector):
    assert parse_target(inspector, "7") == (None, [7])
    assert parse_target(inspector, "conv2:7") == ("conv2", [7])
    assert parse_target(inspector, "conv1") == ("conv1", list(range(20)))
    assert len(parse_target(inspector, "ip1")[1]) == 24
    with pytest.raises(NetError, match="no layer 'conv9'"):
        parse_target(inspector, "conv9")
