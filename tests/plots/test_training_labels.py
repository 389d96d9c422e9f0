"""Names, colours and legends of the lines in training charts, and which outputs they show."""

from __future__ import annotations

import pytest
from matplotlib.colors import to_hex

from cnnviz.analysis.curves import is_accuracy, is_loss
from cnnviz.analysis.training import (
    chart_lines,
)
from cnnviz.api.training import plot_training_log
from cnnviz.errors import CnnvizError
from cnnviz.formats.log_curves import Curve
from cnnviz.formats.training_log import LogReader
from cnnviz.plots.common.theme import get_theme
from support.charts import assert_legible, log_of, parts, run, texts


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


def test_the_chart_of_chosen_outputs_is_named_after_them():
    log = run([3, 2, 1], tests=[3, 2, 1])
    for outputs, quantity in ((["loss"], "Test loss"), (["loss", "loss"], "Test outputs")):
        figure = plot_training_log(0, log, outputs=outputs)
        assert figure.axes[0].get_ylabel() == quantity
        assert {text.get_gid(): text.get_text() for text in figure.texts}["title"] == f"{quantity} vs. Iters"


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


def test_a_long_title_keeps_its_beginning_and_a_long_name_its_end():
    figure = plot_training_log(6, run([3, 2], path="start" + "x" * 200 + "end.log"), title="Words " * 40)
    shown = {text.get_gid(): text.get_text() for text in figure.texts}
    assert shown["title"].startswith("Words Words") and shown["title"].endswith("…")
    assert shown["subtitle"].startswith("…") and "xend · lowest" in shown["subtitle"]
    assert_legible(figure)


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
