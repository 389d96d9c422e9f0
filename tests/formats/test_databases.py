"""Databases of Datums and the plain files that stand in for them: idx, CIFAR-10, digits."""

from __future__ import annotations

import gzip
import json
import struct

import numpy as np
import pytest

from cnnviz.engine.data.digits import load_digits
from cnnviz.errors import FileError, MissingDependencyError
from cnnviz.formats.cifar10 import read_cifar10, read_cifar10_folder
from cnnviz.formats.databases import (
    BACKENDS,
    array_to_datum,
    create_database,
    datum_to_array,
    find_backend,
    open_database,
    parse_datum,
)
from cnnviz.formats.idx import is_idx, labels_path, read_digits, read_idx, write_idx
from cnnviz.formats.images import encode_image, to_planes
from cnnviz.formats.schema import Datum

LMDBS = ["color_raw_lmdb", "color_png_lmdb", "color_jpg_lmdb", "color_resized_lmdb"]


@pytest.mark.parametrize("name", LMDBS)
def test_entries_of_caffes_lmdbs(reference, name):
    expected = json.loads((reference / "files/lmdb_entries.json").read_text())["entries"][name]
    with open_database(reference / "files" / name) as database:
        found = [
            [key, d.channels, d.height, d.width, d.label, d.encoded, len(d.data)]
            for key, d in database.datums()
        ]
        assert database.count == len(expected)
    assert found == expected


def test_leveldb_is_read_and_left_untouched(reference):
    folder = reference / "files/color_png_leveldb"
    before = sorted((f.name, f.stat().st_mtime_ns) for f in folder.iterdir())
    with open_database(folder) as level, open_database(reference / "files/color_png_lmdb", "LMDB") as lmdb:
        assert list(level) == list(lmdb)
        assert level.backend == "LEVELDB" and level.count is None
    assert sorted((f.name, f.stat().st_mtime_ns) for f in folder.iterdir()) == before


@pytest.mark.parametrize(
    "name, shape", [("jnulzl/train_lmdb", (3, 32, 32)), ("SuJack1/test_lmdb", (3, 256, 256))]
)
def test_lmdbs_of_strangers(real, name, shape):
    with open_database(real / "lmdb" / name) as database:
        datums = list(database.datums())
        assert len(datums) == database.count > 0
    assert {datum_to_array(datum).shape for _, datum in datums} == {shape}


def test_own_reader_agrees_with_the_lmdb_package(tmp_path):
    lmdb = pytest.importorskip("lmdb")
    random = np.random.default_rng(1)
    entries = {
        b"%d" % random.integers(10**9): random.bytes(int(size)) for size in random.integers(0, 9000, 3000)
    }
    with create_database(tmp_path / "db") as writer:
        for key, value in entries.items():
            writer.put(key, value)
    with open_database(tmp_path / "db") as database:
        assert list(database) == sorted(entries.items())
    with lmdb.open(str(tmp_path / "db"), readonly=True, lock=False) as env, env.begin() as transaction:
        assert list(transaction.cursor()) == sorted(entries.items())


@pytest.mark.parametrize("backend", BACKENDS)
def test_written_and_read_back(tmp_path, backend):
    path = tmp_path / "db"
    with create_database(path, backend) as writer:
        for i in (2, 0, 1):
            writer.put(f"{i:08d}", array_to_datum(np.full((1, 2, 3), i, np.uint8), label=i))
        assert not path.exists()
    assert find_backend(path) == backend
    assert [p.name for p in tmp_path.iterdir()] == ["db"]
    with open_database(path) as database:
        assert [(key, d.label) for key, d in database.datums()] == [
            ("00000000", 0),
            ("00000001", 1),
            ("00000002", 2),
        ]
        cursor = database.cursor()
        assert [next(cursor)[0] for _ in range(4)] == [b"00000000", b"00000001", b"00000002", b"00000000"]


