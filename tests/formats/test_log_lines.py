"""Logs that a console wrapped, that several wrote into, or whose lines something else leads."""

from __future__ import annotations

import pytest

from cnnviz.analysis.training import chart_lines
from cnnviz.api.training import as_logs
from cnnviz.formats.log_columns import LONGEST_LINE
from cnnviz.formats.log_lines import wrap_width
from cnnviz.formats.log_tables import logs_csv
from cnnviz.formats.training_log import CHUNK, LogReader


def lines(count: int = 12, shift: float = 0.0, year: str = "") -> list[str]:
    text = [f"I{year}1231 23:59:00.000000 12345 solver.cpp:279] Solving small"]
    for i in range(count):
        day, hour, minute = ("1231", 23, 59) if i < 6 else ("0101", 0, 0)
        stamp = f"I{year}{day} {hour:02d}:{minute:02d}:{i:02d}.500000 12345"
        loss = 2.5 - i / 10
        text += [
            f"{stamp} solver.cpp:337] Iteration {i}, Testing net (#0)",
            f"{stamp} solver.cpp:404]     Test net output #0: accuracy = {0.1234 + i / 100:.4f}",
            f"{stamp} solver.cpp:228] Iteration {i} (24.9 iter/s, 4.0s/1 iters), loss = {loss + shift:.4f}",
            f"{stamp} solver.cpp:244]     Train net output #0: loss = {loss:.6g} (* 1 = {loss:.6g} loss)",
            f"{stamp} sgd_solver.cpp:106] Iteration {i}, lr = 0.00125",
        ]
    return text


def read(text: list[str] | bytes, piece: int = 1 << 20):
    data = text if isinstance(text, bytes) else "".join(f"{line}\n" for line in text).encode()
    reader = LogReader("run.log")
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    return reader.finish()


def wrapped(text: list[str], width: int) -> list[str]:
    return [line[i : i + width] for line in text for i in range(0, max(len(line), 1), width)]


@pytest.mark.parametrize("width", [60, 72, 80, 83, 90])
@pytest.mark.parametrize("piece", [1 << 20, 97])
def test_wrapped_lines_are_joined(width: int, piece: int):
    log = read(wrapped(lines(), width), piece)
    assert logs_csv([log]) == logs_csv([read(lines())])


def test_a_number_cut_at_the_width_of_the_last_line_is_left_out():
    text = wrapped(lines(), 81)
    cut = max(i for i, line in enumerate(text) if "accuracy" in line)
    assert text[cut].endswith("accuracy = 0.") and len(text[cut]) == 81
    values = read(text[: cut + 1]).segments[0].tests[0].outputs.curves["accuracy"].values
    assert list(values) == [round(0.1234 + i / 100, 4) for i in range(11)]


def test_plain_logs_are_not_taken_for_wrapped_ones():
    plain = "".join(f"{line}\n" for line in lines()).encode()
    assert wrap_width(plain) == 0
    assert wrap_width(plain.replace(b"I1231", b"[0] I1231").replace(b"I0101", b"[0] I0101")) == 0
    assert wrap_width(b"") == wrap_width(b"x" * 90 + b"\n") == 0


@pytest.mark.parametrize(
    "lead",
    [
        "[0] ",
        "[1,0]<stderr>:",
        "[1,0]<stdout>: ",
        "2017-07-13T09:00:00.123456789Z ",
        "Jul 13 09:00:00 gpu01 train[812]: ",
        "caffe_1  | ",
        "2017-07-13 09:00:00 ",
    ],
)
@pytest.mark.parametrize("year", ["", "2016"])
def test_what_precedes_lines_is_removed(lead: str, year: str):
    text = lines(year=year)
    assert logs_csv([read([lead + line for line in text])]) == logs_csv([read(text)])
    log = read([lead + line for line in text])
    assert log.name == "run" and log.timed and log.segments[0].loss.seconds[0] == 0.5


@pytest.mark.parametrize(
    "lead, names", [("[{}] ", "rank {}"), ("[1,{}]<stderr>:", "rank {}"), ("gpu_{} | ", "gpu_{}")]
)
def test_several_ranks_are_a_curve_each(lead: str, names: str):
    ranks = [[lead.format(rank) + line for line in lines(shift=0.1 * rank)] for rank in range(3)]
    log = read([line for row in zip(*ranks, strict=True) for line in row])
    curves = chart_lines(6, as_logs(log))
    assert [curve.log for curve in curves] == [f"run {names.format(rank)}" for rank in range(3)]
    for rank, curve in enumerate(curves):
        assert curve.y.tolist() == pytest.approx([2.5 - i / 10 + 0.1 * rank for i in range(12)])
    assert log.lines == 3 * len(lines()) and all(len(rank.segments) == 1 for rank in log.ranks)
    table = logs_csv(log.ranks)
    assert f"run.log {names.format(2)},0,solver" in table


def test_a_container_that_does_not_train_is_no_rank():
    text = [line for own in lines() for line in ("db_1 | ready", f"caffe_1 | {own}")]
    log = read(text)
    assert log.ranks == [log] and log.name == "run" and len(log.segments[0].loss) == 12


@pytest.mark.parametrize("piece", [701, LONGEST_LINE, LONGEST_LINE + 1, 20_000])
def test_lines_of_any_length_and_cut_marks_read_the_same_in_pieces(piece: int):
    stamp = "I1231 23:59:00.000000 12345 solver.cpp:228]"
    long = f"{stamp} Iteration 3, loss = 0.5{' x' * 10_000} Iteration 9, loss = 1"
    cut = "y" * (LONGEST_LINE - 24) + " Iteration 4, loss = 0.123456"
    text = "".join(f"{line}\n" for line in [*lines(3), long, cut, lines(4)[-1]])
    for data in (text.encode(), ("\ufeff" + text).encode("utf-16-le"), ("\ufeff" + text).encode("utf-16-be")):
        assert logs_csv([read(data, piece)]) == logs_csv([read(data, 1 << 22)])
        reader = LogReader("run.log")
        for part in (data[:1], data[1:3], data[3:]):
            reader.feed(part)
        assert logs_csv([reader.finish()]) == logs_csv([read(data, 1 << 22)])


def test_the_width_is_found_where_a_long_head_comes_first():
    head = [f"layer {{ name: {k} }}" for k in range(3000)]
    assert sum(map(len, head)) < CHUNK
    log = read(head + wrapped(lines(), 80), 5000)
    assert log.segments[0].tests[0].outputs.curves["accuracy"].values[3] == 0.1534
