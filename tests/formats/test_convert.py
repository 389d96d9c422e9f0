"""Weights into other programs' files and back."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner

from cnnviz.cli.main import cnnviz_command
from cnnviz.errors import FileError, MissingDependencyError, WeightsError
from cnnviz.formats.caffemodel import read_weights, write_weights
from cnnviz.formats.convert import convert_weights, open_weights
from cnnviz.formats.mat import write_mat
from cnnviz.formats.nets import open_net
from cnnviz.formats.prototxt import parse_net, read_net

EXTENSIONS = [".npz", ".safetensors", ".mat", ".h5", ".caffemodel"]


def run(*arguments) -> str:
    result = CliRunner().invoke(cnnviz_command, ["convert", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def equal(found, expected) -> bool:
    return set(found) == set(expected) and all(
        len(found[name]) == len(expected[name])
        and all(
            a.shape == b.shape and np.array_equal(a, b)
            for a, b in zip(found[name], expected[name], strict=True)
        )
        for name in expected
    )


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_there_and_back(real, tmp_path, extension):
    source = real / "caffemodels/lenet_mnist/lenet_iter_10000.caffemodel"
    net = real / "caffemodels/lenet_mnist/lenet_train_test.prototxt"
    other, back, bare = (tmp_path / name for name in (f"w{extension}", "back.caffemodel", "bare.caffemodel"))
    assert run(source, other) == f"{other}: 4 layers with weights.\n"
    run(other, back, "--net", net)
    run(other, bare)
    expected = read_weights(source)
    for path in (other, back, bare):
        assert equal(open_weights(path), expected), path
    types = read_weights(back).layer_types
    assert (
        list(types) == [layer.name for layer in read_net(net).layer if layer.name != "mnist"]
        or "mnist" in types
    )
    assert types["conv1"] == "Convolution"


def test_a_binary_file_brings_its_own_net(reference, tmp_path):
    source = reference / "files/legacy_v1.caffemodel"
    convert_weights(source, tmp_path / "w.caffemodel")
    assert read_weights(tmp_path / "w.caffemodel").layer_types == {
        "input": "Input",
        "conv": "Convolution",
        "relu": "ReLU",
        "ip": "InnerProduct",
    }


def test_names_with_a_slash_and_axes_of_one(tmp_path):
    net = parse_net('layer { name: "group/ip.1" } layer { name: "b" }')
    blobs = [[np.ones((3, 1, 1, 1)), np.array(2.0)], [np.zeros((0, 4))]]
    write_weights(tmp_path / "w.caffemodel", net.proto, blobs)
    expected = read_weights(tmp_path / "w.caffemodel")
    for extension in (".npz", ".safetensors", ".mat"):
        convert_weights(tmp_path / "w.caffemodel", tmp_path / f"o{extension}")
        assert equal(open_weights(tmp_path / f"o{extension}"), expected), extension


def test_other_programs_read_what_is_written(real, tmp_path):
    source = real / "caffemodels/lenet_mnist/lenet_iter_10000.caffemodel"
    weight = read_weights(source)["conv2"][0]
    for extension in (".npz", ".safetensors", ".mat"):
        convert_weights(source, tmp_path / f"w{extension}")
    assert np.array_equal(np.load(tmp_path / "w.npz")["conv2/0"], weight)
    numpy_of = pytest.importorskip("safetensors.numpy")
    assert np.array_equal(numpy_of.load_file(tmp_path / "w.safetensors")["conv2/0"], weight)
    scipy_io = pytest.importorskip("scipy.io")
    table = scipy_io.loadmat(tmp_path / "w.mat", squeeze_me=True)["weights"]
    assert list(table["name"]) == ["conv1", "conv2", "ip1", "ip2"]
    assert np.array_equal(table["blobs"][1][0], weight)


@pytest.mark.parametrize("packed", [False, True])
def test_a_mat_file_that_another_program_saved(real, tmp_path, packed):
    scipy_io = pytest.importorskip("scipy.io")
    source = real / "caffemodels/lenet_mnist/lenet_iter_10000.caffemodel"
    convert_weights(source, tmp_path / "w.mat")
    table = scipy_io.loadmat(tmp_path / "w.mat")["weights"]
    table[0, 0]["blobs"][0, 0] = table[0, 0]["blobs"][0, 0].astype(float) * 2  # MATLAB computes in double
    scipy_io.savemat(tmp_path / "x.mat", {"other": 1.0, "weights": table}, do_compression=packed)
    weights = open_weights(tmp_path / "x.mat")
    expected = {name: list(arrays) for name, arrays in read_weights(source).items()}
    expected["conv1"][0] = expected["conv1"][0] * 2
    assert equal(weights, expected)


def test_files_of_other_programs_are_read(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", **{"fc.weight": np.eye(2), "fc.bias": np.array([1, 2])})
    assert [a.tolist() for a in open_weights(tmp_path / "w.npz")["fc"]] == [[[1, 0], [0, 1]], [1, 2]]
    half = np.array([0.5, -2, 3.140625], "f4")
    header = {
        "fc.weight": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
        "fc.bias": {"dtype": "I64", "shape": [1], "data_offsets": [6, 14]},
    }
    text = json.dumps(header).encode()
    body = (half.view("<u4") >> 16).astype("<u2").tobytes() + (7).to_bytes(8, "little")
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + body)
    assert [a.tolist() for a in open_weights(tmp_path / "w.safetensors")["fc"]] == [[0.5, -2, 3.140625], [7]]


def test_shared_weights_of_hdf5_need_the_net(reference, tmp_path):
    files = reference / "files"
    source = files / "snap_sgd_h5_iter_5.caffemodel.h5"
    with pytest.raises(
        WeightsError, match="blob 0 of layer 'group_ip1b' is not there, since another layer shares it"
    ):
        convert_weights(source, tmp_path / "w.npz")
    convert_weights(source, tmp_path / "w.npz", read_net(files / "snap_sgd_h5_net.prototxt"))
    weights = open_weights(tmp_path / "w.npz")
    expected = np.load(files / "snap_sgd_h5_expected.npz")
    assert np.array_equal(weights["group_ip1b"][0], expected["param:group_ip1b:0"])


def test_layers_that_the_net_lacks(tmp_path, caplog):
    np.savez(tmp_path / "w.npz", **{"a/0": np.ones(2), "b/0": np.ones(3)})
    convert_weights(
        tmp_path / "w.npz", tmp_path / "w.caffemodel", parse_net('layer { name: "a" }', "n.prototxt")
    )
    assert list(read_weights(tmp_path / "w.caffemodel")) == ["a"]
    assert "w.npz: not in n.prototxt, therefore omitted: b" in caplog.text
    with pytest.raises(WeightsError, match=r"none of its layers \(a, b, ...\) is in n.prototxt"):
        convert_weights(
            tmp_path / "w.npz", tmp_path / "x.caffemodel", parse_net('layer { name: "c" }', "n.prototxt")
        )


@pytest.mark.parametrize(
    "arrays, message",
    [
        ({"conv1": 1}, "array 'conv1' is not named LAYER/NUMBER, e.g. 'conv1/0'. Rename it."),
        ({"a/1": 1}, "layer 'a' has the arrays [1], not 0, 1, ... in a row."),
        (
            {"a/0": np.array(["text"])},
            "array 'a/0.npy' cannot be read: its header does not name a type of number",
        ),
        (
            {"a/0": np.array([None])},
            "array 'a/0.npy' cannot be read: its header does not name a type of number",
        ),
    ],
)
def test_npz_of_another_meaning(tmp_path, arrays, message):
    np.savez(tmp_path / "w.npz", **arrays)
    with pytest.raises(FileError) as error:
        dict(open_weights(tmp_path / "w.npz"))
    assert message in str(error.value)


def test_an_npz_that_lies_about_its_size(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
        archive.writestr("a/0.npy", stream.getvalue())
    with pytest.raises(
        FileError, match=r"the shape \(1000000, 1000000\) needs 4000000000000 bytes, but 0 are"
    ):
        dict(open_weights(tmp_path / "w.npz"))


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("w.npz", b"no archive", "is not a readable .npz: File is not a zip file"),
        ("w.safetensors", b"\xff" * 20, "its header does not fit into its 20 bytes"),
        ("w.safetensors", (5).to_bytes(8, "little") + b"[1,2]", "its header makes no sense"),
        ("w.safetensors", (2).to_bytes(8, "little") + b"{}", None),
        ("w.mat", b"no matrix", "is not a .mat file of level 5 or 7"),
        ("w.mat", b"MATLAB 7.3 MAT-file", "is a MATLAB 7.3 file. Save it with: save(file, 'weights', '-v7')"),
        ("w.mat", bytes(126) + b"IM", "has no struct array 'weights'. Write the file with: cnnviz convert"),
        ("w.mat", bytes(126) + b"IM\x0e\0\0\0\xff\0\0\0", "an element of 255 bytes does not fit"),
        ("w.txt", b"text", "is a text file, perhaps a prototxt, not a caffemodel"),
    ],
)
def test_broken_files(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    if message is None:
        assert len(open_weights(tmp_path / name)) == 0
        return
    with pytest.raises(FileError) as error:
        open_weights(tmp_path / name)
    assert str(error.value).startswith(f"{tmp_path / name}: ") and message in str(error.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [4], "data_offsets": [0, 12]},
        {"dtype": "F32", "shape": [-1, -4], "data_offsets": [0, 16]},
        {"dtype": "F32", "shape": [400], "data_offsets": [0, 1600]},
        {"dtype": "F8", "shape": [4], "data_offsets": [0, 16]},
        {"dtype": "F32"},
    ],
)
def test_safetensors_that_do_not_fit(tmp_path, entry):
    text = json.dumps({"a/0": entry}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(16))
    with pytest.raises(FileError):
        open_weights(tmp_path / "w.safetensors")


def test_a_net_without_weights(tmp_path):
    write_weights(tmp_path / "w.caffemodel", parse_net('layer { name: "relu" }').proto, [[]])
    with pytest.raises(WeightsError, match="holds no weights, so there is nothing to convert"):
        convert_weights(tmp_path / "w.caffemodel", tmp_path / "w.npz")


def test_an_unknown_extension(reference, tmp_path):
    with pytest.raises(FileError, match=r"weights are not saved as '\.onnx'; use one of \.caffemodel"):
        convert_weights(reference / "files/features.caffemodel", tmp_path / "w.onnx")


def test_a_missing_package_names_its_extra(reference, tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "cnnviz\[hdf5\]"'):
        convert_weights(reference / "files/features.caffemodel", tmp_path / "w.h5")


def safetensors(path, names, metadata=None, shape=(1,)):
    size = 4 * int(np.prod(shape))
    header = {} if metadata is None else {"__metadata__": metadata}
    for i, name in enumerate(names):
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [i * size, (i + 1) * size]}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(size * len(names)))
    return path


@pytest.mark.parametrize("extension", EXTENSIONS)
def test_layers_that_the_metadata_does_not_name_are_kept(tmp_path, extension):
    source = safetensors(tmp_path / "x.safetensors", ["a/0", "b/0"], {"layer_types": '{"a": "InnerProduct"}'})
    assert run(source, tmp_path / f"y{extension}").endswith(": 2 layers with weights.\n")
    found = open_weights(tmp_path / f"y{extension}")
    assert sorted(found) == ["a", "b"]
    if extension != ".h5" and extension != ".npz":
        assert found.layer_types["a"] == "InnerProduct"


def test_what_is_left_out_is_logged(tmp_path, caplog):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file["data/ip/0"], file["data/ip/kernel"], file["extra"] = np.ones(2), np.ones(3), np.ones(4)
        file["diff/ip/0"] = np.ones(2)
    convert_weights(tmp_path / "w.h5", tmp_path / "w.npz")
    assert "omitted: /extra, ip/kernel" in caplog.text
    assert "its gradients are omitted" in caplog.text
    caplog.clear()
    net = parse_net("layer { name: 'a' } layer { name: 'a' } layer { name: 'b' }").proto
    write_weights(tmp_path / "two.caffemodel", net, [[np.ones(1)], [np.zeros(1)], [np.ones(1)]])
    convert_weights(tmp_path / "two.caffemodel", tmp_path / "two.npz")
    assert "omitted: a (a later layer has its name)" in caplog.text


def test_names_that_the_target_cannot_hold_are_warned_of(tmp_path):
    pytest.importorskip("h5py")
    for i, name in enumerate(["", ".", "a/b", "nul\0"]):
        source = tmp_path / f"{i}.caffemodel"
        write_weights(source, parse_net("layer { }").proto, [[np.ones(1)]])
        net = parse_net("layer { }").proto
        net.layer[0].name = name
        write_weights(source, net, [[np.ones(1)]])
        with pytest.raises(FileError, match="which HDF5 cannot hold; save as"):
            convert_weights(source, tmp_path / "x.h5")
    with pytest.raises(FileError, match="has a name that an archive cannot hold"):
        convert_weights(source, tmp_path / "x.npz")
    net = parse_net("layer { name: 'a' } layer { name: 'a' }").proto
    with pytest.raises(FileError, match="has the name of a layer before it"):
        write_weights(tmp_path / "x.h5", net, [[np.ones(1)], []])
    assert not (tmp_path / "x.h5").exists()


def test_names_with_halves_of_characters_can_be_written_everywhere(tmp_path):
    metadata = {"net": "\ud800", "layer_types": '{"\\ud800": ""}'}
    source = safetensors(tmp_path / "x.safetensors", ["a\ud800/0"], metadata)
    for extension in EXTENSIONS:
        convert_weights(source, tmp_path / f"y{extension}")
        assert list(open_weights(tmp_path / f"y{extension}")) == ["a\ufffd"]


def test_names_in_another_encoding_are_read(tmp_path):
    net = parse_net("layer { name: 'AAAA' type: 'BBBB' top: 'CCCC' }").proto
    write_weights(tmp_path / "x.caffemodel", net, [[np.ones(1)]])
    raw = (tmp_path / "x.caffemodel").read_bytes()
    for text, ascii in (("卷积", b"AAAA"), ("类型", b"BBBB"), ("数据", b"CCCC")):
        raw = raw.replace(ascii, text.encode("gbk"))
    (tmp_path / "x.caffemodel").write_bytes(raw)
    weights = read_weights(tmp_path / "x.caffemodel")
    assert (list(weights), weights.layer_types) == (["卷积"], {"卷积": "类型"})
    layer = open_net(tmp_path / "x.caffemodel").layer[0]
    assert (layer.name, layer.type, layer.top[0]) == ("卷积", "类型", "数据")


def test_weights_are_saved_under_no_foreign_extension(tmp_path):
    for extension in (".npz", ".mat", ".safetensors", ".prototxt"):
        with pytest.raises(FileError, match=r"weights are saved as \.caffemodel or \.h5"):
            write_weights(tmp_path / f"x{extension}", parse_net("layer { }").proto, [[np.ones(1)]])


def test_more_than_32_axes_are_refused(tmp_path):
    source = safetensors(tmp_path / "x.safetensors", ["a/0"], shape=(1,) * 70)
    with pytest.raises(FileError, match="array 'a/0' has 70 axes; 32 is the most that is read"):
        convert_weights(source, tmp_path / "x.npz")


def test_what_unpacks_without_bound_is_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    zeros = np.zeros(20 << 20, np.float32)  # 80 MiB that pack to 80 KB
    arrays = {f"a/{i}": zeros for i in range(4)}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for name in arrays:
            file.create_dataset(f"data/{name}", data=zeros, compression="gzip")
    for path in (tmp_path / "x.npz", tmp_path / "x.h5"):
        with pytest.raises(FileError, match="unpacks to more than 268435456 bytes"):
            open_weights(path)


def test_empty_datasets_are_no_crash(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "e.h5", "w") as file:
        file.create_dataset("data/conv1/0", data=h5py.Empty("f4"))
    with pytest.raises(FileError, match="/data/conv1/0 is empty, but numbers were expected"):
        open_weights(tmp_path / "e.h5")


def test_names_of_hdf5_that_are_no_text_end_in_a_sentence(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["data/AAAA/0"], file["data/AAAA/BBBB"] = np.ones(2), np.ones(3)
    raw = (tmp_path / "x.h5").read_bytes()
    (tmp_path / "x.h5").write_bytes(raw.replace(b"AAAA", "卷积".encode("gbk")))
    with pytest.raises(FileError, match="cannot be read as HDF5"):
        open_weights(tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(raw.replace(b"BBBB", b"\xff\xfe\xff\xfe"))
    assert list(open_weights(tmp_path / "x.h5")) == ["AAAA"]


def test_of_two_arrays_with_one_name_none_is_dropped(tmp_path, caplog):
    np.savez(tmp_path / "x.npz", **{"a/0": np.ones(1), "a.weight": np.ones(1)})
    with pytest.raises(FileError, match="array 0 of layer 'a' is there twice"):
        open_weights(tmp_path / "x.npz")
    with zipfile.ZipFile(tmp_path / "y.npz", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        for _ in range(2):
            archive.writestr("a/0.npy", b"")
    with pytest.raises(FileError, match="two of its arrays have one name"):
        open_weights(tmp_path / "y.npz")
    text = b'{"a/0": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, "a/0": {}}'
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(FileError, match="its header makes no sense"):
        open_weights(tmp_path / "x.safetensors")
    row = {"name": "a", "type": "", "blobs": [np.ones(1)], "shapes": [np.ones(1)]}
    write_mat(tmp_path / "x.mat", "weights", [row, row])
    convert_weights(tmp_path / "x.mat", tmp_path / "y.npz")
    assert "omitted: a (a later layer has its name)" in caplog.text
    write_mat(tmp_path / "x.mat", "weights", [{**row, "shapes": []}])
    with pytest.raises(FileError, match="the struct 'weights' must have the fields"):
        open_weights(tmp_path / "x.mat")
