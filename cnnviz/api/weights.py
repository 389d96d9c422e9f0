"""Weights loaded, measured, and drawn layer by layer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cnnviz.analysis.comparison import (
    Comparison,
    SnapshotSeries,
    compare_snapshots,
    compare_weights,
    in_order,
)
from cnnviz.analysis.filter_measures import FilterBank, Weights, filter_banks
from cnnviz.analysis.filter_report import Report, filter_report
from cnnviz.analysis.filters import layer_health
from cnnviz.analysis.model import AnyModel, AnyWeights, load_graph, load_weights
from cnnviz.engine.graph import Graph
from cnnviz.engine.weights_check import some_names
from cnnviz.errors import CnnvizError, WeightsError, did_you_mean
from cnnviz.plots.common.filter_plan import MOST_TILES, FilterOptions

if TYPE_CHECKING:
    from cnnviz.plots.common.figure import Figure

MOST_LAYERS = 8  # all drawn if the caller names none
FEWER_LAYERS = 6  # drawn of a net that has more


def plot_weights(
    model: AnyModel,
    weights: AnyWeights,
    path: str | os.PathLike | None = None,
    *,
    layers: Sequence[str] | None = None,
    order: str = "file",
    normalize: str = "filter",
    channel_order: str = "bgr",
    limit: int = MOST_TILES,
    marks: bool = True,
    style: str = "light",
    dpi: float = 150,
    report: Report | None = None,
    progress: Callable[[str], None] | None = None,
) -> Figure:
    """Draws the filters of a net, a section for each layer.

    A first convolution on three channels is drawn in colour, one tile per filter; so are windows on one
    channel, in the colours of a scale. Deeper convolutions have a row of tiles for each filter, a tile
    for each channel. A fully connected layer is drawn as tiles of the shape it reads if all of them
    fit the limit, otherwise as a matrix, a row for each output; so are recurrent layers and 1 x 1
    convolutions.

    Args:
        model: the net (path of a prototxt, NetDefinition or Graph), or None for what the file itself holds.
        weights: path of a caffemodel, or blobs by layer name.
        path: where to write the figure; its extension gives the format.
        layers: names of the layers to draw; by default all, or a few of all depths where there are more
            than MOST_LAYERS, below an overview of all.
        order: of the filters: "file", "norm" (largest first) or "similarity" (like beside like).
        normalize: "filter": each filter has the whole colour scale; "layer": one scale for the layer.
        channel_order: what the net's three input channels are: "bgr" or "rgb".
        limit: maximum number of tiles of one layer; the figure says what is omitted.
        marks: whether filters with a finding are marked.
        style: "light" or "dark".
        dpi: pixels per inch of PNG and JPEG.
        report: of the same weights, if they have been measured already.
        progress: called with the name of each layer before it is measured.

    Raises:
        WeightsError: the weights do not fit the net, or hold no filters.
        CnnvizError: an unknown layer, order or other option.
        FileError: a file cannot be read or written.
    """
    from cnnviz.api.figures import save_figure  # here, as a report needs no matplotlib
    from cnnviz.plots.weights.draw import draw_weights

    options = FilterOptions(layers, order, normalize, channel_order, limit, marks, style)
    source = load_weights(weights)
    graph = load_graph(model, source)
    if report is None and layers is None:
        report = filter_report(source, graph, progress)
    banks = [health.bank for health in report.layers] if report else filter_banks(source, graph)
    known = {health.bank.title: health for health in report.layers} if report else {}
    chosen = choose_layers(banks, layers, source, graph)
    healths = [known.get(bank.title) or layer_health(bank) for bank in chosen]
    name = net_name(source, graph)
    title = f"Weights of {name}" if name else "Weights"
    file = Path(getattr(source, "path", "")).name
    figure = draw_weights(healths, options, title, file, report if layers is None else None)
    if path is not None:
        save_figure(figure, path, dpi, title=title)
    return figure


def weights_report(
    model: AnyModel,
    weights: AnyWeights,
    *later: AnyWeights,
    progress: Callable[[str], None] | None = None,
) -> Report | Comparison | SnapshotSeries:
    """Measures the health of filters or, if ``later`` snapshots are given, how weights moved.

    Args:
        model: as for ``plot_weights``.
        weights: path of a caffemodel, or blobs by layer name.
        later: snapshots of the same net; more than one are sorted by N of "_iter_N" if all names have it.
        progress: called with the name of each layer before its health is measured.

    Returns: a Report of one file, the Comparison of two, or the SnapshotSeries of more.

    Raises:
        WeightsError: the weights do not fit the net, or share no layer of the same shape.
        FileError: a file cannot be read.
    """
    loaded = [load_weights(one) for one in (weights, *later)]
    graphs = [load_graph(model, one) for one in loaded]
    if len(loaded) > 2:
        return compare_snapshots(in_order(loaded), graphs[0])
    if len(loaded) == 2:
        return compare_weights(loaded[0], loaded[1], graphs[0])
    return filter_report(loaded[0], graphs[0], progress)


def net_name(weights: Weights, graph: Graph | None) -> str:
    """Returns the name of the net, "" if it has none."""
    return (graph.name if graph else "") or getattr(weights, "net_name", "")


def choose_layers(
    banks: Sequence[FilterBank],
    names: Sequence[str] | None,
    weights: Weights,
    graph: Graph | None,
) -> list[FilterBank]:
    """Returns the layers to draw: those named, otherwise all, or of many a few of all depths.

    Raises: WeightsError if there are no filters; CnnvizError for a layer that is not there or has none.
    """
    origin = getattr(weights, "path", "weights")
    if not banks:
        raise WeightsError(f"{origin}: holds no filters: no layer has a blob of two or more axes.")
    if names is None:
        return list(banks) if len(banks) <= MOST_LAYERS else _of_all_depths(banks)
    names = [names] if isinstance(names, str) else names
    known = dict.fromkeys(name for bank in banks for name in (bank.title, bank.layer))
    for name in names:
        if name in known:
            continue
        if name in weights or (graph and any(node.name == name for node in graph.layers)):
            raise CnnvizError(
                f"{origin}: layer {name!r} has no filters; layers that have: {some_names(known, 8)}."
            )
        hint = did_you_mean(name, known) or f"; it has {some_names(known, 8)}"
        raise CnnvizError(f"{origin}: no layer {name!r} with weights{hint}")
    return [bank for name in dict.fromkeys(names) for bank in banks if name in (bank.title, bank.layer)]


def _of_all_depths(banks: Sequence[FilterBank]) -> list[FilterBank]:
    """Returns the first windows, the last layer and evenly spaced ones between, windows if possible."""
    first, last = next((bank for bank in banks if bank.is_first), banks[0]), banks[-1]
    between = [bank for bank in banks if bank not in (first, last)]
    wide = [bank for bank in between if bank.has_area]
    count = FEWER_LAYERS - len({id(first), id(last)})
    pool = wide if len(wide) >= count else between
    places = np.linspace(-1, len(pool), count + 2)[1:-1].round().astype(int)
    chosen = [first, last, *(pool[place] for place in places)]
    return [bank for bank in banks if bank in chosen]
