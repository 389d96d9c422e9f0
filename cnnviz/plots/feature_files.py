"""The files that ``cnnviz features`` writes for each image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.analysis.attribution import attribute, maximize_activation
from cnnviz.analysis.features import ImageFeatures, Looker
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.engine.device import Device
from cnnviz.errors import FileError
from cnnviz.formats.files import atomic_write, describe_os_error, write_bytes
from cnnviz.formats.images import encode_image
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.features import attribution_figure, features_figure
from cnnviz.plots.style import save_figure, theme


class FeatureWriter:
    """Writes NAME_features, NAME_attribution and NAME.npz into a folder, for one image after another.

    Args:
        definition, weights, preprocessing, class_names, size, device: see Looker.
        folder: is made.
        methods: attributions to draw; target: the class they explain, default the most probable.
        layers, figure_options: what features_figure shows, and how.
        suffix: format of the pictures; npz: whether the numbers are written too.

    Raises FileError if the folder cannot be made.
    """

    def __init__(
        self,
        definition: NetDefinition,
        weights: str | os.PathLike,
        folder: Path,
        *,
        preprocessing: Preprocessing,
        class_names: str | os.PathLike | None = None,
        size: tuple[int, int] | None = None,
        device: Device | None = None,
        methods: Sequence[str] = (),
        target: int | None = None,
        layers: Sequence[str] | None = None,
        figure_options: Mapping[str, Any] | None = None,
        style: str = "light",
        dpi: float = 150,
        suffix: str = "png",
        npz: bool = False,
    ):
        self.looker = Looker(definition, weights, preprocessing, class_names, size, device, gradients=True)
        self.folder, self.layers, self.methods, self.target = folder, layers, methods, target
        self.figure_options = dict(figure_options or {})
        self.look, self.dpi, self.suffix, self.npz = theme(style), dpi, suffix.lstrip("."), npz
        self._stems: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder}: cannot be made: {describe_os_error(error)}.") from None

    def write(self, path: str, picture: np.ndarray) -> ImageFeatures:
        """Writes the files of one image and returns its features."""
        features = self.looker.look(picture, path, self.layers)
        stem = self._stem(path)
        figure = features_figure(features, look=self.look, **self.figure_options)
        save_figure(figure, self._path(stem, "features"), self.dpi)
        if self.npz:
            self._write_numbers(stem, features)
        if self.methods:
            found = [attribute(self.looker, method, self.target) for method in self.methods]
            figure = attribution_figure(features.seen, found, look=self.look, name=Path(path).name)
            save_figure(figure, self._path(stem, "attribution"), self.dpi)
        return features

    def write_maximized(self, target: int) -> Path:
        """Writes an image that excites a class; returns its path."""
        values = maximize_activation(self.looker, target)
        centred = values / (3 * values.std() + 1e-12) * 127.5 + 127.5
        planes = np.clip(np.rint(centred), 0, 255).astype(np.uint8)
        if len(planes) == 3 and self.looker.preprocessing.channel_order == "bgr":
            planes = planes[::-1]
        image = planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0)
        path = self.folder / f"class_{target}.png"
        write_bytes(path, encode_image(np.ascontiguousarray(image), "png"))
        return path

    def _stem(self, path: str) -> str:
        """The image's name; a number is added where two images of different folders share it."""
        stem = name = Path(path).stem or "image"
        number = 2
        while stem in self._stems:
            stem, number = f"{name}_{number}", number + 1
        self._stems.add(stem)
        return stem

    def _path(self, stem: str, kind: str) -> Path:
        return self.folder / f"{stem}_{kind}.{self.suffix}"

    def _write_numbers(self, stem: str, features: ImageFeatures) -> None:
        """One array per layer; "/" in a name becomes "_", as zip members take it for a folder."""
        arrays = {maps.layer.split(" + ")[-1].replace("/", "_"): maps.values for maps in features.maps}
        with atomic_write(self.folder / f"{stem}.npz") as file:
            np.savez(file, **arrays)
