"""The page's section of training curves."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.analysis.training import ChartLine, chart_lines, chart_name
from cnnviz.errors import CnnvizError
from cnnviz.formats.log_curves import TrainingLog
from cnnviz.gallery.html import Anchors
from cnnviz.gallery.section import Facts, Links, Material, Section
from cnnviz.plots.common.html import escape
from cnnviz.plots.training.options import ChartOptions
from cnnviz.plots.training.to_html import training_svg

# Train loss, test loss, test accuracy and learning rate, each against iterations.
CHART_TYPES = (6, 2, 0, 4)


class TrainingSection(Section):
    """The charts for which the logs have values."""

    key, title, rank = "training", "Training", 4

    def __init__(self, material: Material, anchors: Anchors) -> None:
        self.logs = material.logs
        self.charts = {kind: lines for kind in CHART_TYPES if (lines := _lines(kind, material.logs))}

    @staticmethod
    def has(material: Material) -> bool:
        return bool(material.logs)

    def facts(self) -> Facts:
        """The best test accuracy in any of the logs."""
        values = [float(v) for line in self.charts.get(0, []) for v in line.y if 0 <= v <= 1]
        return [("best test accuracy", f"{max(values):.2%}")] if values else []

    def draw(self, elsewhere: Links) -> tuple[str, str]:
        names = ", ".join(log.name for log in self.logs)
        cards = "".join(_card(kind, lines) for kind, lines in self.charts.items())
        words = f"From the training log{'s' if len(self.logs) > 1 else ''} {names}."
        return words, f'<div class="charts">{cards}</div>'


def _lines(kind: int, logs: Sequence[TrainingLog]) -> list[ChartLine]:
    try:
        return chart_lines(kind, list(logs))
    except CnnvizError:  # a log without tests has no test charts
        return []


def _card(kind: int, lines: list[ChartLine]) -> str:
    # The figure's own title is its axes; the words for those who do not see it are these.
    svg = training_svg(lines, ChartOptions(kind, style="auto")).replace(
        'role="img"', f'role="img" aria-label="{escape(_words(kind, lines))}"', 1
    )
    # Charts hold text, which a narrow page would make too small: they scroll sideways there.
    return (
        f'<div class="card"><div class="body scroll" tabindex="0" role="region" '
        f'aria-label="{escape(chart_name(kind))}">{svg}</div></div>'
    )


def _words(kind: int, lines: Sequence[ChartLine]) -> str:
    """What a chart shows: its name, and where each curve begins and ends."""
    curves = [
        f"{line.name} from {float(line.y[0]):.4g} to {float(line.y[-1]):.4g}"
        for line in lines
        if line.segments
    ]
    return f"{chart_name(kind)}: {'; '.join(curves)}"


SECTION = TrainingSection
