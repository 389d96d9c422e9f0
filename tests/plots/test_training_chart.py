"""Training charts: the numbers of Caffe's own tool, and what the figure's artists say."""

from __future__ import annotations

import json
import math
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex

from cnnviz.analysis.curves import smoothed
from cnnviz.analysis.training import (
    ChartLine,
    chart_lines,
    chart_number,
    chart_type_names,
)
from cnnviz.api.training import as_logs, plot_training_log
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.formats.training_log import LogReader, read_log
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.training.marks import KEY
from cnnviz.plots.training.options import ChartOptions
from cnnviz.plots.training.to_html import training_page
from support.charts import assert_legible, log_of, parts, run, texts

# Charts that the old tool could draw, and those where it stopped at the end of a short table.
DRAWN = {0: 12, 1: 12, 2: 12, 3: 12, 4: 3, 5: 3, 6: 13, 7: 13}


@pytest.mark.parametrize("chart", range(8))
def test_numbers_equal_caffes_own_charts(reference: Path, chart: int):
    drawn = stopped = 0
    for folder in sorted((reference / "logs").iterdir()):
        theirs = json.loads((folder / "charts.json").read_text())["charts"][str(chart)]
        end = "_until_error" if theirs["error"] else ""
        count = min(len(theirs["x" + end]), len(theirs["y" + end]))
        if not count:
            assert folder.name == "glog_year_prefix"  # which it cannot read
            continue
        x, y = (np.array([float(v) for v in theirs[axis + end][:count]]) for axis in "xy")
        lines = chart_lines(chart, as_logs(folder / f"{folder.name}.log"))
        if folder.name == "two_test_nets" and chart < 4:
            # The old tool strings two nets on one line; ours are every other of its points.
            assert [line.y.tolist() for line in lines] == [y[0::2].tolist(), y[1::2].tolist()]
        elif folder.name == "losses_top1_top5" and chart < 4:
            # The old tool takes output #0 for the accuracy and #1 for the loss, here the other way round.
            other = {
                line.name: line.y.tolist()
                for line in chart_lines((chart + 2) % 4, as_logs(folder / f"{folder.name}.log"))
            }
            assert y.tolist() == other["loss1/loss" if chart < 2 else "loss1/top-1"]
        else:
            shown = slice(count) if theirs["error"] else slice(None)
            assert np.array_equal(lines[0].y[shown], y, equal_nan=True), folder.name
            # Where it stops the old tool had put some numbers beside the iterations of others.
            if not theirs["error"] or folder.name not in ("multistep", "snapshot_resume"):
                assert np.array_equal(lines[0].x[shown], x), folder.name
        drawn += not theirs["error"]
        stopped += bool(theirs["error"])
    assert (drawn, drawn + stopped) == (DRAWN[chart], 13)


@pytest.mark.parametrize("chart", range(8))
@pytest.mark.parametrize("style", ["light", "dark"])
def test_reference_charts_are_legible(reference: Path, chart: int, style: str):
    names = ["lenet_inv", "two_test_nets", "losses_top1_top5", "diverge_nan", "snapshot_resume", "multistep"]
    logs = [reference / "logs" / name / f"{name}.log" for name in names]
    for chosen in (*[[log] for log in logs], logs):
        figure = plot_training_log(chart, chosen, style=style, smooth=0.5)
        assert_legible(figure)
        assert to_hex(figure.get_facecolor()).upper() == get_theme(style).background


def readable_logs(folder: Path, pattern: str) -> list:
    logs = []
    for path in sorted(path for path in folder.glob(pattern) if path.suffix in (".log", ".txt")):
        try:
            logs.append(read_log(path))
        except FileError:
            continue
    return logs


@pytest.fixture(scope="module")
def all_logs(real: Path, reference: Path) -> list:
    """The logs at hand that have iterations."""
    return readable_logs(real / "logs", "*") + readable_logs(reference / "logs", "*/*.log")


@pytest.mark.parametrize("chart", range(8))
def test_charts_of_all_logs_are_legible(all_logs: list, chart: int):
    """Charts over seconds have another x axis than those over iterations: a third of them will do."""
    drawn = 0
    for log in all_logs[:: 3 if chart % 2 else 1]:
        try:
            figure = plot_training_log(chart, log)
        except CnnvizError as error:
            assert "nothing to plot as" in str(error)
            continue
        assert_legible(figure)
        drawn += 1
    assert len(all_logs) == 49 and drawn >= (12 if chart % 2 else 37)


@pytest.mark.parametrize("count", [2, 5, 12, 24])
@pytest.mark.parametrize("chart", [0, 7])
def test_charts_of_many_logs_are_legible(all_logs: list, chart: int, count: int):
    for chosen in (all_logs[:count], all_logs[-count:]):
        figure = plot_training_log(chart, chosen, smooth=0.5)
        assert_legible(figure)
        named = {text.get_gid() for text in figure.texts if (text.get_gid() or "").startswith("label-")}
        names = figure.legends[0].get_texts() if figure.legends else []
        shown = {line.get_gid() for line in figure.axes[0].lines if "series" in (line.get_gid() or "")}
        assert bool(named) != bool(names) or len(shown) == 1
        assert len(named) + len(names) == len(shown) or len(names) == 24 or len(shown) == 1


