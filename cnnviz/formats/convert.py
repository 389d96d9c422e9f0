"""Weights from one kind of file into another: .caffemodel, .h5, .npz, .safetensors and .mat.

In files that are not Caffe's an array is named LAYER/NUMBER, e.g. "conv1/0" for the weight and
"conv1/1" for the bias of layer conv1. In a .mat file they are the cells ``weights(k).blobs``.
"""

from __future__ import annotations

import json
import logging
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.errors import FileError, WeightsError
from cnnviz.formats.binaryproto import read_mean, write_mean
from cnnviz.formats.caffemodel import HIDDEN, read_definition, read_weights, write_weights
from cnnviz.formats.files import atomic_write
from cnnviz.formats.mat import mat_names, read_mat, write_mat
from cnnviz.formats.npy import open_npz
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.safetensors_file import read_safetensors, write_safetensors
from cnnviz.formats.schema import LayerParameter, NetParameter
from cnnviz.formats.text import without_surrogates
from cnnviz.formats.weights import Weights

log = logging.getLogger("cnnviz")

_NAMED = {"weight": 0, "bias": 1}  # as PyTorch calls them
_MAT_NAME = "weights"
_MEANS = (".binaryproto", ".npy")  # weights are never kept so
_TOLD = 5  # names in a warning
_LONGEST_IN_ZIP = 65000

Loaders = dict[str, Callable[[], np.ndarray]]


def open_weights(path: str | os.PathLike) -> Weights:
    """Opens weights in any of the file formats of convert_weights, by the extension.

    Raises:
        FileError: the file cannot be read, or its arrays are not named as described above.
        MissingDependencyError: .h5 is meant and h5py is not installed.
    """
    reader = _READERS.get(Path(path).suffix.lower())
    return reader(path) if reader else read_weights(path)


