"""What a training log says, as curves by name: the values of each run, test net and output."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cnnviz.formats.text import decode_name

_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass
class Curve:
    """A named series of values over the iterations; a loss if Caffe printed a loss weight with it."""

    name: str
    is_loss: bool = False
    iterations: array = field(default_factory=lambda: array("d"))
    seconds: array = field(default_factory=lambda: array("d"))
    values: array = field(default_factory=lambda: array("d"))

    def append(self, iteration: float, seconds: float, value: float) -> None:
        self.iterations.append(iteration)
        self.seconds.append(seconds)
        self.values.append(value)

    def extend(self, iterations: np.ndarray, seconds: np.ndarray, values: np.ndarray) -> None:
        """Adds many values at once, as float64."""
        self.iterations.frombytes(iterations.tobytes())
        self.seconds.frombytes(seconds.tobytes())
        self.values.frombytes(values.tobytes())

    def __len__(self) -> int:
        return len(self.values)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns iterations, seconds and values as float64 arrays of the same length."""
        return np.array(self.iterations), np.array(self.seconds), np.array(self.values)


class Outputs:
    """What a net printed: one curve for each output, numbered from 0 where one name has several.

    A vector output prints one line for each element, all with its name. A second solver of the same
    process (several GPUs) prints the same number again: that becomes a curve of its own, "name (solver 1)".
    """

    def __init__(self) -> None:
        # By what stands before the "=" in the log, "#1: loss"; one curve for each solver that prints it.
        self._curves: dict[bytes, list[Curve]] = {}
        # When the first output of a row was printed, and the rate printed last before it.
        self.row_iterations = array("d")
        self.row_seconds = array("d")
        self.row_rates = array("d")

    def starts_row(self, iteration: float) -> bool:
        """Whether a number of ``iteration`` would be the first of its row."""
        return not self.row_iterations or self.row_iterations[-1] != iteration

    def add_row(self, iteration: float, seconds: float, rate: float) -> None:
        """Begins the row of ``iteration``, printed at ``seconds``, where ``rate`` was the last rate."""
        self.row_iterations.append(iteration)
        self.row_seconds.append(seconds)
        self.row_rates.append(rate)

    def add_rows(self, iterations: np.ndarray, seconds: np.ndarray, rates: np.ndarray) -> None:
        """Begins many rows at once; see add_row."""
        self.row_iterations.frombytes(iterations.tobytes())
        self.row_seconds.frombytes(seconds.tobytes())
        self.row_rates.frombytes(rates.tobytes())

    def extend(self, key: bytes, columns: tuple[np.ndarray, np.ndarray, np.ndarray], is_loss: bool) -> None:
        """Adds many values at once: ``columns`` are iterations, seconds and values of new rows."""
        self._curves.setdefault(key, [Curve("", is_loss)])[0].extend(*columns)

    def append(self, key: bytes, row: tuple[float, float], value: float, is_loss: bool) -> None:
        """Adds ``value`` of the output "#number: name" at ``row`` (iteration and seconds)."""
        curves = self._curves.get(key)
        if curves is None:
            curves = self._curves[key] = [Curve("", is_loss)]
        for curve in curves:
            if not curve.iterations or curve.iterations[-1] != row[0]:
                break
        else:
            curve = Curve("", is_loss)
            curves.append(curve)
        curve.append(*row, value)

    @property
    def curves(self) -> dict[str, Curve]:
        """The curves by name, in the order of the log."""
        count: dict[str, int] = {}
        for key in self._curves:
            name = _output_name(key)
            count[name] = count.get(name, 0) + 1
        seen: dict[str, int] = {}
        named = {}
        for key, curves in self._curves.items():
            name = _output_name(key)
            element = seen[name] = seen.get(name, -1) + 1
            text = f"{name}[{element}]" if count[name] > 1 else name
            for solver, curve in enumerate(curves):
                curve.name = text if solver == 0 else f"{text} (solver {solver})"
                named[curve.name] = curve
        return named


@dataclass
class Event:
    """Something that happened at an iteration: snapshot, restore, failure and so on."""

    kind: str
    iteration: float
    seconds: float
    text: str


@dataclass
class TestNet:
    """What one test net printed; ``loss`` holds the "Test loss" lines of test_compute_loss."""

    __test__ = False
    outputs: Outputs = field(default_factory=Outputs)
    loss: Curve = field(default_factory=lambda: Curve("Test loss", True))


