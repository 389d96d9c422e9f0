"""Weights: every age and storage form, as views; sizes checked; cut files named; writes whole."""

from __future__ import annotations

import filecmp
import mmap
import struct

import numpy as np
import pytest

from cnnviz.errors import CnnvizError, FileError, WeightsError
from cnnviz.formats.caffemodel import read_definition, read_weights, write_weights
from cnnviz.formats.nets import open_net
from cnnviz.formats.schema import NetParameter
from cnnviz.formats.wire import encode_header, encode_varint

SNAPSHOTS = {
    "snap_sgd": "snap_sgd_iter_5.caffemodel",
    "snap_adam_diff": "snap_adam_diff_iter_3.caffemodel",
    "snap_sgd_h5": "snap_sgd_h5_iter_5.caffemodel.h5",
    "snap_adadelta_h5_diff": "snap_adadelta_h5_diff_iter_4.caffemodel.h5",
}


def field(number: int, content: bytes) -> bytes:
    return encode_header(number, len(content)) + content


def varint(number: int, value: int) -> bytes:
    return encode_varint(number << 3) + encode_varint(value % (1 << 64))


def shape(*dims: int) -> bytes:
    return field(7, field(1, b"".join(encode_varint(dim % (1 << 64)) for dim in dims)))


def floats(*values: float) -> bytes:
    return field(5, struct.pack(f"<{len(values)}f", *values))


def model(*blobs: bytes, name: str = "ip1") -> bytes:
    layer = field(1, name.encode()) + field(2, b"InnerProduct") + b"".join(field(7, blob) for blob in blobs)
    return field(1, b"net") + field(100, layer)


@pytest.fixture
def opened(tmp_path):
    def open_bytes(content: bytes):
        path = tmp_path / "m.caffemodel"
        path.write_bytes(content)
        return read_weights(path)

    return open_bytes


def same(found: np.ndarray, expected: np.ndarray) -> bool:
    return found.dtype == np.float32 and found.shape == expected.shape and np.array_equal(found, expected)


# Files of Caffe


@pytest.mark.parametrize("case", SNAPSHOTS)
def test_snapshots_agree_with_caffe(reference, case):
    weights = read_weights(reference / "files" / SNAPSHOTS[case])
    expected = np.load(reference / f"files/{case}_expected.npz")
    seen = 0
    for key in expected.files:
        kind, _, rest = key.partition(":")
        name, _, index = rest.rpartition(":")
        if kind == "param":
            array = weights[name][int(index)]
        elif kind == "param_diff" and "diff" in case:
            array = weights.diffs(name)[int(index)]
        else:
            continue
        if array is None:  # HDF5 holds a shared weight at its first layer only
            assert weights.shared_left_out and (name, index) == ("group_ip1b", "0")
            continue
        assert same(array, expected[key]), key
        seen += 1
    assert seen >= 10


@pytest.mark.parametrize("case", SNAPSHOTS)
def test_snapshots_load_into_their_net(reference, case):
    import cnnviz

    net = cnnviz.Net(str(reference / f"files/{case}_net.prototxt"), cnnviz.TEST)
    net.copy_from(str(reference / "files" / SNAPSHOTS[case]))
    expected = np.load(reference / f"files/{case}_expected.npz")
    for name, blobs in net.params.items():
        for i, blob in enumerate(blobs):
            assert np.array_equal(blob.data, expected[f"param:{name}:{i}"]), (name, i)


def test_what_hdf5_left_out_must_be_shared(reference):
    from cnnviz.engine.graph import build_graph
    from cnnviz.engine.weights_check import check_weights_fit
    from cnnviz.formats.prototxt import parse_net

    weights = read_weights(reference / "files" / SNAPSHOTS["snap_sgd_h5"])
    text = (reference / "files/snap_sgd_h5_net.prototxt").read_text()
    check_weights_fit(build_graph(parse_net(text)), weights)
    own = build_graph(parse_net(text.replace("shared", "", 1)))
    with pytest.raises(
        WeightsError, match=r"layer 'group_ip1b' has 1 parameter blob\(s\), the net expects 2"
    ):
        check_weights_fit(own, weights)


