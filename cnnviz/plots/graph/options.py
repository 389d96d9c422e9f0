"""How the graph of a net is drawn, as one value that is checked where it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cnnviz.errors import CnnvizError
from cnnviz.plots.graph.layout import DIRECTIONS

PHASES = ("TRAIN", "TEST")
METRICS = ("parameters", "macs", "memory", "time")
LAYOUTS = ("own", "dot")


@dataclass(frozen=True)
class GraphOptions:
    """The options of ``draw_net``, which describes them, except those of the file.

    Attributes:
        prefix: begins the keys of all boxes, so that several graphs can stand in one page.
    Raises: CnnvizError if an option has no such value, or contradicts another.
    """

    phase: str | int | None = None
    level: int = 0
    stages: Iterable[str] = ()
    both_phases: bool = False
    rankdir: str = "TB"
    fold: bool | str = True
    color_by: str | None = None
    times: Mapping[str, float] = field(default_factory=dict)
    layout: str = "own"
    columns: int | str = 1
    costs: bool = True
    rates: bool = False
    prefix: str = "net"

    def __post_init__(self) -> None:
        self._check_choice("rankdir", DIRECTIONS)
        self._check_choice("fold", (True, False, "chains"))
        self._check_choice("color_by", (None, *METRICS))
        self._check_choice("layout", LAYOUTS)
        if self.columns != "auto" and not (isinstance(self.columns, int) and self.columns >= 1):
            raise CnnvizError(f"columns is {self.columns!r}, expected 'auto' or an integer of at least 1.")
        if self.columns != 1 and self.layout != "own":
            raise CnnvizError("columns need cnnviz's own layout; omit layout 'dot'.")
        if self.times and self.color_by != "time":
            raise CnnvizError("times (--times) are given but not used; colour by them: --color-by time.")
        if self.color_by == "time" and not self.times:
            raise CnnvizError(
                "colouring by time needs measured times: give times (--times FILE), as `cnnviz time --json` "
                "writes them."
            )

    def _check_choice(self, name: str, known: Iterable[Any]) -> None:
        value = getattr(self, name)
        if value not in known:
            raise CnnvizError(f"{name} is {value!r}, expected one of {', '.join(map(repr, known))}.")

    @property
    def phases(self) -> tuple[str | int | None, ...]:
        """The phases to draw; None stands for the one with fewer errors."""
        return PHASES if self.both_phases else (self.phase,)

    @property
    def across(self) -> bool:
        """Whether lines run from side to side."""
        return self.rankdir in ("LR", "RL")
