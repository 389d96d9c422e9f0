"""Charts of training logs: from files to figures, pages, tables, and charts of logs that still grow."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnnviz.analysis.training import chart_lines, chart_number, lines_csv, lines_json
from cnnviz.errors import CnnvizError
from cnnviz.formats.files import write_text
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.formats.log_follower import LogFollower
from cnnviz.formats.log_tables import logs_csv, logs_json
from cnnviz.formats.training_log import read_log
from cnnviz.plots.training.options import ChartOptions

if TYPE_CHECKING:
    from cnnviz.plots.common.figure import Figure

Logs = TrainingLog | str | os.PathLike | Iterable


def plot_training_log(
    chart_type: int | str,
    logs: Logs,
    path: str | os.PathLike | None = None,
    *,
    style: str = "light",
    smooth: float = 0.0,
    log_scale: bool | None = None,
    full_range: bool = False,
    outputs: Sequence[str] | None = None,
    title: str | None = None,
    dpi: float = 150,
) -> Figure:
    """Draws a chart of training logs and, where ``path`` is given, writes it there.

    Args:
        chart_type: 0 Test accuracy vs. Iters, 1 vs. Seconds, 2 Test loss vs. Iters, 3 vs. Seconds,
            4 Train learning rate vs. Iters, 5 vs. Seconds, 6 Train loss vs. Iters, 7 vs. Seconds;
            or a name such as "train-loss" or "test-accuracy-seconds".
        logs: one or several, as paths or as TrainingLogs from read_log.
        path: figure to write, its format by suffix; ".html" writes an interactive page.
        style: "light" or "dark".
        smooth: weight of the past in an exponential moving average, 0 (none) up to below 1; the curve as
            it is stays visible in the background.
        log_scale: logarithmic y axis; None chooses it for losses and rates that span a factor of 50.
        full_range: show all points; otherwise a few that are so far from all others that these would make
            a flat line lie outside, with a marker at the edge and their number in the subtitle.
        outputs: names of net outputs to show instead of those that fit the chart type.
        title: heading; None takes the chart type's name.
        dpi: pixels per inch of pixel formats; the figure is 8 by 4.5 inches or a little higher.
    Raises: CnnvizError for an unknown chart type or nothing to plot, FileError for a log that cannot be
        read or a path that cannot be written.
    """
    from cnnviz.api.figures import save_figure  # here, as tables of logs need no matplotlib
    from cnnviz.plots.training.chart import draw_chart
    from cnnviz.plots.training.to_html import training_page

    options = ChartOptions(chart_number(chart_type), style, smooth, log_scale, full_range, title)
    lines = chart_lines(options.number, as_logs(logs), outputs)
    figure = draw_chart(lines, options)
    if path is None:
        return figure
    if Path(path).suffix.lower() in (".html", ".htm"):
        write_text(path, training_page(lines, options))
    else:
        save_figure(figure, path, dpi, title=options.heading(lines))
    return figure


def as_logs(logs: Logs) -> list[TrainingLog]:
    """Returns ``logs`` (one or several, as paths or TrainingLogs) as TrainingLogs, read where needed."""
    if isinstance(logs, (TrainingLog, str, os.PathLike)):
        logs = [logs]
    read = [log if isinstance(log, TrainingLog) else read_log(log) for log in logs]
    read = [rank for log in read for rank in log.ranks]
    if not read:
        raise CnnvizError("no log to plot; expected at least one.")
    return read


def write_chart(chart_type: int | str, logs: Logs, path: str | os.PathLike, **options: Any) -> None:
    """Writes what the suffix of ``path`` asks for: .csv and .json get all values of ``logs``, others a chart.

    Args: as for plot_training_log.
    """
    suffix = Path(path).suffix.lower()
    if suffix in (".csv", ".json"):
        write_text(path, (logs_csv if suffix == ".csv" else logs_json)(as_logs(logs)))
    else:
        plot_training_log(chart_type, logs, path, **options)


def curves_text(chart_type: int | str, logs: Logs, form: str, outputs: Sequence[str] | None = None) -> str:
    """Returns the curves that a chart shows, as text in the ``form`` "json" or "csv"."""
    lines = chart_lines(chart_number(chart_type), as_logs(logs), outputs)
    return lines_json(lines) if form == "json" else lines_csv(lines)


def follow_logs(
    chart_type: int | str,
    logs: Sequence[str | os.PathLike],
    path: str | os.PathLike,
    *,
    outputs: Sequence[str] | None = None,
    pause: float = 1.0,
    **options: Any,
) -> Iterator[None]:
    """Writes a chart whenever one of ``logs`` has grown, and yields each time; ends when all are done.

    Waits while there is nothing to show yet.

    Args:
        path, outputs, options: as for write_chart.
        pause: seconds between two readings of the logs.
    Raises: FileError for a log that cannot be read, CnnvizError for an unknown chart type.
    """
    number = chart_number(chart_type)
    followers = [LogFollower(log) for log in logs]
    while True:
        grown = [follower.update() for follower in followers]
        read = [follower.log for follower in followers]
        if any(grown) and _has_curves(number, read, outputs):
            write_chart(number, read, path, outputs=outputs, **options)
            yield
        if all(follower.done for follower in followers):
            return
        time.sleep(pause)


def _has_curves(number: int, logs: Sequence[TrainingLog], outputs: Sequence[str] | None) -> bool:
    try:
        return bool(chart_lines(number, logs, outputs))
    except CnnvizError:
        return False