@pytest.mark.parametrize("age", ["v0", "v1"])
def test_legacy_files_agree_with_caffe(reference, age):
    weights = read_weights(reference / f"files/legacy_{age}.caffemodel")
    expected = np.load(reference / "files/legacy_expected.npz")
    assert weights.net_name == f"Legacy{age.upper()}"
    assert weights.layer_types == {"conv": "Convolution", "relu": "ReLU", "ip": "InnerProduct"}
    assert [array.shape for array in weights["conv"]] == [(3, 2, 3, 3), (1, 1, 1, 3)]
    for name in ("conv", "ip"):
        for i, array in enumerate(weights[name]):
            assert np.array_equal(array.ravel(), expected[f"param:{name}:{i}"].ravel())


def test_layers_without_weights_are_no_keys(reference):
    weights = read_weights(reference / "files/features.caffemodel")
    assert list(weights) == ["ip1"] and weights.get("relu") is None
    assert weights.layer_types == {"data": "Data", "ip1": "InnerProduct", "relu": "ReLU"}
    assert weights.diffs("ip1") == [None, None]


def test_the_net_in_a_file_is_upgraded(reference):
    net = read_definition(reference / "files/legacy_v0.caffemodel")
    assert net.upgraded == ["V0 layers", "input fields"]
    assert [(layer.name, layer.type) for layer in net.layer] == [
        ("input", "Input"),
        ("conv", "Convolution"),
        ("relu", "ReLU"),
        ("ip", "InnerProduct"),
    ]
    assert not any(layer.blobs for layer in net.layer)
    assert net.layer[1].convolution_param.num_output == 3
    assert open_net(net.path).proto == net.proto


@pytest.mark.parametrize(
    "name", ["features.caffemodel", "snap_sgd_iter_5.caffemodel", "snap_adam_diff_iter_3.caffemodel"]
)
def test_writing_gives_caffes_bytes(reference, tmp_path, name):
    source = reference / "files" / name
    net = NetParameter.FromString(source.read_bytes())
    weights = read_weights(source)
    blobs = [weights.get(layer.name, []) for layer in net.layer]
    diffs = [weights.diffs(layer.name) if layer.name in weights else [] for layer in net.layer]
    for layer in net.layer:
        layer.ClearField("blobs")
    write_weights(tmp_path / "out.caffemodel", net, blobs, diffs if "diff" in name else None)
    assert filecmp.cmp(tmp_path / "out.caffemodel", source, shallow=False)


@pytest.mark.parametrize("case", ["snap_sgd_h5", "snap_adadelta_h5_diff"])
def test_hdf5_is_written_as_by_caffe(reference, tmp_path, case):
    h5py = pytest.importorskip("h5py")
    from cnnviz.formats.prototxt import read_net

    source = reference / "files" / SNAPSHOTS[case]
    expected = np.load(reference / f"files/{case}_expected.npz")
    net = read_net(reference / f"files/{case}_net.prototxt").proto

    def arrays(kind: str) -> list:
        count = [
            len([k for k in expected.files if k.startswith(f"{kind}:{layer.name}:")]) for layer in net.layer
        ]
        return [
            [expected[f"{kind}:{layer.name}:{i}"] for i in range(n)]
            for layer, n in zip(net.layer, count, strict=True)
        ]

    out = tmp_path / "out.caffemodel.h5"
    write_weights(out, net, arrays("param"), arrays("param_diff") if "diff" in case else None)
    with h5py.File(source) as theirs, h5py.File(out) as ours:
        found: dict[str, np.ndarray] = {}
        ours.visititems(lambda name, item: found.update({name: item}))
        for name, item in found.items():
            if isinstance(item, h5py.Dataset):
                assert item.dtype == theirs[name].dtype and np.array_equal(item, theirs[name]), name
        theirs.visititems(
            lambda name, item: (
                None if not isinstance(item, h5py.Dataset) or name in found else pytest.fail(name)
            )
        )


def test_hdf5_cannot_hold_a_slash(tmp_path):
    pytest.importorskip("h5py")
    net = NetParameter(layer=[{"name": "group/ip1"}])
    with pytest.raises(FileError, match="layer 'group/ip1' has a '/' in its name, which HDF5 cannot hold"):
        write_weights(tmp_path / "w.h5", net, [[np.ones(2)]])
    assert not list(tmp_path.iterdir())


# Storage forms


