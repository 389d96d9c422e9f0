"""How a training chart is drawn, as one value that is made once and passed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.analysis.curves import MAX_POINTS
from cnnviz.analysis.training import CHARTS, ChartLine, chart_name
from cnnviz.errors import CnnvizError
from cnnviz.formats.log_curves import readable


@dataclass(frozen=True)
class ChartOptions:
    """What a chart shows and how.

    Attributes:
        number: chart type 0 to 7, see CHARTS.
        style: "light" or "dark"; SVG for pages also has "auto", which follows prefers-color-scheme.
        smooth: weight of the past in a moving average, 0 (none) up to, but below, 1.
        log_scale: whether the y axis is logarithmic; None decides by what the values span.
        full_range: whether the y axis holds every point, also the few that are far from all others.
        title: heading; None takes the name of the chart.
        max_points: points drawn of each run.
    Raises: CnnvizError for a ``smooth`` outside its range.
    """

    number: int
    style: str = "light"
    smooth: float = 0.0
    log_scale: bool | None = None
    full_range: bool = False
    title: str | None = None
    max_points: int = MAX_POINTS

    def __post_init__(self) -> None:
        if not 0 <= self.smooth < 1:
            raise CnnvizError(f"smooth is {self.smooth:g}, expected 0 (none) up to, but below, 1.")

    @property
    def x_axis(self) -> str:
        """What the x axis counts: "Iters" or "Seconds"."""
        return CHARTS[self.number][1]

    def heading(self, lines: Sequence[ChartLine]) -> str:
        """Returns the title of the chart that shows ``lines``."""
        return readable(self.title) if self.title is not None else chart_name(self.number, lines)