def test_a_map_that_gets_full_grows(tmp_path):
    with create_database(tmp_path / "db") as writer:
        for i in range(90):
            writer.put(f"{i:04d}", bytes(1 << 20))
    with open_database(tmp_path / "db") as database:
        assert database.count == 90


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_interrupted_conversion_leaves_nothing(tmp_path, backend):
    with pytest.raises(KeyboardInterrupt), create_database(tmp_path / "db", backend) as writer:
        writer.put("a", b"b")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_opened_or_written_is_said(tmp_path, reference):
    with pytest.raises(FileError, match="nothing: no such file or folder"):
        open_database(tmp_path / "nothing")
    with pytest.raises(FileError, match=r"holds no database: neither data.mdb nor CURRENT is in it\.$"):
        open_database(tmp_path)
    with pytest.raises(FileError, match="is of backend LMDB, not LEVELDB; give LMDB"):
        open_database(reference / "files/color_raw_lmdb", "LEVELDB")
    with pytest.raises(FileError, match="exists already"):
        create_database(tmp_path)
    with pytest.raises(FileError, match="cannot be written: no such file"):
        create_database(tmp_path / "no" / "db")
    with pytest.raises(FileError, match="Unknown backend 'sql'"):
        create_database(tmp_path / "db", "sql")
    with create_database(tmp_path / "empty"):
        pass
    with open_database(tmp_path / "empty") as database, pytest.raises(FileError, match="is empty"):
        next(database.cursor())


@pytest.mark.parametrize("package, extra", [("lmdb", "lmdb"), ("plyvel", "leveldb")])
def test_a_missing_package_names_its_extra(tmp_path, monkeypatch, package, extra):
    monkeypatch.setitem(__import__("sys").modules, package, None)
    backend = "LMDB" if package == "lmdb" else "LEVELDB"
    with pytest.raises(MissingDependencyError, match=rf"cnnviz\[{extra}\]"):
        create_database(tmp_path / "db", backend)


def test_cut_lmdbs_are_refused(tmp_path, reference):
    data = (reference / "files/color_raw_lmdb/data.mdb").read_bytes()
    file = tmp_path / "data.mdb"
    file.write_bytes(data[:-4096])
    with pytest.raises(FileError, match="ends 4096 bytes early"):
        open_database(tmp_path)
    for content, message in ((b"", "is empty"), (bytes(10000), "is not an LMDB")):
        file.write_bytes(content)
        with pytest.raises(FileError, match=message):
            open_database(tmp_path)