def test_arrays_are_views_of_the_mapped_file(reference):
    array = read_weights(reference / "files/snap_sgd_iter_5.caffemodel")["conv1"][0]
    assert not array.flags.owndata and not array.flags.writeable
    base = array
    while getattr(base, "base", None) is not None:
        base = base.base
    assert isinstance(base, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_unpacked_numbers(opened):
    loose = b"".join(b"\x2d" + struct.pack("<f", v) for v in range(6))
    assert same(opened(model(loose + shape(2, 3)))["ip1"][0], np.arange(6, dtype="f4").reshape(2, 3))
    # the shape may come first, and a second run may follow it
    mixed = loose[:10] + shape(2, 3) + loose[10:]
    assert same(opened(model(mixed))["ip1"][0], np.arange(6, dtype="f4").reshape(2, 3))


def test_packed_numbers_in_pieces(opened):
    assert same(opened(model(floats(1, 2) + shape(3) + floats(3)))["ip1"][0], np.array([1, 2, 3], "f4"))


def test_doubles(opened):
    packed = field(8, struct.pack("<3d", 0.1, 2, 3)) + shape(3)
    loose = b"".join(b"\x41" + struct.pack("<d", v) for v in (0.1, 2, 3)) + shape(3)
    diff = field(9, struct.pack("<3d", 4, 5, 6))
    weights = opened(model(packed + diff, loose))
    for array in weights["ip1"]:
        assert same(array, np.array([0.1, 2, 3], "f4"))
    assert same(weights.diffs("ip1")[0], np.array([4, 5, 6], "f4")) and weights.diffs("ip1")[1] is None


@pytest.mark.parametrize("kind, code", list(enumerate("dfeiI")))
def test_nvcaffes_raw_data(opened, kind, code):
    blob = varint(10, kind) + field(12, struct.pack(f"<3{code}", 1, 2, 300)) + shape(3)
    diff = varint(11, kind) + field(13, struct.pack(f"<3{code}", 4, 5, 6))
    weights = opened(model(blob + diff))
    assert same(weights["ip1"][0], np.array([1, 2, 300], "f4"))
    assert same(weights.diffs("ip1")[0], np.array([4, 5, 6], "f4"))


def test_shapes(opened):
    four = b"".join(varint(i + 1, dim) for i, dim in enumerate((1, 1, 2, 2)))
    unpacked = field(7, b"".join(varint(1, dim) for dim in (2, 2)))
    weights = opened(
        model(
            four + floats(1, 2, 3, 4),
            unpacked + floats(1, 2, 3, 4),
            floats(1, 2),
            shape(0, 5),
            shape() + floats(7),
        )
    )
    assert [array.shape for array in weights["ip1"]] == [(1, 1, 2, 2), (2, 2), (2,), (0, 5), ()]


def test_of_two_layers_with_one_name_the_one_with_weights_counts(opened):
    weights = opened(model(floats(1) + shape(1)) + model())
    assert weights["ip1"][0].tolist() == [1]


# Damage


@pytest.mark.parametrize(
    "blob, what",
    [
        (floats(1, 2) + shape(3), "shape (3,) needs 3 values, but 2 are stored"),
        (floats(1, 2) + field(6, b"1234"), "shape (2,) needs 2 values, but 1 are stored"),
        (shape(20, 500), "shape (20, 500) needs 10000 values, but 0 are stored"),
        (floats(1, 2) + shape(-1, -2), "the shape (-1, -2) has a negative axis"),
        (floats(1) + shape(2**31 - 1, 2**31 - 1), f"needs {(2**31 - 1) ** 2} values, but 1 are stored"),
        (shape(0, 2**62), "has an axis of more than 2147483647"),
        (floats(1) + shape(*[1] * 40), "the shape has more than 32 axes"),
        (field(5, b"12345"), "5 bytes are no whole count of 4-byte numbers"),
        (varint(10, 9) + field(12, b"1234"), "storage type 9 is unknown"),
        (b"\x0b", "no field has the key 11"),
        (b"\x08" + b"\xff" * 11, "a number is longer than 10 bytes"),
        (b"\x2a\x7f1234", "field 5 is said to have 127 bytes, which do not fit"),
        (b"\x08\x80", "a message ends inside of a number"),
    ],
)
def test_damage_is_named(opened, blob, what):
    tail = field(100, field(1, b"end"))  # so that the file continues after the damage
    with pytest.raises(FileError) as error:
        opened(model(blob) + tail)
    message = str(error.value)
    assert "m.caffemodel: is damaged in layer 'ip1' blob 0, at byte " in message and what in message


@pytest.mark.parametrize("part", ["layer 'ip1' blob 0", "layer 'conv2' blob 0", "layer 'loss'"])
def test_a_cut_file_says_inside_of_what(real, tmp_path, part):
    content = (real / "caffemodels/lenet_mnist/lenet_iter_10000.caffemodel").read_bytes()
    size = {"layer 'ip1' blob 0": 524288, "layer 'conv2' blob 0": 100_000, "layer 'loss'": len(content) - 1}[
        part
    ]
    path = tmp_path / "lenet.caffemodel"
    path.write_bytes(content[:size])
    with pytest.raises(FileError) as error:
        read_weights(path)
    assert str(error.value) == (
        f"{path}: ends inside {part}, after {size} bytes. The copy was cut short; fetch it again."
    )


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty (0 bytes). The copy failed; fetch it again."),
        (b'name: "LeNet"\nlayer {\n}\n', "is a text file, perhaps a prototxt, not a caffemodel."),
        (b"\xa2\x06\x05abc", "ends inside layer 0, after 6 bytes."),
        (b"\x0f\x01\x02\x03", "is not a caffemodel, or its beginning is damaged."),
        (b"\x0a\x01n\x10\x01\x00", "is not a caffemodel, or its beginning is damaged."),
        (b"\x0a\x02n\x01", "holds no layers, so it is not a caffemodel."),
        (b"\x93NUMPY\x01\x00", "is a NumPy array, not a caffemodel."),
    ],
)
def test_other_files_are_named(opened, content, message):
    with pytest.raises(FileError) as error:
        opened(content)
    assert f"m.caffemodel: {message}" in str(error.value)


