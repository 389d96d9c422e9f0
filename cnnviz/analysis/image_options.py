"""How images enter a net, and what its classes are called: options, made once and passed on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnviz.analysis.inputs import Value
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.errors import CnnvizError
from cnnviz.formats.text import is_text, printable, read_text

ClassNames = str | os.PathLike | Sequence[str]


@dataclass(frozen=True)
class ImageOptions:
    """How images enter a net, and what its classes are called.

    Attributes:
        preprocessing: how pixels become values; default: they stay 0 to 255, in Caffe's order B, G, R.
        class_names: path of a file with one name per line, or a list; default: classes have numbers.
        size: (height, width) of the input instead of the net's own.
        inputs: values of other inputs than the image's, by name; see cnnviz.analysis.inputs.feed_inputs
            for the defaults.
        level, stages: the net's state, apart from its phase.
    """

    preprocessing: Preprocessing | None = None
    class_names: ClassNames | None = None
    size: tuple[int, int] | None = None
    inputs: Mapping[str, Value] | None = None
    level: int = 0
    stages: Sequence[str] = ()


def read_class_names(names: ClassNames | None) -> list[str]:
    """Returns the names of a list, or of a file with one per line.

    Raises CnnvizError if the file holds none.
    """
    if names is None:
        return []
    if not isinstance(names, (str, os.PathLike)):
        return list(names)
    lines = read_text(names).removesuffix("\n").split("\n") if is_text(names) else []
    if not any(map(str.strip, lines)):
        raise CnnvizError(f"{names}: holds no class names; text with one per line is expected.")
    return [printable(line.strip()) for line in lines]
