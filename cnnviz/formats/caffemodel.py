"""Weights: the .caffemodel of every age, binary or HDF5.

A binary file is a NetParameter. It is mapped, its structure walked, and each array handed out as a view
of the file; no float is parsed and nothing is copied.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError

from cnnviz.errors import FileError
from cnnviz.formats import upgrade
from cnnviz.formats.blob_proto import StoredBlob, blob_parts, parts_size, scan_blob, write_parts
from cnnviz.formats.files import atomic_write
from cnnviz.formats.hdf5_weights import read_weights_hdf5, write_weights_hdf5
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetParameter, V1LayerParameter
from cnnviz.formats.sniff import HDF5_MAGIC, looks_like_text, reject_other_kinds
from cnnviz.formats.text import decode_name
from cnnviz.formats.text_format import is_repeated
from cnnviz.formats.weights import Weights
from cnnviz.formats.wire import BYTES, VARINT, Field, WireReader, encode_header, map_file, without

_KIND = "a caffemodel"
_NUMBER_FIRST = 1 << 3 | VARINT  # a net's field 1 is its name; that of a state or a blob is a number
_NET_NAME, _V1_LAYERS, _LAYER = 1, 2, 100
_V2 = {"name": 1, "type": 2, "blobs": 7}
_V1 = {"name": 4, "type": 5, "blobs": 6, "nested": 1}
_V0 = {"name": 1, "type": 2, "blobs": 50}
_BLOBS_REMOVED: dict[int, dict | None] = {100: {7: None}, 2: {6: None, 1: {50: None}}}
_OTHER_KINDS = (".npz", ".npy", ".mat", ".safetensors", ".prototxt", ".txt", ".json", ".png")
HIDDEN = " (a later layer has its name)"
_LARGEST = 2**31 - 1  # protobuf reads no larger message


@dataclass
class _StoredLayer:
    name: str = ""
    type: str = ""
    blobs: list[StoredBlob] = field(default_factory=list)


@dataclass
class _StoredNet:
    """The structure of a binary file; ``layers`` by their paths, "layer[3]" or "layers[3]" (V0, V1)."""

    reader: WireReader
    name: str = ""
    layers: dict[str, _StoredLayer] = field(default_factory=dict)


def read_weights(path: str | os.PathLike) -> Weights:
    """Opens the weights of a net: V0, V1 and V2 layers, binary or HDF5, which is recognized by its content.

    Only the structure is read here; the numbers are loaded when they are used.

    Raises:
        FileError: the file cannot be read, is cut short, damaged, or not a caffemodel.
        MissingDependencyError: it is an HDF5 file and h5py is not installed.
    """
    data = map_file(path)
    if bytes(data[: len(HDF5_MAGIC)]) == HDF5_MAGIC:
        return read_weights_hdf5(path)
    net = _scan_net(data, path)
    layers = [layer for layer in net.layers.values() if layer.blobs]
    counts = Counter(layer.name for layer in layers)
    return Weights(
        str(path),
        net.name,
        {layer.name: layer.type for layer in net.layers.values()},
        {layer.name: [blob.data for blob in layer.blobs] for layer in layers},
        {layer.name: [blob.diff for blob in layer.blobs] for layer in layers},
        others=[f"{name}{HIDDEN}" for name, count in counts.items() if count > 1],
    )


def read_definition(path: str | os.PathLike) -> NetDefinition:
    """Reads the net that a binary caffemodel holds beside its weights, upgraded to V2, without blobs.

    Raises FileError as read_weights does; also for an HDF5 file, which holds no net.
    """
    return _definition(_scan_net(map_file(path), path))[0]


def write_weights(
    path: str | os.PathLike,
    net: Any,
    blobs: Sequence[Sequence[np.ndarray]],
    diffs: Sequence[Sequence[np.ndarray]] | None = None,
) -> None:
    """Writes a .caffemodel, or with the extension .h5 Caffe's HDF5 form, as a whole or not at all.

    Args:
        path: the file to write.
        net: a NetParameter whose layers (V2) hold no blobs.
        blobs: for each layer of ``net`` its arrays; they are written as float32.
        diffs: gradients in the same order, or None to omit them.
    Raises:
        FileError: the file cannot be written, or is too large for the binary form (2 GiB).
        MissingDependencyError: .h5 is asked for and h5py is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix in _OTHER_KINDS:
        raise FileError(f"{path}: weights are saved as .caffemodel or .h5; for {suffix} use cnnviz convert.")
    if suffix == ".h5":
        write_weights_hdf5(path, net, blobs, diffs)
        return
    parts = []
    for i, arrays in enumerate(blobs):
        gradients = diffs[i] if diffs else [None] * len(arrays)
        pairs = zip(arrays, gradients, strict=True)
        parts.append([blob_parts(np.asarray(array), diff) for array, diff in pairs])
    _write_net(path, net, parts)


def upgrade_weights(source: str | os.PathLike, target: str | os.PathLike) -> list[str]:
    """Writes a binary caffemodel of any age in today's form (V2); the blobs stay as they are.

    Returns what was old, one clause each, as NetDefinition.upgraded.

    Raises:
        FileError: ``source`` cannot be read or ``target`` cannot be written.
    """
    net = _scan_net(map_file(source), source)
    definition, places = _definition(net)
    parts = []
    for place in places:
        stored = net.layers[place].blobs if place else []
        parts.append([[net.reader.data[blob.start : blob.end]] for blob in stored])
    _write_net(target, definition.proto, parts)
    return definition.upgraded


# Reading