def test_every_finite_point_is_drawn_and_nan_is_a_gap():
    figure = plot_training_log(6, run([3, 2, "nan", "nan", 1.5, "inf", 1]))
    (curve,) = parts(figure, "series-0")
    assert np.array_equal(curve.get_xdata(), range(7))
    assert np.array_equal(curve.get_ydata(), [3, 2, np.nan, np.nan, 1.5, np.nan, 1], equal_nan=True)
    signs = [(line.get_xdata()[0], line.get_ydata()[0]) for line in parts(figure, "mark-not-finite")]
    assert signs == [(1, 2), (4, 1.5)]
    assert [t.get_text() for t in texts(figure) if t.get_gid() == "mark-text"] == [
        "nan from here",
        "inf from here",
    ]


def test_restart_never_runs_backwards():
    log = log_of("\n".join(f"Iteration {i}, loss = {5 - i / 10}" for i in [0, 10, 20, 30, 20, 30, 40]))
    figure = plot_training_log(6, log)
    drawn = []
    for line in parts(figure, "series-0"):
        keep = np.isfinite(line.get_ydata())
        x = np.array(line.get_xdata())[keep]
        assert (np.diff(x) > 0).all()
        drawn += x.tolist()
    assert set(drawn) == {0, 10, 20, 30, 40}
    assert len(parts(figure, "mark-restart")) == 1


def test_smoothing_is_bold_over_the_faint_curve():
    figure = plot_training_log(6, run([4, 2, 4, 2, 4]), smooth=0.5)
    raw, bold = parts(figure, "series-0")
    assert list(raw.get_ydata()) == [4, 2, 4, 2, 4]
    assert bold.get_linewidth() > raw.get_linewidth() and raw.get_alpha() < 1
    assert np.allclose(bold.get_ydata()[:2], [4, (0.25 * 4 + 0.5 * 2) / 0.75])


def test_smoothed_leaves_out_what_is_not_finite():
    y = smoothed(np.array([1.0, np.nan, 1.0, np.inf, 1.0]), 0.9)
    assert np.allclose(y[[0, 2, 4]], 1) and np.isnan(y[[1, 3]]).all()


def test_rate_steps_are_marked_and_smooth_policies_are_not():
    steps = run([5, 4, 3, 2, 1, 1], rates=[0.1, 0.1, 0.1, 0.01, 0.01, 0.01])
    (mark,) = [m for m in chart_lines(6, [steps])[0].marks if m.kind == "rate"]
    assert (mark.x, mark.text) == (3, "lr 0.1 → 0.01")
    falling = run([5, 4, 3, 2, 1, 1], rates=[0.1 / 2**i for i in range(6)])
    assert not [m for m in chart_lines(6, [falling])[0].marks if m.kind == "rate"]


def test_divergence_and_parting_are_marked_only_where_clear():
    def kinds(log):
        return {mark.kind for mark in chart_lines(6, [log])[0].marks}

    train = [2.0 - 0.08 * i for i in range(24)]
    rising = [2 - 0.15 * i if i < 10 else 0.5 + 0.05 * (i - 9) for i in range(24)]
    assert "best" in kinds(run(train, tests=rising))
    assert "best" not in kinds(run(train, tests=train))
    assert "diverges" in kinds(run([2, 1.5, 1.2, 3, 6, 20, 40, 87, 87, 87]))
    # Neither a lucky first number nor a noisy loss is divergence.
    assert "diverges" not in kinds(run([0.02, 0.3, 0.31, 0.29, 0.3, 0.33, 0.34, 0.35, 0.33, 0.36]))
    noise = np.random.default_rng(0).uniform(0.4, 6, 200)
    assert "diverges" not in kinds(run([0.8, *noise]))
    assert "diverges" not in kinds(run([2, 1.5, 1.2, 3, 1, 0.9, 0.8, 0.7, 0.7, 0.7]))


def test_marks_after_the_last_display_are_inside():
    log = log_of("Iteration 0, loss = 2\nIteration 20, loss = 1\nSnapshotting to a_iter_27.caffemodel")
    figure = plot_training_log(6, log)
    (sign,) = parts(figure, "mark-snapshot")
    assert sign.get_xdata()[0] == 27 < figure.axes[0].get_xlim()[1]


def test_chart_types_have_numbers_and_names():
    assert [chart_number(name) for name in chart_type_names()] == list(range(8))
    assert chart_number("6") == chart_number("Train_Loss") == 6
    with pytest.raises(CnnvizError) as error:
        chart_number(8)
    assert str(error.value) == (
        "unknown chart type '8', expected one of 0 test-accuracy, 1 test-accuracy-seconds, 2 test-loss, "
        "3 test-loss-seconds, 4 train-learning-rate, 5 train-learning-rate-seconds, 6 train-loss, "
        "7 train-loss-seconds."
    )


