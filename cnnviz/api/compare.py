"""Two snapshots of a net loaded, compared and drawn."""

from __future__ import annotations

import os
from collections.abc import Sequence

from cnnviz.analysis.comparison import compare_weights
from cnnviz.analysis.filter_measures import filter_banks
from cnnviz.analysis.model import AnyModel, AnyWeights, load_graph, load_weights
from cnnviz.analysis.report_text import listed
from cnnviz.api.figures import save_figure
from cnnviz.api.weights import choose_layers, net_name
from cnnviz.errors import WeightsError
from cnnviz.plots.common.figure import Figure
from cnnviz.plots.common.filter_plan import FilterOptions
from cnnviz.plots.weights.compare import draw_comparison

MOST_COMPARED = 256  # tiles of a panel, by default: more could not be compared by eye


def plot_weight_difference(
    before: AnyWeights,
    after: AnyWeights,
    path: str | os.PathLike | None = None,
    *,
    model: AnyModel = None,
    layers: Sequence[str] | None = None,
    order: str = "file",
    channel_order: str = "bgr",
    limit: int = MOST_COMPARED,
    style: str = "light",
    dpi: float = 150,
) -> Figure:
    """Draws two snapshots of a net and their difference side by side, layer by layer, with the drift.

    Both snapshots of a layer have one scale, the difference has its own. The filters stand in the
    order of the second snapshot.

    Args:
        before, after: paths of caffemodels, or blobs by layer name.
        path: where to write the figure; its extension gives the format.
        model: the net: path of a prototxt, NetDefinition, Graph, or None.
        limit: maximum number of tiles of a panel.
        layers, order, channel_order, style, dpi: as for ``plot_weights``.

    Raises:
        WeightsError: the snapshots share no layer of the same shape, or do not fit the net.
        CnnvizError: an unknown layer or option.
    """
    options = FilterOptions(layers, order, channel_order=channel_order, limit=limit, style=style)
    old, new = load_weights(before), load_weights(after)
    graph = load_graph(model, new)
    if model is not None:
        load_graph(graph, old)
    comparison = compare_weights(old, new, graph)
    drifts = {drift.title: drift for drift in comparison.layers}
    chosen = choose_layers(filter_banks(new, graph), layers, new, graph)
    common = [drifts[bank.title] for bank in chosen if bank.title in drifts]
    if not common:
        raise WeightsError(
            f"{comparison.before} and {comparison.after}: the layers asked for differ in shape or are in "
            f"one of them only; layers in both: {listed([*drifts], 8)}."
        )
    figure = draw_comparison(comparison, common, options, net_name(new, graph))
    if path is not None:
        save_figure(figure, path, dpi, title=f"{comparison.after} - {comparison.before}")
    return figure
