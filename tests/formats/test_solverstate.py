"""Solver states and means: Caffe's files read and written to the byte."""

from __future__ import annotations

import filecmp

import numpy as np
import pytest

from cnnviz.errors import FileError
from cnnviz.formats.binaryproto import read_mean, write_mean
from cnnviz.formats.solverstate import SolverState, read_solverstate, write_solverstate
from support.files import assert_refused

STATES = {
    "snap_sgd": ("snap_sgd_iter_5.solverstate", 5, 1),
    "snap_adam_diff": ("snap_adam_diff_iter_3.solverstate", 3, 0),
    "snap_sgd_h5": ("snap_sgd_h5_iter_5.solverstate.h5", 5, 1),
    "snap_adadelta_h5_diff": ("snap_adadelta_h5_diff_iter_4.solverstate.h5", 4, 0),
}


@pytest.mark.parametrize("case", STATES)
def test_states_agree_with_caffe(reference, case):
    name, iteration, step = STATES[case]
    state = read_solverstate(reference / "files" / name)
    assert (state.iter, state.current_step) == (iteration, step)
    assert state.learned_net == name.replace("solverstate", "caffemodel")
    arrays = np.load(reference / f"files/{case}_expected.npz")
    expected = [arrays[f"history:{i}"] for i in range(sum(k.startswith("history:") for k in arrays.files))]
    assert len(state.history) == len(expected) > 10  # more than ten: HDF5 sorts "10" before "2"
    for found, array in zip(state.history, expected, strict=True):
        assert found.dtype == np.float32 and found.shape == array.shape and np.array_equal(found, array)


@pytest.mark.parametrize("case", STATES)
def test_states_are_written_as_by_caffe(reference, tmp_path, case):
    source = reference / "files" / STATES[case][0]
    out = tmp_path / source.name
    write_solverstate(out, read_solverstate(source))
    if out.suffix != ".h5":
        assert filecmp.cmp(out, source, shallow=False)
        return
    import h5py

    with h5py.File(source) as theirs, h5py.File(out) as ours:
        for name in (
            "iter",
            "learned_net",
            "current_step",
            *(f"history/{i}" for i in range(len(theirs["history"]))),
        ):
            assert ours[name].dtype == theirs[name].dtype and ours[name].shape == theirs[name].shape, name
            assert np.array_equal(ours[name][()], theirs[name][()]), name
        assert set(ours) == set(theirs) and set(ours["history"]) == set(theirs["history"])


def test_states_of_strangers(real):
    folder = real / "caffemodels"
    state = read_solverstate(folder / "lenet_everpeace/lenet_iter_10000.solverstate")
    assert (state.iter, state.learned_net) == (10000, "examples/mnist/lenet_iter_10000.caffemodel")
    assert [h.shape for h in state.history[:2]] == [(20, 1, 5, 5), (1, 1, 1, 20)]
    assert read_solverstate(folder / "cifar10_everpeace/cifar10_full_iter_70000.solverstate").iter == 70000


@pytest.mark.parametrize("name", ["s.solverstate", "s.solverstate.h5"])
def test_an_empty_history_and_a_scalar(tmp_path, name):
    write_solverstate(tmp_path / name, SolverState(7, "net", 2, []))
    assert read_solverstate(tmp_path / name) == SolverState(7, "net", 2, [])
    write_solverstate(tmp_path / name, SolverState(history=[np.array(2.5)]))  # PReLU's shared slope
    assert read_solverstate(tmp_path / name).history[0].shape == ()


