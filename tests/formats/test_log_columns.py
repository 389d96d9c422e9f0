"""Reading a log by columns: the same as line by line, whatever stands in it."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import FileError
from cnnviz.formats import training_log
from cnnviz.formats.log_columns import OTHER, RATE, TEST, find_lines, read_columns
from cnnviz.formats.log_tables import logs_json, table_csv
from cnnviz.formats.training_log import LogReader, read_log

NUMBERS = ["nan", "-nan", "inf", "1e-05", "0", "-1.5e+10", "oops", "1.#QNAN", "1_0", "", "5,", "1.2.3", "+3"]
NUMBERS += ["infinity", "1" * 30]
STRANGE = [
    "Solving Net",
    "Snapshotting to a_iter_9.caffemodel",
    "Resuming from x",
    "Optimization Done.",
    "MultiStep Status: Iteration 3, step = 1",
    "Iteration 7",
    "Iteration 3 Iteration 4, loss = 2",
    "Iteration 3 (9 iterI1121 02:06:46.2 7 a.cpp:1] Iteration 3, loss = 2.5",
    "Iteration 5 of I, loss = 7",
    "Iteration 5, mbox_loss = 7",
    "Iteration 5, a = 3, loss = 7",
    "Iteration 5, loss = 7, loss = 8",
    "Iteration 5, lr = 3, loss = 8",
    "Iteration 12345678901234567, loss = 2",
    "Iteration 8, Testing net (#12)",
    "Iteration 8, Testing net",
    "Train net output #0: o0 = 0.5",
    "Train net output #0: = 3",
    "Test net output #0: o0 = 0.5",
    "Test net output mAP #0: o0 = 0.25",
    "Test score #0: 0.4",
    "Test loss: 1.25",
    "x" * 9000,
]


class RandomLog:
    """A log of displays and tests with all that may be odd about them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.year = self.random.choice(["", "", "", "2026", None])
        self.micro = 0
        self.lines: list[bytes] = []

    def line(self, text: str) -> None:
        self.micro += self.random.choice(
            [0, 1, 1000, 20_000_000, -500, 3600 * 10**6][: 6 if self.one_in(9) else 4]
        )
        second = self.micro // 10**6
        day, clock = second // 86400, f"{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
        date = f"{self.year}{1 + day // 28 % 12:02d}{1 + day % 28:02d}"
        stamp = f"I{date} {clock}.{self.micro % 10**6:06d} 7 s.cpp:1] "
        end = "\r\n" if self.one_in(40) else "\n"
        self.lines.append(f"{'' if self.year is None or self.one_in(200) else stamp}{text}{end}".encode())

    def one_in(self, count: int) -> bool:
        return self.random.randrange(count) == 0

    def number(self) -> str:
        return self.random.choice(NUMBERS) if self.one_in(12) else f"{self.random.random():.6g}"

    def outputs(self, phase: str, names: list[str], twice: bool) -> None:
        for i, name in enumerate(names):
            for _ in range(1 + twice):
                weight = f" (* 1 = {self.number() or 1} loss)" if i == 1 else ""
                self.line(f"    {phase} net output #{i}: {name} = {self.number()}{weight}")

    def text(self) -> bytes:
        nets, names = self.random.randint(0, 3), [f"o{i}" for i in range(self.random.randint(0, 3))]
        names += names[:1] * self.one_in(5)
        rate_first, one_less, twice = self.one_in(5), self.one_in(9), self.one_in(9)
        iteration = self.random.choice([0, 5, 10**6])
        self.line("Solving Net")
        for _ in range(self.random.randint(1, 50)):
            iteration += self.random.choice([1, 1, 1, 1, 1, 1, 20, 0])
            if self.one_in(40):
                iteration = max(0, iteration - self.random.randint(0, 50))
            for net in range(nets if self.one_in(3) else 0):
                self.line(f"Iteration {iteration}, Testing net (#{net})")
                self.outputs("Test", names or ["acc"], twice)
            rate = f"Iteration {iteration - one_less}, lr = {self.number()}"
            if rate_first:
                self.line(rate)
            between = self.random.choice(["", " (9 iter/s, 0.1s/1 iters)", ", 1.1/9ep"])
            self.line(f"Iteration {iteration}{between}, loss = {self.number()}")
            self.outputs("Train", names, False)
            if not rate_first:
                self.line(rate)
            if self.one_in(12):
                self.line(self.random.choice(STRANGE))
        data = b"".join(self.lines)
        return data[: self.random.randrange(len(data))] if self.one_in(4) else data


def content(monkeypatch, shortest_run: int, data: bytes, piece: int) -> str:
    monkeypatch.setattr(training_log, "_SHORTEST_RUN", shortest_run)
    reader = LogReader("run.log")
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    try:
        log = reader.finish()
    except FileError as error:
        return str(error)
    weights = [curve.is_loss for *_, curve in log.all_curves()]
    return f"{logs_json([log])}{table_csv(log.table('train'))}{table_csv(log.table('test'))}{weights}"


@pytest.mark.parametrize("seed", range(4))
def test_random_logs_read_like_single_lines(monkeypatch, seed: int):
    for number in range(60):
        data = RandomLog(1000 * seed + number).text()
        for piece in (1 << 20, 2000):
            fast, slow = (content(monkeypatch, shortest, data, piece) for shortest in (1, 1 << 60))
            assert fast == slow, (seed, number, piece)


