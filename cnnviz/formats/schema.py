"""The messages of Caffe's schema, built from caffe.proto when this module is imported.

caffe.proto is read by a small parser and registered in a descriptor pool of our own: no compiler, no
generated code that ties us to one protobuf version, and no clash with a Caffe installed beside us.
Every message and enum of the file is a name of this module: ``from cnnviz.formats.schema import
NetParameter, Phase``.
"""

from __future__ import annotations

import re
from importlib import resources
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.internal import enum_type_wrapper

_TOKEN = re.compile(r'//[^\n]*|"[^"]*"|[\w.+-]+|[{}\[\]=;,]')
_SCALARS = {
    name: getattr(descriptor_pb2.FieldDescriptorProto, f"TYPE_{name.upper()}")
    for name in ("double", "float", "int64", "uint64", "int32", "uint32", "bool", "string", "bytes")
}
_LABELS = {"optional": 1, "required": 2, "repeated": 3}


class _ProtoReader:
    """Reads the part of the proto2 language that caffe.proto uses into a FileDescriptorProto."""

    def __init__(self, text: str):
        self.tokens = [t for t in _TOKEN.findall(text) if not t.startswith("//")]
        self.position = 0
        self.file = descriptor_pb2.FileDescriptorProto(name="cnnviz/caffe.proto", syntax="proto2")

    def take(self) -> str:
        self.position += 1
        return self.tokens[self.position - 1]

    def take_until(self, end: str) -> list[str]:
        start = self.position
        self.position = self.tokens.index(end, start) + 1
        return self.tokens[start : self.position - 1]

    def read(self) -> descriptor_pb2.FileDescriptorProto:
        while self.position < len(self.tokens):
            word = self.take()
            if word == "syntax":
                self.take_until(";")
            elif word == "package":
                self.file.package = self.take_until(";")[0]
            elif word == "enum":
                self.read_enum(self.file.enum_type.add())
            elif word == "extend":
                name = self.take()
                self.read_fields(next(m for m in self.file.message_type if m.name == name))
            else:
                self.read_message(self.file.message_type.add())
        return self.file

    def read_enum(self, enum: descriptor_pb2.EnumDescriptorProto) -> None:
        enum.name = self.take()
        words = iter([w for w in self.take_until("}")[1:] if w not in "=;"])
        for name, number in zip(words, words, strict=True):
            enum.value.add(name=name, number=int(number))

    def read_message(self, message: descriptor_pb2.DescriptorProto) -> None:
        message.name = self.take()
        self.read_fields(message)

    def read_fields(self, message: descriptor_pb2.DescriptorProto) -> None:
        self.take()
        while (word := self.take()) != "}":
            if word == "enum":
                self.read_enum(message.enum_type.add())
            else:
                self.read_field(message, word, self.take_until(";"))

    def read_field(self, message: Any, label: str, words: list[str]) -> None:
        kind, name, _, number, *options = words
        field = message.field.add(name=name, number=int(number), label=_LABELS[label])
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type_name = kind  # a message or an enum: the pool finds out which
        options = [w for w in options if w not in "[],="]
        for option, value in zip(options[::2], options[1::2], strict=True):
            if option == "default":
                field.default_value = value.strip('"')
            else:
                setattr(field.options, option, value == "true")


def _load() -> dict[str, Any]:
    text = resources.files("cnnviz.formats").joinpath("caffe.proto").read_text(encoding="utf-8")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(_ProtoReader(text).read().SerializeToString())
    file = pool.FindFileByName("cnnviz/caffe.proto")
    names = {n: message_factory.GetMessageClass(d) for n, d in file.message_types_by_name.items()}
    for name, descriptor in file.enum_types_by_name.items():
        names[name] = enum_type_wrapper.EnumTypeWrapper(descriptor)
    return names


globals().update(_load())


def __getattr__(name: str) -> Any:  # for type checkers: names are made at run time
    raise AttributeError(f"caffe.proto has no message or enum {name!r}")
