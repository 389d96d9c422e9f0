"""Data layers: Caffe's batches, sources without a database, drawing without data."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

import cnnviz
from cnnviz.engine.data.sources import read_image_list
from cnnviz.engine.graph import build_graph
from cnnviz.errors import CnnvizError, FileError, NetError
from cnnviz.formats.databases import array_to_datum, create_database
from cnnviz.formats.prototxt import parse_net
from support.data_nets import net_of

CASES = [
    "data_crop_center", "data_crop_mean_file_scale", "data_force_color", "data_force_gray",
    "data_gray_leveldb", "data_jpg", "data_legacy_params", "data_mean_file", "data_mean_value1",
    "data_mean_value3", "data_mnist_style", "data_png", "data_png_leveldb", "data_raw", "data_resized",
    "data_scale", "image_data", "image_data_gray", "image_data_resize", "hdf5_data",
]  # fmt: skip
RELATIVE_CASES = ["data_png", "data_mean_file", "data_gray_leveldb", "image_data", "hdf5_data"]
TOLERANCES = {"data_jpg": 2, "data_resized": 1, "image_data_resize": 0.01}


def graph_of(layer: str):
    return build_graph(parse_net(f"layer {{ name: 'data' {layer} }}"), splits=False, strict=False)


@pytest.mark.parametrize("case", CASES)
def test_batches_are_caffes(reference, monkeypatch, case):
    monkeypatch.chdir(reference / "files")
    expected = np.load(f"{case}.npz")
    net = cnnviz.Net(f"{case}.prototxt", cnnviz.TEST)
    for k in range(max(int(key[5]) for key in expected) + 1):
        net.forward()
        for key in expected:
            batch, _, blob = key.partition(":")
            if batch == f"batch{k}":
                found = net.blobs[blob].data
                assert found.shape == expected[key].shape
                assert np.abs(found - expected[key]).max() <= TOLERANCES.get(case, 0)
    net.close()


def test_hdf5_output(reference, tmp_path):
    h5py = pytest.importorskip("h5py")
    text = (reference / "files/hdf5_output.prototxt").read_text()
    net = cnnviz.Net(parse_net(text.replace("hdf5_output.h5", str(tmp_path / "out.h5"))))
    arrays = np.load(reference / "files/hdf5_output.npz")
    net.forward(a=arrays["in:a"], b=arrays["in:b"])
    with h5py.File(tmp_path / "out.h5") as found, h5py.File(reference / "files/hdf5_output.h5") as expected:
        assert set(found) == set(expected)
        for name in expected:
            assert found[name].dtype == expected[name].dtype
            assert (found[name][...] == expected[name][...]).all()
            assert found[name].shape == expected[name].shape


@pytest.fixture
def database(tmp_path):
    with create_database(tmp_path / "db") as writer:
        for i in range(5):
            writer.put(f"{i:08d}", array_to_datum(np.full((1, 4, 4), i, np.uint8), label=i))
    return tmp_path / "db"


@pytest.mark.parametrize("case", RELATIVE_CASES)
def test_files_are_found_beside_the_prototxt(reference, monkeypatch, tmp_path, case):
    """From any folder: source, mean_file and what a list names."""
    monkeypatch.chdir(tmp_path)
    net = cnnviz.Net(reference / "files" / f"{case}.prototxt")
    assert net.forward()["data"].any()
    net.close()


def test_the_current_folder_comes_before_the_prototxts(tmp_path, monkeypatch):
    for folder, value in (("net/pictures", 1), ("here/pictures", 2)):
        (tmp_path / folder).mkdir(parents=True)
        Image.new("L", (2, 2), value).save(tmp_path / folder / "a.png")
        (tmp_path / folder / "../list.txt").write_text("a.png 0\n")
    layer = "type: 'ImageData' top: 'x' image_data_param { source: 'list.txt' root_folder: 'pictures/' }"
    (tmp_path / "net/net.prototxt").write_text(f"layer {{ name: 'data' {layer} }}")
    for current, value in (("net", 1), ("here", 2), (".", 1)):
        monkeypatch.chdir(tmp_path / current)
        net = cnnviz.Net(tmp_path / "net/net.prototxt")
        assert (net.forward()["x"] == value).all()
        net.close()


def test_the_label_may_be_left_out(database):
    net = net_of(f"type: 'Data' top: 'x' data_param {{ source: '{database}' batch_size: 3 }}")
    assert net.forward()["x"][:, 0, 0, 0].tolist() == [0, 1, 2]
    assert net.forward()["x"][:, 0, 0, 0].tolist() == [3, 4, 0]
    net.close()


def test_nets_are_drawn_without_their_data():
    layer = "type: 'Data' top: 'x' top: 'y' data_param { source: 'missing_lmdb' batch_size: 7 }"
    graph = graph_of(layer)
    assert graph.shapes == {"x": None, "y": (7,)} and graph.layers[0].fault is None
    with pytest.raises(FileError, match=r"<text>:1: layer 'data' \(Data\): missing_lmdb: no such file or"):
        net_of(layer)
    known = graph_of(layer + " transform_param { crop_size: 5 mean_value: 1 mean_value: 2 mean_value: 3 }")
    assert known.shapes["x"] == (7, 3, 5, 5)
    image = "type: 'ImageData' top: 'x' top: 'y' image_data_param { source: 'missing' batch_size: 2 %s }"
    assert graph_of(image % "new_height: 6 new_width: 5").shapes["x"] == (2, 3, 6, 5)
    assert graph_of(image % "is_color: false").shapes["x"] is None


def test_nets_are_drawn_without_the_optional_packages(reference, monkeypatch):
    monkeypatch.chdir(reference / "files")
    for package in ("plyvel", "h5py", "lmdb"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    for case in ("data_png_leveldb", "hdf5_data"):
        definition = cnnviz.read_net(f"{case}.prototxt")
        assert None in build_graph(definition, strict=False).shapes.values()
        with pytest.raises(CnnvizError, match=r'pip install "cnnviz\[(leveldb|hdf5)\]"'):
            cnnviz.Net(f"{case}.prototxt")
    assert cnnviz.Net("data_raw.prototxt").forward()["data"].shape == (16, 3, 24, 28)


def test_idx_files_cifar_binaries_and_folders_are_sources(tmp_path):
    images = tmp_path / "t-images-idx3-ubyte"
    images.write_bytes(bytes((0, 0, 8, 3)) + struct.pack(">3I", 2, 2, 2) + bytes(range(8)))
    (tmp_path / "t-labels-idx1-ubyte").write_bytes(bytes((0, 0, 8, 1)) + struct.pack(">I", 2) + bytes((7, 9)))
    (tmp_path / "batch.bin").write_bytes(bytes([4]) + bytes(3072))
    for name in ("cat", "dog"):
        (tmp_path / "animals" / name).mkdir(parents=True)
        Image.new("RGB", (6, 5), (255, 0, 7)).save(tmp_path / "animals" / name / "1.png")

    def batch(source):
        net = net_of(f"type: 'Data' top: 'x' top: 'y' data_param {{ source: '{source}' batch_size: 2 }}")
        result = net.forward()
        net.close()
        return result

    digits = batch(images)
    assert digits["x"].ravel().tolist() == list(range(8)) and digits["y"].tolist() == [7, 9]
    assert batch(tmp_path / "batch.bin")["x"].shape == (2, 3, 32, 32)
    animals = batch(tmp_path / "animals")
    assert animals["y"].tolist() == [0, 1] and animals["x"][0, :, 0, 0].tolist() == [7, 0, 255]


def test_images_of_a_list_are_shuffled_again_in_each_round(tmp_path):
    for i in range(8):
        Image.new("L", (2, 2), i).save(tmp_path / f"{i}.png")
    listing = tmp_path / "list.txt"
    listing.write_text("".join(f"{i}.png {i}\n" for i in range(8)))
    layer = (
        f"type: 'ImageData' top: 'x' top: 'y' image_data_param {{ source: '{listing}' batch_size: 8 "
        f"shuffle: true root_folder: '{tmp_path}/' }}"
    )

    def rounds(seed):
        net = net_of(layer, seed=seed)
        found = [net.forward()["y"].tolist() for _ in range(3)]
        net.close()
        return found

    first = rounds(1)
    assert all(sorted(labels) == list(range(8)) for labels in first)
    assert first[0] != first[1] and first == rounds(1) != rounds(2)


@pytest.mark.parametrize(
    "line, message",
    [("a.png", ":2: found 'a.png', expected an image's path"), ("a.png x", ":2: found 'a.png x'")],
)
def test_lists_name_the_wrong_line(tmp_path, line, message):
    listing = tmp_path / "list.txt"
    listing.write_text(f"b.png 1\n{line}\n")
    with pytest.raises(FileError, match=message):
        net_of(f"type: 'ImageData' top: 'x' top: 'y' image_data_param {{ source: '{listing}' }}")


def test_a_damaged_image_ends_the_run_in_one_sentence(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "0.png")
    (tmp_path / "1.png").write_bytes(b"nothing")
    listing = tmp_path / "list.txt"
    listing.write_text(f"{tmp_path}/0.png 0\n{tmp_path}/1.png 1\n")
    net = net_of(
        f"type: 'ImageData' top: 'x' top: 'y' image_data_param {{ source: '{listing}' batch_size: 2 }}"
    )
    with pytest.raises(FileError, match=r"1\.png: is not an image that Pillow can read"):
        net.forward()
    net.close()


def test_a_backend_that_is_not_there_is_said(database):
    layer = f"type: 'Data' top: 'x' data_param {{ source: '{database}' batch_size: 1 backend: LEVELDB }}"
    with pytest.raises(FileError, match="is of backend LMDB, not LEVELDB"):
        net_of(layer)


def test_hdf5_shuffle_and_errors(tmp_path):
    h5py = pytest.importorskip("h5py")
    for number, rows in enumerate((3, 4)):
        with h5py.File(tmp_path / f"{number}.h5", "w") as file:
            file["x"] = np.arange(rows)[:, None] + 10 * number
            file["text"] = ["a"] * rows
            file["short"] = np.zeros((rows - 1, 2))
    listing = tmp_path / "list.txt"
    listing.write_text(f"{tmp_path}/0.h5\n{tmp_path}/1.h5\n")
    layer = "type: 'HDF5Data' %s hdf5_data_param { source: '%s' batch_size: 7 shuffle: true }"
    net = net_of(layer % ("top: 'x'", listing))
    first, second = (net.forward()["x"].ravel().tolist() for _ in range(2))
    net.close()
    assert sorted(first) == sorted(second) == [0, 1, 2, 10, 11, 12, 13] and first != second
    for top, message in (
        ("y", "has no dataset 'y'"),
        ("text", "/text holds no numbers"),
        ("short", "dataset 'short' has 2 rows, 'x' 3"),
    ):
        with pytest.raises(FileError, match=message):
            net_of(layer % (f"top: 'x' top: '{top}'", listing))
    with pytest.raises(NetError, match="HDF5Data does not transform"):
        net_of(layer % ("top: 'x' transform_param { scale: 2 }", listing))


def test_hdf5_does_not_lead_into_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.zeros((3, 2))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["x"] = h5py.ExternalLink("secret.h5", "x")
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 2), "f4")
        layout[:] = h5py.VirtualSource("secret.h5", "x", (3, 2))
        file.create_virtual_dataset("x", layout)
    layer = "type: 'HDF5Data' top: 'x' hdf5_data_param { source: '%s' batch_size: 2 }"
    for name in ("link.h5", "virtual.h5"):
        with pytest.raises(FileError, match="another file, which is not followed"):
            net_of(layer % (tmp_path / name))


def test_lists_must_be_text_and_names_possible(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a\0.png 1\n")
    layer = "type: 'ImageData' top: 'x' image_data_param { source: '%s' }"
    with pytest.raises(FileError, match="is a binary file, not a list in text"):
        net_of(layer % (tmp_path / "list.txt"))
    with pytest.raises(FileError, match="is not a valid file name"):
        net_of(layer % r"a\0.txt")


MEMORY = (
    "type: 'MemoryData' top: 'x' top: 'y' memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 }"
)


def test_memory_data_goes_round_its_arrays():
    net = net_of(MEMORY)
    with pytest.raises(NetError, match="has no arrays; call set_input_arrays"):
        net.forward()
    net.set_input_arrays(np.arange(12.0).reshape(4, 1, 1, 3), np.arange(4))
    assert [net.forward()["y"].tolist() for _ in range(3)] == [[0, 1], [2, 3], [0, 1]]
    assert net.forward()["x"].ravel().tolist() == list(range(6, 12))


@pytest.mark.parametrize(
    "shape, labels", [((3, 1, 1, 3), 3), ((4, 1, 3, 1), 4), ((4, 1, 1, 3), 3), ((0, 1, 1, 3), 0)]
)
def test_memory_data_checks_its_arrays(shape, labels):
    net = net_of(MEMORY)
    with pytest.raises(NetError, match=r"layer 'data': (data is|labels are) of shape"):
        net.set_input_arrays(np.zeros(shape), np.zeros(labels))


def test_only_memory_data_takes_arrays():
    net = net_of("type: 'Input' top: 'x' input_param { shape { dim: 1 } }")
    with pytest.raises(NetError, match=r"layer 'data' \(Input\): takes no arrays"):
        net.set_input_arrays(np.zeros((1, 1, 1, 1)), np.zeros(1))


def test_dummy_data_fills_constants_once_and_draws_the_rest_again():
    net = net_of(
        "type: 'DummyData' top: 'c' top: 'r' dummy_data_param { shape { dim: 2 dim: 3 } "
        "data_filler { type: 'constant' value: 4 } data_filler { type: 'uniform' } }"
    )
    first = net.forward()
    assert (first["c"] == 4).all() and first["r"].shape == (2, 3)
    net.blobs["c"].data[...] = 5
    second = net.forward()
    assert (second["c"] == 5).all() and (second["r"] != first["r"]).any()


def test_dummy_data_knows_the_older_form():
    sizes = "num: 2 channels: 3 channels: 1 height: 4 width: 5"
    layer = f"type: 'DummyData' top: 'a' top: 'b' dummy_data_param {{ {sizes} }}"
    assert graph_of(layer).shapes == {"a": (2, 3, 4, 5), "b": (2, 1, 4, 5)}
    with pytest.raises(NetError, match="has 0 num for 1 tops"):
        net_of("type: 'DummyData' top: 'a' dummy_data_param { }")


@pytest.mark.parametrize("type_name", ["Data", "HDF5Data", "WindowData"])
def test_a_batch_size_is_needed(type_name):
    tops = "top: 'x' top: 'y'"
    with pytest.raises(NetError, match="batch_size is missing"):
        net_of(f"type: '{type_name}' {tops}")


@pytest.mark.parametrize("shuffle", ["true", "false"])
@pytest.mark.parametrize("kind", ["f4", "f8", "i8", "u1", "?"])
def test_hdf5_labels_have_one_axis(tmp_path, shuffle, kind):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file["x"] = np.arange(12.0).reshape(6, 2)
        file["y"] = (np.arange(6) % 2 if kind == "?" else np.arange(6)).astype(kind)
    layer = "type: 'HDF5Data' top: 'x' top: 'y' hdf5_data_param { source: '%s' batch_size: 4 shuffle: %s }"
    net = net_of(layer % (tmp_path / "d.h5", shuffle))
    outputs = [net.forward() for _ in range(3)]
    net.close()
    rows = np.concatenate([o["x"] for o in outputs])[:, 0] / 2
    labels = np.concatenate([o["y"] for o in outputs])
    assert outputs[0]["y"].shape == (4,)
    assert np.array_equal(labels, rows % 2 if kind == "?" else rows)
    assert sorted(rows) == sorted([*range(6)] * 2)


def test_mistakes_of_our_own_are_not_called_damage(tmp_path):
    h5py = pytest.importorskip("h5py")
    from cnnviz.formats.hdf5 import named_damage

    for error in (TypeError("ours"), ValueError("ours"), AttributeError("ours"), KeyError("ours")):
        with pytest.raises(type(error), match="ours"), named_damage("d.h5"):
            raise error
    (tmp_path / "d.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600))
    with pytest.raises(FileError, match="cannot be read as HDF5"), named_damage("d.h5"):
        h5py.File(tmp_path / "d.h5")


@pytest.mark.parametrize(
    "line, message",
    [
        ("img/c.png 2.7272", "a label is a whole number, the number of a class, not '2.7272'.*HDF5Data"),
        ("img/c.png 2e3", "read by HDF5Data, which takes floats"),
        ("a/a.png cat", "a label is a whole number, not 'cat'. Number the classes from 0"),
        ("img/c.png,0", "write a space for the comma"),
        ("img/c.png", "expected an image's path, a space and its label"),
    ],
)
def test_labels_that_are_no_integers_are_refused_with_a_way_out(tmp_path, line, message):
    (tmp_path / "list.txt").write_text(f"a.png 1\n{line}\n")
    with pytest.raises(FileError, match=f"list.txt:2: found '{line}', .*{message}"):
        read_image_list(tmp_path / "list.txt")


def test_images_of_60000_pixels_a_side_are_refused_before_memory_is_taken(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png 1\n")
    layer = "type: 'ImageData' top: 'x' image_data_param { source: '%s' new_height: 60000 new_width: 60000 }"
    with pytest.raises(NetError, match="new_height 60000 x new_width 60000 is above 67108864 pixels"):
        net_of(layer % (tmp_path / "list.txt"))


def test_a_line_with_several_labels_is_refused(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("a.png 0 1 1\n")
    layer = "type: 'ImageData' top: 'x' image_data_param { source: '%s' root_folder: '%s/' }"
    with pytest.raises(FileError, match=r"a\.png: has several labels in the list.* read by HDF5Data"):
        net_of(layer % (tmp_path / "list.txt", tmp_path))
