"""The log reader: Caffe's own numbers, every fork's forms, and what breaks lines."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pytest

from cnnviz.errors import FileError
from cnnviz.formats.log_follower import LogFollower
from cnnviz.formats.log_tables import logs_csv, logs_json, table_csv
from cnnviz.formats.training_log import LogReader, read_log


def read(text: str | bytes, piece: int = 1 << 20):
    data = text.encode() if isinstance(text, str) else text
    reader = LogReader("run.log")
    for start in range(0, len(data), piece):
        reader.feed(data[start : start + piece])
    return reader.finish()


def line(text: str, time: str = "1121 02:06:46.000000") -> str:
    return f"I{time}   307 solver.cpp:239] {text}\n"


RUN = (
    line("Solving Net")
    + line("Iteration 0, Testing net (#0)", "1121 02:06:46.500000")
    + line("    Test net output #0: accuracy = 0.1")
    + line("    Test net output #1: loss = 2.3 (* 1 = 2.3 loss)")
    + line("Iteration 0 (-1e-43 iter/s, 0.047s/20 iters), loss = 2.32765", "1121 02:06:47.250000")
    + line("    Train net output #0: loss = 2.4 (* 1 = 2.4 loss)", "1121 02:06:47.250001")
    + line("Iteration 0, lr = 0.01", "1121 02:06:47.250002")
    + line("Iteration 20, loss = 1.5", "1121 02:06:48.000000")
    + line("Iteration 20, lr = 0.001", "1121 02:06:48.000001")
)


def test_one_run():
    (segment,) = read(RUN).segments
    assert list(segment.loss.iterations) == [0, 20]
    assert list(segment.loss.values) == [2.32765, 1.5]
    assert list(segment.loss.seconds) == [1.25, 2.0]
    assert list(segment.rate.values) == [0.01, 0.001]
    assert list(segment.rate.seconds) == [1.25, 2.0]
    assert list(segment.train.curves["loss"].values) == [2.4]
    outputs = segment.tests[0].outputs.curves
    assert {name: list(curve.values) for name, curve in outputs.items()} == {"accuracy": [0.1], "loss": [2.3]}
    assert list(outputs["accuracy"].seconds) == [0.5]
    assert outputs["loss"].is_loss and not outputs["accuracy"].is_loss


@pytest.mark.parametrize("piece", [1, 7, 64])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_pieces_of_any_size_read_the_same(piece, end):
    log = read(RUN.replace("\n", end), piece)
    assert logs_csv([log]) == logs_csv([read(RUN)]) and log.lines == 9


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: re.sub(r"\] (.*)", "] \x1b[32m\\1\x1b[0m", text),
        lambda text: text.replace("I1121", "I20261121"),
        lambda text: ("\ufeff" + text).encode("utf-16-le"),
        lambda text: text.replace(
            "\n", "\nI1121 02:06:47.9 3 x.cpp:1] [Forward] Layer a, top blob b data: 1\n"
        ),
    ],
    ids=["CR LF", "colours", "year in prefix", "UTF-16", "debug_info"],
)
def test_other_clothes_same_numbers(change):
    assert logs_csv([read(change(RUN))]) == logs_csv([read(RUN)])


@pytest.mark.parametrize(
    "text, iteration, loss",
    [
        ("Iteration 100 (14.4834 iter/s, 6.76638s/98 iter), loss = 6.75391", 100, 6.75391),
        ("Iteration 700 (17.5654 iter/s, 5.69301s/100 iter), 1.1/90.9ep, loss = 5.51953", 700, 5.51953),
        ("    [0.0] Iteration 1000 (55.094 iter/s, 1.81508s/100 iter), 1.1/10.7ep, loss = 0.02", 1000, 0.02),
        ("Iteration 0 (1.04451 s), loss = 6.91406", 0, 6.91406),
        ("Iteration 5, loss = -nan", 5, math.nan),
        ("Iteration 5, loss = inf", 5, math.inf),
        ("Iteration 5, loss = -1.#IND", 5, math.nan),
        ("Iteration 5, loss = 1.#INF", 5, math.inf),
    ],
)
def test_forms_of_the_loss_line(text, iteration, loss):
    (segment,) = read(line(text)).segments
    assert list(segment.loss.iterations) == [iteration]
    assert segment.loss.values[0] == pytest.approx(loss, nan_ok=True)


def test_lr_lines_of_forks():
    log = read(line("Iteration 3, lr = 0.5, m = 0.9, wd = 0.0005, gs = 1"))
    assert list(log.segments[0].rate.values) == [0.5]


def test_rate_counted_from_one_less_is_no_restart():
    text = line("Iteration 40 (164 iter/s), loss = 2") + line("Iteration 39, lr = 0.1")
    assert len(read(text + line("Iteration 60, loss = 1")).segments) == 1


def test_vector_output_numbers_its_elements():
    rows = "".join(line(f"    Test net output #{i}: per_class = 0.{i}") for i in range(3))
    outputs = read(line("Iteration 7, Testing net (#0)") + rows).segments[0].tests[0].outputs.curves
    assert {name: list(curve.values) for name, curve in outputs.items()} == {
        "per_class[0]": [0.0],
        "per_class[1]": [0.1],
        "per_class[2]": [0.2],
    }


def test_two_test_nets_and_two_solvers():
    text = (
        line("Iteration 7, Testing net (#0)")
        + line("Test net output mAP #0: detection_eval = 0.5")
        + line("Test net output mAP #0: detection_eval = 0.6")
        + line("Iteration 7, Testing net (#1)")
        + line("    Test net output #0: accuracy = 0.9")
        + line("Test loss: 1.25")
    )
    tests = read(text).segments[0].tests
    assert list(tests[0].outputs.curves) == ["detection_eval", "detection_eval (solver 1)"]
    assert list(tests[1].outputs.curves["accuracy"].values) == [0.9]
    assert list(tests[1].loss.values) == [1.25]


@pytest.mark.parametrize("digits", [20, 400, 5000])
def test_a_number_of_a_net_too_long_to_be_one_is_none(digits):
    log = read(RUN.replace("net (#0)", f"net (#{'9' * digits})"))
    assert [*log.segments[0].tests] == [0]


def test_scores_without_names():
    text = line("Iteration 9, Testing net") + line("Test score #0: 0.8") + line("Test score #1: 0.6")
    log = read(text)
    outputs = log.segments[0].tests[0].outputs.curves
    assert {n: list(c.values) for n, c in outputs.items()} == {"score #0": [0.8], "score #1": [0.6]}
    assert [(row["NumIters"], row["score #0"]) for row in log.table("test")] == [(9, 0.8)]


def test_restart_and_going_back_start_segments():
    again = line("Iteration 10, loss = 2") + line("Iteration 30, loss = 1")
    for between in ("", line("Resuming from a_iter_10.solverstate"), line("Solving Net")):
        log = read(RUN + between + again)
        assert [list(s.loss.iterations) for s in log.segments] == [[0, 20], [10, 30]]


def test_two_solving_lines_of_two_solvers_are_one_run():
    assert len(read(line("Solving Net") + line("Solving Net") + line("Iteration 1, loss = 2")).segments) == 1


def test_year_change():
    text = line("Solving Net", "1231 23:59:59.000000") + line("Iteration 1, loss = 2", "0101 00:00:01.500000")
    assert list(read(text).segments[0].loss.seconds) == [2.5]


def test_leap_day_in_stamps_with_year():
    text = line("Solving Net", "20240228 00:00:00.000000") + line(
        "Iteration 1, loss = 2", "20240301 00:00:00.000000"
    )
    assert list(read(text).segments[0].loss.seconds) == [2 * 86400]


def test_time_never_goes_back_inside_a_run():
    times = ["1025 02:59:59.000000", "1025 02:00:00.000000", "1025 02:00:10.000000"]
    text = line("Solving Net", times[0]) + "".join(
        line(f"Iteration {i}, loss = 2", time) for i, time in enumerate(times)
    )
    assert list(read(text).segments[0].loss.seconds) == [0, 0, 10]


def test_without_stamps():
    log = read("Iteration 1, loss = 2\nIteration 2, loss = 1\n")
    assert not log.timed
    assert list(log.segments[0].loss.values) == [2, 1]
    assert all(math.isnan(s) for s in log.segments[0].loss.seconds)


def test_line_of_two_threads():
    text = (
        "I1121 02:06:46.1 7 a.cpp:1] Iteration 10 (3 itI1121 02:06:46.2 7 a.cpp:1] Iteration 10, loss = 2.5\n"
    )
    assert list(read(text).segments[0].loss.values) == [2.5]


@pytest.mark.parametrize("cut", range(1, 60))
def test_cut_last_line_never_gives_a_wrong_number(cut):
    last = line("Iteration 40, loss = 1.25")
    log = read(RUN + last[:-cut])
    assert list(log.segments[0].loss.values)[:2] == [2.32765, 1.5]
    assert list(log.segments[0].loss.values)[2:] in ([], [1.25])


def test_last_line_without_newline_is_read():
    log = read(RUN + line("    Train net output #0: loss = 1.2 (* 1 = 1.2 loss)").rstrip("\n"))
    assert list(log.segments[0].train.curves["loss"].values) == [2.4, 1.2]


def test_events():
    text = (
        RUN
        + line("Snapshotting to binary proto file a_iter_20.caffemodel")
        + line("Snapshotting solver state to binary proto file a_iter_20.solverstate")
        + line("MultiStep Status: Iteration 25, step = 1")
        + line("Check failed: fd != -1 (-1 vs. -1) File not found: x")
        + line("Optimization stopped early.")
        + line("Optimization Done.")
        + line("Optimization Done.")
    )
    log = read(text)
    kinds = [(event.kind, event.iteration) for event in log.events]
    assert kinds == [
        ("snapshot", 20), ("multistep", 25), ("failure", 20), ("early stop", 20), ("done", 20),
    ]  # fmt: skip
    assert log.events[2].text.startswith("Check failed: fd")


def test_no_iteration(tmp_path):
    path = tmp_path / "train.log"
    path.write_text("layer {\n}\n")
    with pytest.raises(FileError) as error:
        read_log(path)
    assert str(error.value) == (
        f'{path}: no line says "Iteration N" (2 lines read). A training log is what the solver prints on '
        "stderr: cnnviz train ... 2> train.log"
    )


def test_missing_log():
    with pytest.raises(FileError, match=r"nowhere\.log: cannot be read: no such file"):
        read_log("nowhere.log")


def test_a_file_without_newlines_needs_little_memory():
    reader = LogReader("blob")
    for _ in range(64):
        reader.feed(b"\0" * 65536)
    assert len(reader._rest) <= 65536


def test_follower(tmp_path):
    path = tmp_path / "run.log"
    half = len(RUN) // 2
    path.write_text(RUN[:half])
    follower = LogFollower(path)
    assert follower.update() and not follower.update()
    with open(path, "a") as file:
        file.write(RUN[half:] + line("Optimization Done."))
    assert follower.update() and follower.done
    assert list(follower.log.segments[0].loss.values) == [2.32765, 1.5]
    path.write_text(line("Iteration 3, loss = 9"))
    assert follower.update() and list(follower.log.segments[0].loss.values) == [9]


def test_follower_of_a_log_that_is_rotated(tmp_path):
    path = tmp_path / "run.log"
    path.write_text(line("Iteration 1, loss = 9"))
    follower = LogFollower(path)
    assert follower.update()
    path.rename(tmp_path / "run.log.1")
    assert not follower.update()
    path.write_text(RUN)
    assert follower.update() and list(follower.log.segments[0].loss.values) == [2.32765, 1.5]
    with pytest.raises(FileError, match="no such file"):
        LogFollower(tmp_path / "nowhere.log").update()


def test_json_is_json_with_nan():
    import json

    (content,) = json.loads(logs_json([read(RUN + line("Iteration 40, loss = nan"))]))
    loss = content["curves"][0]
    assert (loss["phase"], loss["name"], loss["values"]) == ("solver", "loss", [2.32765, 1.5, "nan"])


LOGS = ["adam", "debug_info", "finetune_weights", "interval_not_multiple", "iter_size", "lenet_inv",
        "losses_top1_top5", "multistep", "sigint", "snapshot_resume"]  # fmt: skip
# Caffe's tool wrote no test table of the run of three iterations.
TABLES = [(name, phase) for name in LOGS for phase in ("train", "test")] + [("very_short", "train")]


@pytest.mark.parametrize("name, phase", TABLES)
def test_tables_equal_parse_log_py(reference: Path, name: str, phase: str):
    folder = reference / "logs" / name
    table = read_log(folder / f"{name}.log").table(phase)
    with open(folder / f"parse_log_py.{phase}.csv", newline="") as file:
        assert table_csv(table) == file.read()


def test_table_of_two_test_nets_has_all_rows(reference: Path):
    folder = reference / "logs" / "two_test_nets"
    rows = table_csv(read_log(folder / "two_test_nets.log").table("test")).split("\r\n")
    with open(folder / "parse_log_py.test.csv", newline="") as file:
        theirs = file.read().split("\r\n")
    # Caffe's tool mixes the two nets of the first test into one row; the rest is the same.
    assert rows[3:] == theirs[2:]
    assert rows[1:3] == ["0.0,0.042696,0.01,0.082,2.31816", "0.0,0.063168,0.01,0.05,2.33421"]


def test_real_logs_are_read_without_loss(real: Path):
    with open(real / "logs" / "index.tsv", newline="") as file:
        names = [row["file"] for row in csv.DictReader(file, delimiter="\t")]
    assert len(names) == 36
    failed = []
    for name in names:
        path = real / "logs" / name
        try:
            log = read_log(path)
        except FileError:
            failed.append(name)
            continue
        raw = path.read_bytes()
        curves = list(log.all_curves())
        counts = {
            rb"net output[^\n]*#\d+: \S+ = ": sum(len(c) for _, p, _, c in curves if p in ("train", "test")),
            rb"Iteration \d+[^\n]*loss = ": sum(len(segment.loss) for segment in log.segments),
            rb"Iteration \d+, lr = ": sum(len(segment.rate) for segment in log.segments),
        }
        assert {pattern: len(re.findall(pattern, raw)) for pattern in counts} == counts, name
        for segment in log.segments:
            assert list(segment.loss.iterations) == sorted(segment.loss.iterations), name
            assert list(segment.loss.seconds) == sorted(segment.loss.seconds), name
    assert failed == ["pl8787__exp_caffe__examples_cifar10_exp16_gpu_2_train_log16_gpu_2.txt"]
