"""Brings nets and solvers of any age to today's form, in memory, as Caffe does at every load.

Four ages of nets are known: V0 (2013: everything in ``layers { layer { } }``), V1 (2014: ``layers``
with an enum for the type), V2 with ``input`` fields, and V2 with Input layers.
Source: Caffe's upgrade_net_proto_text and upgrade_net_proto_binary.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cnnviz.errors import NetError
from cnnviz.formats.schema import LayerParameter, SolverParameter, V1LayerParameter
from cnnviz.formats.text_format import Unknown, is_repeated, parse_text

_V0_TYPES = {
    "accuracy": "ACCURACY",
    "bnll": "BNLL",
    "concat": "CONCAT",
    "conv": "CONVOLUTION",
    "data": "DATA",
    "dropout": "DROPOUT",
    "euclidean_loss": "EUCLIDEAN_LOSS",
    "flatten": "FLATTEN",
    "hdf5_data": "HDF5_DATA",
    "hdf5_output": "HDF5_OUTPUT",
    "im2col": "IM2COL",
    "images": "IMAGE_DATA",
    "infogain_loss": "INFOGAIN_LOSS",
    "innerproduct": "INNER_PRODUCT",
    "lrn": "LRN",
    "multinomial_logistic_loss": "MULTINOMIAL_LOGISTIC_LOSS",
    "pool": "POOLING",
    "relu": "RELU",
    "sigmoid": "SIGMOID",
    "softmax": "SOFTMAX",
    "softmax_loss": "SOFTMAX_LOSS",
    "split": "SPLIT",
    "tanh": "TANH",
    "window_data": "WINDOW_DATA",
}
# The message that takes a V0 layer's own fields.
_V0_PARAMS = {
    "concat": "concat_param",
    "conv": "convolution_param",
    "data": "data_param",
    "dropout": "dropout_param",
    "hdf5_data": "hdf5_data_param",
    "hdf5_output": "hdf5_output_param",
    "images": "image_data_param",
    "infogain_loss": "infogain_loss_param",
    "innerproduct": "inner_product_param",
    "lrn": "lrn_param",
    "pool": "pooling_param",
    "window_data": "window_data_param",
}
_V0_RENAMED = {
    "biasterm": "bias_term",
    "kernelsize": "kernel_size",
    "batchsize": "batch_size",
    "shuffle_images": "shuffle",
    "det_fg_threshold": "fg_threshold",
    "det_bg_threshold": "bg_threshold",
    "det_fg_fraction": "fg_fraction",
    "det_context_pad": "context_pad",
    "det_crop_mode": "crop_mode",
}
_V0_TRANSFORMS = {"scale": "scale", "meanfile": "mean_file", "cropsize": "crop_size", "mirror": "mirror"}
_V0_COPIED = ("name", "blobs", "blobs_lr", "weight_decay")

# V1 types whose V2 name is more than the same words run together in upper and lower case.
_V1_SPECIAL = {
    "ABSVAL": "AbsVal",
    "ARGMAX": "ArgMax",
    "BNLL": "BNLL",
    "HDF5_DATA": "HDF5Data",
    "HDF5_OUTPUT": "HDF5Output",
    "LRN": "LRN",
    "MVN": "MVN",
    "NONE": "",
    "PRELU": "PReLU",
    "RELU": "ReLU",
    "ROI_POOLING": "ROIPooling",
    "SIGMOID_CROSS_ENTROPY_LOSS": "SigmoidCrossEntropyLoss",
    "SOFTMAX_LOSS": "SoftmaxWithLoss",
    "TANH": "TanH",
}
_V1_DATA = ("data_param", "image_data_param", "window_data_param")
_TRANSFORMS = ("scale", "mean_file", "crop_size", "mirror")

_SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "RMSPROP": "RMSProp",
    "ADADELTA": "AdaDelta",
    "ADAM": "Adam",
}


@dataclass
class UpgradedNet:
    """What upgrade_net returns about the layers it made.

    Attributes:
        places: for each layer of the net its path in the old form, e.g. "layers[3]"; "" for a new one.
        unknown: the unknown fields, at their paths in the new form.
        steps: what was old, one clause each; empty if nothing was.
    """

    places: list[str] = field(default_factory=list)
    unknown: list[Unknown] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def upgrade_net(
    net: Any, unknown: Iterable[Unknown] = (), path: str = "<net>", lines: Mapping[str, int] | None = None
) -> UpgradedNet:
    """Brings ``net`` (a NetParameter of any age) to V2 with Input layers, in place.

    Args:
        net: the net; blobs in it are kept.
        unknown: what parse_text kept beside it.
        path: the name of the file, for errors.
        lines: the line of each layer by its path; puts layers of both forms in the file's order.
    Raises:
        NetError: the old form contradicts itself, e.g. a padding layer before a ReLU.
    """
    result = UpgradedNet([f"layer[{i}]" for i in range(len(net.layer))], list(unknown))
    is_mixed = bool(net.layer) and bool(net.layers)
    if net.layers:
        _upgrade_old_layers(net, result, path)
    if is_mixed and lines:
        _restore_order(net, result, lines)
    if net.input:
        _upgrade_inputs(net, result, path)
    if _freeze_batch_norm(net):
        result.steps.append("BatchNorm layers with three param fields")
    _move_unknown(result)
    return result


def upgrade_solver(solver: SolverParameter, path: str = "<solver>") -> list[str]:
    """Replaces the enum ``solver_type`` by the string ``type``, in place; returns what was old.

    Raises:
        NetError: both are given.
    """
    if not solver.HasField("solver_type"):
        return []
    if solver.HasField("type"):
        raise NetError(f"{path}: solver_type (old) and type are both given; keep only type.")
    name = SolverParameter.SolverType.Name(solver.solver_type)
    solver.type = _SOLVER_TYPES[name]
    solver.ClearField("solver_type")
    return [f"solver_type: {name}"]


def v2_type(name: str) -> str:
    """Returns today's name of a V1 layer type: "INNER_PRODUCT" gives "InnerProduct"."""
    words = (re.sub(r"\dd$", lambda m: m[0].upper(), word.capitalize()) for word in name.split("_"))
    return _V1_SPECIAL.get(name, "".join(words))


