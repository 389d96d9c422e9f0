"""NetSpec: nets written as Python. pycaffe's caffe.layers, caffe.params, caffe.NetSpec and caffe.to_proto.

n = caffe.NetSpec()
n.data, n.label = L.Data(source="train_lmdb", backend=P.Data.LMDB, batch_size=64, ntop=2)
n.conv1 = L.Convolution(n.data, num_output=20, kernel_size=5, weight_filler=dict(type="xavier"))
n.loss = L.SoftmaxWithLoss(n.conv1, n.label)
print(n.to_proto())
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any

from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats import schema
from cnnviz.formats.schema import LayerParameter, NetParameter

# Layer types whose settings are in the message of another type.
_BORROWED = {"Deconvolution": "convolution_param", "ConvolutionDepthwise": "convolution_param"}


class UnknownSettingError(NetError, AttributeError):
    """A field that Caffe's schema lacks; pycaffe's programs catch AttributeError."""


class Top:
    """The ``n``-th output of the layer ``fn``."""

    def __init__(self, fn: Function, n: int):
        self.fn, self.n = fn, n

    def to_proto(self) -> NetParameter:
        """Returns the net that computes this output."""
        return to_proto(self)

    _to_proto = to_proto


class Function:
    """A layer that is not yet part of a net.

    Args:
        type_name: Caffe's type, such as "Convolution".
        inputs: its bottoms.
        params: fields of the layer's own message (``num_output=20``), fields of LayerParameter
            (``name="conv1"``, ``param=[dict(lr_mult=1)]``), whole messages (``convolution_param=dict(...)``),
            and two settings of NetSpec itself: ``ntop``, the number of tops (1), and ``in_place`` (False).

    Raises:
        TypeError: an input is not a Top.
    """

    def __init__(self, type_name: str, inputs: Sequence[Top], params: dict[str, Any]):
        for index, bottom in enumerate(inputs):
            if not isinstance(bottom, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(bottom)})")
        self.type_name = type_name
        self.inputs = tuple(inputs)
        self.params = dict(params)
        self.ntop = int(self.params.pop("ntop", 1))
        self.in_place = bool(self.params.pop("in_place", False))
        self.tops = tuple(Top(self, n) for n in range(self.ntop))

    def _to_proto(self) -> NetParameter:
        """Returns the net of this layer and of those that it needs."""
        return to_proto(self)

    def layer(self, name: str, bottoms: Sequence[str], tops: Sequence[str]) -> LayerParameter:
        """Returns the layer's message.

        Raises NetError for a setting that Caffe's schema lacks, or a value of the wrong type.
        """
        layer = LayerParameter(type=self.type_name, bottom=bottoms, top=tops, name=name)
        own = _own_field(self.type_name)
        for key, value in self.params.items():
            holder = layer
            if own and not key.endswith("param"):
                settings = getattr(layer, own)
                holder = settings if key in _fields(settings) or key not in _fields(layer) else layer
            _assign(holder, key, value, self.type_name)
        return layer


class NetSpec:
    """A net that grows by assigning tops: ``n.conv1 = L.Convolution(...)`` names top and layer conv1."""

    def __init__(self) -> None:
        super().__setattr__("tops", OrderedDict())

    def __setattr__(self, name: str, top: Top | Function) -> None:
        if not isinstance(top, Top | Function):
            raise TypeError(f"{name}: expected a Top, found {type(top)}; a layer with ntop=2 returns two.")
        self.tops[name] = top

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name not in self.tops:
            raise AttributeError(f"the net has no top {name!r}{did_you_mean(name, self.tops)}.")
        return self.tops[name]

    def __delattr__(self, name: str) -> None:
        del self.tops[name]

    __setitem__ = __setattr__

    def __getitem__(self, name: str) -> Top | Function:
        return self.tops[name]

    __delitem__ = __delattr__

    def __contains__(self, name: str) -> bool:
        return name in self.tops

    def keys(self) -> list[str]:
        """Returns the names of the tops; this and ``vals`` come from SSD's fork."""
        return list(self.tops)

    def vals(self) -> list[Top | Function]:
        """Returns the tops."""
        return list(self.tops.values())

    def update(self, name: str, params: dict[str, Any]) -> None:
        """Changes settings of the layer that makes the top ``name``."""
        _function(self.tops[name]).params.update(params)

    def to_proto(self) -> NetParameter:
        """Returns the net of all layers that the assigned tops need, each after those that it needs."""
        return _Builder({top: name for name, top in self.tops.items()}).build(self.tops.values())


def to_proto(*tops: Top | Function) -> NetParameter:
    """Returns the net that computes ``tops``, with names such as Convolution1 for everything."""
    return _Builder({}).build(tops)


