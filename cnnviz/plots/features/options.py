"""Options of figures of feature maps."""

from __future__ import annotations

from dataclasses import dataclass

from cnnviz.errors import CnnvizError


@dataclass(frozen=True)
class FeatureOptions:
    """Which maps of a layer are drawn, and how.

    Attributes:
        top: only so many channels, the most active ones.
        by: what active means: "mean" or "energy" (mean square).
        normalize: "tile" scales each map by itself, "layer" all maps of a layer together.
        limit: maximum number of maps per layer; the heading says how many there are. Default: 64; 32 of
            nets with more than 10 layers to show, 16 of those with more than 16.
        overlay: whether maps are laid over the image.

    Raises CnnvizError if ``by`` or ``normalize`` is unknown.
    """

    top: int | None = None
    by: str = "mean"
    normalize: str = "tile"
    limit: int | None = None
    overlay: bool = False

    def __post_init__(self) -> None:
        if self.normalize not in ("tile", "layer"):
            raise CnnvizError(f"normalize must be 'tile' or 'layer', not {self.normalize!r}.")
        if self.by not in ("mean", "energy"):
            raise CnnvizError(f"by must be 'mean' or 'energy', not {self.by!r}.")
