"""Nets as text: every way to write a value, places of errors, nothing lost."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor

from cnnviz.errors import FileError, NetError
from cnnviz.formats.prototxt import (
    NetDefinition,
    parse_net,
    read_net,
    to_text,
    write_prototxt,
)
from cnnviz.formats.schema import (
    BlobProto,
    ConvolutionParameter,
    LayerParameter,
    NetParameter,
    SolverParameter,
)
from cnnviz.formats.text_format import MAX_DEPTH, format_float, format_text, is_repeated, parse_text
from support.files import assert_refused

LAYER = 'layer { name: "a" type: "Input" top: "a" }\n'


def conv(text: str):
    message = ConvolutionParameter()
    parse_text(text, message, "net.prototxt")
    return message


# Every way to write a value


@pytest.mark.parametrize(
    "text, field, value",
    [
        ("num_output: 20", "num_output", 20),
        ("num_output:20", "num_output", 20),
        ("num_output : 0x1F", "num_output", 31),
        ("num_output: 017", "num_output", 15),
        ("num_output: 0", "num_output", 0),
        ("axis: -2", "axis", -2),
        ("axis: - 2", "axis", -2),
        ("axis: -0x10", "axis", -16),
        ("axis: -2147483648", "axis", -(2**31)),
        ("num_output: 4294967295", "num_output", 2**32 - 1),
        ("bias_term: false", "bias_term", False),
        ("bias_term: f", "bias_term", False),
        ("bias_term: False", "bias_term", False),
        ("bias_term: 0", "bias_term", False),
        ("bias_term: true", "bias_term", True),
        ("bias_term: t", "bias_term", True),
        ("bias_term: 1", "bias_term", True),
        ("engine: CUDNN", "engine", 2),
        ("engine: 1", "engine", 1),
        ("pad: 1 pad: 2", "pad", [1, 2]),
        ("pad: [1, 2]", "pad", [1, 2]),
        ("pad: [3] pad: 4", "pad", [3, 4]),
        ("pad: []", "pad", []),
        ("pad: 1, pad: 2; pad: 3", "pad", [1, 2, 3]),
        ("# pad: 9\npad: 1 # pad: 2\n#", "pad", [1]),
        ("\tpad:\r\n 1\r\n", "pad", [1]),
    ],
)
def test_values(text, field, value):
    found = getattr(conv(text), field)
    assert (list(found) if isinstance(value, list) else found) == value


@pytest.mark.parametrize(
    "text, value",
    [
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.5e-3", float(np.float32(1.5e-3))),
        ("-.5E+2", -50.0),
        ("1.5f", 1.5),
        ("2F", 2.0),
        ("7", 7.0),
        ("010", 10.0),
        ("0x10", 16.0),
        ("inf", float("inf")),
        ("-inf", float("-inf")),
        ("Infinity", float("inf")),
        ("1e60", float("inf")),
    ],
)
def test_floats(text, value):
    assert conv(f"weight_filler {{ value: {text} }}").weight_filler.value == value


def test_nan():
    assert np.isnan(conv("weight_filler { value: nan }").weight_filler.value)


@pytest.mark.parametrize(
    "text, value",
    [
        ('"abc"', "abc"),
        ("'abc'", "abc"),
        ('""', ""),
        ("'say \"no\"'", 'say "no"'),
        ('"it\'s"', "it's"),
        ('"a" \'b\'\n"c"', "abc"),
        (r'"a\nb\tc\\d\"e\'f"', "a\nb\tc\\d\"e'f"),
        (r'"\a\b\f\r\v\?"', "\a\b\f\r\v?"),
        (r'"\101\x42\x6A"', "ABj"),
        (r'"\345\233\276"', "图"),
        (r'"\u56fe\U0001F431"', "图🐱"),
        ('"图 # no comment"', "图 # no comment"),
    ],
)
def test_strings(text, value):
    layer = LayerParameter()
    parse_text(f"name: {text}", layer, "net.prototxt")
    assert layer.name == value


def test_bytes_need_no_utf8():
    from cnnviz.formats.schema import Datum

    datum = Datum()
    parse_text(r'data: "\377\x00é"', datum, "d")
    assert datum.data == b"\xff\0\xc3\xa9"
    assert format_text(datum) == 'data: "\\377\\000\\303\\251"\n'


@pytest.mark.parametrize(
    "text",
    [
        "shape { dim: 2 dim: 3 }",
        "shape: { dim: 2 dim: 3 }",
        "shape < dim: 2 dim: 3 >",
        "shape: < dim: [2, 3] >",
        "shape { dim: 2, dim: 3, },",
        "shape{dim:2;dim:3};",
    ],
)
def test_messages(text):
    blob = BlobProto()
    parse_text(text, blob, "b")
    assert list(blob.shape.dim) == [2, 3]


def test_lists_of_messages():
    net = parse_net('layer [{ name: "a" }, < name: "b" >] layer: [] layer: [{ name: "c" }]')
    assert [layer.name for layer in net.layer] == ["a", "b", "c"]


def test_an_empty_message_is_kept():
    net = parse_net('layer { name: "a" relu_param {} }')
    assert net.layer[0].HasField("relu_param")
    assert "relu_param {\n  }" in to_text(net)


# Errors


@pytest.mark.parametrize(
    "text, message",
    [
        (
            'name: "n"\nlayer {\n  name "a"\n}',
            "net.prototxt:3:8: found \"a\" in 'name \"a\"', but ':' after 'name' was expected.",
        ),
        (
            "layer {\n  pooling_param {\n    kernel_size: 2.5\n",
            "net.prototxt:3:18: found 2.5 in 'kernel_size: 2.5', but an integer for 'kernel_size' was",
        ),
        (
            'layer {\n  name: "a"\n',
            "net.prototxt:2:12: the file ends, but a field name or '}' was expected.",
        ),
        ('name: "lenet', "this string has no closing quote on its line in 'name: \"lenet', but a string"),
        ("<<<<<< HEAD", "net.prototxt:1:1: found < in '<<<<<< HEAD', but a field name was expected."),
        ("layer { } }", "net.prototxt:1:11: found } in 'layer { } }', but a field name was expected."),
        (
            "layer { name: lenet }",
            "found lenet in 'layer { name: lenet }', but a string in quotes for 'name' was",
        ),
        ("layer: 3", "found 3 in 'layer: 3', but '{' after 'layer' was expected."),
        ("force_backward: yes", "found yes in 'force_backward: yes', but true or false for 'force_backward'"),
        ("force_backward: 2", "but true or false for 'force_backward' was expected."),
        (
            "input_dim: 99999999999",
            "1:12: 99999999999 is out of range for 'input_dim', which is a 32-bit integer.",
        ),
        ("input_dim: " + "9" * 5000, "but an integer for 'input_dim' was expected."),
        ("input_dim: 08", "found 08 in 'input_dim: 08', but an integer for 'input_dim' was expected."),
        (
            "input_dim: [1 2]",
            "net.prototxt:1:15: found 2 in 'input_dim: [1 2]', but ',' or ']' was expected.",
        ),
        ("name: ['a', 'b']", "net.prototxt:1:7: field 'name' takes one value, not a list."),
        (
            "layer { clip_param { min: 0 } }",
            "1:20: field 'layer[0].clip_param.max' is missing, and it is required.",
        ),
        (r'name: "a\qb"', r"net.prototxt:1:7: string a\qb has the unknown escape '\q'."),
        (r'name: "\377"', 'the escapes in "\\377" make no valid UTF-8.'),
        (r'name: "\ud800"', r"names no character: \ud800."),
        (
            "layer { lrn_param { alpha: 1e } }",
            "found 1e in 'layer { lrn_param { alpha: 1e } }', but a number for",
        ),
        ("layer { pooling_param { pool: 'MAX' } }", "found 'MAX' in"),
        ("unknown_field { a: 1", "net.prototxt:1:21: the file ends, but a field name or '}' was expected."),
        ("unknown_field: }", "found } in 'unknown_field: }', but a value for 'unknown_field' was expected."),
        (
            "layer { type: “Input” }",
            "found “ in 'layer { type: “Input” }', but a string in quotes for 'type'",
        ),
    ],
)
def test_errors_carry_place_and_text(text, message):
    with pytest.raises(NetError) as error:
        parse_net(text, "net.prototxt")
    assert str(error.value).startswith("net.prototxt:")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["shape", "strange"])
def test_nesting_has_a_limit(name):
    with pytest.raises(NetError, match=f"nested deeper than {MAX_DEPTH}"):
        parse_net(f"layer {{ {name} {{ " + "a { " * 100_000, "deep.prototxt")


# Definitions


def test_layers_know_their_lines():
    net = parse_net('name: "n"\n' + LAYER + "\n# comment\n" + LAYER, "dir/net.prototxt")
    assert net.lines == [2, 5]
    assert net.where(1) == "dir/net.prototxt:5"
    assert net.where(7) == "dir/net.prototxt"


def test_attributes_fall_through_to_the_message():
    net = parse_net('name: "n"\n' + LAYER)
    assert (net.name, len(net.layer), net.path) == ("n", 1, "<text>")
    with pytest.raises(AttributeError):
        _ = net.nonsense


def test_definitions_can_be_copied():
    import copy

    net = copy.deepcopy(parse_net(LAYER))
    assert isinstance(net, NetDefinition) and net.layer[0].name == "a"


def test_written_text_reads_back(tmp_path):
    net = parse_net('name: "a\\n\\"\\\\图\\001"\n' + LAYER)
    write_prototxt(tmp_path / "net.prototxt", net)
    assert read_net(tmp_path / "net.prototxt").proto == net.proto


def test_every_float_reads_back():
    bits = np.random.default_rng(1).integers(0, 2**32, 20_000, dtype=np.uint64).astype(np.uint32)
    for value in bits.view(np.float32).tolist():
        text = format_float(value)
        if value == value:
            assert struct.pack("f", float(text)) == struct.pack("f", value), text
    assert [
        format_float(float(np.float32(v))) for v in (0.1, 1e-6, 0.00390625, 1 / 3, 3.4028235e38, -0.0)
    ] == [
        "0.1",
        "1e-06",
        "0.00390625",
        "0.33333334",
        "3.4028235e+38",
        "-0",
    ]


def filled(message, chance: random.Random, depth: int = 0):
    """Sets fields of ``message`` at random, to values of every kind."""
    makers = {
        FieldDescriptor.CPPTYPE_BOOL: lambda f: chance.random() < 0.5,
        FieldDescriptor.CPPTYPE_INT32: lambda f: chance.randrange(-(2**31), 2**31),
        FieldDescriptor.CPPTYPE_INT64: lambda f: chance.randrange(-(2**63), 2**63),
        FieldDescriptor.CPPTYPE_UINT32: lambda f: chance.randrange(2**32),
        FieldDescriptor.CPPTYPE_FLOAT: lambda f: chance.choice(
            (chance.gauss(0, 1), 1e30, -0.0, float("inf"))
        ),
        FieldDescriptor.CPPTYPE_DOUBLE: lambda f: chance.gauss(0, 1),
        FieldDescriptor.CPPTYPE_ENUM: lambda f: chance.choice(f.enum_type.values).number,
        FieldDescriptor.CPPTYPE_STRING: lambda f: "".join(chance.choices("a\"'\\\n\t\x01é图🐱# {", k=5)),
    }
    for f in message.DESCRIPTOR.fields:
        if chance.random() < 0.7 and f.name not in ("min", "max"):  # which Clip requires
            continue
        for _ in range(chance.randrange(1, 4) if is_repeated(f) else 1):
            if f.cpp_type == FieldDescriptor.CPPTYPE_MESSAGE:
                if depth < 4:
                    child = getattr(message, f.name)
                    child.add() if is_repeated(f) else child.SetInParent()
                    filled(child[-1] if is_repeated(f) else child, chance, depth + 1)
            elif is_repeated(f):
                getattr(message, f.name).append(makers[f.cpp_type](f))
            else:
                setattr(message, f.name, makers[f.cpp_type](f))
    return message


def test_random_messages_survive_and_google_reads_the_same():
    chance = random.Random(1)
    for _ in range(40):
        message = filled(chance.choice((NetParameter, SolverParameter))(), chance)
        text = format_text(message)
        ours, theirs = type(message)(), type(message)()
        parsed = parse_text(text, ours, "x")
        text_format.Parse(text, theirs)
        assert ours == message and theirs == message
        assert not parsed.unknown and not parsed.notes


@pytest.mark.parametrize(
    "content, message",
    [
        (
            b"\n\x05LeNet\xa2\x06\x10\n\x04data\x12\x04Data\0",
            "is a binary file, perhaps a caffemodel, not a net",
        ),
        (b"\x89HDF\r\n\x1a\n\0\0", "is an HDF5 file, not a net definition (.prototxt)."),
        (b"\n\n<!DOCTYPE html>\n<html>", "is a web page, not a net definition"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", "is a Git LFS pointer, not a net"),
        (b"PK\x03\x04aaaa", "is a ZIP archive"),
    ],
)
def test_other_files_are_named(tmp_path, content, message):
    assert_refused(read_net, tmp_path / "x.prototxt", content, message)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, encoding):
    path = tmp_path / "net.prototxt"
    path.write_bytes(('# Größe\r\nname: "é"\r\n' + LAYER).encode(encoding))
    assert read_net(path).name == "é"


def test_an_absent_file(tmp_path):
    with pytest.raises(FileError, match="cannot be read: no such file or directory"):
        read_net(tmp_path / "none.prototxt")