class _Builder:
    """Names layers and tops and puts the layers in order."""

    def __init__(self, names: dict[Any, str]):
        self._names = names
        self._numbers: Counter[str] = Counter()
        self._done: OrderedDict[Function, LayerParameter] = OrderedDict()

    def build(self, roots: Iterable[Top | Function]) -> NetParameter:
        for root in roots:
            self._add(_function(root))
        return NetParameter(layer=self._done.values())

    def _add(self, last: Function) -> None:
        """Adds a layer after those it reads; a stack instead of recursion, for nets of any depth."""
        stack = [last]
        while stack:
            function = stack[-1]
            missing = [top.fn for top in function.inputs if top.fn not in self._done]
            if missing:
                stack += reversed(missing)
                continue
            stack.pop()
            if function not in self._done:
                self._done[function] = self._layer(function)

    def _layer(self, function: Function) -> LayerParameter:
        bottoms = [self._done[top.fn].top[top.n] for top in function.inputs]
        named = function.tops[0] if function.ntop else function
        if function.in_place:
            tops = bottoms
        else:
            tops = [self._name(top, function) for top in function.tops]
        name = self._names.get(function) or self._name(named, function)
        return function.layer(name, bottoms, tops)

    def _name(self, item: Top | Function, function: Function) -> str:
        if item not in self._names:
            self._numbers[function.type_name] += 1
            self._names[item] = f"{function.type_name}{self._numbers[function.type_name]}"
        return self._names[item]


class _Layers:
    """``layers.Convolution(bottom, num_output=20)``: one Top, a tuple of Tops, or with ntop=0 the layer."""

    def __getattr__(self, type_name: str) -> Any:
        if type_name.startswith("__"):
            raise AttributeError(type_name)

        def make(*inputs: Top, **params: Any) -> Top | tuple[Top, ...] | Function:
            function = Function(type_name, inputs, params)
            if function.ntop == 0:
                return function
            return function.tops[0] if function.ntop == 1 else function.tops

        make.__name__ = type_name
        return make


class _Params:
    """``params.Pooling.MAX``: the names of Caffe's enums."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(schema, f"{name}Parameter")


Layers, Parameters = _Layers, _Params
layers, params = _Layers(), _Params()


def param_name_dict() -> dict[str, str]:
    """Returns the field of LayerParameter for each type of message: {"Convolution": "convolution", ...}."""
    suffix = "Parameter"
    return {
        field.message_type.name.removesuffix(suffix): field.name.removesuffix("_param")
        for field in LayerParameter.DESCRIPTOR.fields
        if field.name.endswith("_param") and field.message_type.name.endswith(suffix)
    }


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Sets the field ``name`` of a message: dicts are messages, sequences repeated fields.

    Raises NetError for a field that the message lacks or a value of the wrong type.
    """
    _assign(proto, name, val, proto.DESCRIPTOR.name)


def _function(top: Top | Function) -> Function:
    return top if isinstance(top, Function) else top.fn


def _own_field(type_name: str) -> str | None:
    """The field of LayerParameter with the settings of a type: "Convolution" has convolution_param."""
    for field in LayerParameter.DESCRIPTOR.fields:
        if field.name.endswith("_param") and field.message_type.name == f"{type_name}Parameter":
            return field.name
    return _BORROWED.get(type_name)


def _fields(message: Any) -> Any:
    return message.DESCRIPTOR.fields_by_name


def _assign(message: Any, name: str, value: Any, place: str) -> None:
    """Sets a field from Python values: dicts are messages, sequences repeated fields, names enum values."""
    field = _fields(message).get(name)
    if field is None:
        hint = did_you_mean(name, list(_fields(message)))
        raise UnknownSettingError(f"{place}: Caffe's schema has no setting {name!r}{hint}.")
    held = getattr(message, name)
    repeated = hasattr(held, "extend")
    values = (
        list(value) if repeated and not isinstance(value, str | bytes | dict) and _many(value) else [value]
    )
    try:
        for item in values:
            if field.message_type is not None:
                target = held.add() if repeated else held
                target.SetInParent()
                _assign_all(target, item, f"{place}: {name}")
            elif repeated:
                held.append(_scalar(field, item))
            else:
                setattr(message, name, _scalar(field, item))
    except (TypeError, ValueError, KeyError) as error:
        raise NetError(f"{place}: {name} cannot be {value!r} ({error}).") from None


def _assign_all(message: Any, value: Any, place: str) -> None:
    if not isinstance(value, dict):
        message.CopyFrom(value)  # a message of the same type
        return
    for key, item in value.items():
        _assign(message, key, item, place)


def _many(value: Any) -> bool:
    return hasattr(value, "__iter__") and not hasattr(value, "DESCRIPTOR")


def _scalar(field: Any, value: Any) -> Any:
    if field.enum_type is not None and isinstance(value, str):
        return field.enum_type.values_by_name[value].number
    return value.item() if hasattr(value, "item") else value  # a NumPy number
