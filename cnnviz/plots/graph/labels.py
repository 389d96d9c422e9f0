"""The text in the box of a layer: name, type, settings, shapes, costs, folded layers, faults."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz.analysis.summary import LayerSummary, shape_text, short_number
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import traits_of
from cnnviz.formats.text import printable
from cnnviz.plots.common.text import NO_BREAK, fit, text_width, wrap
from cnnviz.plots.graph.grouping import fault_of, is_foreign

WIDEST = 216.0  # of a line of text in a box, in pixels

# Settings omitted from the box (the panel of the interactive page has all): they do not affect the net's
# shape, or the box shows them in another form.
OMITTED = {
    "weight_filler", "bias_filler", "filler", "data_filler", "engine", "backend", "source", "root_folder",
    "mean_file", "shape", "force_nd_im2col", "rand_skip", "prefetch", "shuffle", "batch_size", "channels",
    "height", "width", "debug_info", "param_str", "cudnn_convolution_algo_seeker",
}  # fmt: skip
WINDOW = ("kernel_size", "kernel_h", "kernel_w", "num_output", "pool", "global_pooling")
SIDES = ("stride", "pad", "dilation")
# The setting that needs no name in a folded layer.
PLAIN_SETTING = {"Dropout": "dropout_ratio", "Permute": "order"}
MAX_TOPS = 4
MAX_UNKNOWN = 2


@dataclass(frozen=True)
class Label:
    """One line of text in a box; ``role`` names its colour."""

    text: str
    size: float
    bold: bool = False
    role: str = "text"

    @property
    def width(self) -> float:
        return text_width(self.text, self.size, self.bold)

    @property
    def height(self) -> float:
        return round(self.size * 1.32, 2)


@dataclass(frozen=True)
class UnitFacts:
    """What is known of the layers in one box, and in the boxes that it stands for.

    Attributes:
        layers: the layer and those folded into it.
        rows: their rows of the table.
        alike: for a box of a repeated block, the rows of every copy of it, itself included.
        unknown: fields of the file that the schema lacks, as text.
        note: a mark such as "only in TRAIN".
        value: what the box is coloured by, as text.
        size_of: the input of the net of which it reads no more than the size.
    """

    layers: Sequence[GraphLayer]
    rows: Sequence[LayerSummary]
    alike: Sequence[Sequence[LayerSummary]] = ()
    unknown: Sequence[str] = ()
    note: str = ""
    value: str = ""
    size_of: str = ""

    @property
    def main(self) -> int:
        """Which of the layers has the top that the box shows: the last before the values are reordered."""
        reshaped = (i for i, layer in enumerate(self.layers) if i and traits_of(layer.type).moves_axes)
        return next(reshaped, len(self.layers)) - 1

    @property
    def copies(self) -> Sequence[Sequence[LayerSummary]]:
        """The rows of each copy of the box that it stands for."""
        return self.alike or [self.rows]


def unit_labels(facts: UnitFacts, costs: bool = True, rates: bool = False) -> list[Label]:
    """Returns the lines of one box, from top to bottom; ``rates`` adds the learning-rate multipliers."""
    host = facts.layers[0]
    names = wrap(printable(host.name) or "(unnamed)", WIDEST, 12, bold=True)
    labels = [Label(text, 12, bold=True) for text in names]
    labels += _wrapped(_type_text(host), 10.5)
    labels += _shape_labels(facts)
    if costs:
        labels += _cost_labels(facts)
    if rates and any(p.spec.lr_mult for p in host.params):
        multipliers = ", ".join(f"{p.spec.lr_mult:g}" for p in host.params)
        labels.append(Label(f"lr_mult {multipliers}", 9.5, role="muted"))
    if len(facts.layers) > 1:
        labels += _wrapped(_followers_text(facts), 10.5)
    if facts.size_of:
        labels.append(Label(fit(f"size of {printable(facts.size_of)}", WIDEST, 9.5), 9.5, role="muted"))
    if facts.value:
        labels.append(Label(facts.value, 10.5, bold=True))
    for text in facts.unknown[:MAX_UNKNOWN]:
        labels.append(Label(fit(printable(" ".join(text.split())), WIDEST, 9.5), 9.5, role="muted"))
    if len(facts.unknown) > MAX_UNKNOWN:
        labels.append(Label(f"and {len(facts.unknown) - MAX_UNKNOWN} more unknown fields", 9.5, role="muted"))
    if getattr(host.layer, "absent", None):
        labels.append(Label("data not found", 9.5, role="muted"))
    if is_foreign(host):
        text = "user code, not run" if host.type == "Python" else "type not built in"
        labels.append(Label(text, 9.5, role="muted"))
    if fault := fault_of(host):
        labels += _wrapped("✗ " + printable(fault), 10.5, role="warning", max_lines=6)
    if facts.note:
        labels += _wrapped(facts.note, 10.5, role="accent", bold=True)
    return labels


def _wrapped(
    text: str, size: float, role: str = "text", max_lines: int = 4, bold: bool = False
) -> list[Label]:
    lines = wrap(text, WIDEST, size, bold, max_lines, after=" ")
    return [Label(line, size, bold, role) for line in lines]


# --- type and settings --------------------------------------------------------------------------


def _type_text(layer: GraphLayer) -> str:
    """The type with the settings that differ from their default: "Convolution 3×3 → 64, stride 2"."""
    window, *others = map(_together, settings(layer))
    start = " ".join(filter(None, (printable(layer.type), window)))
    return ", ".join([start, *others])


def _followers_text(facts: UnitFacts) -> str:
    """The folded layers, and the shape that they end in if it differs from the one shown above."""
    text = "+ " + ", ".join(map(_follower_text, facts.layers[1:]))
    if facts.main == len(facts.layers) - 1:
        return text
    return f"{text} {_together('→ ' + _top_text(facts, len(facts.layers) - 1, 0))}"


def _follower_text(layer: GraphLayer) -> str:
    """A folded layer in few words: "BatchNorm", "Dropout 0.4", "ReLU (negative_slope 0.1)"."""
    shown = [_together(text) for text in settings(layer) if text and text != "bias_term true"]
    if layer.type in PLAIN_SETTING and len(shown) == 1:
        return f"{layer.type}{NO_BREAK}{shown[0].removeprefix(PLAIN_SETTING[layer.type] + NO_BREAK)}"
    return printable(layer.type) + (f" ({', '.join(shown)})" if shown else "")


def settings(layer: GraphLayer) -> list[str]:
    """Returns the window and outputs ("3×3 → 64", or ""), then every other setting shown, as text."""
    window, others = "", []
    for field, message in layer.param.ListFields():
        if field.name == "loss_weight":
            others += [f"loss_weight {_value(field, message)}"] if list(message) != [1.0] else []
        elif hasattr(message, "DESCRIPTOR") and field.name != "blobs":
            window = window or _window_text(message)
            others += _sides(message)
            others += _plain_settings(message)
    others += _sharing(layer)
    return [window, *others]


def _window_text(message: Any) -> str:
    names = message.DESCRIPTOR.fields_by_name
    parts = []
    if "pool" in names:
        parts.append(names["pool"].enum_type.values_by_number[message.pool].name)
    if "global_pooling" in names and message.global_pooling:
        parts.append("global")
    elif "kernel_size" in names and "kernel_h" in names:
        parts.append(_kernel_text(message))
    if "num_output" in names and message.HasField("num_output"):
        parts.append(f"→ {message.num_output}")
    return " ".join(filter(None, parts))


def _kernel_text(message: Any) -> str:
    if message.HasField("kernel_h") or message.HasField("kernel_w"):
        return f"{message.kernel_h}×{message.kernel_w}"
    values = _many(message.kernel_size)
    if not any(values):
        return ""
    return "×".join(map(str, values * 2 if len(values) == 1 else values))


def _many(value: Any) -> list:
    return [value] if isinstance(value, int) else list(value)


def _sides(message: Any) -> Iterator[str]:
    """Stride, pad and dilation, each as one setting however it is written."""
    names = message.DESCRIPTOR.fields_by_name
    for side in SIDES:
        if side not in names:
            continue
        default = 0 if side == "pad" else 1
        if f"{side}_h" in names and (message.HasField(f"{side}_h") or message.HasField(f"{side}_w")):
            values = [getattr(message, f"{side}_h"), getattr(message, f"{side}_w")]
        else:
            values = _many(getattr(message, side))
        if any(value != default for value in values):
            yield f"{side} " + "×".join(map(str, values if len(set(values)) > 1 else values[:1]))


def _plain_settings(message: Any) -> Iterator[str]:
    elsewhere = (*WINDOW, *SIDES, *(f"{side}_{axis}" for side in SIDES for axis in "hw"))
    for field, value in message.ListFields():
        if field.name in OMITTED or field.name in elsewhere or hasattr(value, "DESCRIPTOR"):
            continue
        if not _is_plain(value):
            if len(value) and not hasattr(value[0], "DESCRIPTOR"):
                yield f"{field.name} {_value(field, value)}"
        elif (field.name, value) == ("bias_term", False):
            yield "no bias"
        elif value != field.default_value:
            yield f"{field.name} {_value(field, value)}"


def _is_plain(value: Any) -> bool:
    return isinstance(value, (int, float, str, bytes))


def _value(field: Any, value: Any) -> str:
    if not _is_plain(value):
        shown = [_value(field, item) for item in value[:4]]
        return " ".join(shown) + (f" … ({len(value)})" if len(value) > 4 else "")
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"({len(value)} bytes)"
    return f"{value:g}" if isinstance(value, float) else fit(printable(str(value)), WIDEST / 2, 10.5)


def _sharing(layer: GraphLayer) -> list[str]:
    """Says so where weights belong to another layer, or are frozen by an lr_mult of 0."""
    texts = []
    if any(p.owner[0] != layer.index for p in layer.params):
        texts.append(f"shares {', '.join(dict.fromkeys(printable(p.spec.name) for p in layer.params))}")
    learns = layer.params and not traits_of(layer.type).has_statistics
    if learns and all(p.spec.lr_mult == 0 for p in layer.params):
        texts.append("lr_mult 0")
    return texts


# --- shapes and costs ---------------------------------------------------------------------------


def _shape_labels(facts: UnitFacts) -> list[Label]:
    tops = facts.rows[facts.main].tops
    counts = [sum(row.parameters for row in rows) for rows in facts.copies]
    parameters = f"{_range(counts)} param{'s' if max(counts) > 1 else ''}" if any(counts) else ""
    labels = []
    for i in range(min(len(tops), MAX_TOPS)):
        text = _top_text(facts, facts.main, i)
        if len(tops) == 1 and parameters:
            text += f"{NO_BREAK}· {_together(parameters)}"
        labels += _wrapped(text, 10.5, role="muted", max_lines=2)
    if len(tops) > MAX_TOPS:
        labels.append(Label(f"and {len(tops) - MAX_TOPS} more tops", 10.5, role="muted"))
    if parameters and len(tops) != 1:
        labels.append(Label(parameters, 10.5, role="muted"))
    return labels


def _top_text(facts: UnitFacts, layer: int, top: int) -> str:
    """The shape of a top of one of the box's layers, with its name if no layer of the box has that."""
    row = facts.rows[layer]
    shape = _shape_range([rows[layer].shapes[top] for rows in facts.copies])
    known = {"(automatic)", *(other.name for other in facts.rows)}
    alone = len(row.tops) == 1 and row.tops[top] in known
    return shape if alone else f"{printable(row.tops[top])}: {shape}"


