"""cnnviz plot"""

from __future__ import annotations

from collections.abc import Iterator

import click

from cnnviz.cli._options import FILE, dpi_option, form_options, style_option
from cnnviz.cli._output import format_option, output

SECTION = "Look"


@click.command()
@click.argument("chart_type")
@click.argument("files", type=FILE, nargs=-1, required=True, metavar="OUT LOG...")
@click.option(
    "--out", type=FILE, metavar="FILE", help="OUT: the chart to write; then all arguments are logs."
)
@style_option
@dpi_option
@format_option("svg", "png", "pdf", "jpg", "webp", "html", "csv", "json")
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
@form_options(
    "Also print the log, name, x and y of each curve as JSON.",
    "Also print the points of the curves as CSV.",
)
@click.option(
    "--follow", is_flag=True, help="Redraw whenever a log grows, until the training ends or Ctrl-C."
)
def command(
    chart_type: str,
    files: tuple[str, ...],
    out: str | None,
    form: str | None,
    follow: bool,
    stdout_format: str | None,
    **options,
) -> None:
    """Draw a chart of training logs.

    CHART_TYPE is a number or a name: 0 test-accuracy, 2 test-loss, 4 train-learning-rate, 6 train-loss, each
    over iterations; 1, 3, 5, 7 (the names with -seconds appended) over seconds. The extension of OUT selects
    the format: .png, .svg, .pdf, .jpg, .webp, .html (interactive), or .csv and .json for all values of the
    logs. LOG is what the solver of any Caffe prints on stderr. For either, "-" is standard input or output.

    \b
    Example:
      cnnviz plot 6 loss.png run.log
      cnnviz plot test-accuracy accuracy.html first.log second.log
      cnnviz plot 6 loss.png run.log --smooth 0.9 --style dark --follow
      caffe train -solver solver.prototxt 2>&1 | tee run.log | cnnviz plot 6 loss.png -
    """
    from cnnviz.analysis.training import chart_number
    from cnnviz.api.training import curves_text, follow_logs, write_chart
    from cnnviz.formats.training_log import read_log

    logs = files if out else files[1:]
    out = out or files[0]
    _check(out, logs, follow, form)
    number = chart_number(chart_type)
    options["outputs"] = options["outputs"] or None
    if follow:
        _say_each(out, follow_logs(number, logs, out, **options))
        return
    read = [read_log(log) for log in logs]
    with output(out, stdout_format, announced=form is None) as path:
        write_chart(number, read, path, **options)
    if form is not None:
        click.echo(curves_text(number, read, form, options["outputs"]), nl=form == "json")


def _say_each(out: str, written: Iterator[None]) -> None:
    try:
        for _ in written:
            click.echo(f"Wrote {out}", err=True)
    except KeyboardInterrupt:
        click.echo("Stopped following.", err=True)


def _check(out: str, logs: tuple[str, ...], follow: bool, form: str | None) -> None:
    if not logs:
        raise click.UsageError("Missing argument 'LOG...'.")
    if follow and "-" in logs:
        raise click.UsageError("Give --follow the path of a log; standard input cannot be followed.")
    if follow and out == "-":
        raise click.UsageError("Give OUT a file to follow a log; standard output takes one chart.")
    if form is not None and out == "-":
        raise click.UsageError("Give OUT a file; --json and --csv print to standard output.")
