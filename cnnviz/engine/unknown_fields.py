"""Fields that the schema lacks: which of them keep a net from running, as they would change its results."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from cnnviz.engine.layer import Layer
from cnnviz.formats.text_format import Unknown

# They choose who computes or how files are read, never which values come out.
HARMLESS = {
    "engine", "cache", "precache", "threads", "use_gpu_transform", "cudnn_convolution_algo_seeker",
    "visualize", "visualize_threshold",
}  # fmt: skip
# What forks add to transform_param: known, so that nets keep it, but not computed here.
NOT_COMPUTED = {
    "crop_h", "crop_w", "resize_param", "distort_param", "expand_param", "emit_constraint",
    "random_resize_param", "random_aspect_ratio_param",
}  # fmt: skip


def is_own_message(layer: type[Layer], field: str) -> bool:
    """Whether a message of a layer's parameters, such as "pooling_param", concerns this type of layer.

    It does if its name is like the type's, or the class names it in ``more_params``.
    """
    stem, name = _letters(field.removesuffix("_param")), _letters(layer.type or "")
    words = {word.lower() for word in re.findall("[A-Z]+[a-z0-9]*", layer.type or "")}
    alike = stem in name or name in stem or set(field.removesuffix("_param").split("_")) <= words
    return field in layer.more_params or (field.endswith("_param") and alike)


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def refusal(layer: type[Layer], unknown: Iterable[Unknown]) -> str | None:
    """Returns why a layer with these unknown fields does not run, None if it does.

    Fields of fillers, rules and weights, and messages that the type does not read, do not keep it from
    running; a likely misspelling does.
    """
    for item in unknown:
        names = [name.partition("[")[0] for name in item.path.split(".")[1:]]
        if names[-1] in HARMLESS:
            continue
        field = ".".join(names)
        if item.is_value:  # it would run as the default
            return f"unknown value in '{item.text}' of {field} (line {item.line}){item.hint}"
        in_filler = any(name.endswith("filler") for name in names[:-1])
        if item.hint or (is_own_message(layer, names[0]) and not in_filler):
            return _sentence(field, item)
    return None


def transform_refusal(layer: type[Layer], param: Any) -> str | None:
    """Returns why a layer that reads data does not run with its transform_param, None if it does."""
    if "transform_param" not in layer.more_params:
        return None
    given = [known.name for known, _ in param.transform_param.ListFields() if known.name in NOT_COMPUTED]
    if not given:
        return None
    return f"transform_param.{given[0]} is not supported; remove it, or prepare the data with it beforehand"


def _sentence(field: str, item: Unknown) -> str:
    if item.hint:
        return f"unknown field {field} (line {item.line}){item.hint}"
    return (
        f"unknown field {field} (line {item.line}) may change what the layer computes, and cnnviz does not "
        "know how; if the net works without it, remove it"
    )
