"""The costs of a net, layer by layer: shapes, parameters, multiply-accumulates, memory, receptive fields."""

from __future__ import annotations

import csv
import io
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cnnviz.analysis.receptive_field import ReceptiveField, receptive_fields
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import traits_of
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.text import json_for_terminals, printable

BYTES = 4  # of a 32-bit float


@dataclass(frozen=True)
class LayerSummary:
    """One row of the table; unknown values are None.

    Attributes:
        line: its line in the file.
        shapes: the shape of each top.
        parameters: number of learned values, without those shared with an earlier layer.
        statistics: number of running statistics (BatchNorm's three blobs), which are not learned.
        macs: multiply-accumulate operations of one forward pass of the whole batch.
        memory: bytes of the tops; 0 for an in-place layer.
        field: the receptive field of the tops.
        fault: why the layer cannot work.
    """

    index: int
    name: str
    type: str
    line: int | None
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shapes: tuple[tuple[int, ...] | None, ...]
    parameters: int
    statistics: int
    macs: int | None
    memory: int | None
    field: ReceptiveField | None
    fault: str | None


@dataclass(frozen=True)
class NetSummary:
    """The table of a net with its totals; totals omit what is not known.

    Attributes:
        batch: the first axis of the first input with a known shape, or None.
    """

    name: str
    phase: str
    layers: tuple[LayerSummary, ...]
    batch: int | None

    @property
    def parameters(self) -> int:
        return sum(layer.parameters for layer in self.layers)

    @property
    def statistics(self) -> int:
        return sum(layer.statistics for layer in self.layers)

    @property
    def macs(self) -> int:
        return sum(layer.macs or 0 for layer in self.layers)

    @property
    def memory(self) -> int:
        return sum(layer.memory or 0 for layer in self.layers)

    @property
    def parameter_memory(self) -> int:
        return BYTES * (self.parameters + self.statistics)

    @property
    def unknown(self) -> int:
        """Number of layers with a top of unknown shape, which the totals omit."""
        return sum(None in layer.shapes for layer in self.layers)


def graph_to_show(
    definition: NetDefinition, phase: int | str | None = None, level: int = 0, stages: Iterable[str] = ()
) -> Graph:
    """Returns the graph of a net for figures and tables: as it is written, errors recorded and not raised.

    Args:
        phase: by default TEST, or TRAIN where that has fewer unknown bottoms, or as many and fewer errors
            (nets written for training only).
    """
    phases = ("TEST", "TRAIN") if phase is None else (phase,)
    graphs = []
    for one in phases:
        graphs.append(build_graph(definition, one, level, tuple(stages), splits=False, strict=False))
        if all(layer.fault is None for layer in graphs[-1].layers):
            break
    return min(graphs, key=_faults)


def _faults(graph: Graph) -> tuple[int, int]:
    """The numbers of unknown bottoms and of faulty layers."""
    unknown = sum(len(layer.unknown_bottoms) for layer in graph.layers)
    return unknown, sum(layer.fault is not None for layer in graph.layers)


def summarize(graph: Graph) -> NetSummary:
    """Returns the table of ``graph``; a graph built without Split layers gives one row per written layer."""
    fields = receptive_fields(graph)
    rows = tuple(_row(layer, field) for layer, field in zip(graph.layers, fields, strict=True))
    batch = next((row.shapes[0][0] for row in rows if row.shapes and row.shapes[0]), None)
    return NetSummary(graph.name, ("TRAIN", "TEST")[graph.phase], rows, batch)


def _row(layer: GraphLayer, field: ReceptiveField | None) -> LayerSummary:
    own = [p.shape for i, p in enumerate(layer.params) if p.owner == (layer.index, i)]
    count = sum(map(math.prod, own))
    is_statistics = traits_of(layer.type).has_statistics
    known = None not in layer.top_shapes and layer.layer is not None
    return LayerSummary(
        index=layer.index,
        name=layer.name,
        type=layer.type,
        line=layer.line,
        bottoms=tuple(layer.bottoms),
        tops=tuple(layer.tops),
        shapes=tuple(layer.top_shapes),
        parameters=0 if is_statistics else count,
        statistics=count if is_statistics else 0,
        macs=layer.macs if known else None,
        memory=_memory(layer),
        field=field,
        fault=layer.fault,
    )


def _memory(layer: GraphLayer) -> int | None:
    count = 0
    bottoms = set(layer.bottoms)
    for top, shape in zip(layer.tops, layer.top_shapes, strict=True):
        if shape is None:
            return None
        count += math.prod(shape) * (top not in bottoms)
    return BYTES * count


# --- as text ------------------------------------------------------------------------------------


def short_number(value: float | None, unit: str = "") -> str:
    """Returns ``value`` with three significant digits and a prefix, e.g. "23.9 M"; "?" for None."""
    if value is None:
        return "?"
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("K", 1e3)):
        if abs(value) >= 0.9995 * size:
            number = value / size
            digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
            return f"{number:.{digits}f} {prefix}{unit}"
    return f"{value:g} {unit}".rstrip()


def shape_text(shape: Sequence[int] | None) -> str:
    """Returns "64×3×224×224", "scalar" for a shape without axes, "?" for an unknown one."""
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) if shape else "scalar"