def test_the_broken_files_of_strangers_give_one_sentence(real):
    messages = {}
    for path in sorted((real / "caffemodels/broken").iterdir()):
        with pytest.raises(CnnvizError) as error:
            read_weights(path)
        messages[path.name] = str(error.value).removeprefix(f"{path}: ")
    page = "is a web page, not a caffemodel. Download the file itself, not the page about it."
    assert messages == {
        "N3vdev_detect.caffemodel": page,
        "aryawadhwa_MobileNetSSD_deploy.caffemodel": page,
        "synopsys_lfs_pointer.caffemodel": "is a Git LFS pointer, not a caffemodel. "
        "Fetch the file it stands for: git lfs pull",
    }


def test_all_weights_of_strangers_load(real):
    paths = [p for p in sorted((real / "caffemodels").rglob("*.caffemodel")) if p.parent.name != "broken"]
    assert len(paths) >= 14
    for path in paths:
        weights = read_weights(path)
        assert sum(array.size for arrays in weights.values() for array in arrays) > 5000, path
        assert all(np.isfinite(array).all() for arrays in weights.values() for array in arrays), path
        assert {layer.name for layer in read_definition(path).layer} >= set(weights), path


# Writing


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "w.caffemodel"
    net = NetParameter(layer=[{"name": "a"}])
    write_weights(path, net, [[np.ones(3)]])
    before = path.read_bytes()
    with pytest.raises(ValueError):
        write_weights(path, net, [[np.array(["no number"])]])
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_what_is_too_large_for_the_binary_form(tmp_path):
    huge = np.broadcast_to(np.float32(0), (2**30,))  # takes no memory
    with pytest.raises(FileError, match=r"are too many for the binary form \(2 GiB\); save as .h5 instead"):
        write_weights(tmp_path / "w.caffemodel", NetParameter(layer=[{"name": "a"}]), [[huge]])


@pytest.mark.parametrize("name", ["snap_sgd_iter_5.solverstate", "mean_color.binaryproto"])
def test_states_and_means_are_no_weights(reference, name):
    with pytest.raises(FileError, match="is a solver state or a mean, not a caffemodel"):
        read_weights(reference / "files" / name)


def test_a_folder_in_place_of_a_file(tmp_path):
    with pytest.raises(FileError, match="is a folder; give the name of a file in it"):
        write_weights(tmp_path, NetParameter(layer=[{"name": "a"}]), [[np.ones(2)]])


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="cannot be written: there is no folder"):
        write_weights(tmp_path / "no/w.caffemodel", NetParameter(layer=[{"name": "a"}]), [[np.ones(2)]])
