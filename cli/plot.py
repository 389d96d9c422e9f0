"""cnnviz plot"""

from __future__ import annotations

import time
from pathlib import Path

import click

from cnnviz.cli._options import chosen_form, dpi_option, style_option
from cnnviz.cli._progress import say

SECTION = "Look"


@click.command()
@click.argument("chart_type")
@click.argument("out")
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@style_option
@dpi_option
@click.option(
    "--smooth",
    type=float,
    default=0.0,
    show_default=True,
    help="Weight of past values in a moving average, from 0 to below 1.",
)
@click.option(
    "--log-axis/--linear-axis",
    "log_scale",
    default=None,
    help="Scale of the y axis. Default: logarithmic when values span a wide range.",
)
@click.option("--full-range", is_flag=True, help="Show every point, outliers too.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="NAME",
    help="Net output to show instead of the default ones; may be repeated.",
)
@click.option("--title", help="Title instead of the name of the chart type.")
@click.option(
    "--json", "as_json", is_flag=True, help="Also print the log, name, x and y of each curve as JSON."
)
@click.option("--csv", "as_csv", is_flag=True, help="Also print the points of the curves as CSV.")
@click.option(
    "--follow", is_flag=True, help="Redraw whenever a log grows, until the training ends or Ctrl-C."
)
def command(
    chart_type: str,
    out: str,
    logs: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    follow: bool,
    outputs: tuple,
    **options,
) -> None:
    """Draw a chart of training logs.

    CHART_TYPE is a number or a name: 0 test-accuracy, 2 test-loss, 4 train-learning-rate, 6 train-loss, each
    over iterations; 1, 3, 5, 7 (the names with -seconds appended) over seconds. The extension of OUT selects
    the format: .png, .svg, .pdf, .jpg, .webp, .html (interactive), or .csv and .json for all values of the
    logs. LOG is what the solver of any Caffe prints on stderr; "-" is standard input.

    \b
    Example:
      cnnviz plot 6 loss.png run.log
      cnnviz plot test-accuracy accuracy.html first.log second.log
      cnnviz plot 6 loss.png run.log --smooth 0.9 --style dark --follow
    """
    from cnnviz.analysis.training import chart_number
    from cnnviz.errors import CnnvizError
    from cnnviz.formats.training_log import read_log

    form = chosen_form(as_json, as_csv)
    number = chart_number(chart_type)
    options["outputs"] = outputs or None
    if follow:
        if "-" in logs:
            raise CnnvizError("-: the standard input cannot be followed, wanted the path of a log that grows")
        _follow(number, out, logs, options)
        return
    read = [read_log(log) for log in logs]
    _write(number, out, read, options)
    if form is not None:
        _print_curves(number, read, options["outputs"], form)
    else:
        say(f"Wrote {out}")


def _write(number: int, out: str, logs: list, options: dict) -> None:
    from cnnviz.analysis.training import as_logs
    from cnnviz.formats.files import write_text
    from cnnviz.formats.log_tables import logs_csv, logs_json
    from cnnviz.plots.training.chart import plot_training_log

    suffix = Path(out).suffix.lower()
    if suffix in (".csv", ".json"):
        ranks = as_logs(logs)
        write_text(out, logs_csv(ranks) if suffix == ".csv" else logs_json(ranks))
    else:
        plot_training_log(number, logs, out, **options)


def _print_curves(number: int, logs: list, outputs: tuple | None, form: str) -> None:
    from cnnviz.analysis.training import as_logs, chart_lines, lines_csv, lines_json

    lines = chart_lines(number, as_logs(logs), outputs)
    click.echo(lines_json(lines) if form == "json" else lines_csv(lines), nl=form == "json")


def _follow(number: int, out: str, logs: tuple[str, ...], options: dict, pause: float = 1.0) -> None:
    """Draws whenever a log has grown; a chart that has nothing to show yet is waited for."""
    from cnnviz.formats.training_log import LogFollower

    followers = [LogFollower(log) for log in logs]
    try:
        while True:
            grown = [follower.update() for follower in followers]
            if any(grown) and _has_curves(number, followers, options["outputs"]):
                _write(number, out, [follower.log for follower in followers], options)
                click.echo(f"Wrote {out}", err=True)
            if all(follower.done for follower in followers):
                return
            time.sleep(pause)
    except KeyboardInterrupt:
        click.echo("Stopped following.", err=True)


def _has_curves(number: int, followers: list, outputs: tuple | None) -> bool:
    from cnnviz.analysis.training import chart_lines
    from cnnviz.errors import CnnvizError

    try:
        return bool(chart_lines(number, [follower.log for follower in followers], outputs))
    except CnnvizError:
        return False
