"""The page's section of training curves."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.analysis.training import chart_lines, chart_name
from cnnviz.errors import CnnvizError
from cnnviz.formats.training_log import TrainingLog
from cnnviz.plots.common.html import text
from cnnviz.plots.training.to_html import training_svg

# Train loss, test loss, test accuracy and learning rate, each against iterations.
CHART_TYPES = (6, 2, 0, 4)


def chart_cards(logs: Sequence[TrainingLog]) -> str:
    """Returns the charts that the logs have the numbers for."""
    charts = []
    for kind in CHART_TYPES:
        try:
            svg = training_svg(kind, logs)
        except CnnvizError:  # a log without tests has no test charts
            continue
        # The picture's own title is its axes; the words for those who do not see it are these.
        svg = svg.replace('role="img"', f'role="img" aria-label="{text(_words(kind, logs))}"', 1)
        # Charts hold text, which a narrow page would make too small: they scroll sideways there.
        charts.append(
            f'<div class="card"><div class="body scroll" tabindex="0" role="region" '
            f'aria-label="{text(chart_name(kind))}">{svg}</div></div>'
        )
    return f'<div class="charts">{"".join(charts)}</div>'


def best_accuracy(logs: Sequence[TrainingLog]) -> float | None:
    """Returns the best test accuracy in any of the logs, None if there is none."""
    try:
        lines = chart_lines(0, list(logs), None)
    except CnnvizError:
        return None
    return max((float(v) for line in lines for v in line.y if 0 <= v <= 1), default=None)


def _words(kind: int, logs: Sequence[TrainingLog]) -> str:
    """What a chart shows: its name, and where each curve begins and ends."""
    curves = [
        f"{line.name} from {float(line.y[0]):.4g} to {float(line.y[-1]):.4g}"
        for line in chart_lines(kind, list(logs), None)
        if line.segments
    ]
    return f"{chart_name(kind)}: {'; '.join(curves)}"