@dataclass
class Segment:
    """A run from its start to its end or to the restart that followed it; iterations only grow."""

    loss: Curve = field(default_factory=lambda: Curve("loss", True))
    rate: Curve = field(default_factory=lambda: Curve("lr"))
    train: Outputs = field(default_factory=Outputs)
    tests: dict[int, TestNet] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def has_data(self) -> bool:
        return bool(self.loss or self.rate or self.tests)


@dataclass
class TrainingLog:
    """A log as segments of curves.

    Attributes:
        path: where it came from.
        lines: how many lines were read.
        timed: whether lines carry time stamps; without them all seconds are nan.
        rank: who printed it, where several write into one file: a number or a name.
        others: the logs of the others in the file that trained.
    """

    path: str
    segments: list[Segment] = field(default_factory=lambda: [Segment()])
    lines: int = 0
    timed: bool = False
    rank: str = ""
    others: list[TrainingLog] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file's name without its last suffix, as legends show it, and the rank if there are several."""
        stem = readable(Path(self.path).stem or self.path)
        return f"{stem} {self.label}" if self.label else stem

    @property
    def label(self) -> str:
        """What distinguishes this log from the others in its file: "rank 0"; "" if there are none."""
        return f"rank {self.rank}" if self.rank.isdigit() else self.rank

    @property
    def title(self) -> str:
        """The path, and the rank if there are several."""
        return f"{self.path} {self.label}" if self.label else self.path

    @property
    def ranks(self) -> list[TrainingLog]:
        """This log and the others in its file."""
        return [self, *self.others]

    @property
    def events(self) -> list[Event]:
        return [event for segment in self.segments for event in segment.events]

    def test_nets(self) -> list[int]:
        """Returns the numbers of the test nets, ascending."""
        return sorted({net for segment in self.segments for net in segment.tests})

    def all_curves(self) -> Iterator[tuple[int, str, int | None, Curve]]:
        """Yields (segment number, phase, test net number or None, curve) of every curve that has points."""
        for number, segment in enumerate(self.segments):
            for curve in (segment.loss, segment.rate):
                if len(curve):
                    yield number, "solver", None, curve
            for curve in segment.train.curves.values():
                yield number, "train", None, curve
            for net, test in sorted(segment.tests.items()):
                for curve in (*test.outputs.curves.values(), test.loss):
                    if len(curve):
                        yield number, "test", net, curve

    def table(self, phase: str) -> list[dict[str, float]]:
        """Returns the rows that Caffe's parse_log.py makes: NumIters, Seconds, LearningRate and outputs.

        Seconds are those of a row's first output line. LearningRate is the one printed last before the
        row (the first row takes the second's), so it is one display late. Several test nets make
        one row each.

        Args:
            phase: "train" or "test".
        """
        rows: list[tuple[int, float, dict[str, float]]] = []
        for number, segment in enumerate(self.segments):
            if phase == "train":
                nets = [segment.train]
            else:
                nets = [test.outputs for _, test in sorted(segment.tests.items())]
            for outputs in nets:
                rows += [(number, row["NumIters"], row) for row in _rows(outputs)]
        table = [row for _, _, row in sorted(rows, key=lambda row: row[:2])]
        if len(table) > 1:
            table[0]["LearningRate"] = math.nan
        known = (row["LearningRate"] for row in table if not math.isnan(row["LearningRate"]))
        first = next(known, math.nan)
        for row in table:
            if not math.isnan(row["LearningRate"]):
                break
            row["LearningRate"] = first
        return table


def _rows(outputs: Outputs) -> list[dict[str, float]]:
    rows = {
        iteration: {"NumIters": iteration, "Seconds": seconds, "LearningRate": rate}
        for iteration, seconds, rate in zip(
            outputs.row_iterations, outputs.row_seconds, outputs.row_rates, strict=True
        )
    }
    for name, curve in outputs.curves.items():
        for iteration, value in zip(curve.iterations, curve.values, strict=True):
            rows[iteration][name] = value
    return list(rows.values())


def readable(text: str) -> str:
    """Returns ``text`` with a replacement for what no text may hold: control characters, lone surrogates."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _output_name(key: bytes) -> str:
    return readable(decode_name(key.partition(b": ")[2]))
