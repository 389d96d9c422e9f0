"""Makes docs/layers.md from the docstrings of the layer types."""

from __future__ import annotations

import inspect
import re

from cnnviz.engine.layer import Layer, layer_types

INTRO = """# Layers

Every layer type that cnnviz computes, made from the docstrings by `python3 dev.py docs`. Types and
parameters are those of Caffe's prototxt files; a difference from Caffe is said where there is one. A type
that is not here is drawn, and refused with its name when the net is run; so is a parameter that is not here
and may change the numbers.

Layers that are Caffe 1.0's own are checked against Caffe. Forks gave the same names to different things:
*Source* says whose meaning is followed, *Checked* whether its numbers were compared with those of the fork's
own code.

In the formulas x is the bottom, y the top; N is the number of items, C of channels, H and W height and width.

`cnnviz activations` draws the activation functions among them:

![Curves, derivatives and formulas of the activation functions](pictures/activations.png)
"""
_TITLES = {
    "Bottom": "Bottom",
    "Top": "Top",
    "Parameters": "Learned",
    "Raises": "Refused",
    "Source": "Source",
    "Checked": "Checked",
}
_SECTION = re.compile(rf"({'|'.join(_TITLES)}): (.*)")
_PARAM = re.compile(r"(\w+_param):")
_NEXT_MESSAGE = re.compile(r"(?<!\n)\n(?=\w+_param:\n)")


def page() -> str:
    """Returns the page."""
    types = layer_types()
    links = ", ".join(f"[{name}](#{name.lower()})" for name in types)
    return "\n".join([INTRO, links, "", *(section(name, cls) for name, cls in types.items())])


def section(name: str, cls: type[Layer]) -> str:
    """Returns what the page says of one type."""
    text = (inspect.getdoc(cls) or "") if cls.__doc__ else ""
    blocks = [block.split("\n") for block in _NEXT_MESSAGE.sub("\n\n", text).split("\n\n")]
    lines = [f"## {name}", "", *first(blocks[0])]
    for block in blocks[1:]:
        lines += ["", *(parameters(block) if _PARAM.match(block[0]) else prose(block))]
    return "\n".join([*lines, ""])


def first(block: list[str]) -> list[str]:
    """The first lines: a formula stands as it is."""
    return ["```text", *block, "```"] if "=" in block[0] else [escaped(line) for line in block]


def parameters(block: list[str]) -> list[str]:
    """A list of fields, from "name: meaning" lines and what is indented under them."""
    message, rest = _PARAM.match(block[0]).group(1), block[1:]  # type: ignore[union-attr]
    items: list[str] = []
    for line in rest:
        starts = not line.startswith("        ")
        field, colon, meaning = line.strip().partition(": ")
        if starts and colon:
            items.append(f"- `{field}`: {escaped(meaning)}")
        elif items:
            items[-1] += f" {escaped(line.strip())}"
        else:
            items.append(f"- {escaped(line.strip())}")
    return [f"`{message}`:", "", *items]


def prose(block: list[str]) -> list[str]:
    """Paragraphs, and the sections "Bottom:", "Top:", ... as a list."""
    lines: list[str] = []
    for line in block:
        found = _SECTION.match(line)
        if found:
            lines.append(f"- **{_TITLES[found.group(1)]}**: {escaped(found.group(2))}")
        elif line.startswith("    ") and lines:
            lines[-1] += f" {escaped(line.strip())}"
        else:
            lines.append(escaped(line))
    return lines


def escaped(text: str) -> str:
    return re.sub(r"([*_<>|\[\]])", r"\\\1", text)
