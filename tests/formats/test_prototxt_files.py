"""Real prototxt files: round trips, and Google's parser as the second opinion."""

from __future__ import annotations

import csv

import pytest
from google.protobuf import text_format

from cnnviz.errors import CnnvizError
from cnnviz.formats.prototxt import (
    parse_net,
    parse_solver,
    read_net,
    read_prototxt,
    to_text,
)
from cnnviz.formats.schema import (
    NetParameter,
    SolverParameter,
)
from cnnviz.formats.text_format import parse_text


def real_files(real):
    with open(real / "prototxt/index.tsv", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_every_valid_file_survives_a_round_trip(real):
    for row in real_files(real):
        if row["parse_error"]:
            continue
        definition = read_prototxt(real / "prototxt" / row["file"])
        is_solver = type(definition).__name__ == "SolverDefinition"
        assert is_solver == (row["kind"] == "solver") or row["kind"] == "other", row["file"]
        text = to_text(definition)
        again = (parse_solver if is_solver else parse_net)(text, f"{row['file']} again")
        assert again.proto == definition.proto, row["file"]
        assert sorted((u.path, u.text) for u in again.unknown) == sorted(
            (u.path, u.text) for u in definition.unknown
        ), row["file"]
        assert to_text(again) == text, row["file"]
        if not is_solver:
            assert not definition.proto.layers and not definition.proto.input
            assert len(definition.lines) == len(definition.layer)


def test_google_reads_the_same_from_them(real):
    compared = 0
    for row in real_files(real)[::8]:
        text = (real / "prototxt" / row["file"]).read_bytes().decode("utf-8-sig")
        kind = SolverParameter if row["kind"] == "solver" else NetParameter
        ours, theirs = kind(), kind()
        try:
            text_format.Parse(text, theirs, allow_unknown_field=True)
        except text_format.ParseError:  # it knows no unknown values of enums
            continue
        parse_text(text, ours, row["file"])
        assert ours == theirs, row["file"]
        compared += 1
    assert compared > 50


def test_invalid_files_say_where(real):
    places = {
        "DeepScale__SqueezeNet/_history/train_val.prototxt": ": holds only the path ",
        "DeepScale__SqueezeNet/_history/solver.prototxt": ": holds only the path ",
        "BVLC__caffe/_history/examples/triplet/3d_triplet_train_test.prototxt.orig": ":178: holds both sides",
    }
    invalid = {row["file"] for row in real_files(real) if row["parse_error"]}
    assert invalid == set(places)
    for name, said in places.items():
        path = real / "prototxt" / name
        with pytest.raises(CnnvizError) as error:
            read_net(path)
        assert str(error.value).startswith(f"{path}{said}")
