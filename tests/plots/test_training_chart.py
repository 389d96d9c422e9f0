"""Training charts: the numbers of Caffe's own tool, and what the figure's artists say."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import tracemalloc
import warnings
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.lines import Line2D
from matplotlib.text import Text

from cnnviz.analysis.curves import is_accuracy, is_loss, smoothed, thinned
from cnnviz.analysis.training import (
    ChartLine,
    chart_lines,
    chart_number,
    chart_type_names,
    lines_csv,
    lines_json,
)
from cnnviz.api.figures import save_figure
from cnnviz.api.training import as_logs, plot_training_log
from cnnviz.errors import CnnvizError, FileError
from cnnviz.formats.log_curves import Curve, TrainingLog
from cnnviz.formats.training_log import LogReader, read_log
from cnnviz.plots.common.figure import new_figure
from cnnviz.plots.common.kinds import kind_of
from cnnviz.plots.common.theme import FORMATS, KIND_COLORS, get_theme
from cnnviz.plots.training.marks import KEY
from cnnviz.plots.training.options import ChartOptions
from cnnviz.plots.training.to_html import training_page, training_svg


def log_of(rows: str, path: str = "run.log"):
    """A log of messages, one a second."""
    reader = LogReader(path)
    for i, row in enumerate(["Solving Net", *rows.strip().splitlines()]):
        reader.feed(f"I1121 02:{i // 60:02d}:{i % 60:02d}.000000 7 solver.cpp:1] {row.strip()}\n".encode())
    return reader.finish()


def run(losses, rates=None, path="run.log", tests=None):
    """A log with a display at each iteration, and a test before it where ``tests`` are given."""
    rows = []
    for i, loss in enumerate(losses):
        if tests is not None:
            rows += [
                f"Iteration {i}, Testing net (#0)",
                f"    Test net output #0: loss = {tests[i]} (* 1 = 1 loss)",
            ]
        rows += [f"Iteration {i}, loss = {loss}", f"Iteration {i}, lr = {rates[i] if rates else 0.01}"]
    return log_of("\n".join(rows), path)


def parts(figure, gid: str) -> list[Line2D]:
    return [line for line in figure.axes[0].lines if line.get_gid() == gid]


def texts(figure) -> list[Text]:
    figure.canvas.draw()
    shown = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    ends = [axis.get_view_interval() for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis)]
    hidden = {
        tick.label1
        for axis, (low, high) in zip((figure.axes[0].xaxis, figure.axes[0].yaxis), ends, strict=True)
        for tick in axis.get_major_ticks()
        if not low <= tick.get_loc() <= high
    }
    return [text for text in shown if text not in hidden]


def assert_legible(figure) -> None:
    """No text leaves the figure, none lies over another, none over a curve."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    frame = figure.bbox
    for words, box in boxes:
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= frame.x1 + 1 and box.y1 <= frame.y1 + 1, words
    for i, (words, box) in enumerate(boxes):
        for other_words, other in boxes[i + 1 :]:
            width = min(box.x1, other.x1) - max(box.x0, other.x0)
            height = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert width < 1 or height < 1.5, (words, other_words)
    area = figure.axes[0].get_window_extent()
    for words, box in boxes:
        inside = (
            box.x1 > area.x0 + 1 and box.x0 < area.x1 - 1 and box.y1 > area.y0 + 1 and box.y0 < area.y1 - 1
        )
        assert not inside, f"{words} lies over the axes"


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


def test_log_axis():
    wide = run([100, 10, 1, 0.5])
    narrow = run([2, 1.5, 1, 0.8])
    assert plot_training_log(6, wide).axes[0].get_yscale() == "log"
    assert plot_training_log(6, narrow).axes[0].get_yscale() == "linear"
    assert plot_training_log(6, wide, log_scale=False).axes[0].get_yscale() == "linear"
    assert plot_training_log(6, narrow, log_scale=True).axes[0].get_yscale() == "log"


