"""Caffe's HDF5 form of weights: /data/<layer>/<i> and /diff/<layer>/<i>."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.files import UnpackLimit
from cnnviz.formats.hdf5 import group, is_number, member_name, numbered_loaders, open_hdf5, write_hdf5
from cnnviz.formats.weights import Weights


def read_weights_hdf5(path: str | os.PathLike) -> Weights:
    """Reads Caffe's HDF5 weights; see caffemodel.read_weights."""
    with open_hdf5(path) as file:
        data, diff = group(path, file, "data"), group(path, file, "diff")
        if data is None:
            raise FileError(f"{path}: is an HDF5 file without weights: it has no group 'data'.")
        limit = UnpackLimit(path)
        groups = {member_name(name): group(path, data, name) for name in data}
        layers = {name: numbered_loaders(path, folder, limit) for name, folder in groups.items()}
        gradients = {member_name(name): group(path, diff, name) for name in diff or ()}
        diffs = {name: numbered_loaders(path, folder, limit) for name, folder in gradients.items()}
        filled = {name: loaders for name, loaders in layers.items() if loaders}
        others = [f"/{member_name(name)}" for name in file if name not in ("data", "diff")]
        for name, found in groups.items():
            others += [f"{name}/{member_name(item)}" for item in found or () if not is_number(item)]
        return Weights(str(path), "", dict.fromkeys(layers, ""), filled, diffs, True, others)


def _name_fault(name: str, before: set[str]) -> str:
    if name in before:
        return "has the name of a layer before it"
    if "/" in name:
        return "has a '/' in its name"
    return "has no name that a group can have" if name in ("", ".", "..") or "\0" in name else ""


def write_weights_hdf5(
    path: str | os.PathLike,
    net: Any,
    blobs: Sequence[Sequence[np.ndarray]],
    diffs: Sequence[Sequence[np.ndarray]] | None,
) -> None:
    """Writes Caffe's HDF5 weights; see caffemodel.write_weights.

    As in Caffe a shared array stands only at the first layer that uses it, its gradient at all.
    """
    names: set[str] = set()
    for layer in net.layer:
        fault = _name_fault(layer.name, names)
        if fault:
            raise FileError(
                f"{path}: layer {layer.name!r} {fault}, which HDF5 cannot hold; save as .caffemodel instead."
            )
        names.add(layer.name)

    def fill(file: Any) -> None:
        data = file.create_group("data")
        seen: set[str] = set()
        for layer, arrays in zip(net.layer, blobs, strict=True):
            folder = data.require_group(layer.name)
            for i, array in enumerate(arrays):
                shared = layer.param[i].name if i < len(layer.param) else ""
                if shared not in seen:
                    folder.create_dataset(str(i), data=np.asarray(array, "<f4", order="C"))
                if shared:
                    seen.add(shared)
        for layer, arrays in zip(net.layer, diffs or (), strict=bool(diffs)):
            folder = file.require_group("diff").require_group(layer.name)
            for i, array in enumerate(arrays):
                folder.create_dataset(str(i), data=np.asarray(array, "<f4", order="C"))

    write_hdf5(path, fill)
