"""Training logs of Caffe and its forks: what the solver prints, as curves by name.

The reader takes bytes in any pieces, looks only at lines that can matter, reads long runs of equal lines
column by column (log_columns.py), and keeps nothing but the numbers, so a log of any length can be read, and
a log that still grows can be followed.

Form of a log (fields in brackets differ between versions and forks)::

    I1121 02:06:46.488291   307 solver.cpp:289] Solving DigitNet
    I1121 ... solver.cpp:347] Iteration 0, Testing net (#0)
    I1121 ... solver.cpp:414]     Test net output #1: loss = 2.3 (* 1 = 2.3 loss)
    I1121 ... solver.cpp:239] Iteration 0 [(12 iter/s, 1.6s/20 iters)][, 0.1/9ep], loss = 2.3
    I1121 ... solver.cpp:258]     Train net output #0: loss = 2.3 (* 1 = 2.3 loss)
    I1121 ... sgd_solver.cpp:112] Iteration 0, lr = 0.01[, m = 0.9]

Seconds count from the first line with "Solving", as Caffe's extract_seconds.py does.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
import os
import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import lt
from pathlib import Path

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.files import describe_os_error
from cnnviz.formats.log_columns import LONGEST_LINE, Displays, Lines, find_displays, find_lines

CHUNK = 1 << 21
# Shorter runs of displays are read faster line by line.
_SHORTEST_RUN = 6
_ITERATION = re.compile(
    rb"Iteration (\d{1,15})(?:[^I\d][^I]*?\bloss = ([^\s,]+)|, lr = ([^\s,]+)|, Testing net(?: \(#(\d+)\))?)"
)
_OUTPUT = re.compile(rb"T\w+ net output(?: mAP)? (#\d+: (?:.+?)) = (\S+)( \(\* \S+ = \S+ loss\))?")
# Versions before outputs had names print only a number with each.
_SCORE = re.compile(rb"Test score (#\d+): (\S+)")
_TEST_LOSS = re.compile(rb"Test loss: (\S+)")
_STAMP = re.compile(rb"[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6})")
# Where the seconds are in a stamp without year, "I1121 02:06:46.488291", and what each digit counts.
_SECOND_DIGITS = [12, 13, 15, 16, 17, 18, 19, 20]
_DIGIT_MICROSECONDS = 10 ** np.arange(7, -1, -1)
_COLOR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NO_ROW = (-1.0, math.nan)
_EVENTS = (
    ("snapshot", b"Snapshotting "),
    ("restore", b"Resuming from "),
    ("finetune", b"Finetuning from "),
    ("early stop", b"Optimization stopped early"),
    ("done", b"Optimization Done"),
    ("failure", b"Check failed"),
    ("failure", b"*** Aborted"),
)


@dataclass
class Curve:
    """One named row of numbers over the iterations; a loss if Caffe printed a loss weight with it."""

    name: str
    is_loss: bool = False
    iterations: array = field(default_factory=lambda: array("d"))
    seconds: array = field(default_factory=lambda: array("d"))
    values: array = field(default_factory=lambda: array("d"))

    def append(self, iteration: float, seconds: float, value: float) -> None:
        self.iterations.append(iteration)
        self.seconds.append(seconds)
        self.values.append(value)

    def extend(self, iterations: array, seconds: array, values: array) -> None:
        self.iterations.extend(iterations)
        self.seconds.extend(seconds)
        self.values.extend(values)

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

    def add_rows(self, iterations: array, seconds: array, rates: array) -> None:
        """Begins many rows at once; see add_row."""
        self.row_iterations.extend(iterations)
        self.row_seconds.extend(seconds)
        self.row_rates.extend(rates)

    def extend(self, key: bytes, columns: tuple[array, array, array], is_loss: bool) -> None:
        """Adds many numbers at once: ``columns`` are iterations, seconds and values of new rows."""
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
    """

    path: str
    segments: list[Segment] = field(default_factory=lambda: [Segment()])
    lines: int = 0
    timed: bool = False

    @property
    def name(self) -> str:
        """The file's name without its last suffix, as legends show it."""
        return readable(Path(self.path).stem or self.path)

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
        row (the first row takes the second's), so it lags one display behind. Several test nets make
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


def logs_json(logs: Sequence[TrainingLog]) -> str:
    """Returns everything in ``logs`` as a JSON list; what is not finite is "nan", "inf" or "-inf"."""
    return json.dumps([_content(log) for log in logs], allow_nan=False)


def _content(log: TrainingLog) -> dict:
    curves = [
        {
            "segment": segment,
            "phase": phase,
            "net": net,
            "name": curve.name,
            "iterations": [json_number(v) for v in curve.iterations],
            "seconds": [json_number(v) for v in curve.seconds],
            "values": [json_number(v) for v in curve.values],
        }
        for segment, phase, net, curve in log.all_curves()
    ]
    events = [
        {
            "segment": number,
            "kind": event.kind,
            "iteration": event.iteration,
            "seconds": json_number(event.seconds),
            "text": event.text,
        }
        for number, segment in enumerate(log.segments)
        for event in segment.events
    ]
    return {"log": log.path, "lines": log.lines, "curves": curves, "events": events}


def logs_csv(logs: Sequence[TrainingLog]) -> str:
    """Returns every number of ``logs`` as a row: log, segment, phase, net, name, iteration, seconds, value.

    The smoothed loss is phase "solver", name "loss"; the learning rate is phase "solver", name "lr";
    events are phase "event" with their kind as name and their text as value.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["log", "segment", "phase", "net", "name", "iteration", "seconds", "value"])
    for log in logs:
        for segment, phase, net, curve in log.all_curves():
            head = [log.path, segment, phase, "" if net is None else net, curve.name]
            for numbers in zip(curve.iterations, curve.seconds, curve.values, strict=True):
                rows.writerow([*head, *(f"{number:.15g}" for number in numbers)])
        for number, part in enumerate(log.segments):
            for event in part.events:
                place = [f"{event.iteration:.15g}", f"{event.seconds:.15g}"]
                rows.writerow([log.path, number, "event", "", event.kind, *place, event.text])
    return text.getvalue()


def json_number(value: float) -> float | str:
    """Returns ``value`` as JSON can hold it: numbers that are not finite become "nan", "inf", "-inf"."""
    return value if math.isfinite(value) else str(value)


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


def table_csv(rows: Iterable[dict[str, float]]) -> str:
    """Returns ``rows`` of TrainingLog.table as parse_log.py writes them (lines end with CR LF)."""
    rows = list(rows)
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\r\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_log(path: str | os.PathLike) -> TrainingLog:
    """Returns the training log at ``path``; "-" reads the standard input.

    Raises FileError if it cannot be read or no line says "Iteration N".
    """
    reader = LogReader(path)
    try:
        with open(0 if str(path) == "-" else path, "rb", closefd=str(path) != "-") as file:
            while data := file.read(CHUNK):
                reader.feed(data)
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {describe_os_error(error)}.") from None
    return reader.finish()


class LogReader:
    """Reads a log piece by piece: ``feed`` what has come, look at ``log`` any time, ``finish`` at the end."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.log = TrainingLog(str(path))
        self._rest = b""
        self._decoder: codecs.IncrementalDecoder | None = None
        self._started = False
        self._clock = _Clock()
        self._iteration = -1.0
        self._seen_iteration = False
        # Iteration and seconds of the last "Iteration" line that announced numbers of a phase.
        self._train_row = self._test_row = _NO_ROW
        self._net = 0
        self._rate = math.nan

    def feed(self, data: bytes) -> None:
        """Reads ``data``; a line that is not complete yet waits for the next piece."""
        data = self._rest + self._plain_bytes(data)
        end = data.rfind(b"\n") + 1
        self._rest = data[end:][-LONGEST_LINE:]
        self._read(data[:end])

    def finish(self) -> TrainingLog:
        """Reads what is left and returns the log.

        A last line without its newline may have been cut inside a number, so a number at its very end
        is left out.

        Raises FileError if no line says "Iteration N".
        """
        if self._rest:
            self._read(re.sub(rb"= \S*\Z", b"", self._rest) + b"\n")
            self._rest = b""
        if not self._seen_iteration:
            raise FileError(
                f'{self.log.path}: no line says "Iteration N" ({self.log.lines} lines read). A training log '
                f"is what the solver prints on stderr: cnnviz train ... 2> train.log"
            )
        return self.log

    def _plain_bytes(self, data: bytes) -> bytes:
        """Returns ``data`` in UTF-8 (some shells redirect in UTF-16) with newlines only."""
        if not self._started:
            self._started = True
            if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                self._decoder = codecs.getincrementaldecoder("utf-16")("replace")
        if self._decoder is not None:
            data = self._decoder.decode(data).encode("utf-8", "replace")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _read(self, data: bytes) -> None:
        if b"\x1b" in data:
            data = _COLOR.sub(b"", data)
        lines = find_lines(data)
        self.log.lines += lines.count
        done = 0
        if (displays := find_displays(lines)) is not None:
            for begin, end in displays.runs(_SHORTEST_RUN):
                first, last = displays.lines(begin, end)
                self._read_lines(lines, done, first)
                if not self._read_displays(displays, slice(begin, end)):
                    self._read_lines(lines, first, last)
                done = last
        self._read_lines(lines, done, len(lines.start))
        self.log.timed = self._clock.timed

    def _read_displays(self, displays: Displays, run: slice) -> bool:
        """Reads a run of displays at once, column by column; returns whether it was that regular."""
        segment = self._segment
        numbers, losses, rates, *values = (array("d", column[run].tobytes()) for column in displays.columns)
        names = [name for name, _ in displays.outputs]
        if (
            numbers[0] < self._iteration
            or not all(map(lt, numbers, numbers[1:]))
            or not segment.train.starts_row(numbers[0])
            or len(set(names)) < len(names)
        ):
            return False
        stamps = displays.stamps[run, : 2 if names else 1]
        times = self._clock.seconds_of(stamps.ravel())
        if times is None:
            return False
        seconds = times[:: stamps.shape[1]]
        segment.loss.extend(numbers, seconds, losses)
        segment.rate.extend(numbers, seconds, rates)
        if names:
            segment.train.add_rows(numbers, times[1::2], array("d", [self._rate, *rates[:-1]]))
        for (name, is_loss), column in zip(displays.outputs, values, strict=True):
            segment.train.extend(name, (numbers, seconds, column), is_loss)
        self._iteration, self._rate, self._seen_iteration = numbers[-1], rates[-1], True
        self._train_row = (numbers[-1], seconds[-1])
        return True

    def _read_lines(self, lines: Lines, first: int, last: int) -> None:
        data, part = lines.data, slice(first, last)
        columns = (lines.start, lines.word, lines.at, lines.end)
        for start, word, at, end in zip(*(column[part].tolist() for column in columns), strict=True):
            end = min(end, start + LONGEST_LINE)
            if word == 0:
                # Two threads may have written into one line: the second form finds what is whole.
                match = _ITERATION.match(data, at, end) or _ITERATION.search(data, at + 1, end)
                if match is not None:
                    self._read_iteration(match, data, start)
                    continue
                self._read_multistep(data[start:end])
            match = _OUTPUT.search(data, at, end) if word <= 2 else None
            if match is not None:
                self._read_output(match, data, start)
            elif word > 0:
                self._read_rare(data[start:end])

    def _read_iteration(self, match: re.Match, data: bytes, start: int) -> None:
        number, loss, rate, net = match.groups()
        iteration = float(number)
        if loss is not None:
            value = _number(loss)
            if value is not None:
                self._move_to(iteration)
                row = self._train_row = (iteration, self._clock.seconds(data, start))
                self._segment.loss.append(*row, value)
        elif rate is not None:
            self._read_rate(iteration, rate, data, start)
        else:
            self._move_to(iteration)
            self._test_row = (iteration, self._clock.seconds(data, start))
            self._net = int(net or 0)

    def _read_rate(self, iteration: float, text: bytes, data: bytes, start: int) -> None:
        value = _number(text)
        if value is None:
            return
        # Some forks count the rate's line from one less than the loss line before it.
        if iteration != self._iteration - 1:
            self._move_to(iteration)
        # The rate belongs to the display whose loss was just printed, and so does its time.
        shown, seconds = self._train_row
        if shown != iteration:
            seconds = self._clock.seconds(data, start)
        self._segment.rate.append(iteration, seconds, value)
        self._rate = value

    def _read_multistep(self, line: bytes) -> None:
        match = re.search(rb"MultiStep Status: Iteration (\d{1,15})(.*)", line)
        if match is not None:
            text = match[0].decode("utf-8", "replace")
            self._add_event("multistep", float(match[1]), text, self._clock.seconds(line))

    def _read_output(self, match: re.Match, data: bytes, start: int) -> None:
        value = _number(match[2])
        is_train = data[match.start() : match.start() + 2] == b"Tr"
        row = self._train_row if is_train else self._test_row
        if value is None or row is _NO_ROW:
            return
        outputs = self._segment.train if is_train else self._test_net().outputs
        if outputs.starts_row(row[0]):
            outputs.add_row(row[0], self._clock.seconds(data, start), self._rate)
        outputs.append(match[1], row, value, match[3] is not None)

    def _read_rare(self, line: bytes) -> None:
        if b"Solving" in line:
            self._clock.start(line)
            if self._segment.has_data:
                self._new_segment()
        elif match := _TEST_LOSS.search(line):
            value = _number(match[1])
            if self._test_row is not _NO_ROW and value is not None:
                self._test_net().loss.append(*self._test_row, value)
        elif match := _SCORE.search(line):
            value = _number(match[2])
            if self._test_row is not _NO_ROW and value is not None:
                self._test_net().outputs.append(
                    match[1] + b": score " + match[1], self._test_row, value, False
                )
        else:
            self._read_event(line)

    def _read_event(self, line: bytes) -> None:
        for kind, words in _EVENTS:
            _, found, tail = line.partition(words)
            if not found or tail.startswith(b"solver state"):
                continue
            text = (found if kind in ("failure", "early stop", "done") else b"") + tail
            text = (text.split() or [b""])[-1] if kind == "snapshot" else text.strip()
            readable = text.decode("utf-8", "replace")
            number = re.search(r"_iter_(\d{1,15})", readable) if kind in ("snapshot", "restore") else None
            iteration = float(number[1]) if number is not None else self._iteration
            if kind == "restore" and self._segment.has_data:
                self._new_segment()
            self._add_event(kind, iteration, readable, self._clock.seconds(line))
            return

    def _add_event(self, kind: str, iteration: float, text: str, seconds: float) -> None:
        # Solver and tool both report the end, and each file of a snapshot has its line.
        events = self._segment.events
        if not any(event.kind == kind and event.iteration == iteration for event in events[-2:]):
            events.append(Event(kind, iteration, seconds, text))

    def _move_to(self, iteration: float) -> None:
        if iteration < self._iteration:
            self._new_segment()
        self._iteration = iteration
        self._seen_iteration = True

    def _new_segment(self) -> None:
        self.log.segments.append(Segment())
        self._iteration = -1.0
        self._train_row = self._test_row = _NO_ROW
        self._clock.new_segment()

    @property
    def _segment(self) -> Segment:
        return self.log.segments[-1]

    def _test_net(self) -> TestNet:
        return self._segment.tests.setdefault(self._net, TestNet())


class LogFollower:
    """Reads a log that still grows: each ``update`` reads what was added since the last."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = path
        self._reader = LogReader(path)
        self._offset = 0

    @property
    def log(self) -> TrainingLog:
        return self._reader.log

    @property
    def done(self) -> bool:
        """Whether the log says that the training has ended."""
        return any(event.kind == "done" for event in self.log.segments[-1].events)

    def update(self) -> bool:
        """Reads what was added and returns whether anything was; a log that shrank is read anew.

        Raises FileError if it cannot be read.
        """
        try:
            with open(self.path, "rb") as file:
                if file.seek(0, os.SEEK_END) < self._offset:
                    self._reader, self._offset = LogReader(self.path), 0
                file.seek(self._offset)
                before = self._offset
                while data := file.read(CHUNK):
                    self._offset += len(data)
                    self._reader.feed(data)
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read: {describe_os_error(error)}.") from None
        return self._offset > before


class _Clock:
    """Turns time stamps into seconds since the start; a line without one has the time of the last."""

    def __init__(self) -> None:
        self.timed = False
        self._zero: int | None = None
        self._last = 0
        self._shift = 0
        self._minute = (b"", 0)
        self._year = 0
        self._month = 0
        self._started = False

    def start(self, line: bytes) -> None:
        """Makes the time of ``line`` zero, the first time it is called."""
        seconds = self.seconds(line)
        if not self._started and not math.isnan(seconds):
            self._started = True
            self._zero = self._last

    def new_segment(self) -> None:
        """Takes the next stamp as it is, even if an earlier run was appended later."""
        self._shift = 0
        self._last = -(1 << 62)

    def seconds(self, data: bytes, at: int = 0) -> float:
        """Returns the seconds from zero to the stamp at ``data[at]``; nan before any stamp.

        Inside a run time never goes back: jitter between threads is held, a clock that was set back
        (summer time) is undone.
        """
        second, micro = data[at + 12 : at + 14], data[at + 15 : at + 21]
        if data[at : at + 12] == self._minute[0] and second.isdigit() and micro.isdigit():
            now = self._minute[1] + int(second) * 1_000_000 + int(micro)
        else:
            match = _STAMP.match(data, at)
            now = self._parse(match) if match is not None else self._last - self._shift
            if match is not None and match[1] is None:
                self._minute = (data[at : at + 12], now - int(match[6]) * 1_000_000 - int(match[7]))
        return self._held(now) if self.timed else math.nan

    def seconds_of(self, stamps: np.ndarray) -> array | None:
        """Returns what ``seconds`` would for each of ``stamps``, all without a year; None if one is not."""
        digits = stamps.view(np.uint8).reshape(len(stamps), -1)[:, _SECOND_DIGITS] - np.uint8(ord("0"))
        minutes = stamps.astype("S12")
        changes = np.concatenate(([0], np.flatnonzero(minutes[1:] != minutes[:-1]) + 1))
        matches = (_STAMP.match(stamp) for stamp in stamps[changes].tolist())
        heads = [match for match in matches if match is not None and match[1] is None]
        if (digits > 9).any() or len(heads) < len(changes):
            return None
        within = digits @ _DIGIT_MICROSECONDS
        starts = np.array([self._parse(match) for match in heads]) - within[changes]
        now = within + np.repeat(starts, np.diff(changes, append=len(stamps)))
        if now[0] + self._shift < self._last or (np.diff(now) < 0).any():
            return array("d", map(self._held, now.tolist()))
        self._held(int(now[0]))
        now += self._shift
        self._last = int(now[-1])
        return array("d", ((now - self._zero) / 1e6).tobytes())

    def _held(self, now: int) -> float:
        """Returns the seconds from zero to ``now``, held where it goes back."""
        now += self._shift
        if now < self._last:
            if self._last - now > 1_000_000:
                self._shift += self._last - now
            now = self._last
        self._last = now
        if self._zero is None:
            self._zero = now
        return (now - self._zero) / 1e6

    def _parse(self, match: re.Match) -> int:
        """Returns microseconds since the year 0 (of the first stamp, where stamps have no year)."""
        year, month, day, hour, minute, second, micro = (int(group or 0) for group in match.groups())
        if match[1] is None:
            self._year += month < self._month
            year = self._year
        self.timed = True
        self._month = month
        days = _days(year, month, day)
        return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micro


def _days(year: int, month: int, day: int) -> int:
    """Returns the days since the start of year 0, for any digits; years without a number have 365 days."""
    lengths = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) and year > 1900
    leaps = year // 4 - year // 100 + year // 400 if year > 1900 else 0
    return year * 365 + leaps - (leap and month <= 2) + lengths[min(max(month, 1), 12) - 1] + day


def readable(text: str) -> str:
    """Returns ``text`` with a sign in place of what no text may hold: control characters, half letters."""
    return _UNREADABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _output_name(key: bytes) -> str:
    return readable(key.partition(b": ")[2].decode("utf-8", "replace"))


def _number(text: bytes) -> float | None:
    """Returns the number that C++ printed as ``text`` (nan and inf in any spelling), None if it is none."""
    try:
        return float(text)
    except ValueError:
        plain = text.upper()
    if b"#QNAN" in plain or b"#IND" in plain or b"NAN(" in plain:
        return math.nan
    if b"#INF" in plain:
        return -math.inf if plain.startswith(b"-") else math.inf
    return None