def test_no_stamps_no_seconds():
    reader = LogReader("bare.log")
    reader.feed(b"Iteration 1, loss = 2\nIteration 2, loss = 1\n")
    with pytest.raises(CnnvizError, match=r"bare\.log: its lines have no time stamps"):
        plot_training_log(7, reader.finish())


@pytest.mark.parametrize("smooth", [-0.1, 1, float("nan")])
def test_impossible_smoothing(smooth):
    with pytest.raises(CnnvizError, match="smooth is"):
        plot_training_log(6, run([2, 1]), smooth=smooth)


def test_line_of_a_chart_joins_its_segments():
    line = ChartLine(
        "a", "b", [(np.array([1.0]), np.array([2.0])), (np.array([0.0]), np.array([3.0]))], "Test loss"
    )
    assert line.x.tolist() == [1, 0] and line.y.tolist() == [2, 3]


def test_noise_is_drawn_thin_and_in_the_background():
    smooth, noisy = run([3 - 0.005 * i for i in range(300)]), run([1, 2] * 150, path="noise.log")
    figure = plot_training_log(6, [noisy, smooth])
    (thin,), (bold,) = parts(figure, "series-0"), parts(figure, "series-1")
    assert thin.get_linewidth() < 1 < bold.get_linewidth() and thin.get_zorder() < bold.get_zorder()


def test_snapshots_are_marked_for_one_log_alone():
    rows = "Iteration 0, loss = 2\nIteration 20, loss = 1\nSnapshotting to a_iter_20.caffemodel"
    logs = [log_of(rows, path) for path in ("a.log", "b.log")]
    figure = plot_training_log(6, logs)
    assert not parts(figure, "mark-snapshot") and not [t for t in texts(figure) if "snapshot" in t.get_text()]
    key = next(text for text in texts(plot_training_log(6, logs[0])) if text.get_gid() == "key")
    assert key.get_text() == "▲ snapshot"


def test_a_sign_before_the_first_point_stands_on_the_first_point():
    tests = [0.1] + [1 + 0.02 * i for i in range(23)]
    log = run([2.0 - 0.08 * i for i in range(24)], tests=tests)
    (sign,) = parts(plot_training_log(7, log), "mark-best")
    assert sign.get_ydata()[0] == 2


def test_signs_and_labels_stand_on_the_smoothed_curve():
    logs = [run([4, 2] * 6, rates=[0.1] * 6 + [0.01] * 6, path=f"{name}.log") for name in "ab"]
    figure = plot_training_log(6, logs, smooth=0.9)
    bold = parts(figure, "series-0")[1].get_ydata()
    assert parts(figure, "mark-rate")[0].get_ydata()[0] == bold[6]
    (label,) = [text for text in figure.texts if text.get_gid() == "label-0"]
    assert label.get_text() == f"a\u2002{bold[-1]:.4g}"


def test_characters_of_all_scripts_are_measured_in_a_font_that_has_them():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_training_log(6, run([3, 2]), title="Потеря при обучении")


def test_a_long_log_takes_little_memory():
    log = TrainingLog("long.log")
    count = 300_000
    numbers = np.arange(count, dtype=float)
    log.segments[0].loss.extend(numbers, numbers, 2.3 / (1 + numbers / 5000))
    log.segments[0].rate.extend(numbers, numbers, np.full(count, 0.01))
    plot_training_log(6, run([1, 2]))  # what is loaded once
    tracemalloc.start()
    figure = plot_training_log(7, log)
    training_page(chart_lines(6, [log]), ChartOptions(6, title=""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6  # the three columns are 7.2 MB
    (curve,) = parts(figure, "series-0")
    assert 1000 < len(curve.get_xdata()) <= 20_000 and curve.get_xdata()[-1] == count - 1


@pytest.mark.parametrize(
    "losses, x, text",
    [
        ([2.3] + [87.3365] * 20, 20, "diverges: 87.3365 is −log(FLT_MIN)"),
        ([87.3365, 87.3365], 0, "diverges: 87.3365 is −log(FLT_MIN)"),
        ([2.3] + [50.0] * 20, 20, "diverges"),
    ],
)
def test_divergence_from_the_first_display_on(losses, x, text):
    log = log_of("".join(f"Iteration {20 * i}, loss = {loss}\n" for i, loss in enumerate(losses)))
    marks = [mark for mark in chart_lines(6, [log])[0].marks if mark.kind == "diverges"]
    assert [(mark.x, mark.text) for mark in marks] == [(x, text)]


def test_logs_without_a_curve_are_named(caplog):
    tested = log_of("Iteration 0, Testing net (#0)\nTest net output #0: accuracy = 0.5\n")
    chart_lines(0, [tested, run([1, 2])])
    assert "1 of 2 logs have no test accuracy and are omitted: run" in caplog.text


def test_marks_of_one_kind_are_few_and_counted():
    marks = chart_lines(6, [run([1.0, math.nan] * 500)])[0].marks
    assert len(marks) == 100 and marks[-1].text == "nan from here (and 400 more)"


def test_a_restart_and_a_rising_loss_have_signs_of_their_own():
    assert len({KEY[kind][0] for kind in ("restart", "best")}) == 2
