"""What a net makes of an image: finished values, which figures and pages draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cnnviz.analysis.detections import Detections
from cnnviz.analysis.receptive_field import ReceptiveField

_LONGEST_MAP = 8  # times as high as wide, or the other way round; anything longer is a table


@dataclass(frozen=True)
class FeatureMaps:
    """What one layer makes of the image.

    Attributes:
        layer, type: names; of layers in place too, e.g. "conv1 + relu1" and "Convolution + ReLU".
        blob: the blob's name.
        values: the blob without its batch axis; (C,) if every other axis is 1.
        field: the receptive field of a unit in the input, or None.
        is_sequence: whether the values are (time steps, channels).
    """

    layer: str
    type: str
    blob: str
    values: np.ndarray
    field: ReceptiveField | None = None
    is_sequence: bool = False

    @property
    def is_flat(self) -> bool:
        return self.values.ndim == 1

    @property
    def is_table(self) -> bool:
        """Whether the values are rows and columns rather than maps, such as boxes by coordinates."""
        if self.values.ndim < 3 or self.is_sequence:
            return self.values.ndim > 1
        height, width = self.values.shape[-2:]
        return self.field is None and not 1 / _LONGEST_MAP <= height / width <= _LONGEST_MAP

    @property
    def tiles(self) -> np.ndarray:
        """The values as maps (N, H, W): each slice of blobs with more axes, the whole of blobs with fewer."""
        if self.is_flat:
            return self.values.reshape(1, 1, -1)
        return self.values.reshape(-1, *self.values.shape[-2:])

    def top_channels(self, count: int, by: str = "mean") -> np.ndarray:
        """Returns the channels with the greatest mean activation, or "energy" (mean square)."""
        flat = self.tiles.reshape(len(self.tiles), -1)
        score = flat.mean(axis=1) if by == "mean" else np.square(flat).mean(axis=1)
        return np.argsort(-np.nan_to_num(score, nan=-np.inf), kind="stable")[:count]


@dataclass(frozen=True)
class Attribution:
    """How much each pixel contributes to a class, by one method.

    Attributes:
        method: its name, as in cnnviz.analysis.attribution.METHODS.
        values: (H, W); at least 0 unless ``signed``.
        target: the class it explains; target_name: its name.
        signed: whether negative values are evidence against the class.
        note: how it was made, or why it is zero everywhere, in words.
    """

    method: str
    values: np.ndarray
    target: int
    target_name: str
    signed: bool = False
    note: str = ""


@dataclass(frozen=True)
class ImageFeatures:
    """Everything that is shown of one image.

    Attributes:
        path: the image's file.
        seen: the image as the net saw it, uint8 (H, W) or (H, W, 3).
        maps: the layers' maps in order.
        predictions: (class index, name, score), the best first; empty for detectors and other nets that do
            not classify.
        are_probabilities: whether the scores come from a softmax.
        omitted: layers that change the maps but are too many to show by default.
        detections: the objects found; None for nets that are not detectors.
        attributions: see cnnviz.analysis.attribution.explain.
        notes: see Inspector.
        origin: what ``seen`` is drawn from; "" if it is the image itself.
        cut_short: the first layer that could not run; "" if all did.
    """

    path: str
    seen: np.ndarray
    maps: tuple[FeatureMaps, ...] = ()
    predictions: tuple[tuple[int, str, float], ...] = ()
    are_probabilities: bool = True
    omitted: int = 0
    detections: Detections | None = None
    attributions: tuple[Attribution, ...] = ()
    notes: tuple[str, ...] = ()
    cut_short: str = ""
    origin: str = ""

    def texts(self) -> list[str]:
        """Returns the predictions in words, e.g. "99.4% tabby (281)", or "18.51 class 285" for scores; for
        detectors the objects."""
        if self.detections is not None:
            return [f"{d.score:.1%} {class_label(d.target, d.name)}" for d in self.detections.found]
        return [
            (f"{score:.1%} " if self.are_probabilities else f"{score:.4g} ") + class_label(index, name)
            for index, name, score in self.predictions
        ]

    def summary(self) -> str:
        """Returns the best of ``texts`` in one line, or that there are none."""
        none = "no class scores" + (f", as layer {self.cut_short!r} cannot run" if self.cut_short else "")
        if self.detections is not None:
            none = f"no object with a score of {self.detections.threshold:g} or more"
        return ", ".join(self.texts()[:3]) or none


def class_label(index: int, name: str) -> str:
    """Returns "tabby (281)", or "class 281" if only the number is known."""
    return f"class {index}" if name == str(index) else f"{name} ({index})"