def test_names_in_another_encoding(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["iter"] = 1
        file["learned_net"] = np.bytes_("模型/权重.caffemodel".encode("gb18030"))
        file.create_group("history")
    assert read_solverstate(tmp_path / "s.h5").learned_net == "模型/权重.caffemodel"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty (0 bytes)."),
        (b"iter: 5\n", "is a text file, not a solver state."),
        (b"\x0a\x05LeNet\xa2\x06\x00", "is not a solver state. Give the file that training wrote"),
        (b"\x08\x05\x1a\x7f\x2a\x08", "ends inside history blob 0, after 6 bytes. The copy was cut short"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    assert_refused(read_solverstate, tmp_path / "x.solverstate", content, message)


def test_damaged_hdf5_is_one_sentence(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["data"] = 1
    with pytest.raises(
        FileError, match="is an HDF5 file, but not a solver state: it has no 'iter' and 'history'"
    ):
        read_solverstate(path)
    write_solverstate(path, SolverState(1, "n", 0, [np.ones(5000)]))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(FileError, match=r"cannot be read as HDF5: .*truncated"):
        read_solverstate(path)


def test_hdf5_does_not_lead_into_other_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["iter"] = np.array([1])
        file["history/0"] = h5py.ExternalLink("/etc/passwd", "x")
    with pytest.raises(FileError, match="'0' is a link into another file, which is not followed"):
        read_solverstate(path)


def test_an_hdf5_array_that_lies_about_its_size(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "x.solverstate.h5"
    with h5py.File(path, "w") as file:
        file["iter"] = np.array([1])
        file.create_group("history").create_dataset("0", (2**40,), "f4", chunks=(2**20,))
    with pytest.raises(
        FileError, match=r"/history/0 has the shape \(1099511627776,\), but only 0 bytes are there"
    ):
        read_solverstate(path)


# Means


@pytest.mark.parametrize("name", ["mean_color", "mean_gray"])
def test_means_agree_with_caffe(reference, tmp_path, name):
    mean = read_mean(reference / f"files/{name}.binaryproto")
    expected = np.load(reference / f"files/{name}.npy")
    assert mean.dtype == np.float32 and mean.ndim == 3
    assert np.array_equal(mean, expected.reshape(mean.shape))
    assert np.array_equal(read_mean(reference / f"files/{name}.npy"), mean)
    write_mean(tmp_path / "m.binaryproto", mean)
    assert filecmp.cmp(tmp_path / "m.binaryproto", reference / f"files/{name}.binaryproto", shallow=False)
    write_mean(tmp_path / "m.npy", mean)
    assert np.array_equal(np.load(tmp_path / "m.npy"), mean)


def test_means_of_strangers(real):
    assert read_mean(real / "binaryproto/cifar10_mean_gujunli.binaryproto").shape == (3, 32, 32)
    mean = read_mean(real / "binaryproto/ilsvrc_2012_mean.binaryproto")
    assert mean.mean(axis=(1, 2)) == pytest.approx([104.0, 116.7, 122.7], abs=0.1)


def test_means_of_the_wrong_kind(tmp_path):
    for array in (np.ones((3, 0)), np.ones((2, 3, 4, 4))):
        np.save(tmp_path / "m.npy", array)
        with pytest.raises(FileError, match="a mean image has \\(channels, height, width\\)"):
            read_mean(tmp_path / "m.npy")
    np.save(tmp_path / "m.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(FileError, match="is not a NumPy array of numbers"):
        read_mean(tmp_path / "m.npy")
    with pytest.raises(FileError, match="no such file"):
        read_mean(tmp_path / "none.npy")
    (tmp_path / "m.binaryproto").write_bytes(b"\x08\x01\x10\x03\x18\x04\x20\x04\x2a\xc0\x01abc")
    with pytest.raises(FileError, match="ends inside the mean image, after 14 bytes"):
        read_mean(tmp_path / "m.binaryproto")


def test_an_npy_that_lies_about_its_size(tmp_path):
    path = tmp_path / "m.npy"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000, 1000), }\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)
    with pytest.raises(FileError, match="is not a NumPy array of numbers"):
        read_mean(path)


@pytest.mark.parametrize("extension", ["", ".h5"])
@pytest.mark.parametrize("field", ["iter", "current_step"])
def test_a_state_of_no_iteration_is_refused(tmp_path, extension, field):
    path = tmp_path / f"x.solverstate{extension}"
    if extension:
        h5py = pytest.importorskip("h5py")
        write_solverstate(path, SolverState(iter=1))
        with h5py.File(path, "r+") as file:
            file[field][0] = -5
    else:  # -5 has ten bytes
        path.write_bytes((b"\x08" if field == "iter" else b"\x20") + b"\xfb" + b"\xff" * 8 + b"\x01")
    name = "iteration" if field == "iter" else field
    with pytest.raises(FileError, match=f"its {name} is -5, which no training reaches"):
        read_solverstate(path)