def save_weights(path: str | os.PathLike, weights: Weights, net: NetDefinition | None = None) -> None:
    """Writes weights in the file format that the extension of ``path`` names.

    Args:
        path: the file to write; .caffemodel, .h5, .npz, .safetensors or .mat.
        weights: what open_weights or read_weights returned.
        net: gives .caffemodel and .h5 their layers. Without it the file holds the layers' names and
            weights only, which is enough to load it into a net.
    Raises:
        FileError: the extension is none of these, or the file cannot be written.
        WeightsError: there are no weights, ``net`` has none of their layers, or shared weights cannot
            be found without it.
        MissingDependencyError: .h5 is meant and h5py is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (".caffemodel", ".h5", *_WRITERS):
        known = ", ".join((".caffemodel", ".h5", *_WRITERS))
        raise FileError(f"{path}: weights are not saved as {suffix!r}; use one of {known}.")
    blobs = _complete(weights, net)
    if not blobs:
        raise WeightsError(f"{weights.path}: holds no weights, so there is nothing to convert.")
    if suffix in _WRITERS:
        _WRITERS[suffix](path, weights, blobs)
        return
    proto = net.proto if net else _bare_net(weights, blobs)
    if net:
        _check_names(weights, net, blobs)
    write_weights(path, proto, [blobs.get(layer.name, []) for layer in proto.layer])


def convert_weights(
    source: str | os.PathLike, target: str | os.PathLike, net: NetDefinition | None = None
) -> Weights:
    """Converts a file of weights into another format, by the extensions. Gradients are omitted.

    Args:
        source: the file to read.
        target: the file to write.
        net: gives a .caffemodel or .h5 its layers; default: the net that a binary ``source`` holds.
    Returns:
        The opened source.
    Raises:
        As open_weights and save_weights.
    """
    weights = open_weights(source)
    _tell_left_out(weights)
    if net is None and not weights.shared_left_out and Path(source).suffix.lower() not in _READERS:
        net = read_definition(source)
    save_weights(target, weights, net)
    return weights


def convert_mean(source: str | os.PathLike, target: str | os.PathLike) -> np.ndarray:
    """Converts a mean between .binaryproto, .npy and .mat, and returns it as (C, H, W).

    Raises FileError if ``source`` holds no mean, or ``target`` cannot be written or is of another kind.
    """
    mean = read_mean(source)
    write_mean(target, mean)
    return mean


def is_mean(source: str | os.PathLike, target: str | os.PathLike) -> bool:
    """Returns whether a conversion is that of a mean rather than of weights, by the extensions.

    A .mat may hold either: as ``source`` weights if the struct array of weights is in it; as ``target``,
    whatever is there now, what ``source`` is.
    """
    suffixes = [Path(path).suffix.lower() for path in (source, target)]
    if suffixes[0] == ".mat" and suffixes[1] not in _MEANS and os.path.isfile(source):
        return _MAT_NAME not in mat_names(source)
    return any(suffix in _MEANS for suffix in suffixes)


def _tell_left_out(weights: Weights) -> None:
    if weights.others:
        names = ", ".join(weights.others[:_TOLD]) + (", ..." if len(weights.others) > _TOLD else "")
        log.warning("%s: omitted: %s", weights.path, names)
    if any(array is not None for name in weights for array in weights.diffs(name)):
        log.warning("%s: its gradients are omitted.", weights.path)


def _complete(weights: Weights, net: NetDefinition | None) -> dict[str, list[np.ndarray]]:
    """Returns the arrays by layer; where HDF5 left a shared one out, the one of its first layer."""
    blobs: dict[str, list[np.ndarray]] = {name: list(arrays) for name, arrays in weights.items()}
    if not weights.shared_left_out:
        return blobs
    owners: dict[str, np.ndarray] = {}
    for layer in net.proto.layer if net else ():
        arrays = blobs.get(layer.name, [])
        for i, param in enumerate(layer.param):
            if param.name in owners:
                arrays.extend([None] * (i + 1 - len(arrays)))  # type: ignore[list-item]
                if arrays[i] is None:
                    arrays[i] = owners[param.name]
                blobs[layer.name] = arrays
            elif param.name and i < len(arrays):
                owners[param.name] = arrays[i]
    for name, arrays in blobs.items():
        for i, array in enumerate(arrays):
            if array is None:
                raise WeightsError(
                    f"{weights.path}: blob {i} of layer {name!r} is not there, since another layer shares "
                    "it. Give the net, which says which one: --net FILE"
                )
    return blobs


def _check_names(weights: Weights, net: NetDefinition, blobs: Mapping[str, Any]) -> None:
    names = {layer.name for layer in net.proto.layer}
    missing = [name for name in blobs if name not in names]
    if blobs and len(missing) == len(blobs):
        raise WeightsError(
            f"{weights.path}: none of its layers ({', '.join(missing[:3])}, ...) is in {net.path}. "
            "Give the net that belongs to the weights."
        )
    if missing:
        log.warning("%s: not in %s, therefore omitted: %s", weights.path, net.path, ", ".join(missing))


def _bare_net(weights: Weights, blobs: Mapping[str, Any]) -> Any:
    types = weights.layer_types
    names = dict.fromkeys([*types, *blobs])
    layers = [LayerParameter(name=name, type=types.get(name) or None) for name in names]
    return NetParameter(name=weights.net_name or None, layer=layers)


# Arrays named LAYER/NUMBER


def _flat(blobs: Mapping[str, list[np.ndarray]]) -> dict[str, np.ndarray]:
    return {f"{name}/{i}": array for name, arrays in blobs.items() for i, array in enumerate(arrays)}


def _grouped(path: str | os.PathLike, loaders: Loaders, net_name: str, types: dict[str, str]) -> Weights:
    """Makes Weights of arrays named LAYER/NUMBER (or LAYER.weight and LAYER.bias)."""
    layers: dict[str, dict[int, Callable[[], np.ndarray]]] = {}
    for name, load in loaders.items():
        match = re.fullmatch(r"(.+)[/.](\d{1,5}|weight|bias)", name, re.DOTALL)
        if not match:
            raise FileError(f"{path}: array {name!r} is not named LAYER/NUMBER, e.g. 'conv1/0'. Rename it.")
        number = int(_NAMED.get(match[2], match[2]))
        numbered = layers.setdefault(match[1], {})
        if number in numbered:
            raise FileError(f"{path}: array {number} of layer {match[1]!r} is there twice. Rename one.")
        numbered[number] = load
    for layer, numbered in layers.items():
        if sorted(numbered) != list(range(len(numbered))):
            raise FileError(
                f"{path}: layer {layer!r} has the arrays {sorted(numbered)}, not 0, 1, ... in a row."
            )
    ordered = {layer: [numbered[i] for i in sorted(numbered)] for layer, numbered in layers.items()}
    return Weights(str(path), net_name, types or dict.fromkeys(ordered, ""), ordered)


def _read_safetensors(path: str | os.PathLike) -> Weights:
    loaders, metadata = read_safetensors(path)
    try:
        stored = json.loads(metadata.get("layer_types", "{}")).items()
        types = {without_surrogates(str(k)): without_surrogates(str(v)) for k, v in stored}
    except (ValueError, AttributeError, RecursionError):
        types = {}
    return _grouped(path, loaders, metadata.get("net", ""), types)


def _write_safetensors(path: str | os.PathLike, weights: Weights, blobs: dict[str, list[np.ndarray]]) -> None:
    metadata = {"net": weights.net_name, "layer_types": json.dumps(weights.layer_types)}
    write_safetensors(path, _flat(blobs), metadata)


def _read_npz(path: str | os.PathLike) -> Weights:
    return _grouped(path, open_npz(path), "", {})


def _write_npz(path: str | os.PathLike, weights: Weights, blobs: dict[str, list[np.ndarray]]) -> None:
    for name in blobs:
        if "\0" in name or len(name.encode("utf-8")) > _LONGEST_IN_ZIP:
            raise FileError(
                f"{path}: layer {name!r} has a name that an archive cannot hold; save as .h5 instead."
            )
    with atomic_write(path) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
        for name, array in _flat(blobs).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asarray(array, "<f4", order="C"), allow_pickle=False)


# MATLAB: a struct array, since layer names are not MATLAB names and trailing axes of 1 get lost


def _write_mat(path: str | os.PathLike, weights: Weights, blobs: dict[str, list[np.ndarray]]) -> None:
    rows = [
        {
            "name": name,
            "type": weights.layer_types.get(name, ""),
            "blobs": arrays,
            "shapes": [np.array(array.shape) for array in arrays],
        }
        for name, arrays in blobs.items()
    ]
    write_mat(path, _MAT_NAME, rows)


def _read_mat(path: str | os.PathLike) -> Weights:
    rows, others = read_mat(path, _MAT_NAME)
    try:
        pairs = [(str(row["name"]), zip(row["blobs"], row["shapes"], strict=True)) for row in rows]
        loaders = {name: [_mat_loader(*each) for each in arrays] for name, arrays in pairs}
        types = {str(row["name"]): str(row["type"]) for row in rows}
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise FileError(
            f"{path}: the struct 'weights' must have the fields name, type, blobs and shapes; write it with: "
            "cnnviz convert"
        ) from None
    names = Counter(name for name, _ in pairs)
    others += [f"{name}{HIDDEN}" for name, count in names.items() if count > 1]
    return Weights(str(path), "", types, loaders, others=others)


def _mat_loader(blob: np.ndarray, shape: np.ndarray) -> Callable[[], np.ndarray]:
    return partial(np.asarray, blob.reshape([int(dim) for dim in shape.reshape(-1)]))


_READERS: dict[str, Callable[[Any], Weights]] = {
    ".npz": _read_npz,
    ".safetensors": _read_safetensors,
    ".mat": _read_mat,
}
_WRITERS: dict[str, Callable[[Any, Weights, dict[str, list[np.ndarray]]], None]] = {
    ".npz": _write_npz,
    ".safetensors": _write_safetensors,
    ".mat": _write_mat,
}
