"""The docstrings of layers, which docs/layers.md is made of, name every parameter."""

from __future__ import annotations

import inspect
import re

import pytest

from cnnviz.engine.layer import layer_types
from cnnviz.formats.schema import LayerParameter

# Which program computes is no business of a net that runs here.
NEEDS_NO_WORD = {"engine", "icnet"}
# Messages of many types, which take what concerns them.
SHARED = {"transform_param", "loss_param"}
TYPES = layer_types()


def described(name: str) -> str:
    return (inspect.getdoc(TYPES[name]) or "") if TYPES[name].__doc__ else ""


@pytest.mark.parametrize("name", TYPES)
def test_every_field_of_a_layers_parameters_is_described(name):
    text = described(name)
    if re.search(r"as (of|in) [A-Z]", text):
        return  # the other type's text says it
    for section in set(re.findall(r"^(\w+_param):$", text, re.MULTILINE)) - SHARED:
        fields = getattr(LayerParameter(), section).DESCRIPTOR.fields
        missing = [f.name for f in fields if not re.search(rf"\b{f.name}\b", text)]
        assert not set(missing) - NEEDS_NO_WORD, f"{name} says nothing of {section}'s {missing}"


@pytest.mark.parametrize("name", TYPES)
def test_every_layer_names_its_source(name):
    assert re.search(r"^Source: ", described(name), re.MULTILINE), f"{name} has no Source"


@pytest.mark.parametrize("name", TYPES)
def test_every_layer_says_whether_it_was_checked(name):
    of_caffe = re.search(r"^Source: (.|\n )*Caffe's \w+Layer", described(name), re.MULTILINE)
    said = re.search(r"^Checked: |\b[Cc]hecked\b", described(name), re.MULTILINE)
    assert of_caffe or said, f"{name} does not say whether it was checked against the original (Checked: ...)"
