"""The messages and enum values of Caffe's schema, under the names of the module that protoc generates."""

from __future__ import annotations

from typing import Any

from cnnviz.formats import schema

_NAMES = [name for name in vars(schema) if hasattr(getattr(schema, name), "DESCRIPTOR") and name[0].isupper()]
_CONSTANTS = {
    key: number
    for name in _NAMES
    if not hasattr(getattr(schema, name), "FromString")  # an enum: its values are names of the module too
    for key, number in getattr(schema, name).items()
}
# Descriptors under protoc's names: that of LayerParameter is _LAYERPARAMETER.
_DESCRIPTORS = {f"_{name.upper()}": getattr(schema, name).DESCRIPTOR for name in _NAMES}
DESCRIPTOR = schema.NetParameter.DESCRIPTOR.file
__all__ = ["DESCRIPTOR", *_NAMES, *_CONSTANTS]


def __getattr__(name: str) -> Any:
    if name in _CONSTANTS:
        return _CONSTANTS[name]
    if name in _NAMES:
        return getattr(schema, name)
    if name in _DESCRIPTORS:
        return _DESCRIPTORS[name]
    raise AttributeError(f"caffe_pb2 has no {name!r}")


def __dir__() -> list[str]:
    return __all__