def test_damaged_lmdbs_never_crash_or_hang(tmp_path, reference):
    whole = (reference / "files/mnist_style_lmdb/data.mdb").read_bytes()
    random = np.random.default_rng(2)
    refused = 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.integers(1, 20)):
            page = random.integers(len(data) // 4096) * 4096
            data[page + random.integers(200)] = random.integers(256)
        (tmp_path / "data.mdb").write_bytes(data)
        try:
            with open_database(tmp_path) as database:
                for _, datum in database.datums():
                    datum_to_array(datum)
        except FileError:
            refused += 1
    assert refused > 100


def test_sizes_of_a_datum_are_checked():
    good = array_to_datum(np.arange(6, dtype=np.uint8).reshape(1, 2, 3))
    assert datum_to_array(good).tolist() == [[[0, 1, 2], [3, 4, 5]]]
    floats = array_to_datum(np.full((2, 1, 1), 0.5, np.float32))
    assert datum_to_array(floats).dtype == np.float32 and not floats.HasField("label")
    wrong = Datum(channels=3, height=1 << 30, width=1 << 30, data=b"12")
    with pytest.raises(
        FileError, match=r"entry 'x' says .* = 3 x 1073741824 x 1073741824 but holds 2 values"
    ):
        datum_to_array(wrong, "entry 'x'")
    with pytest.raises(FileError, match="but holds 0 values"):
        datum_to_array(Datum())
    with pytest.raises(FileError, match="entry 'x' is not a Datum"):
        parse_datum(b"\xff\xff\xff", "entry 'x'")


def test_encoded_datums_are_decoded_to_bgr_planes():
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    datum = Datum(data=encode_image(picture, "png"), encoded=True)
    assert (datum_to_array(datum) == to_planes(picture)).all()
    assert datum_to_array(datum, color=False).shape == (1, 4, 5)
    datum.data = b"none"
    with pytest.raises(FileError, match="entry 'x': is not an image"):
        datum_to_array(datum, "entry 'x'")


def idx(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gz"])
def test_idx(tmp_path, pack):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    path = tmp_path / "a-images-idx3-ubyte"
    write_idx(path, array)
    assert path.read_bytes() == idx(array)
    path.write_bytes(pack(idx(array)))
    assert is_idx(path) and (read_idx(path) == array).all()
    path.write_bytes(pack(idx(array)[:-1]))
    with pytest.raises(FileError, match="holds 39 bytes where its header says 40"):
        read_idx(path)
    path.write_bytes(pack(bytes((0, 0, 8, 4)) + b"\xff" * 16))
    with pytest.raises(FileError, match="where its header says"):
        read_idx(path)
    path.write_bytes(pack(b"hello there"))
    assert not is_idx(path)
    with pytest.raises(FileError, match="is not an idx file of bytes, it starts with 68 65 6c 6c"):
        read_idx(path)


def test_digits_must_belong_together(tmp_path):
    images, labels = tmp_path / "t-images-idx3-ubyte.gz", tmp_path / "t-labels-idx1-ubyte.gz"
    assert labels_path(images) == labels
    images.write_bytes(gzip.compress(idx(np.zeros((3, 2, 2), np.uint8))))
    labels.write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(FileError, match=r"is of shape \(3, 2, 2\) and .* of \(4,\)"):
        read_digits(images, labels)


def test_damaged_idx_files_give_one_error(tmp_path):
    random = np.random.default_rng(4)
    whole = gzip.compress(idx(np.zeros((4, 5, 6), np.uint8)))
    path = tmp_path / "x"
    refused = 0
    for _ in range(500):
        data = bytearray(whole)
        data[random.integers(len(data))] = random.integers(256)
        path.write_bytes(data[: random.integers(1, len(data) + 1)])
        try:
            read_idx(path)
        except FileError:
            refused += 1
    assert refused > 100


def test_real_mnist(real):
    images, labels = read_digits(
        real / "mnist/t10k-images-idx3-ubyte.gz", real / "mnist/t10k-labels-idx1-ubyte.gz"
    )
    assert images.shape == (10000, 28, 28) and labels[:5].tolist() == [7, 2, 1, 0, 4]


def test_cifar10(tmp_path, real):
    images, labels = read_cifar10(real / "cifar10/exact_first4000.bin")
    assert images.shape == (4000, 3, 32, 32) and labels.max() == 9
    record = bytes([3]) + bytes(range(256)) * 12
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]:
        (tmp_path / name).write_bytes(record * 2)
    images, labels = read_cifar10_folder(tmp_path, train=True)
    assert images.shape == (10, 3, 32, 32) and labels.tolist() == [3] * 10 and images[0, 0, 0, 5] == 5
    assert len(read_cifar10_folder(tmp_path, train=False)[0]) == 2
    (tmp_path / "test_batch.bin").write_bytes(record[:-1])
    with pytest.raises(FileError, match="has 3072 bytes, CIFAR-10 binaries have a multiple of 3073"):
        read_cifar10_folder(tmp_path, train=False)


def test_the_sample_of_digits():
    train_images, train_labels, test_images, test_labels = load_digits()
    assert train_images.shape == (5000, 28, 28) and test_images.shape == (1000, 28, 28)
    assert np.bincount(train_labels).tolist() == [500] * 10
    assert np.bincount(test_labels).tolist() == [100] * 10


def test_the_sample_is_of_mnist(real):
    sample, labels, *_ = load_digits()
    images, classes = read_digits(
        real / "mnist/train-images-idx3-ubyte.gz", real / "mnist/train-labels-idx1-ubyte.gz"
    )
    known = {image.tobytes(): label for image, label in zip(images[:6000], classes[:6000], strict=True)}
    assert all(known[image.tobytes()] == label for image, label in zip(sample, labels, strict=True))


def test_entries_that_share_one_value_cannot_multiply_the_file(tmp_path):
    """Without a bound, a file of 1 MB could hand out a gigabyte."""
    from cnnviz.formats.lmdb import LmdbFile

    with create_database(tmp_path / "db") as writer:
        writer.put(b"k", bytes(1 << 20))
        for i in range(50):
            writer.put(f"k{i}", bytes(2500))  # too large for a page of entries, like the first
    file = tmp_path / "db" / "data.mdb"
    data = bytearray(file.read_bytes())
    whole = LmdbFile(tmp_path / "db")
    assert len(list(whole)) == 51
    first = data.index(struct.pack("<HHHH", 0, 16, 1, 1) + b"k")
    large = data[first + 9 : first + 17]
    for i in range(50):
        key = f"k{i}".encode()
        at = data.index(struct.pack("<HHHH", 2500, 0, 1, len(key)) + key)
        data[at : at + 4] = struct.pack("<HH", 0, 16)
        data[at + 8 + len(key) : at + 16 + len(key)] = large
    whole.close()
    file.write_bytes(data)
    with pytest.raises(FileError, match="several of its entries lie in one place"):
        list(LmdbFile(tmp_path / "db"))
