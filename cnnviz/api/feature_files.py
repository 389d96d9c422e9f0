"""The files that ``cnnviz features`` writes for images."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

import numpy as np
from numpy.lib.format import write_array

from cnnviz.analysis.arrays import InputArray
from cnnviz.analysis.attribution import explain
from cnnviz.analysis.features import ImageFeatures
from cnnviz.analysis.gradients import check_channel, score_blob
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.maximization import maximize_activation, parse_target
from cnnviz.analysis.preprocessing import find_images, load_input
from cnnviz.analysis.top_images import top_images
from cnnviz.api.figures import save_figure
from cnnviz.api.report import Report, Track
from cnnviz.engine.device import Device
from cnnviz.errors import FileError
from cnnviz.formats.files import atomic_write, describe_os_error
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.common.figure import Figure
from cnnviz.plots.common.theme import figure_format, get_theme
from cnnviz.plots.features.attributions import attribution_figure
from cnnviz.plots.features.maps import features_figure
from cnnviz.plots.features.maximization import maximization_figure, top_images_figure
from cnnviz.plots.features.options import FeatureOptions


@dataclass(frozen=True)
class FeatureFiles:
    """What is written for images, and where.

    Attributes:
        folder: created if missing.
        layers: names or patterns of those to show; default: see cnnviz.analysis.layer_choice.choose_layers.
        maps: which of their maps are drawn, and how.
        methods: attributions to draw; target: the class they explain, default the most probable.
        top_images: layers for whose channels the best patches of all images are drawn.
        maximize: what inputs are made for: a class ("7"), a channel ("conv2:7") or a layer's channels.
        npz: whether the maps are written as NAME.npz; blobs: names of those written as NAME_BLOB.npy.
        suffix: extension of the figures; style: "light" or "dark"; dpi: of PNG and JPEG.

    Raises FileError if the suffix is not a format of figures.
    """

    folder: Path
    layers: Sequence[str] = ()
    maps: FeatureOptions = field(default_factory=FeatureOptions)
    methods: Sequence[str] = ()
    target: int | None = None
    top_images: Sequence[str] = ()
    maximize: Sequence[str] = ()
    npz: bool = False
    blobs: Sequence[str] = ()
    suffix: str = "png"
    style: str = "light"
    dpi: float = 150

    def __post_init__(self) -> None:
        figure_format(f"--format .{self.suffix.lstrip('.')}")


def write_features(
    model: str | os.PathLike | NetDefinition,
    weights: str | os.PathLike,
    images: Sequence[str],
    files: FeatureFiles,
    options: ImageOptions | None = None,
    *,
    device: Device | None = None,
    report: Report | None = None,
) -> None:
    """Runs a net on images and writes what it makes of them.

    Args:
        images: paths of images, .npy arrays and folders; of folders, what cannot be read is skipped.

    Raises:
        FileError: an image or folder cannot be read or written.
        CnnvizError: an unknown layer, blob, class or method; see Inspector for more.
    """
    report, paths = report or Report(), find_images(images)
    writer = FeatureWriter(Inspector(model, weights, options, device=device, gradients=True), files)
    written = _write_each(writer, paths, images, report)
    for layer in files.top_images:
        report.say(writer.write_top_images(layer, written, report.bar(f"images for {layer}")))
    for target in files.maximize:
        report.say(writer.write_maximized(target, report.bar(f"inputs for {target}")))


def _write_each(
    writer: FeatureWriter, paths: Sequence[str], images: Sequence[str], report: Report
) -> list[str]:
    """Writes the files of each image and returns the paths of those that could be read."""
    written, skipped = [], []
    for path in report.steps(paths, "images"):
        try:
            image = load_input(path)
        except FileError as error:
            if path in images:  # given by name, not found in a folder
                raise
            skipped.append(str(error))
            continue
        features = writer.write(path, image, report.announce)
        report.say(f"{path}: {features.summary()}")
        written.append(path)
    report.skipped(skipped)
    if not written:
        raise FileError(f"{', '.join(images)}: holds no image that can be read.")
    return written


class FeatureWriter:
    """Writes NAME_features, NAME_attribution, NAME.npz and NAME_BLOB.npy for one image after another.

    Raises:
        FileError: the folder cannot be created.
        CnnvizError: an unknown layer, blob or class.
    """

    def __init__(self, inspector: Inspector, files: FeatureFiles):
        self.inspector, self.files = inspector, files
        self.theme, self.suffix = get_theme(files.style), files.suffix.lstrip(".")
        self._stems: set[str] = set()
        self._check()
        try:
            files.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileError(f"{files.folder}: cannot be created: {describe_os_error(error)}.") from None

    def _check(self) -> None:
        """Finds before the work what would fail after it."""
        if self.files.methods:
            blob, _ = score_blob(self.inspector)
            check_channel(self.inspector, blob, self.files.target or 0, None)
        for name in self.files.blobs:
            self.inspector.net.blob(name)
        for layer in self.files.top_images:
            self.inspector.net.layer_index(layer)
        for target in self.files.maximize:
            parse_target(self.inspector, target)

    def write(
        self, path: str, image: np.ndarray | InputArray, announce: Callable[[str], None] = lambda what: None
    ) -> ImageFeatures:
        """Writes the files of one image and returns its features.

        Args:
            announce: called with what is being done, such as "occlusion of cat.jpg".
        """
        name, stem = Path(path).name, self._stem(path)
        announce(f"maps of {name}")
        features = self.inspector.run(image, path, self.files.layers)
        figure = features_figure(features, self.files.maps, theme=self.theme)
        self._save(figure, f"{stem}_features")
        if self.files.npz:
            self._write_maps(stem, features)
        for blob in self.files.blobs:
            values = self.inspector.net.blob(blob).read_data()
            with atomic_write(self.files.folder / f"{stem}_{_plain(blob)}.npy") as file:
                write_array(file, values, allow_pickle=False)
        if self.files.methods:
            features = explain(
                self.inspector,
                features,
                self.files.methods,
                self.files.target,
                announce=lambda method: announce(f"{method} of {name}"),
            )
            self._save(attribution_figure(features, theme=self.theme), f"{stem}_attribution")
        return features

    def write_maximized(self, target: str, track: Track = iter) -> Path:
        """Writes inputs that maximize a class ("7"), a channel ("conv2:7") or the channels of a layer.

        Returns the figure's path.

        Raises CnnvizError if there is no such class, layer or channel.
        """
        layer, channels = parse_target(self.inspector, target)
        found = [maximize_activation(self.inspector, channel, layer) for channel in track(channels)]
        what = _plain(layer) if layer else f"class_{channels[0]}"
        if layer and len(channels) == 1:
            what += f"_{channels[0]}"
        return self._save(maximization_figure(found, theme=self.theme), f"maximize_{what}")

    def write_top_images(self, layer: str, paths: Sequence[str], track: Track = iter) -> Path:
        """Writes the patches of images that activate the channels of a layer most; returns the path."""
        found = top_images(self.inspector, layer, paths, track=track)
        return self._save(top_images_figure(found, theme=self.theme), f"top_images_{_plain(layer)}")

    def _stem(self, path: str) -> str:
        """The image's name; a number is added where two images of different folders share it."""
        stem = name = Path(path).stem or "image"
        number = 2
        while stem in self._stems:
            stem, number = f"{name}_{number}", number + 1
        self._stems.add(stem)
        return stem

    def _save(self, figure: Figure, name: str) -> Path:
        path = self.files.folder / f"{name}.{self.suffix}"
        save_figure(figure, path, self.files.dpi)
        return path

    def _write_maps(self, stem: str, features: ImageFeatures) -> None:
        """One array per layer, by the name of the last layer that wrote it."""
        arrays = {_plain(maps.layer.split(" + ")[-1]): maps.values for maps in features.maps}
        # Not numpy.savez, whose own arguments would clash with layers called "file" and the like.
        with (
            atomic_write(self.files.folder / f"{stem}.npz") as file,
            ZipFile(file, "w") as archive,
        ):
            for name, values in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    write_array(member, values, allow_pickle=False)


def _plain(name: str) -> str:
    """A layer's or blob's name as part of a file name: other characters than letters, digits, dashes and
    dots become "_"."""
    return "".join(c if c.isalnum() or c in "-." else "_" for c in name)[:80]
