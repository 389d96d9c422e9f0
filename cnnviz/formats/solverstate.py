"""Solver states: what a training needs beside the weights to resume; binary and HDF5."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.blob_proto import blob_parts, parts_size, scan_blob, write_parts
from cnnviz.formats.files import UnpackLimit, atomic_write
from cnnviz.formats.sniff import HDF5_MAGIC, looks_like_text, reject_other_kinds
from cnnviz.formats.text import decode_name
from cnnviz.formats.wire import BYTES, VARINT, WireReader, encode_header, encode_varint, map_file, signed

_KIND = "a solver state"
_LAST_ITERATION = 2**31 - 1  # as in Caffe
_ITER, _LEARNED_NET, _HISTORY, _CURRENT_STEP = 1, 2, 3, 4


@dataclass
class SolverState:
    """The state of a training.

    Attributes:
        iter: number of finished updates.
        learned_net: path of the weights of the same moment, as the training wrote it.
        current_step: how many drops of the learning rate have been made (step, multistep).
        history: float32 arrays of the update rule in Caffe's order, one or two per parameter.
    """

    iter: int = 0
    learned_net: str = ""
    current_step: int = 0
    history: list[np.ndarray] = field(default_factory=list)


def read_solverstate(path: str | os.PathLike) -> SolverState:
    """Reads a .solverstate, binary or HDF5, which is recognized by its content.

    Raises:
        FileError: the file cannot be read, is cut short, damaged, or not a solver state.
        MissingDependencyError: it is an HDF5 file and h5py is not installed.
    """
    data = map_file(path)
    if bytes(data[: len(HDF5_MAGIC)]) == HDF5_MAGIC:
        return _read_hdf5(path)
    head = bytes(data[:512])
    reject_other_kinds(head, path, _KIND)
    if looks_like_text(head):
        raise FileError(f"{path}: is a text file, not {_KIND}. Give the file that training wrote.")
    reader = WireReader(data, path, "the solver state")
    state = SolverState()
    for item in reader.fields(0, len(data), whole=False):
        if item.number == _HISTORY and item.wire == BYTES:
            with reader.place(f"history blob {len(state.history)}"):
                state.history.append(scan_blob(reader, item.start, item.end, item.whole).data())
        elif item.number == _LEARNED_NET and item.wire == BYTES:
            state.learned_net = decode_name(bytes(data[item.start : item.end]))
        elif item.number == _ITER and item.wire == VARINT:
            state.iter = signed(item.value)
        elif item.number == _CURRENT_STEP and item.wire == VARINT:
            state.current_step = signed(item.value)
        else:
            raise FileError(f"{path}: is not {_KIND}. Give the file that training wrote beside the weights.")
    return _checked(path, state)


def _checked(path: str | os.PathLike, state: SolverState) -> SolverState:
    for name, value in (("iteration", state.iter), ("current_step", state.current_step)):
        if not 0 <= value <= _LAST_ITERATION:
            raise FileError(
                f"{path}: its {name} is {value}, which no training reaches. Fetch the file again."
            )
    return state


def write_solverstate(path: str | os.PathLike, state: SolverState) -> None:
    """Writes a .solverstate, or with the extension .h5 Caffe's HDF5 form, as a whole or not at all.

    Raises:
        FileError: the file cannot be written.
        MissingDependencyError: .h5 is asked for and h5py is not installed.
    """
    if str(path).endswith(".h5"):
        _write_hdf5(path, state)
        return
    name = state.learned_net.encode("utf-8")
    parts: list[Any] = [encode_varint(_ITER << 3) + encode_varint(state.iter)]
    parts += [encode_header(_LEARNED_NET, len(name)), name]
    for array in state.history:
        blob = blob_parts(np.asarray(array))
        parts += [encode_header(_HISTORY, parts_size(blob)), *blob]
    parts.append(encode_varint(_CURRENT_STEP << 3) + encode_varint(state.current_step))
    with atomic_write(path) as file:
        write_parts(file, parts)


def _read_hdf5(path: str | os.PathLike) -> SolverState:
    from cnnviz.formats.hdf5 import group, numbered_loaders, open_hdf5, read_value

    with open_hdf5(path) as file:
        history, iteration = group(path, file, "history"), read_value(path, file, "iter")
        if history is None or iteration is None:
            raise FileError(f"{path}: is an HDF5 file, but not {_KIND}: it has no 'iter' and 'history'.")
        loaders = numbered_loaders(path, history, UnpackLimit(path))
        if None in loaders:
            raise FileError(f"{path}: history blob {loaders.index(None)} is missing. Fetch the file again.")
        step = read_value(path, file, "current_step") or 0
        numbers = [_whole(path, name, value) for name, value in (("iter", iteration), ("current_step", step))]
        learned_net = str(read_value(path, file, "learned_net") or "")
        state = SolverState(numbers[0], learned_net, numbers[1], [load() for load in loaders if load])
        return _checked(path, state)


def _whole(path: str | os.PathLike, name: str, value: Any) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError):
        raise FileError(
            f"{path}: its {name} is {value!r}, but a number was expected. Fetch the file again."
        ) from None


def _write_hdf5(path: str | os.PathLike, state: SolverState) -> None:
    from cnnviz.formats.hdf5 import write_hdf5

    def fill(file: Any) -> None:
        file["iter"] = np.array([state.iter], "<i4")
        name = state.learned_net.encode("utf-8")
        file["learned_net"] = np.array(name, f"S{len(name) + 1}")  # Caffe expects a zero byte at its end
        file["current_step"] = np.array([state.current_step], "<i4")
        history = file.create_group("history")
        for i, array in enumerate(state.history):
            history.create_dataset(str(i), data=np.asarray(array, "<f4", order="C"))

    write_hdf5(path, fill)