def test_colours_follow_the_order_of_the_logs():
    first, second = run([3, 2], path="a.log"), run([3, 1], path="b.log")
    figure = plot_training_log(6, [first, second])
    colors = [to_hex(parts(figure, f"series-{i}")[0].get_color()).upper() for i in (0, 1)]
    assert colors == list(get_theme("light").series[:2])
    labels = [t.get_text().split()[0] for t in texts(figure) if (t.get_gid() or "").startswith("label")]
    assert sorted(labels) == ["a", "b"]


def test_many_curves_get_a_legend_below():
    rows = ["Iteration 0, Testing net (#0)"]
    rows += [f"Test net output #{i}: accuracy_of_class_{i} = 0.{i}" for i in range(10, 50)]
    figure = plot_training_log(0, log_of("\n".join(rows)))
    (legend,) = figure.legends
    assert legend.get_texts()[-1].get_text() == "and 17 more"
    assert_legible(figure)


@pytest.mark.filterwarnings("error:Glyph")
def test_names_are_no_formulas_and_may_be_long_or_chinese():
    odd = [
        run([3, 2], path=name)
        for name in ("$x_1$.log", "a$b.log", "_private.log", "训练.log", "w" * 300 + ".log")
    ]
    figure = plot_training_log(6, odd)
    assert_legible(figure)
    shown = "\n".join(t.get_text() for t in texts(figure))
    assert all(name in shown for name in ("$x_1$", "a$b", "_private", "训练"))


def test_same_names_are_distinguished():
    logs = [run([3, 2], path=f"/runs/{folder}/train.log") for folder in ("first", "second")]
    assert [line.log for line in chart_lines(6, logs)] == ["first/train", "second/train"]


@pytest.mark.parametrize(
    "name, accuracy, loss",
    [
        ("accuracy", True, False), ("Accuracy", True, False), ("loss3/top-5", True, False),
        ("accuracy/top1", True, False), ("detection_eval", True, False), ("mAP", True, False),
        ("loss1/loss", False, True), ("mbox_loss", False, True), ("accuracy_loss", False, True),
        ("reshape-label", False, False), ("score #0", True, False), ("score #1", False, True),
    ],
)  # fmt: skip
def test_outputs_are_known_by_name(name, accuracy, loss):
    assert (is_accuracy(Curve(name)), is_loss(Curve(name))) == (accuracy, loss)


def test_a_loss_weight_makes_a_loss():
    assert is_loss(Curve("fc8_sm", is_loss=True)) and not is_accuracy(Curve("top-1", is_loss=True))


def test_output_option():
    rows = "Iteration 0, Testing net (#0)\nTest net output #0: a = 0.5\nTest net output #1: b = 0.7"
    log = log_of(rows)
    assert [line.name for line in chart_lines(0, [log], ["b"])] == ["b"]
    with pytest.raises(CnnvizError, match=r"run\.log: no test output 'c': the test outputs are a, b"):
        chart_lines(0, [log], ["c"])
    with pytest.raises(
        CnnvizError, match=r"nothing to plot as test accuracy: .* a, b; name one with --output"
    ):
        chart_lines(0, [log])


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


def test_json_and_csv_of_curves():
    log = log_of("Iteration 0, loss = 2\nIteration 10, loss = nan\nIteration 0, loss = 3")
    lines = chart_lines(6, [log])
    (curve,) = json.loads(lines_json(lines))
    assert curve == {"log": "run", "name": "loss", "x": [0, 10, 0], "y": [2, "nan", 3], "segments": [0, 2]}
    assert lines_csv(lines).splitlines()[1:] == ["run,loss,0,0,2", "run,loss,0,10,nan", "run,loss,1,0,3"]


def test_thinning_keeps_peaks_and_gaps():
    x = np.arange(100_000.0)
    y = np.sin(x / 1000)
    y[777], y[50_000] = 99, np.nan
    few_x, few_y = thinned(x, y, 3000)
    assert len(few_x) <= 3002 and 99 in few_y and 50_000 in few_x and (np.diff(few_x) > 0).all()


@pytest.mark.parametrize("suffix", FORMATS)
def test_same_figure_same_bytes(tmp_path, suffix):
    paths = [tmp_path / f"{name}.{suffix}" for name in "ab"]
    for path in paths:
        plot_training_log(6, run([3, 2, 1]), path)
    first, second = (path.read_bytes() for path in paths)
    assert first == second and len(first) > 1000


