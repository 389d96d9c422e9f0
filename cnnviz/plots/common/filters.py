"""What a user may ask of pictures of filters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnnviz.errors import CnnvizError, did_you_mean

MOST_TILES = 1024  # of one layer, by default


@dataclass(frozen=True)
class FilterOptions:
    """How filters are chosen, ordered and coloured.

    Attributes:
        layers: names of the layers to draw; None leaves the choice to the picture.
        order: of the filters: "file", "norm" (largest first) or "similarity" (like beside like).
        normalize: "filter": each filter has the whole colour scale; "layer": one scale for the layer.
        channel_order: what the net's three input channels are: "bgr" or "rgb".
        limit: maximum number of tiles of one layer.
        marks: whether filters with a finding are marked.
        style: "light" or "dark".

    Raises: CnnvizError for another value.
    """

    layers: Sequence[str] | None = None
    order: str = "file"
    normalize: str = "filter"
    channel_order: str = "bgr"
    limit: int = MOST_TILES
    marks: bool = True
    style: str = "light"

    def __post_init__(self) -> None:
        _check_choice("normalize", self.normalize, ("filter", "layer"))
        _check_choice("channel_order", self.channel_order, ("bgr", "rgb"))
        if self.limit < 1:
            raise CnnvizError(f"limit is {self.limit}; expected 1 tile or more.")


def _check_choice(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        expected = " or ".join(map(repr, known))
        raise CnnvizError(f"{name} is {value!r}; expected {expected}{did_you_mean(str(value), known)}")