HEADINGS = ("layer", "type", "top shape", "parameters", "MACs", "memory", "field", "stride", "offset")
RIGHT_ALIGNED = range(3, 9)


def summary_text(summary: NetSummary) -> str:
    """Returns the table and its totals as text for a terminal."""
    rows = [_cells(row) for row in summary.layers]
    widths = [max(map(text_cells, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [f"{printable(summary.name) or 'unnamed net'} ({summary.phase})", ""]
    lines.append(_table_line(HEADINGS, widths))
    lines.append("  ".join("-" * width for width in widths))
    for row, cells in zip(summary.layers, rows, strict=True):
        lines.append(_table_line(cells, widths))
        if row.fault:
            lines.append(f"  ! {printable(row.fault)}")
    return "\n".join([*lines, "", *total_lines(summary)]) + "\n"


def total_lines(summary: NetSummary) -> list[str]:
    """Returns the totals as a few lines of text."""
    per_item = ""
    if summary.batch and summary.batch > 1:
        per_item = f" ({short_number(summary.macs / summary.batch)} per item of the batch of {summary.batch})"
    extra = f" and {summary.statistics:,} running statistics" if summary.statistics else ""
    lines = [
        f"layers      {len(summary.layers)}",
        f"parameters  {summary.parameters:,} ({short_number(BYTES * summary.parameters, 'B')}){extra}",
        f"MACs        {summary.macs:,}{per_item}",
        f"memory      {short_number(summary.memory, 'B')} of blobs",
    ]
    if summary.unknown:
        lines.append(f"unknown     shapes of {summary.unknown} layer(s): omitted from the totals")
    return lines


def _cells(row: LayerSummary) -> tuple[str, ...]:
    field = row.field
    return (
        printable(row.name),
        printable(row.type),
        ", ".join(map(shape_text, row.shapes)),
        f"{row.parameters + row.statistics:,}" if row.parameters or row.statistics else "",
        short_number(row.macs) if row.macs != 0 else "",
        short_number(row.memory, "B") if row.memory != 0 else "",
        pair_text(field.size) if field else "",
        pair_text(field.stride) if field else "",
        pair_text(field.offset) if field else "",
    )


def pair_text(values: tuple[float, float]) -> str:
    """Returns "11" for (11, 11) and "3×5" for (3, 5)."""
    return f"{values[0]:g}" if values[0] == values[1] else f"{values[0]:g}×{values[1]:g}"


def _table_line(cells: Iterable[str], widths: Sequence[int]) -> str:
    padded = []
    for i, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        space = " " * (width - text_cells(cell))
        padded.append(space + cell if i in RIGHT_ALIGNED else cell + space)
    return "  ".join(padded).rstrip()


def text_cells(text: str) -> int:
    """Returns the width of ``text`` in terminal cells: East Asian wide characters take two, marks none."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


# --- as data ------------------------------------------------------------------------------------


def summary_data(summary: NetSummary) -> dict[str, Any]:
    """Returns the table and totals as plain lists and numbers, for JSON; memory in bytes."""
    return {
        "name": summary.name,
        "phase": summary.phase,
        "layers": [_row_data(row) for row in summary.layers],
        "totals": {
            "layers": len(summary.layers),
            "parameters": summary.parameters,
            "statistics": summary.statistics,
            "macs": summary.macs,
            "memory": summary.memory,
            "parameter_memory": summary.parameter_memory,
            "unknown": summary.unknown,
            "batch": summary.batch,
        },
    }


def _row_data(row: LayerSummary) -> dict[str, Any]:
    field = row.field
    return {
        "name": row.name,
        "type": row.type,
        "line": row.line,
        "bottoms": list(row.bottoms),
        "tops": list(row.tops),
        "shapes": [None if shape is None else list(shape) for shape in row.shapes],
        "parameters": row.parameters,
        "statistics": row.statistics,
        "macs": row.macs,
        "memory": row.memory,
        "receptive_field": (
            {"size": list(field.size), "stride": list(field.stride), "offset": list(field.offset)}
            if field
            else None
        ),
        "fault": row.fault,
    }


def summary_json(summary: NetSummary) -> str:
    """Returns ``summary_data`` as JSON text."""
    return json_for_terminals(summary_data(summary), indent=2)


def summary_csv(summary: NetSummary) -> str:
    """Returns the table as CSV text, one row per layer; shapes as "1x3x224x224", tops separated by spaces."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    sides = ("height", "width")
    writer.writerow(
        ["layer", "type", "bottoms", "tops", "shapes", "parameters", "statistics", "macs", "memory_bytes"]
        + [f"field_{name}_{side}" for name in ("size", "stride", "offset") for side in sides]
        + ["fault"]
    )
    for row in summary.layers:
        shapes = " ".join("?" if s is None else "x".join(map(str, s)) for s in row.shapes)
        field = row.field
        numbers = [*field.size, *field.stride, *field.offset] if field else [""] * 6
        costs = (row.parameters, row.statistics, row.macs, row.memory)
        blobs = (" ".join(row.bottoms), " ".join(row.tops))
        writer.writerow([row.name, row.type, *blobs, shapes, *costs, *numbers, row.fault])
    return buffer.getvalue()