def test_real_logs_read_like_single_lines(real: Path, reference: Path, monkeypatch):
    paths = sorted((real / "logs").glob("*.[lt][ox][gt]")) + sorted((reference / "logs").glob("*/*.log"))
    assert len(paths) == 50
    for path in paths:
        data = path.read_bytes()
        fast, slow = (content(monkeypatch, shortest, data, 1 << 20) for shortest in (1, 1 << 60))
        assert fast == slow, path.name


def test_nearly_all_lines_of_real_logs_are_regular(real: Path):
    """Only single lines are read one by one; the second solver of a process prints what is known."""
    others = total = 0
    for path in sorted((real / "logs").glob("*.[lt][ox][gt]")):
        lines = find_lines(path.read_bytes().replace(b"\r\n", b"\n") + b"\n")
        kind = read_columns(lines).kind
        numbers = lines.word <= 2
        others += int(np.count_nonzero(kind[numbers] == OTHER))
        total += int(np.count_nonzero(numbers))
    assert total > 50_000 and others < 0.12 * total


def test_columns_of_a_display_and_a_test():
    text = (
        b"Iteration 20, Testing net (#1)\nTest net output #0: acc = 0.5\nIteration 20, loss = 2 (x)\n"
        b"Train net output #0: acc = 0.25\nTrain net output #1: loss = 2 (* 1 = 2 loss)\n"
        b"Iteration 20, lr = 0.01, m = 9\n"
    )
    columns = read_columns(find_lines(text))
    assert columns.iteration.tolist() == [20] * 6
    assert columns.value.tolist() == [1, 0.5, 2, 0.25, 2, 0.01]
    assert (columns.kind[0], columns.kind[-1]) == (TEST, RATE)
    found = [(output.key, output.net, output.is_loss, output.lines.tolist()) for output in columns.outputs]
    assert found == [(b"#0: acc", -1, False, [3]), (b"#1: loss", -1, True, [4]), (b"#0: acc", 1, False, [1])]
    assert list(columns.runs(1)) == [(0, 6)] and list(columns.runs(7)) == []


def test_what_falls_or_repeats_is_read_by_itself():
    text = b"".join(
        b"Iteration %d, loss = 1\nTrain net output #0: a = 1\n%s"
        % (i, b"Train net output #0: a = 2\n" * twice)
        for i, twice in ((1, 0), (2, 1), (1, 0), (1, 0))
    )
    kind = read_columns(find_lines(text)).kind
    assert np.flatnonzero(kind == OTHER).tolist() == [4, 5, 6]


@pytest.mark.parametrize(
    "last",
    [
        "Iteration 3, lr = 1",  # shorter than a stamp
        "I1121 02:06:4x.000000 7 s.cpp:1] Iteration 3, lr = 1",
        "I1121 02:06:41:000000 7 s.cpp:1] Iteration 3, lr = 1",
        "I20261121 02:06:41.000000 7 s.cpp:1] Iteration 3, lr = 1",
    ],
)
def test_stamps_that_are_not_alike(monkeypatch, last: str):
    rows = [f"I1121 02:06:40.{i}00000 7 s.cpp:1] Iteration {i}, loss = 1" for i in range(3)]
    data = "\n".join([*rows, last, ""]).encode()
    fast, slow = (content(monkeypatch, shortest, data, 1 << 20) for shortest in (1, 1 << 60))
    assert fast == slow


def test_names_of_any_length_and_number_need_little_memory():
    """A file may call each line another output, by names as long as a piece: these are read one by one."""
    text = b"Iteration 1, loss = 2\n"
    text += b"".join(b"Train net output #%d: name%d = 1\n" % (i, i) for i in range(3000))
    columns = read_columns(find_lines(text + b"Train net output #0: " + b"n" * 7000 + b" = 1\n"))
    assert len(columns.outputs) == 128 and np.flatnonzero(columns.kind == OTHER).tolist() == [
        *range(129, 3002)
    ]


def test_reading_by_columns_is_what_long_logs_take(tmp_path, monkeypatch):
    """A test at every display, as a log may have: all but the first lines go by columns."""
    slow = []
    read_lines = LogReader._read_lines
    monkeypatch.setattr(
        LogReader,
        "_read_lines",
        lambda self, lines, a, b: slow.append(b - a) or read_lines(self, lines, a, b),
    )
    rows = []
    for i in range(2000):
        stamp = f"I1121 02:{i // 60:02d}:{i % 60:02d}.000000 7 solver.cpp:1] "
        rows += [
            f"{stamp}Iteration {i}, Testing net (#0)",
            f"{stamp}    Test net output #0: acc = 0.5",
            f"{stamp}Iteration {i}, loss = 1",
            f"{stamp}    Train net output #0: loss = 1 (* 1 = 1 loss)",
            f"{stamp}Iteration {i}, lr = 0.1",
        ]
    path = tmp_path / "run.log"
    path.write_text("\n".join([*rows, ""]))
    log = read_log(path)
    assert len(log.segments[0].loss) == 2000 and log.segments[0].loss.seconds[-1] == 1999
    assert sum(slow) == 0
