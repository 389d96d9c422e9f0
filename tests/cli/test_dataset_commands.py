"""The dataset tools: the same entries as Caffe's tools write, and clear errors."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import CnnvizError
from cnnviz.formats.binaryproto import read_mean
from cnnviz.formats.cifar10 import TEST_FILE, TRAIN_FILES
from cnnviz.formats.databases import datum_to_array, find_backend, open_database


def run(*words) -> str:
    result = CliRunner().invoke(cnnviz_command, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    "name, options",
    [
        ("color_raw_lmdb", ()),
        ("color_png_lmdb", ("--encoded", "--encode_type", "png")),
        ("color_jpg_lmdb", ("--encoded", "--encode_type", "jpg")),
        ("color_resized_lmdb", ("--resize_width", 20, "--resize_height", 16)),
        ("gray_raw_leveldb", ("--gray", "--backend", "leveldb")),
        ("color_png_leveldb", ("--encoded", "--backend", "leveldb")),
    ],
)
def test_convert_imageset_writes_what_caffe_writes(reference, tmp_path, name, options):
    files = reference / "files"
    out = run("convert-imageset", *options, "--check_size", f"{files}/", files / "list.txt", tmp_path / name)
    assert out == f"{tmp_path / name}: 50 images.\n"
    with open_database(tmp_path / name) as found, open_database(files / name) as expected:
        if "jpg" in name:  # encoders of different releases may differ by a bit
            pairs = zip(found.datums(), expected.datums(), strict=True)
            assert all(
                key == expected_key
                and np.abs(datum_to_array(datum).astype(int) - datum_to_array(expected_datum)).max() <= 2
                for (key, datum), (expected_key, expected_datum) in pairs
            )
        else:
            assert list(found) == list(expected)


def test_convert_imageset_omits_what_is_not_an_image(tmp_path):
    Image.new("L", (3, 2)).save(tmp_path / "a.png")
    Image.new("L", (4, 2)).save(tmp_path / "c.png")
    (tmp_path / "b.png").write_text("none")
    (tmp_path / "list.txt").write_text("a.png 0\nb.png 1\nc.png 2\n")
    arguments = ("convert-imageset", tmp_path, tmp_path / "list.txt", tmp_path / "db")
    assert "Skipped:" in run(*arguments) and "b.png: is not an image" in run(
        *arguments[:-1], tmp_path / "db2"
    )
    with open_database(tmp_path / "db") as database:
        assert [key for key, _ in database] == [b"00000000_a.png", b"00000002_c.png"]
    with pytest.raises(CnnvizError, match=r"c\.png: is 4 x 2, the first image 3 x 2 pixels"):
        run(*arguments[:-1], tmp_path / "db3", "--check_size")
    assert not (tmp_path / "db3").exists()
    with pytest.raises(CnnvizError, match="No encoder for images of type 'xyz'"):
        run(*arguments[:-1], tmp_path / "db5", "--encode_type", "xyz")
    (tmp_path / "list.txt").write_text("b.png 1\n")
    with pytest.raises(CnnvizError, match=r"none of its images could be read; the first: .*b\.png"):
        run(*arguments[:-1], tmp_path / "db4")


def test_convert_imageset_shuffles_by_a_seed(reference, tmp_path):
    def labels(name, seed):
        files = reference / "files"
        run("convert-imageset", "--shuffle", "--seed", seed, files, files / "list.txt", tmp_path / name)
        with open_database(tmp_path / name) as database:
            return [datum.label for _, datum in database.datums()]

    first = labels("a", 1)
    assert first == labels("b", 1) != labels("c", 2)


def test_convert_mnist(reference, tmp_path):
    files = reference / "files"
    assert run("convert-mnist", files / "idx3-images", files / "idx1-labels", tmp_path / "db").endswith(
        ": 20 images.\n"
    )
    with open_database(tmp_path / "db") as found, open_database(files / "mnist_style_lmdb") as expected:
        assert list(found) == list(expected)


def test_convert_cifar10(tmp_path):
    for i, name in enumerate([f"data_batch_{k}.bin" for k in range(1, 6)] + ["test_batch.bin"]):
        (tmp_path / name).write_bytes((bytes([i]) + bytes([i * 10]) * 3072) * 2)
    out = run("convert-cifar10", tmp_path, tmp_path / "new" / "folder")
    assert "10 training and 2 test images" in out
    with open_database(tmp_path / "new/folder/cifar10_train_lmdb") as database:
        entries = list(database.datums())
    assert [key for key, _ in entries] == [f"{i:05d}" for i in range(10)]
    assert [d.label for _, d in entries] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert datum_to_array(entries[9][1]).shape == (3, 32, 32)
    run("convert-cifar10", tmp_path, tmp_path / "other", "leveldb")  # Caffe's order of arguments
    assert find_backend(tmp_path / "other" / "cifar10_test_leveldb") == "LEVELDB"


def test_convert_cifar10_writes_both_databases_or_none(tmp_path):
    target = tmp_path / "new"
    with pytest.raises(CnnvizError, match=r"data_batch_1\.bin: cannot be read"):
        run("convert-cifar10", tmp_path, target)
    assert not target.exists()
    for name in (*TRAIN_FILES, TEST_FILE):
        (tmp_path / name).write_bytes(bytes(3073))
    (target / "cifar10_test_lmdb").mkdir(parents=True)
    with pytest.raises(CnnvizError, match="cifar10_test_lmdb: exists already"):
        run("convert-cifar10", tmp_path, target)
    assert [p.name for p in target.iterdir()] == ["cifar10_test_lmdb"]


def test_flags_in_the_form_of_caffes_scripts(reference, tmp_path):
    files = reference / "files"
    run("convert-imageset", "--gray=true", "--shuffle=false", "--backend=leveldb", "--resize_height=8",
        "--resize_width=9", f"{files}/", files / "list.txt", tmp_path / "db")  # fmt: skip
    with open_database(tmp_path / "db", "LEVELDB") as found:
        key, datum = next(iter(found.datums()))
    assert key == "00000000_images/000.png" and datum_to_array(datum).shape == (1, 8, 9)


@pytest.mark.parametrize(
    "database, mean", [("color_raw_lmdb", "mean_color"), ("gray_raw_leveldb", "mean_gray")]
)
def test_image_mean(reference, tmp_path, database, mean):
    files = reference / "files"
    out = run("image-mean", files / database, tmp_path / "mean.binaryproto")
    printed = json.loads((files / "compute_image_mean_messages.json").read_text())
    assert out.splitlines() == printed[f"mean_{database}"]
    assert (tmp_path / "mean.binaryproto").read_bytes() == (files / f"{mean}.binaryproto").read_bytes()
    assert (
        read_mean(tmp_path / "mean.binaryproto") == np.load(files / f"{mean}.npy").reshape(-1, 24, 28)
    ).all()


def test_image_mean_of_encoded_images(reference):
    assert run("image-mean", reference / "files/color_png_lmdb") == run(
        "image-mean", reference / "files/color_raw_lmdb"
    )


def test_extract_features(reference, tmp_path, monkeypatch):
    h5py = pytest.importorskip("h5py")
    monkeypatch.chdir(reference / "files")
    arrays = np.load("features_expected.npz")
    expected = np.concatenate([arrays["batch0:ip1"], arrays["batch1:ip1"]])
    outs = f"{tmp_path}/db,{tmp_path}/f.npz,{tmp_path}/f.h5"
    run("extract-features", "features.caffemodel", "features.prototxt", "ip1,ip1,ip1", outs, 2)
    with open_database(tmp_path / "db") as found, open_database("features_lmdb") as caffes:
        for (key, datum), (caffes_key, caffes_datum) in zip(found.datums(), caffes.datums(), strict=True):
            assert key == caffes_key and not datum.HasField("label")
            assert datum_to_array(datum).shape == (6, 1, 1)
            assert np.allclose(datum_to_array(datum), datum_to_array(caffes_datum), atol=1e-5)
    with h5py.File(tmp_path / "f.h5") as file:
        assert np.allclose(file["ip1"], expected, atol=1e-5)
    assert np.allclose(np.load(tmp_path / "f.npz")["ip1"], expected, atol=1e-5)
    run(
        "extract-features",
        "features.caffemodel",
        "features.prototxt",
        "ip1",
        tmp_path / "level",
        1,
        "leveldb",
    )
    assert find_backend(tmp_path / "level") == "LEVELDB"


def test_extract_features_checks_names(reference, tmp_path, monkeypatch):
    monkeypatch.chdir(reference / "files")
    words = ("extract-features", "features.caffemodel", "features.prototxt")
    with pytest.raises(CnnvizError, match="no blob 'ip2'; did you mean 'ip1'"):
        run(*words, "ip2", tmp_path / "x.npz", 1)
    with pytest.raises(CnnvizError, match="2 blobs and 1 outputs were given"):
        run(*words, "ip1,data", tmp_path / "x.npz", 1)
    assert not list(tmp_path.iterdir())


def test_resize_images(tmp_path):
    source, target = tmp_path / "in", tmp_path / "out"
    (source / "deep").mkdir(parents=True)
    Image.new("RGB", (40, 20), (200, 0, 0)).save(source / "deep" / "a.png")
    Image.new("RGB", (10, 30), (0, 200, 0)).save(source / "b.jpg")
    run("resize-images", "--output_side_length", 8, source, target)
    assert Image.open(target / "deep/a.png").size == Image.open(target / "b.jpg").size == (8, 8)
    run("resize-images", "--resize_width", 5, "--resize_height", 7, source, target)
    assert Image.open(target / "deep/a.png").size == (5, 7)
    with pytest.raises(CnnvizError, match="none: no such folder"):
        run("resize-images", tmp_path / "none", target)
    (tmp_path / "none").mkdir()
    with pytest.raises(CnnvizError, match="holds no image"):
        run("resize-images", tmp_path / "none", target)


def test_an_error_is_one_line_on_stderr(tmp_path):
    command = [
        sys.executable,
        "-m",
        "cnnviz",
        "convert-mnist",
        "no-images",
        "no-labels",
        str(tmp_path / "db"),
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == "Error: no-images: cannot be read: no such file or directory.\n"
