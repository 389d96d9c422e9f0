"""Means in every form that people keep them in, wherever a mean is read."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from click.testing import CliRunner

import cnnviz
from cnnviz.analysis.preprocessing import preprocessing_from_options
from cnnviz.cli.main import cnnviz_command
from cnnviz.engine.data.transformer import Transformer
from cnnviz.errors import CnnvizError, FileError, NetError
from cnnviz.formats.binaryproto import read_mean, write_mean
from cnnviz.formats.convert import open_weights
from cnnviz.formats.mat import write_mat, write_mat_array
from cnnviz.formats.prototxt import parse_net
from cnnviz.formats.schema import TransformationParameter

IMAGE = np.arange(2 * 4 * 5, dtype=np.float32).reshape(2, 4, 5)
GREY = IMAGE[:1]
THREE = np.array([104, 117, 123], np.float32)


@pytest.mark.parametrize(
    "stored, expected",
    [
        (IMAGE, IMAGE),
        (IMAGE[None], IMAGE),
        (IMAGE[0], GREY),
        (THREE, THREE.reshape(3, 1, 1)),
        (THREE.reshape(3, 1, 1), THREE.reshape(3, 1, 1)),
        (THREE.reshape(1, 3), THREE.reshape(3, 1, 1)),
        (np.float64(7), np.full((1, 1, 1), 7)),
        (IMAGE.astype(">f8"), IMAGE),
        (np.asfortranarray(IMAGE), IMAGE),
    ],
)
def test_npy_of_any_shape(tmp_path, stored, expected):
    np.save(tmp_path / "mean.npy", stored)
    (tmp_path / "mean.npy").rename(tmp_path / "mean")  # the content determines the format, not the extension
    found = read_mean(tmp_path / "mean")
    assert found.dtype == np.float32 and found.shape == expected.shape
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("mean", [IMAGE, GREY, THREE.reshape(3, 1, 1)], ids=["image", "grey", "channels"])
@pytest.mark.parametrize("first", [".binaryproto", ".npy", ".mat"])
@pytest.mark.parametrize("second", [".binaryproto", ".npy", ".mat"])
def test_convert_takes_a_mean_between_all_kinds(tmp_path, mean, first, second):
    source, target = tmp_path / f"a{first}", tmp_path / f"b{second}"
    write_mean(source, mean)
    result = CliRunner().invoke(cnnviz_command, ["convert", str(source), str(target)], catch_exceptions=False)
    assert result.output == f"{target}: a mean of shape {mean.shape}.\n"
    assert np.array_equal(read_mean(target), mean)
    if second == ".npy":
        assert np.array_equal(np.load(target), mean)


@pytest.mark.parametrize("there", ["a mean", "weights", "damage"])
@pytest.mark.parametrize("source", ["mean.mat", "weights.npz"])
def test_convert_overwrites_whatever_is_there(tmp_path, there, source):
    row = {"name": "a", "type": "", "blobs": [THREE], "shapes": [np.ones(1) * 3]}
    write_mean(tmp_path / "mean.mat", IMAGE)
    np.savez(tmp_path / "weights.npz", **{"a/0": THREE})
    target = tmp_path / "target.mat"
    target.write_bytes(b"damage")
    if there == "a mean":
        write_mean(target, GREY)
    elif there == "weights":
        write_mat(target, "weights", [row])
    CliRunner().invoke(
        cnnviz_command, ["convert", str(tmp_path / source), str(target)], catch_exceptions=False
    )
    if source == "mean.mat":
        assert np.array_equal(read_mean(target), IMAGE)
    else:
        assert np.array_equal(open_weights(target)["a"][0], THREE)


def test_matlab_has_width_first_and_may_pack_its_variables(tmp_path):
    write_mean(tmp_path / "m.mat", IMAGE)
    plain = (tmp_path / "m.mat").read_bytes()
    assert np.frombuffer(plain[128 + 32 : 128 + 44], "<i4").tolist() == [5, 4, 2]
    packed = zlib.compress(plain[128:])
    header = (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little")
    (tmp_path / "packed.mat").write_bytes(plain[:128] + header + packed)
    assert np.array_equal(read_mean(tmp_path / "packed.mat"), IMAGE)
    write_mat_array(tmp_path / "chw.mat", "x", np.zeros((3, 6, 7)))
    assert read_mean(tmp_path / "chw.mat").shape == (3, 6, 7)


def test_what_is_not_a_mean_is_refused(tmp_path):
    np.save(tmp_path / "five.npy", np.zeros((2, 3, 4, 5)))
    with pytest.raises(FileError, match=r"has the shape \(2, 3, 4, 5\); a mean image has \(channels"):
        read_mean(tmp_path / "five.npy")
    write_mat(tmp_path / "w.mat", "weights", [{"name": "a"}])
    with pytest.raises(FileError, match="holds weights, but one array of numbers called 'mean_data'"):
        read_mean(tmp_path / "w.mat")
    for target in ("mean.png", "mean.caffemodel", "mean"):
        with pytest.raises(FileError, match=r"a mean is written as \.binaryproto, \.npy, \.mat"):
            write_mean(tmp_path / target, IMAGE)
        assert not (tmp_path / target).exists()


@pytest.mark.parametrize("mean", [THREE, THREE.reshape(3, 1, 1), IMAGE[0], IMAGE[:1]])
def test_the_mean_option_and_the_mean_file_take_them_all(tmp_path, mean):
    np.save(tmp_path / "mean.npy", mean)
    net = parse_net("")
    channels = 3 if mean is THREE or len(mean) == 3 else 1
    said = preprocessing_from_options(net, str(tmp_path / "mean.npy"), None)
    image = np.full((4, 5, 3) if channels == 3 else (4, 5), 200, np.uint8)
    values, _ = said.prepare(image, (channels, 4, 5))
    expected = np.broadcast_to(200 - read_mean(tmp_path / "mean.npy"), (channels, 4, 5))
    assert np.array_equal(values, expected)

    param = TransformationParameter(mean_file=str(tmp_path / "mean.npy"), crop_size=2)
    transformer = Transformer(param, cnnviz.TEST)
    batch = transformer.transform([np.full((channels, 4, 5), 200, np.uint8)], np.random.default_rng(0))
    assert np.array_equal(batch[0], expected[:, 1:3, 1:3])


def test_means_that_do_not_fit_are_refused(tmp_path):
    np.save(tmp_path / "mean.npy", THREE)
    transformer = Transformer(TransformationParameter(mean_file=str(tmp_path / "mean.npy")), cnnviz.TEST)
    with pytest.raises(NetError, match="has 3 means in its mean_file for 2 channels"):
        transformer.shape((2, 4, 5))
    said = preprocessing_from_options(parse_net(""), str(tmp_path / "mean.npy"), None)
    with pytest.raises(CnnvizError, match="does not fit an input of"):
        said.prepare(np.zeros((4, 5), np.uint8), (1, 4, 5))