def test_svg_keeps_text_and_escapes_it(tmp_path):
    plot_training_log(6, run([3, 2]), tmp_path / "a.svg", title="<b>loss & more")
    text = (tmp_path / "a.svg").read_text()
    assert "&lt;b&gt;loss &amp; more" in text and "<b>" not in text


def test_control_characters_do_not_break_svg(tmp_path):
    log = log_of("Iteration 0, Testing net (#0)\nTest net output #0: acc\x01 = 0.5", path="a\x02.log")
    plot_training_log(0, log, tmp_path / "a.svg", title="b\x03")
    text = (tmp_path / "a.svg").read_text()
    ElementTree.fromstring(text)
    assert "a\ufffd" in text and "b\ufffd" in text


@pytest.mark.parametrize(
    "losses",
    [
        ["nan"] * 3,
        ["inf", "-inf"],
        [1e308, 1, -1e308],
        [1e-320, 0, 0],
        [0, 0, 0],
        [-3, -2, -1],
        [3.4e38, 1e-45],
        [7],
    ],
)
@pytest.mark.parametrize("log_scale", [None, True, False])
def test_absurd_numbers_still_make_a_chart(losses, log_scale):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_legible(plot_training_log(6, run(losses), log_scale=log_scale))


def test_unknown_format_and_unwritable_path(tmp_path):
    with pytest.raises(FileError, match=r"a\.pgn: unknown file format '\.pgn', expected one of \.png"):
        plot_training_log(6, run([3, 2]), tmp_path / "a.pgn")
    with pytest.raises(FileError, match=r"cannot be written: there is no folder .*; make it first\.$"):
        plot_training_log(6, run([3, 2]), tmp_path / "no" / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_dots_per_inch(tmp_path):
    from PIL import Image

    plot_training_log(6, run([3, 2]), tmp_path / "a.png", dpi=50)
    assert Image.open(tmp_path / "a.png").size[0] == 400
    with pytest.raises(CnnvizError, match="dpi is 1, expected 10 to 2400"):
        plot_training_log(6, run([3, 2]), tmp_path / "a.png", dpi=1)


def test_characters_that_no_font_has_are_warned_of_once(tmp_path):
    figure = new_figure(2, 1, get_theme())
    figure.text(0, 0, "\U00012000 \U00012001")
    with pytest.warns(UserWarning, match="no installed font has the letters") as caught:
        save_figure(figure, tmp_path / "a.png")
    assert len(caught) == 1


def test_unknown_style():
    with pytest.raises(
        CnnvizError, match="unknown style 'drak', expected 'light' or 'dark'; did you mean 'dark'"
    ):
        get_theme("drak")


@pytest.mark.parametrize(
    "type, kind",
    [
        ("Convolution", "convolution"), ("CONVOLUTION", "convolution"), ("Convolution3D", "convolution"),
        ("Pooling", "pooling"), ("ROIPooling", "pooling"), ("PReLU", "activation"), ("Dropout", "activation"),
        ("BatchNorm", "normalization"), ("Scale", "normalization"), ("INNER_PRODUCT", "inner product"),
        ("LSTM", "recurrent"), ("SoftmaxWithLoss", "loss"), ("SmoothL1LossOHEM", "loss"), ("TOPK", "loss"),
        ("Softmax", "activation"), ("Eltwise", "arithmetic"), ("Concat", "shape"), ("AnnotatedData", "data"),
        ("DetectionOutput", "other"), ("Frobnicate", "other"),
    ],
)  # fmt: skip
def test_kinds_of_layers(type, kind):
    assert kind_of(type) == kind and kind in KIND_COLORS


def test_every_caffe_layer_has_a_kind(reference: Path):
    types = [folder.name for folder in (reference / "layers").iterdir() if folder.is_dir()]
    assert len(types) > 40
    assert [name for name in types if kind_of(name) == "other"] == []


def test_page_is_self_contained_and_escaped(tmp_path):
    odd = run([3, "nan", 2], path="</script><img src=x onerror=alert(1)>.log")
    plot_training_log(6, [odd, run([1, 2], path="b.log")], tmp_path / "a.html", title="a <i>b</i>")
    page = (tmp_path / "a.html").read_text()
    assert "<img" not in page and "<i>b" not in page and page.count("</script>") == 2
    assert "http" not in page.replace("http://www.w3.org/", "").replace("http-equiv", "")
    data = json.loads(page.split('id="data">')[1].split("</script>")[0])
    assert data["series"][0]["y"] == [3, None, 2]
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(ids) == len(set(ids))


def test_page_reads_out_and_switches_off(tmp_path):
    browser = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no browser")
    path = tmp_path / "a.html"
    plot_training_log(6, [run([3, 2, 1]), run([4, "nan", 2], path="b.log")], path)
    keys = "".join(
        f"svg.dispatchEvent(new KeyboardEvent('keydown', {{key: '{key}'}}));"
        for key in ("Home", "ArrowRight")
    )
    act = f"const svg = document.querySelector('svg.chart'); document.querySelector('button').click(); {keys}"
    page = path.read_text().replace("Content-Security-Policy", "off")  # it would stop what is added
    path.write_text(page.replace("</body>", f"<script>{{{act}}}</script></body>"))
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--dump-dom",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             f"--user-data-dir={tmp_path / 'profile'}"]  # fmt: skip
    done = subprocess.run([browser, *flags, path.as_uri()], capture_output=True, text=True, timeout=60)
    box = done.stdout.split('id="readout"')[1].split("</figure>")[0]
    assert "Iters 1<div><i" in box and "></i>b: not a number</div>" in box and "run" not in box
    assert '<button type="button" aria-pressed="false" data-series="0">' in done.stdout
    assert 'class="series off" data-series="0"' in done.stdout


def svg_of(logs, style: str = "auto") -> str:
    return training_svg(chart_lines(6, logs), ChartOptions(6, style))


def test_svg_for_pages_follows_the_viewer():
    svg = svg_of([run([3, 2])])
    assert svg.startswith("<svg") and "prefers-color-scheme:dark" in svg
    assert "stroke: var(--series0)" in svg
    assert "prefers-color-scheme" not in svg_of([run([3, 2])], "dark")


def test_line_of_a_chart_joins_its_segments():
    line = ChartLine(
        "a", "b", [(np.array([1.0]), np.array([2.0])), (np.array([0.0]), np.array([3.0]))], "Test loss"
    )
    assert line.x.tolist() == [1, 0] and line.y.tolist() == [2, 3]


def test_the_chart_of_chosen_outputs_is_named_after_them():
    log = run([3, 2, 1], tests=[3, 2, 1])
    for outputs, quantity in ((["loss"], "Test loss"), (["loss", "loss"], "Test outputs")):
        figure = plot_training_log(0, log, outputs=outputs)
        assert figure.axes[0].get_ylabel() == quantity
        assert {text.get_gid(): text.get_text() for text in figure.texts}["title"] == f"{quantity} vs. Iters"


def test_a_single_point_has_the_only_tick():
    axes = plot_training_log(6, run([3])).axes[0]
    assert axes.get_xticks().tolist() == [0]


def test_long_names_stay_apart():
    names = [
        f"trained_by_some_lab__image_{task}_{data}_initial_train"
        for task, data in (("classification", "cifar10"), ("segmentation", "cityscapes20"))
    ]
    logs = [run([3, 2, 1]) for _ in range(3)]
    for log, name in zip(logs, [*names, "another"], strict=True):
        log.path = f"{name}.log"
    figure = plot_training_log(6, logs)
    labels = [text.get_text() for text in figure.texts if (text.get_gid() or "").startswith("label-")]
    assert len({label.split("\n")[0].split("  ")[0] for label in labels}) == 3


def test_steps_of_a_rate_are_no_glides():
    """The end of a polynomial policy falls faster and faster, then stays: no step was taken."""
    poly = [0.1 * (1 - i / 20) ** 2 for i in range(20)] + [0.00025] * 4
    assert not [m for m in chart_lines(6, [run([1] * 24, rates=poly)])[0].marks if m.kind == "rate"]
    twice = [0.1, 0.1, 0.01, 0.001, 0.001]
    marks = [m.x for m in chart_lines(6, [run([1] * 5, rates=twice)])[0].marks if m.kind == "rate"]
    assert marks == [2, 3]


def subtitle(figure) -> str:
    return {text.get_gid(): text.get_text() for text in figure.texts}["subtitle"]


def test_a_few_points_far_from_all_others_lie_outside_and_are_counted():
    losses = [2 + 0.01 * (i % 7) for i in range(40)]
    losses[10] = 90
    figure = plot_training_log(6, run(losses))
    assert figure.axes[0].get_ylim()[1] < 2.1
    (sign,) = parts(figure, "mark-above")
    assert sign.get_xdata()[0] == 10
    assert subtitle(figure) == "run · lowest 2 at 0 · 1 point above: 90 at 10"
    whole = plot_training_log(6, run(losses), full_range=True)
    assert whole.axes[0].get_ylim()[1] > 90 and not parts(whole, "mark-above")
    (curve,) = parts(figure, "series-0")
    assert max(curve.get_ydata()) == 90


@pytest.mark.parametrize(
    "losses",
    [
        [10 * 0.8**i for i in range(40)],  # falls steadily
        [5] * 20 + [1, 1.1] * 10,  # two levels
        [3] * 30 + [2],  # nothing else to see
        [1, 2, 1, 90],  # too few to decide
    ],
)
def test_other_curves_are_shown_whole(losses):
    figure = plot_training_log(6, run(losses))
    low, high = figure.axes[0].get_ylim()
    assert low < min(losses) and max(losses) < high and "point" not in subtitle(figure)


def test_no_log_lies_outside_a_chart_of_several():
    logs = [run([1 + 0.01 * (i % 5) for i in range(60)]), run([50, 51], path="b.log")]
    assert plot_training_log(6, logs).axes[0].get_ylim()[1] > 51


def test_long_times_are_given_in_minutes_and_hours():
    def log(seconds: int):
        rows = [(i, i * seconds // 10) for i in range(11)]
        text = "I1121 00:00:00.000000 7 solver.cpp:1] Solving Net\n"
        for i, s in rows:
            day, clock = 21 + s // 86400, f"{s // 3600 % 24:02d}:{s // 60 % 60:02d}:{s % 60:02d}"
            text += f"I11{day:02d} {clock}.000000 7 solver.cpp:1] Iteration {i}, loss = {20 - i}\n"
        reader = LogReader("run.log")
        reader.feed(text.encode())
        return reader.finish()

    for seconds, unit, name in (
        (500, 1, "Seconds"),
        (1500, 60, "Minutes"),
        (36000, 3600, "Hours"),
        (604800, 86400, "Days"),
    ):
        figure = plot_training_log(7, log(seconds))
        axes = figure.axes[0]
        assert axes.get_xlabel() == name
        assert {text.get_gid(): text.get_text() for text in figure.texts}["title"] == f"Train loss vs. {name}"
        assert parts(figure, "series-0")[0].get_xdata()[-1] == seconds
        shown = [tick for tick in axes.get_xticks() if 0 <= tick <= seconds]
        assert len(shown) >= 4
        for tick in shown:
            assert axes.xaxis.get_major_formatter()(tick) == f"{tick / unit:g}"
        assert f"lowest 10 at {seconds / unit:.3g} {name.lower()}" in subtitle(figure)


def ticks_of(figure) -> list[str]:
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    return [axes.yaxis.get_major_formatter()(tick) for tick in axes.get_yticks() if low <= tick <= high]


def test_ticks_of_small_and_negative_numbers():
    rates = [1e-4] * 5 + [1e-5] * 5
    assert ticks_of(plot_training_log(4, run([1] * 10, rates=rates)))[-2:] == ["8×10⁻⁵", "10⁻⁴"]
    assert ticks_of(plot_training_log(6, run([-3, -2, -1])))[0] == "−3"
    wide = ticks_of(plot_training_log(6, run([10.0**-i for i in range(8)])))
    assert wide[0] == "10⁻⁷" and wide[-1] == "10⁰"


@pytest.mark.parametrize("span", [1.2, 2, 5, 10, 30, 100, 1e4, 1e8, 1e30])
def test_log_axes_of_any_span_have_some_ticks_that_stand_apart(span):
    figure = plot_training_log(6, run([1, span / 2, span]), log_scale=True)
    assert 3 <= len(ticks_of(figure)) <= 13
    assert_legible(figure)


def test_a_rate_that_falls_smoothly_to_nothing_has_a_linear_axis():
    smooth = run([1] * 40, rates=[0.1 * (1 - i / 40.01) for i in range(40)])
    steps = run([1] * 40, rates=[0.1 * 0.1 ** (i // 10) for i in range(40)])
    assert plot_training_log(4, smooth).axes[0].get_yscale() == "linear"
    assert plot_training_log(4, steps).axes[0].get_yscale() == "log"


def test_a_number_that_never_changes_has_the_only_tick():
    figure = plot_training_log(4, run([1, 1, 1]))
    assert ticks_of(figure) == ["0.01"] and subtitle(figure) == "run · always 0.01"
    assert subtitle(plot_training_log(6, run([0.5]))) == "run · 0.5 at 0"


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


def test_lines_that_end_early_get_a_legend_with_their_last_numbers():
    short = [run([3, 2, 1 + i / 10], path=f"short{i}.log") for i in range(5)]
    figure = plot_training_log(6, [*short, run([3] * 40, path="long.log")])
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()][:2] == ["short0\u20021", "short1\u20021.1"]
    assert_legible(figure)


def test_a_curve_that_ends_as_nan_is_labelled_so():
    logs = [run([3, 2, "-nan"], path="bad.log"), run([3, 2, 1], path="good.log")]
    labels = [
        t.get_text() for t in plot_training_log(6, logs).texts if (t.get_gid() or "").startswith("label")
    ]
    assert labels == ["bad\u2002nan", "good\u20021"]


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


def test_a_long_title_keeps_its_beginning_and_a_long_name_its_end():
    figure = plot_training_log(6, run([3, 2], path="start" + "x" * 200 + "end.log"), title="Words " * 40)
    shown = {text.get_gid(): text.get_text() for text in figure.texts}
    assert shown["title"].startswith("Words Words") and shown["title"].endswith("…")
    assert shown["subtitle"].startswith("…") and "xend · lowest" in shown["subtitle"]
    assert_legible(figure)


def test_nothing_finite_has_no_ticks():
    assert ticks_of(plot_training_log(6, run(["nan"] * 3))) == []


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


def test_points_that_a_logarithmic_axis_cannot_show_are_counted():
    losses = [2.0, 1.0, 0.5, 0.0, -1.0, math.nan]
    assert subtitle(plot_training_log(6, run(losses), log_scale=True)).endswith(
        "2 points at or below 0 not shown"
    )
    assert "not shown" not in subtitle(plot_training_log(6, run(losses), log_scale=False))
    assert "not shown" not in subtitle(plot_training_log(6, run([2.0, 1.0]), log_scale=True))


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


def test_very_many_curves_are_counted_and_cut(caplog):
    rows = "".join(f"Train net output #{k}: label = {k % 2}\n" for k in range(5000))
    reader = LogReader("run.log")
    reader.feed("".join(f"Iteration {i}, loss = 1\n{rows}" for i in range(2)).encode())
    log = reader.finish()
    lines = chart_lines(6, [log], ["label"])
    assert len(lines) == 200
    assert "the first 200 of 5,000 curves are shown" in caplog.text
    with pytest.raises(CnnvizError, match=r"label\[0\], .* and 4,988 more") as error:
        chart_lines(6, [log], ["nothing"])
    assert len(str(error.value)) < 500


def test_logs_without_a_curve_are_named(caplog):
    tested = log_of("Iteration 0, Testing net (#0)\nTest net output #0: accuracy = 0.5\n")
    chart_lines(0, [tested, run([1, 2])])
    assert "1 of 2 logs have no test accuracy and are omitted: run" in caplog.text


def test_marks_of_one_kind_are_few_and_counted():
    marks = chart_lines(6, [run([1.0, math.nan] * 500)])[0].marks
    assert len(marks) == 100 and marks[-1].text == "nan from here (and 400 more)"


def test_a_restart_and_a_rising_loss_have_signs_of_their_own():
    assert len({KEY[kind][0] for kind in ("restart", "best")}) == 2