def v0_type(name: str) -> str:
    """Returns today's name of a V0 layer type: "conv" gives "Convolution"; others stay as they are."""
    return v2_type(_V0_TYPES[name]) if name in _V0_TYPES else name


# V0 and V1 to V2


def _restore_order(net: Any, result: UpgradedNet, lines: Mapping[str, int]) -> None:
    """Puts the layers, of which those in today's form came first, in the order of their lines; inputs first,
    which others may read wherever they stand."""

    def place(k: int) -> tuple[bool, int]:
        return net.layer[k].type != "Input", lines.get(result.places[k], 0)

    order = sorted(range(len(net.layer)), key=place)
    layers = [net.layer[k] for k in order]
    result.places = [result.places[k] for k in order]
    copy = type(net)()
    copy.layer.extend(layers)
    del net.layer[:]
    net.layer.extend(copy.layer)


def _upgrade_old_layers(net: Any, result: UpgradedNet, path: str) -> None:
    old = list(net.layers)
    indices = list(range(len(old)))
    if any(layer.HasField("layer") for layer in old):
        indices = _fold_padding(old, path)
        result.steps.append("V0 layers")
    else:
        result.steps.append("V1 layers")
    own_types = _types_outside_the_schema(result)
    by_place: dict[str, list[Unknown]] = {}
    for item in result.unknown:
        by_place.setdefault(item.path.partition(".")[0], []).append(item)
    # Caffe drops today's layers from a file that has old ones too; here they stay.
    for index in indices:
        place = f"layers[{index}]"
        result.places.append(place)
        _upgrade_layer(old[index], net.layer.add(), own_types.get(place, ""))
        _adopt_unknown(net.layer[-1], place, by_place)
    result.unknown = [item for items in by_place.values() for item in items]
    net.ClearField("layers")


def _fold_padding(old: list[Any], path: str) -> list[int]:
    """Moves the pad of V0 "padding" layers into the layers after them; returns those that stay."""
    maker: dict[str, Any] = {}
    stay = []
    for index, connection in enumerate(old):
        layer = connection.layer
        if layer.type != "padding":
            stay.append(index)
        for j, bottom in enumerate(connection.bottom):
            source = maker.get(bottom)  # None also for an unknown bottom: the net's builder reports those
            if source is None or source.layer.type != "padding":
                continue
            if layer.type not in ("conv", "pool") or len(connection.bottom) != 1 or len(source.bottom) != 1:
                raise NetError(
                    f"{path}: layer {layer.name!r}: a padding layer ({source.layer.name!r}) can only stand "
                    "before a conv or pool layer with one bottom; give that layer a pad instead."
                )
            layer.pad = source.layer.pad
            connection.bottom[j] = source.bottom[0]
        maker.update(dict.fromkeys(connection.top, connection))
    return stay


def _upgrade_layer(old: Any, new: LayerParameter, own_type: str) -> None:
    if old.HasField("layer"):
        v0, v1 = old.layer, V1LayerParameter(bottom=old.bottom, top=old.top)
        _upgrade_v0_layer(v0, v1)
        _upgrade_v1_layer(v1, new)
        new.type = v0_type(v0.type)
        return
    _move_transforms(old)
    _upgrade_v1_layer(old, new)
    if own_type:
        new.type = v2_type(own_type)


def _upgrade_v0_layer(v0: Any, v1: V1LayerParameter) -> None:
    """Deals the fields of the one flat V0 message out to the messages of V1."""
    own = _V0_PARAMS.get(v0.type)
    for descriptor, value in v0.ListFields():
        name = descriptor.name
        if name in _V0_COPIED:
            _copy(value, v1, name)
        elif name in _V0_TRANSFORMS:
            setattr(v1.transform_param, _V0_TRANSFORMS[name], value)
        elif name == "hdf5_output_param":
            v1.hdf5_output_param.CopyFrom(value)
        elif own:
            param, target = getattr(v1, own), _V0_RENAMED.get(name, name)
            if name == "pool" and own == "pooling_param":
                param.pool = value  # both enums number MAX, AVE and STOCHASTIC alike
            elif target in param.DESCRIPTOR.fields_by_name:
                _copy(value, param, target)


