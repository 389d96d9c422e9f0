"""Axes of training charts: their scale, their ticks, and what lies outside them."""

from __future__ import annotations

import math

import pytest

from cnnviz.analysis.training import (
    chart_lines,
)
from cnnviz.api.training import plot_training_log
from cnnviz.formats.training_log import LogReader
from support.charts import assert_legible, parts, run, subtitle


def test_log_axis():
    wide = run([100, 10, 1, 0.5])
    narrow = run([2, 1.5, 1, 0.8])
    assert plot_training_log(6, wide).axes[0].get_yscale() == "log"
    assert plot_training_log(6, narrow).axes[0].get_yscale() == "linear"
    assert plot_training_log(6, wide, log_scale=False).axes[0].get_yscale() == "linear"
    assert plot_training_log(6, narrow, log_scale=True).axes[0].get_yscale() == "log"


def test_a_single_point_has_the_only_tick():
    axes = plot_training_log(6, run([3])).axes[0]
    assert axes.get_xticks().tolist() == [0]


def test_steps_of_a_rate_are_no_glides():
    """The end of a polynomial policy falls faster and faster, then stays: no step was taken."""
    poly = [0.1 * (1 - i / 20) ** 2 for i in range(20)] + [0.00025] * 4
    assert not [m for m in chart_lines(6, [run([1] * 24, rates=poly)])[0].marks if m.kind == "rate"]
    twice = [0.1, 0.1, 0.01, 0.001, 0.001]
    marks = [m.x for m in chart_lines(6, [run([1] * 5, rates=twice)])[0].marks if m.kind == "rate"]
    assert marks == [2, 3]


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


def test_nothing_finite_has_no_ticks():
    assert ticks_of(plot_training_log(6, run(["nan"] * 3))) == []


def test_points_that_a_logarithmic_axis_cannot_show_are_counted():
    losses = [2.0, 1.0, 0.5, 0.0, -1.0, math.nan]
    assert subtitle(plot_training_log(6, run(losses), log_scale=True)).endswith(
        "2 points at or below 0 not shown"
    )
    assert "not shown" not in subtitle(plot_training_log(6, run(losses), log_scale=False))
    assert "not shown" not in subtitle(plot_training_log(6, run([2.0, 1.0]), log_scale=True))
