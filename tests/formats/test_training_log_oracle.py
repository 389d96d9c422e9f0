"""Every number of every available log, against a plain reader: one line at a time, one rule at a time.

It knows nothing of columns, pieces or reading on; what the package's reader says of a log must be the same in
every name, number, time, test net and run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from cnnviz.errors import FileError
from cnnviz.formats.training_log import read_log

NUMBER = r"([-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+|nan|inf))"
STAMP = re.compile(r"[IWEF](\d{4})?(\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.(\d{6}) ")
LOSS = re.compile(rf"Iteration (\d+)(?!\d)[^I]*?\bloss = {NUMBER}(?=[\s,]|$)")
RATE = re.compile(rf"Iteration (\d+), lr = {NUMBER}(?=[\s,]|$)")
TEST = re.compile(r"Iteration (\d+), Testing net(?: \(#(\d+)\))?")
OUTPUT = re.compile(rf"(Train|Test) net output(?: mAP)? #(\d+): (.+?) = {NUMBER}(?=\s|$)( \(\* \S+ = )?")
TEST_LOSS = re.compile(rf"Test loss: {NUMBER}")
SCORE = re.compile(rf"Test score #(\d+): {NUMBER}")


class Run:
    """What one run printed.

    Attributes:
        curves: phase, test net, number of the output, name and solver -> its (iteration, seconds, value).
        weighted: phase and name of the outputs that were printed with a loss weight.
        top: the highest iteration so far.
        train, test: iteration and seconds of the last display and test; the test also has its net.
    """

    def __init__(self) -> None:
        self.curves = defaultdict(list)
        self.weighted = set()
        self.top = -1
        self.train = self.test = None

    def add(self, phase, net, index, name, row, value):
        """Adds a number, to the curve of another solver where this one has printed it at that iteration."""
        solver = 0
        while any(point[0] == row[0] for point in self.curves[phase, net, index, name, solver][-1:]):
            solver += 1
        self.curves[phase, net, index, name, solver].append((*row[:2], float(value)))

    @property
    def has_numbers(self) -> bool:
        return any(phase != "train" for phase, *_ in self.curves)


def plain_read(path: Path) -> list[Run]:
    text = path.read_bytes().decode("utf-8", "replace")
    text = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)
    lines = re.split("\r\n|\r|\n", text)
    # A last line without newline may be cut inside its last number.
    lines[-1] = re.sub(r"= \S*$", "", lines[-1])
    runs, zero, solving, year, month, seconds = [Run()], None, False, 2000, 0, float("nan")
    for line in lines:
        if match := STAMP.match(line):
            found, *parts = (int(part or 0) for part in match.groups())
            year, month = found or year + (parts[0] < month), parts[0]
            now = datetime(year, *parts)
            if zero is None or ("Solving" in line and not solving):
                zero, solving = now, "Solving" in line
            seconds = (now - zero).total_seconds()
        read_line(runs, line, seconds)
    return runs


def read_line(runs: list[Run], line: str, seconds: float) -> None:
    run = runs[-1]
    if match := LOSS.search(line):
        run = enter(runs, int(match[1]))
        run.train = (int(match[1]), seconds)
        run.curves["solver", None, "", "loss", 0].append((*run.train, float(match[2])))
    elif match := RATE.search(line):
        iteration = int(match[1])
        if iteration != run.top - 1:  # some forks count it from one less
            run = enter(runs, iteration)
        row = run.train if run.train and run.train[0] == iteration else (iteration, seconds)
        run.curves["solver", None, "", "lr", 0].append((*row, float(match[2])))
    elif match := TEST.search(line):
        enter(runs, int(match[1])).test = (int(match[1]), seconds, int(match[2] or 0))
    elif match := OUTPUT.search(line):
        phase, index, name, value, weight = match.groups()
        if weight:
            run.weighted.add((phase.lower(), name))
        if phase == "Train" and run.train:
            run.add("train", None, index, name, run.train, value)
        elif phase == "Test" and run.test:
            run.add("test", run.test[2], index, name, run.test, value)
    elif run.test and (match := SCORE.search(line)):
        run.add("test", run.test[2], match[1], f"score #{match[1]}", run.test, match[2])
    elif run.test and (match := TEST_LOSS.search(line)):
        run.curves["test", run.test[2], "", "Test loss", 0].append((*run.test[:2], float(match[1])))
    elif ("Solving" in line or "Resuming from " in line) and run.has_numbers:
        runs.append(Run())


def enter(runs: list[Run], iteration: int) -> Run:
    """Returns the run that ``iteration`` belongs to: a new one where it goes back."""
    if iteration < runs[-1].top:
        runs.append(Run())
    runs[-1].top = iteration
    return runs[-1]


def named(run: Run) -> dict:
    """The curves of ``run`` as (phase, net, name): elements of vectors and solvers numbered."""
    outputs = defaultdict(list)
    for phase, net, index, name, _ in run.curves:
        if index not in outputs[phase, net, name]:
            outputs[phase, net, name].append(index)
    curves = {}
    for (phase, net, index, name, solver), points in run.curves.items():
        indices = outputs[phase, net, name]
        text = f"{name}[{indices.index(index)}]" if len(indices) > 1 else name
        text += f" (solver {solver})" if solver else ""
        curves[phase, net, text] = np.array(points)
    return curves


def all_logs(folder: Path, pattern: str) -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if path.suffix in (".log", ".txt"))


@pytest.mark.parametrize(
    "source, pattern, files, count", [("real", "*", 36, 51_458), ("reference", "*/*.log", 14, 735)]
)
def test_every_number_is_read(request, source: str, pattern: str, files: int, count: int):
    paths = all_logs(request.getfixturevalue(source) / "logs", pattern)
    numbers = held = 0
    for path in paths:
        runs = plain_read(path)
        expected = [named(run) for run in runs]
        try:
            log = read_log(path)
        except FileError:
            assert expected == [{}], path.name
            continue
        found = [{} for _ in log.segments]
        for segment, phase, net, curve in log.all_curves():
            if phase != "solver" and curve.name != "Test loss":
                output = re.sub(r"(\[\d+\])?( \(solver \d+\))?$", "", curve.name)
                assert curve.is_loss == ((phase, output) in runs[segment].weighted), (path.name, curve.name)
            found[segment][phase, net, curve.name] = np.stack(curve.arrays(), axis=1)
        assert len(found) == len(expected), path.name
        for ours, theirs in zip(found, expected, strict=True):
            assert set(ours) == set(theirs), path.name
            for name, points in theirs.items():
                assert np.array_equal(ours[name][:, [0, 2]], points[:, [0, 2]], equal_nan=True), (
                    path.name,
                    name,
                )
                # Stamps of threads go back by a little; times do not.
                late = ours[name][:, 1] - points[:, 1]
                assert late.min() > -1e-6 and late.max() < 1, (path.name, name)
                numbers += len(points)
                held += int(np.count_nonzero(late > 1e-6))
    assert len(paths) == files and numbers == count and held < 0.001 * numbers
