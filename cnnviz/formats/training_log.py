"""Training logs of Caffe and its forks: what the solver prints, as curves by name.

The reader takes bytes in any pieces, looks only at lines that can matter, reads what is regular column by
column (log_columns.py), the rest line by line, and keeps nothing but the values, so a log of any length can
be read, and a log that still grows can be followed.

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

import math
import os
import re

import numpy as np

from cnnviz.errors import FileError
from cnnviz.formats.files import check_regular, describe_os_error
from cnnviz.formats.log_clock import Clock
from cnnviz.formats.log_columns import (
    LONGEST_LINE,
    LOSS,
    RATE,
    TEST,
    TRAIN_NET,
    TRAIN_OUTPUT,
    Columns,
    Lines,
    find_lines,
    held,
    read_columns,
)
from cnnviz.formats.log_curves import Event, Outputs, Segment, TestNet, TrainingLog
from cnnviz.formats.log_lines import PlainBytes, by_source, find_event, is_led, joined, number_of, wrap_width
from cnnviz.formats.text import decode_name

CHUNK = 1 << 21
# Shorter runs of regular lines are read faster one by one.
_SHORTEST_RUN = 48
_ITERATION = re.compile(
    rb"Iteration (\d{1,15})(?:[^I\d][^I]*?\bloss = ([^\s,]+)|, lr = ([^\s,]+)"
    rb"|, Testing net(?: \(#(\d{1,15})\))?)"
)
_OUTPUT = re.compile(rb"T\w+ net output(?: mAP)? (#\d+: (?:.+?)) = (\S+)( \(\* \S+ = \S+ loss\))?")
# Versions before outputs had names print only a number with each.
_SCORE = re.compile(rb"Test score (#\d+): (\S+)")
_TEST_LOSS = re.compile(rb"Test loss: (\S+)")
_COLOR = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_MENTIONS_TRAINING = re.compile(rb"Iteration \d|Solving ")
_NO_ROW = (-1.0, math.nan)


def read_log(path: str | os.PathLike) -> TrainingLog:
    """Returns the training log at ``path``; "-" reads standard input.

    Raises FileError if it cannot be read or no line says "Iteration N".
    """
    reader = LogReader(path)
    check_regular(path, pipes=True)
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
        self._plain = PlainBytes()
        self._head = bytearray()
        self._judged = 0  # bytes of the head by which the width was found
        self._start_again(str(path), 0)

    def _start_again(self, path: str, width: int) -> None:
        self.log = TrainingLog(path)
        self._width = width
        self._led: bool | None = None
        self._source: str | None = None
        self._others: dict[str, LogReader] = {}
        self._rest = b""
        self._clock = Clock()
        self._iteration = -1.0
        self._seen_iteration = False
        # Iteration and seconds of the last "Iteration" line that announced values of a phase.
        self._train_row = self._test_row = _NO_ROW
        self._net = 0
        self._rate = math.nan

    def feed(self, data: bytes, last: bool = False) -> None:
        """Reads ``data``; a line that is not complete yet waits for the next piece, if it is not the last."""
        data = self._plain.feed(data, last)
        if len(self._head) < CHUNK:  # whether lines are wrapped shows in the beginning
            space = CHUNK - len(self._head)
            self._head += data[:space]
            if len(self._head) >= min(2 * self._judged, CHUNK) and self._judge():
                data = data[space:]
        self._take(data)

    def _judge(self) -> bool:
        """Finds at which width the lines are wrapped; reads the head again if it is another than assumed."""
        self._judged = len(self._head)
        width = wrap_width(bytes(self._head))
        if width == self._width:
            return False
        self._start_again(self.log.path, width)
        self._take(bytes(self._head))
        return True

    def _take(self, data: bytes) -> None:
        whole = self._rest + data
        end = whole.rfind(b"\n") + 1
        while self._width and end and end - 1 - (start := whole.rfind(b"\n", 0, end - 1) + 1) == self._width:
            if len(whole) - start > 8 * LONGEST_LINE:
                break
            end = start  # it may continue in the next line
        # One byte more than is read of a line shows that it is too long.
        self._rest = whole[end:] if self._width else whole[end : end + LONGEST_LINE + 1]
        self._read(whole[:end])

    def finish(self) -> TrainingLog:
        """Reads what is left and returns the log.

        A last line without its newline may have been cut inside a number, so a number at its very end
        is omitted.

        Raises FileError if no line says "Iteration N".
        """
        self.feed(b"", last=True)
        if len(self._head) < CHUNK:
            self._judge()
        if self._rest:
            self._read(re.sub(rb"= \S*\n?\Z", b"", self._rest) + b"\n")
            self._rest = b""
        if not self._seen_iteration:
            raise FileError(
                f'{self.log.path}: no line says "Iteration N" ({self.log.lines} lines read). A training log '
                f"is what the solver prints on stderr: cnnviz train ... 2> train.log"
            )
        return self.log

    def _read(self, data: bytes) -> None:
        if b"\x1b" in data:
            data = _COLOR.sub(b"", data)
        if self._width:
            data = joined(data, self._width)
        if self._led is None:
            self._led = is_led(data)
        if self._led:
            for source, part in by_source(data):
                self._read_source(source, part)
        else:
            self._read_lines_of_one(data)

    def _read_source(self, source: str, data: bytes) -> None:
        """Reads what one of several prints: the first that mentions training is this log's own."""
        if self._source is None and _MENTIONS_TRAINING.search(data):
            self._source = source
        if source in ("", self._source):
            self._read_lines_of_one(data)
            return
        if source not in self._others:
            self._others[source] = LogReader(self.log.path)
            self._others[source].log.rank = source
        other = self._others[source]
        other._read_lines_of_one(data)
        self.log.lines += other.log.lines
        other.log.lines = 0
        if other._seen_iteration and not any(log is other.log for log in self.log.others):
            self.log.rank = self._source or ""
            self.log.others.append(other.log)

    def _read_lines_of_one(self, data: bytes) -> None:
        lines = find_lines(data)
        self.log.lines += lines.count
        columns = read_columns(lines)
        done = 0
        for begin, end in columns.runs(_SHORTEST_RUN):
            self._read_lines(lines, done, begin)
            done = begin
            while done < end and columns.iteration[done] <= self._iteration:
                # What continues an iteration, or goes back, is read line by line.
                others = columns.iteration[done:end] != columns.iteration[done]
                part = done + int(np.append(others, True).argmax())
                self._read_lines(lines, done, part)
                done = part
            if done < end and self._read_run(lines, columns, slice(done, end)):
                done = end
        self._read_lines(lines, done, len(lines.start))
        self.log.timed = self._clock.timed

    def _read_run(self, lines: Lines, columns: Columns, run: slice) -> bool:
        """Reads a run of regular lines of new iterations at once; returns whether their stamps are alike."""
        kind, iteration, value = columns.kind[run], columns.iteration[run], columns.value[run]
        rows = _rows(kind, iteration, value)
        seconds = self._seconds(lines.data, lines.start[run], kind, iteration, rows)
        if seconds is None:
            return False
        segment = self._segment
        is_loss, is_rate, is_test = kind == LOSS, kind == RATE, kind == TEST
        segment.loss.extend(iteration[is_loss], seconds[is_loss], value[is_loss])
        segment.rate.extend(iteration[is_rate], seconds[is_rate], value[is_rate])
        rates = held(np.append(self._rate, value), np.append(True, is_rate))
        for net, first in rows.items():
            self._outputs(net).add_rows(iteration[first], seconds[first], rates[:-1][first])
        began = held(seconds, is_loss | is_test)  # the display or test that an output belongs to
        for output, own in columns.outputs_in(run):
            numbers = iteration[own], began[own], value[own]
            self._outputs(output.net).extend(output.key, numbers, output.is_loss)
        self._iteration, self._rate, self._seen_iteration = float(iteration.max()), float(rates[-1]), True
        for i in np.flatnonzero(is_loss)[-1:]:
            self._train_row = float(iteration[i]), float(seconds[i])
        for i in np.flatnonzero(is_test)[-1:]:
            self._test_row, self._net = (float(iteration[i]), float(seconds[i])), int(value[i])
        return True

    def _seconds(
        self,
        data: bytes,
        starts: np.ndarray,
        kind: np.ndarray,
        iteration: np.ndarray,
        rows: dict[int, np.ndarray],
    ) -> np.ndarray | None:
        """Returns the time of each line of a run that has one; None if their stamps are not alike.

        Losses and tests have a time, so have the first outputs of ``rows``; a rate has that of the loss of
        its iteration, if there is one.
        """
        is_loss, is_rate = kind == LOSS, kind == RATE
        after_loss = np.append(True, is_loss)
        shown = held(np.append(self._train_row[0], iteration), after_loss)[1:]
        timed = is_loss | (kind == TEST) | (is_rate & (shown != iteration))
        for first in rows.values():
            timed[first] = True
        times = self._clock.seconds_of(data, starts[timed])
        if times is None:
            return None
        seconds = np.zeros(len(kind))
        seconds[timed] = times
        displayed = held(np.append(self._train_row[1], seconds), after_loss)[1:]
        return np.where(is_rate & ~timed, displayed, seconds)

    def _read_lines(self, lines: Lines, first: int, last: int) -> None:
        data, part = lines.data, slice(first, last)
        columns = (lines.start, lines.word, lines.at, lines.end)
        for start, word, at, end in zip(*(column[part].tolist() for column in columns), strict=True):
            if end - start > LONGEST_LINE:  # its last number may be cut
                end = max(data.rfind(b" ", start, start + LONGEST_LINE), start)
            if word == 0:
                # Two threads may have written into one line: the second form finds the part that is intact.
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
            value = number_of(loss)
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
        value = number_of(text)
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
            text = decode_name(match[0])
            self._add_event("multistep", float(match[1]), text, self._clock.seconds(line))

    def _read_output(self, match: re.Match, data: bytes, start: int) -> None:
        value = number_of(match[2])
        is_train = data[match.start() : match.start() + 2] == b"Tr"
        if value is not None:
            net = TRAIN_NET if is_train else self._net
            self._add_output(net, match[1], value, match[3] is not None, data, start)

    def _add_output(self, net: int, key: bytes, value: float, is_loss: bool, data: bytes, start: int) -> None:
        """Adds the value of the output ``key`` in the line at ``data[start]`` to the last display or test."""
        row = self._train_row if net == TRAIN_NET else self._test_row
        if row is _NO_ROW:
            return
        outputs = self._outputs(net)
        if outputs.starts_row(row[0]):
            outputs.add_row(row[0], self._clock.seconds(data, start), self._rate)
        outputs.append(key, row, value, is_loss)

    def _read_rare(self, line: bytes) -> None:
        if b"Solving" in line:
            self._clock.start(line)
            if self._segment.has_data:
                self._new_segment()
        elif match := _TEST_LOSS.search(line):
            value = number_of(match[1])
            if self._test_row is not _NO_ROW and value is not None:
                self._test_net(self._net).loss.append(*self._test_row, value)
        elif match := _SCORE.search(line):
            value = number_of(match[2])
            if value is not None:
                self._add_output(self._net, match[1] + b": score " + match[1], value, False, line, 0)
        else:
            self._read_event(line)

    def _read_event(self, line: bytes) -> None:
        if (found := find_event(line)) is None:
            return
        kind, iteration, text = found
        iteration = self._iteration if iteration is None else iteration
        if kind == "restore" and self._segment.has_data:
            self._new_segment()
        self._add_event(kind, iteration, text, self._clock.seconds(line))

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

    def _test_net(self, net: int) -> TestNet:
        return self._segment.tests.setdefault(net, TestNet())

    def _outputs(self, net: int) -> Outputs:
        return self._segment.train if net == TRAIN_NET else self._test_net(net).outputs


def _rows(kind: np.ndarray, iteration: np.ndarray, value: np.ndarray) -> dict[int, np.ndarray]:
    """Returns for each test net, and for the train net, which lines are the first of a row of outputs."""
    nets = held(np.where(kind == TEST, value, TRAIN_NET), kind < TRAIN_OUTPUT).astype(np.int64)
    outputs = np.flatnonzero(kind >= TRAIN_OUTPUT)
    rows = {}
    for net in np.flatnonzero(np.bincount(nets[outputs] - TRAIN_NET)) + TRAIN_NET:
        own = outputs[nets[outputs] == net]
        rows[int(net)] = own[np.diff(iteration[own], prepend=-1.0) != 0]
    return rows