def _copy(value: Any, target: Any, name: str) -> None:
    """Sets field ``name`` of ``target``; one value becomes a list of one where a list is expected."""
    if is_repeated(target.DESCRIPTOR.fields_by_name[name]):
        getattr(target, name).extend(value if hasattr(value, "extend") else [value])
    elif hasattr(value, "CopyFrom"):
        getattr(target, name).CopyFrom(value)
    else:
        setattr(target, name, value)


def _move_transforms(old: Any) -> None:
    """Moves scale, mean_file, crop_size and mirror of V1 data layers to transform_param."""
    for name in _V1_DATA:
        if not old.HasField(name):
            continue
        param = getattr(old, name)
        for moved in _TRANSFORMS:
            if param.HasField(moved):
                setattr(old.transform_param, moved, getattr(param, moved))
                param.ClearField(moved)


def _upgrade_v1_layer(v1: Any, new: LayerParameter) -> None:
    specs = {
        "param": "name",
        "blob_share_mode": "share_mode",
        "blobs_lr": "lr_mult",
        "weight_decay": "decay_mult",
    }
    for descriptor, value in v1.ListFields():
        name = descriptor.name
        if name == "type":
            new.type = v2_type(V1LayerParameter.LayerType.Name(value))
        elif name in specs:
            for i, item in enumerate(value):
                while len(new.param) <= i:
                    new.param.add()
                setattr(new.param[i], specs[name], item)
        elif name != "layer":
            _copy(value, new, name)


# What the schema lacks


def _types_outside_the_schema(result: UpgradedNet) -> dict[str, str]:
    """Takes enum values of ``layers[i].type`` that Caffe never had out of the unknown fields."""
    found = {u.parent: u.text.partition(": ")[2] for u in result.unknown if _is_own_type(u)}
    result.unknown = [u for u in result.unknown if not _is_own_type(u)]
    return found


def _is_own_type(item: Unknown) -> bool:
    return item.is_value and re.fullmatch(r"layers\[\d+\]\.type", item.path) is not None


def _adopt_unknown(layer: LayerParameter, place: str, by_place: dict[str, list[Unknown]]) -> None:
    """Fields that old layers lacked but today's have (prelu_param, crop_param) find their place."""
    known = layer.DESCRIPTOR.fields_by_name
    kept: list[Unknown] = []
    for item in by_place.get(place, ()):
        if item.parent not in (place, f"{place}.layer") or item.path.rpartition(".")[2] not in known:
            kept.append(item)
            continue
        adopted = LayerParameter()
        try:
            inner = parse_text(item.text, adopted, "").unknown
        except NetError:  # the same name with another meaning: as a field it could not be read back
            kept.append(replace(item, text="# " + item.text.replace("\n", "\n# ")))
            continue
        layer.MergeFrom(adopted)
        kept += [replace(u, path=f"{place}.{u.path}", line=item.line) for u in inner]
    if kept or place in by_place:
        by_place[place] = kept


def _move_unknown(result: UpgradedNet) -> None:
    """Renames the paths of unknown fields after the layers' places have changed."""
    new_index = {place: i for i, place in enumerate(result.places) if place}
    for position, item in enumerate(result.unknown):
        match = re.match(r"(layers?\[\d+\])\.(layer\.)?(.+)", item.path)
        if match and match[1] in new_index:
            path = f"layer[{new_index[match[1]]}].{match[3]}"
            result.unknown[position] = replace(item, path=path)


# Smaller changes


def _upgrade_inputs(net: Any, result: UpgradedNet, path: str) -> None:
    """Turns the fields input, input_dim and input_shape into one Input layer, the first of the net."""
    layer = LayerParameter(name="input", type="Input", top=net.input)
    if net.input_shape:
        if len(net.input_shape) < len(net.input):
            raise NetError(
                f"{path}: {len(net.input)} input fields, but only {len(net.input_shape)} input_shape."
            )
        layer.input_param.shape.extend(net.input_shape[: len(net.input)])
    elif net.input_dim:
        if len(net.input_dim) < 4 * len(net.input):
            raise NetError(
                f"{path}: {len(net.input)} input fields need {4 * len(net.input)} input_dim "
                f"(num, channels, height, width each), but there are {len(net.input_dim)}."
            )
        for i in range(len(net.input)):
            layer.input_param.shape.add(dim=net.input_dim[4 * i : 4 * i + 4])
    net.layer.insert(0, layer)
    result.places.insert(0, "")
    for name in ("input", "input_dim", "input_shape"):
        net.ClearField(name)
    result.steps.append("input fields")


def _freeze_batch_norm(net: Any) -> bool:
    """Sets lr_mult and decay_mult to 0 in BatchNorm layers with three param fields."""
    found = False
    for layer in net.layer:
        if layer.type == "BatchNorm" and len(layer.param) == 3:
            found = found or any(p.lr_mult != 0 or p.decay_mult != 0 for p in layer.param)
            for param in layer.param:
                param.lr_mult = param.decay_mult = 0
    return found
