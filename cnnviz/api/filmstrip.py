"""The filters of one layer loaded from many snapshots, and drawn as a filmstrip."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cnnviz.analysis.comparison import in_order, iterations_of, snapshot_name
from cnnviz.analysis.filter_measures import FilterBank, Weights, filter_banks
from cnnviz.analysis.model import AnyModel, AnyWeights, load_graph, load_weights
from cnnviz.analysis.report_text import listed
from cnnviz.api.figures import save_figure
from cnnviz.api.weights import choose_layers
from cnnviz.errors import CnnvizError, WeightsError
from cnnviz.plots.common.figure import Figure
from cnnviz.plots.common.filter_plan import FilterOptions
from cnnviz.plots.weights.filmstrip import draw_filmstrip

MOST_FILTERS = 20  # columns, by default


def plot_weight_filmstrip(
    snapshots: Sequence[AnyWeights],
    path: str | os.PathLike | None = None,
    *,
    layer: str | None = None,
    model: AnyModel = None,
    order: str = "file",
    channel_order: str = "bgr",
    limit: int = MOST_FILTERS,
    style: str = "light",
    dpi: float = 150,
) -> Figure:
    """Draws the filters of one layer over many snapshots: a row per snapshot, a column per filter.

    Each filter has one scale over all snapshots, so that growth shows. Of a filter on many channels
    the one with the most energy in the last snapshot stands for it. Below: drift from snapshot to
    snapshot, noise and effective rank. Snapshots are sorted by N of "_iter_N" if all names have it.

    Args:
        snapshots: two or more paths of caffemodels, or blobs by layer name.
        layer: the name of a convolution; by default the first.
        model: the net, or None.
        order: of the filters in the last snapshot: "file", "norm" or "similarity".
        limit: maximum number of filters shown; the figure says what is omitted.
        path, channel_order, style, dpi: as for ``plot_weights``.

    Raises:
        WeightsError: fewer than two snapshots, or the layer differs between them.
        CnnvizError: an unknown layer or option, or a layer without windows.
    """
    options = FilterOptions(None, order, channel_order=channel_order, limit=limit, style=style)
    loaded = in_order([load_weights(weights) for weights in snapshots])
    if len(loaded) < 2:
        raise WeightsError(f"{len(loaded)} snapshot(s) given; expected two or more for a filmstrip.")
    banks = [_layer_of(weights, layer, model) for weights in loaded]
    names = [snapshot_name(weights, f"snapshot {i + 1}") for i, weights in enumerate(loaded)]
    figure = draw_filmstrip(banks, names, iterations_of(loaded), options)
    if path is not None:
        save_figure(figure, path, dpi, title=f"{banks[-1].title} over {len(banks)} snapshots")
    return figure


def _layer_of(weights: Weights, layer: str | None, model: AnyModel) -> FilterBank:
    graph = load_graph(model, weights)
    banks = filter_banks(weights, graph)
    windows = [bank for bank in banks if bank.is_windows]
    if layer is not None:
        chosen = choose_layers(banks, [layer], weights, graph)
        if not chosen[0].is_windows:
            names = listed([bank.title for bank in windows], 8) or "none"
            raise CnnvizError(
                f"layer {layer!r} has no windows to show as a filmstrip; layers that have: {names}."
            )
        return chosen[0]
    if not windows:
        raise WeightsError(f"{snapshot_name(weights)}: has no convolution to show as a filmstrip.")
    return windows[0]
