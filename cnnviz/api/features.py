"""Feature maps and predictions of a net for an image, as one figure."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cnnviz.analysis.arrays import InputArray
from cnnviz.analysis.attribution import explain
from cnnviz.analysis.features import ImageFeatures
from cnnviz.analysis.image_options import ImageOptions
from cnnviz.analysis.inspector import Inspector
from cnnviz.analysis.preprocessing import load_input, preprocessing_of
from cnnviz.api.figures import save_figure
from cnnviz.engine.device import Device
from cnnviz.errors import CnnvizError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.plots.common.figure import Figure
from cnnviz.plots.common.theme import get_theme
from cnnviz.plots.features.maps import features_figure
from cnnviz.plots.features.options import FeatureOptions


def plot_features(
    model: str | os.PathLike | Inspector,
    weights: str | os.PathLike | None,
    image: str | os.PathLike | np.ndarray | InputArray,
    path: str | os.PathLike | None = None,
    *,
    layers: Sequence[str] | None = None,
    top: int | None = None,
    by: str = "mean",
    normalize: str = "tile",
    limit: int | None = None,
    overlay: bool = False,
    style: str = "light",
    dpi: float = 150,
    device: Device | None = None,
    **image_options: Any,
) -> Figure:
    """Draws the feature maps of every layer for an image, with the predictions.

    Args:
        model: path of a prototxt in deploy or training form, or an Inspector (then weights are not read).
        weights: path of a .caffemodel.
        image: path of an image or of an .npy array that goes in as it is, an InputArray, or the image as an
            array (H, W) or (H, W, 3), RGB, 0 to 255.
        path: where to write the figure; its extension gives the format.
        layers: names or patterns of those to show; default: see cnnviz.analysis.layer_choice.choose_layers.
        top, by, normalize, limit, overlay: see FeatureOptions.
        style: "light" or "dark".
        device: what to run on.
        image_options: preprocessing, class_names, size, inputs, level, stages: see ImageOptions.

    Raises:
        CnnvizError: unreadable files, an unknown layer or option.
    """
    options = FeatureOptions(top, by, normalize, limit, overlay)
    features = _features(_inspector(model, weights, device, image_options), image, layers)
    figure = features_figure(features, options, theme=get_theme(style))
    if path is not None:
        save_figure(figure, path, dpi)
    return figure


def inspect_images(
    definition: NetDefinition,
    weights: str | os.PathLike,
    paths: Sequence[str],
    options: ImageOptions,
    *,
    methods: Sequence[str] = (),
    device: Device | None = None,
    announce: Callable[[str], None] = lambda what: None,
) -> Iterator[ImageFeatures]:
    """Yields the features of images, one after the other, with those attributions that the net allows.

    Args:
        paths: of images and .npy arrays.
        options: without preprocessing, that of the net's data layer is used.
        methods: of attribution, for images with a top prediction.
        announce: called with what is being done, such as "feature maps of cat.jpg".
    """
    options = replace(options, preprocessing=options.preprocessing or preprocessing_of(definition))
    inspector = Inspector(definition, weights, options, device=device, gradients=True)
    for path in paths:
        announce(f"feature maps of {Path(path).name}")
        features = inspector.run(load_input(path), path)
        shown = methods if features.predictions else ()
        yield explain(inspector, features, shown, skip_impossible=True)


def _inspector(
    model: str | os.PathLike | Inspector,
    weights: str | os.PathLike | None,
    device: Device | None,
    image_options: dict[str, Any],
) -> Inspector:
    if isinstance(model, Inspector):
        return model
    if weights is None:
        raise CnnvizError("Feature maps need weights: give a .caffemodel.")
    return Inspector(model, weights, ImageOptions(**image_options), device=device)


def _features(
    inspector: Inspector,
    image: str | os.PathLike | np.ndarray | InputArray,
    layers: Sequence[str] | None,
) -> ImageFeatures:
    if isinstance(image, np.ndarray | InputArray):
        return inspector.run(image, "", layers)
    return inspector.run(load_input(image), str(image), layers)