def _shape_range(shapes: Sequence[tuple[int, ...] | None]) -> str:
    """One shape for several: axes that differ as "64–256"."""
    known = [shape for shape in shapes if shape is not None]
    if not known or len({len(shape) for shape in known}) > 1:
        return "shape unknown" if not known else shape_text(known[0])
    axes = (sorted(set(axis)) for axis in zip(*known, strict=True))
    text = "×".join(f"{a[0]}" if len(a) == 1 else f"{a[0]}–{a[-1]}" for a in axes)
    return text or "scalar"


def _range(values: Sequence[float], unit: str = "") -> str:
    low, high = min(values), max(values)
    if not high:
        return ""
    ends = [short_number(value, unit) for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else "–".join(ends)


def _cost_labels(facts: UnitFacts) -> list[Label]:
    macs = _range([sum(row.macs or 0 for row in rows) for rows in facts.copies])
    memory = _range([sum(row.memory or 0 for row in rows) for rows in facts.copies], "B")
    parts = [f"{macs} MACs"] if macs else []
    parts += [memory] if memory else []
    fields = [rows[facts.main].field for rows in facts.copies]
    if all(field is not None and max(field.size) > 1 for field in fields):
        sizes = [math.ceil(max(field.size)) for field in fields if field is not None]
        span = f"{sizes[0]}" if len(set(sizes)) == 1 else f"{min(sizes)}–{max(sizes)}"
        parts.append(f"field {span} px")
    return (
        _wrapped(f"{NO_BREAK}· ".join(map(_together, parts)), 9.5, role="muted", max_lines=2) if parts else []
    )


def _together(text: str) -> str:
    return text.replace(" ", NO_BREAK)