def _scan_net(data: memoryview, path: str | os.PathLike) -> _StoredNet:
    head = bytes(data[:512])
    reject_other_kinds(head, path, _KIND)
    if looks_like_text(head):
        raise FileError(
            f"{path}: is a text file, perhaps a prototxt, not {_KIND}. Give the file with the weights."
        )
    if head[0] == _NUMBER_FIRST:
        raise FileError(f"{path}: is a solver state or a mean, not {_KIND}. Give the file with the weights.")
    reader = WireReader(data, path, "the net")
    net = _StoredNet(reader)
    counts = {_LAYER: 0, _V1_LAYERS: 0}
    try:
        for item in reader.fields(0, len(data), whole=False):
            if item.number == _NET_NAME and item.wire == BYTES:
                net.name = _text(reader, item)
            elif item.number in counts and item.wire == BYTES:
                index = counts[item.number]
                counts[item.number] += 1
                scan, name = (_scan_v2, "layer") if item.number == _LAYER else (_scan_v1, "layers")
                with reader.place(f"layer {index}"):
                    net.layers[f"{name}[{index}]"] = scan(reader, item)
    except FileError:
        if not net.layers and not reader.places:
            raise FileError(f"{path}: is not {_KIND}, or its beginning is damaged. Fetch it again.") from None
        raise
    if not net.layers:
        raise FileError(f"{path}: holds no layers, so it is not {_KIND}. Give the file with the weights.")
    return net


def _scan_layer(reader: WireReader, item: Field, numbers: dict[str, int]) -> tuple[_StoredLayer, list[Field]]:
    """Reads name, type (if text) and blobs of a layer; returns the layer and its other fields."""
    layer, others = _StoredLayer(), []
    for inner in reader.fields(item.start, item.end, item.whole):
        if inner.wire == BYTES and inner.number == numbers["name"]:
            layer.name = _text(reader, inner)
            reader.places[-1] = f"layer {layer.name!r}"
        elif inner.wire == BYTES and inner.number == numbers["type"]:
            layer.type = _text(reader, inner)
        elif inner.wire == BYTES and inner.number == numbers["blobs"]:
            with reader.place(f"blob {len(layer.blobs)}"):
                layer.blobs.append(scan_blob(reader, inner.start, inner.end, inner.whole))
        else:
            others.append(inner)
    return layer, others


def _scan_v2(reader: WireReader, item: Field) -> _StoredLayer:
    return _scan_layer(reader, item, _V2)[0]


def _scan_v1(reader: WireReader, item: Field) -> _StoredLayer:
    layer, others = _scan_layer(reader, item, _V1)
    for inner in others:
        if inner.number == _V1["type"] and inner.wire == VARINT:
            known = V1LayerParameter.LayerType.DESCRIPTOR.values_by_number.get(inner.value)
            layer.type = upgrade.v2_type(known.name) if known else ""
        elif inner.number == _V1["nested"] and inner.wire == BYTES:
            nested = _scan_layer(reader, inner, _V0)[0]
            layer = _StoredLayer(nested.name, upgrade.v0_type(nested.type), layer.blobs + nested.blobs)
    return layer


def _text(reader: WireReader, item: Field) -> str:
    return decode_name(bytes(reader.data[item.start : item.end]))


def _definition(net: _StoredNet) -> tuple[NetDefinition, list[str]]:
    """Returns the net without blobs, and for each of its layers the path of the stored layer or ""."""
    reader = net.reader
    try:
        proto = NetParameter.FromString(without(reader, 0, len(reader.data), _BLOBS_REMOVED))
        _decode_names(proto)
        upgraded = upgrade.upgrade_net(proto, path=str(reader.path))
    except (DecodeError, UnicodeDecodeError):
        raise FileError(
            f"{reader.path}: its weights can be read, but the net beside them is damaged. Use its prototxt."
        ) from None
    definition = NetDefinition(
        proto, str(reader.path), [None] * len(proto.layer), upgraded.unknown, upgraded.steps
    )
    return definition, upgraded.places


def _decode_names(message: Any) -> None:
    """Puts text in place of names that are not UTF-8, of which protobuf gives the bytes."""
    for descriptor, value in message.ListFields():
        values = value if is_repeated(descriptor) else (value,)
        if descriptor.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
            for part in values:
                _decode_names(part)
        elif descriptor.type == FieldDescriptor.TYPE_STRING and any(isinstance(v, bytes) for v in values):
            names = [decode_name(v) if isinstance(v, bytes) else v for v in values]
            if is_repeated(descriptor):
                value[:] = names
            else:
                setattr(message, descriptor.name, names[0])


# Writing


def _write_net(path: str | os.PathLike, net: Any, blobs: Sequence[Sequence[list]]) -> None:
    """Writes ``net`` with the parts of each layer's blobs, fields in the order of their numbers."""
    header = NetParameter()
    header.CopyFrom(net)
    header.ClearField("layer")
    layers = [_layer_parts(layer, parts) for layer, parts in zip(net.layer, blobs, strict=True)]
    size = sum(parts_size(parts) for parts in layers)
    if size > _LARGEST:
        raise FileError(
            f"{path}: {size} bytes are too many for the binary form (2 GiB); save as .h5 instead."
        )
    with atomic_write(path) as file:
        file.write(header.SerializeToString())
        for parts in layers:
            write_parts(file, parts)


def _layer_parts(layer: LayerParameter, blobs: Sequence[list]) -> list:
    before, after = LayerParameter(), LayerParameter()
    before.CopyFrom(layer)
    after.CopyFrom(layer)
    for descriptor, _ in layer.ListFields():
        (after if descriptor.number < _V2["blobs"] else before).ClearField(descriptor.name)
    content = [before.SerializePartialToString()]
    for parts in blobs:
        content += [encode_header(_V2["blobs"], parts_size(parts)), *parts]
    after.DiscardUnknownFields()  # they stand in ``before`` already
    content.append(after.SerializePartialToString())
    return [encode_header(_LAYER, parts_size(content)), *content]
