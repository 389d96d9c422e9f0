"""The files that ``cnnviz features`` writes for each image."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import write_array

from cnnviz.analysis.arrays import InputArray
from cnnviz.analysis.attribution import (
    Excitation,
    attribute,
    check_channel,
    maximize_activation,
    score_blob,
)
from cnnviz.analysis.features import ImageFeatures, Inspector, class_text
from cnnviz.analysis.inputs import Value
from cnnviz.analysis.preprocessing import Preprocessing
from cnnviz.analysis.top_images import top_images
from cnnviz.engine.device import Device
from cnnviz.errors import FileError
from cnnviz.formats.files import atomic_write, describe_os_error
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.common.figure import save_figure
from cnnviz.plots.common.theme import figure_format, get_theme
from cnnviz.plots.features.attributions import attribution_figure
from cnnviz.plots.features.excitation import as_picture, excitation_figure, top_images_figure
from cnnviz.plots.features.maps import features_figure

MOST_EXCITATIONS = 24  # channels of a layer for which inputs are made

Track = Callable[[Iterable], Iterable]


class FeatureWriter:
    """Writes NAME_features, NAME_attribution and NAME.npz into a folder, for one image after another.

    Args:
        definition, weights, preprocessing, class_names, size, device, inputs, level, stages: see Inspector.
        folder: is made.
        methods: attributions to draw; target: the class they explain, default the most probable.
        layers, figure_options: what features_figure shows, and how.
        suffix: format of the pictures; npz: whether the numbers are written too.
        blobs: names of blobs that are written as NAME_BLOB.npy each.

    Raises:
        FileError: the folder cannot be made, or the format is none.
        CnnvizError: unknown blob; see Inspector for more.
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
        blobs: Sequence[str] = (),
        inputs: Mapping[str, Value] | None = None,
        level: int = 0,
        stages: Sequence[str] = (),
    ):
        figure_format(f"--format .{suffix.lstrip('.')}")
        self.inspector = Inspector(
            definition, weights, preprocessing, class_names, size, device, True, inputs, level, stages
        )
        if methods:  # said before the work rather than after it
            blob, _ = score_blob(self.inspector)
            check_channel(self.inspector, blob, target or 0, None)
        self.folder, self.layers, self.methods, self.target = folder, layers, methods, target
        self.figure_options = dict(figure_options or {})
        self.theme, self.dpi, self.suffix, self.npz = get_theme(style), dpi, suffix.lstrip("."), npz
        self.blobs = blobs
        for name in blobs:
            self.inspector.net.blob(name)
        self._stems: set[str] = set()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{folder}: cannot be made: {describe_os_error(error)}.") from None

    def check(self, ranked: Sequence[str], wishes: Sequence[str]) -> None:
        """Raises CnnvizError if ``write_top_images`` or ``write_maximized`` would for one of these."""
        for name in ranked:
            self.inspector.net.layer_index(name)
        for wish in wishes:
            layer, channels = self._channels(wish)
            if layer is None:
                blob, _ = score_blob(self.inspector)
            else:
                blob = self.inspector.net.graph.layers[self.inspector.net.layer_index(layer)].tops[0]
            check_channel(self.inspector, blob, channels[-1], layer)

    def write(
        self, path: str, picture: np.ndarray | InputArray, announce: Callable[[str], None] = lambda what: None
    ) -> ImageFeatures:
        """Writes the files of one image and returns its features.

        Args:
            announce: called with what is being done, such as "occlusion of cat.jpg".
        """
        announce(f"maps of {Path(path).name}")
        features = self.inspector.run(picture, path, self.layers)
        stem = self._stem(path)
        figure = features_figure(features, theme=self.theme, **self.figure_options)
        save_figure(figure, self._path(stem, "features"), self.dpi)
        if self.npz:
            self._write_numbers(stem, features)
        for name in self.blobs:
            values = self.inspector.net.blob(name).read_data()
            self._write_array(self.folder / f"{stem}_{_plain(name)}.npy", values)
        if self.methods:
            found = []
            for method in self.methods:
                announce(f"{method} of {Path(path).name}")
                found.append(attribute(self.inspector, method, self.target))
            figure = attribution_figure(features.seen, found, theme=self.theme, name=Path(path).name)
            save_figure(figure, self._path(stem, "attribution"), self.dpi)
        return features

    def write_maximized(self, wish: str, track: Track = iter) -> Path:
        """Writes inputs made to excite a class ("7"), a channel ("conv2:7") or the channels of a layer.

        Returns the picture's path.

        Raises CnnvizError if there is no such class, layer or channel.
        """
        layer, channels = self._channels(wish)
        found: list[Excitation] = []
        for channel in track(channels):
            found.append(maximize_activation(self.inspector, channel, layer))
        order = self.inspector.preprocessing.channel_order
        labels = [
            f"channel {e.channel}" if layer else class_text(e.channel, self.inspector.class_name(e.channel))
            for e in found
        ]
        figure = excitation_figure(
            [as_picture(e.values, order) for e in found], found, labels, theme=self.theme
        )
        what = f"{_plain(layer)}_{channels[0]}" if layer and len(channels) == 1 else _plain(layer or "")
        path = self.folder / f"excites_{what or f'class_{channels[0]}'}.{self.suffix}"
        save_figure(figure, path, self.dpi)
        return path

    def _channels(self, wish: str) -> tuple[str | None, list[int]]:
        """The layer (None for classes) and the channels of "7", "conv2:7" or "conv2"."""
        names = self.inspector.net.layer_names
        head, _, tail = wish.rpartition(":")
        if wish not in names and wish.isdigit():
            return None, [int(wish)]
        if wish not in names and head and tail.isdigit():
            return head, [int(tail)]
        index = self.inspector.net.layer_index(wish)
        blob = self.inspector.net.graph.layers[index].tops[0]
        check_channel(self.inspector, blob, 0, wish)
        return wish, list(range(min(MOST_EXCITATIONS, self.inspector.channel_count(blob))))

    def write_top_images(self, layer: str, paths: Sequence[str], track: Track = iter) -> Path:
        """Writes the patches of the pictures that excite the channels of a layer; returns the path."""
        found = top_images(self.inspector, layer, paths, track=track)
        path = self.folder / f"top_images_{_plain(layer)}.{self.suffix}"
        save_figure(top_images_figure(found, theme=self.theme), path, self.dpi)
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
        """One array per layer, by the name of the last layer that wrote it."""
        arrays = {_plain(maps.layer.split(" + ")[-1]): maps.values for maps in features.maps}
        # Not numpy.savez, whose own arguments would clash with layers called "file" and the like.
        with atomic_write(self.folder / f"{stem}.npz") as file, ZipFile(file, "w") as archive:
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    write_array(member, values, allow_pickle=False)

    @staticmethod
    def _write_array(path: Path, values: np.ndarray) -> None:
        with atomic_write(path) as file:
            write_array(file, values, allow_pickle=False)


def _plain(name: str) -> str:
    """A layer's or blob's name as part of a file name: what is no letter, digit, dash or dot becomes "_"."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in name)[:80]
