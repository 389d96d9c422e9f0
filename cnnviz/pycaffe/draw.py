"""Graphs of nets under the names of pycaffe's caffe.draw; ``cnnviz.draw_net`` can do more."""

from __future__ import annotations

import os
import tempfile
from typing import Any

from cnnviz.api import graph
from cnnviz.errors import require
from cnnviz.formats.prototxt import parse_net, to_text
from cnnviz.formats.schema import PoolingParameter


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """Returns the graph of a NetParameter, drawn, as the bytes of a file.

    Args:
        rankdir: direction of the graph: TB, BT, LR or RL.
        ext: format, as the extension of a file.
        phase: TRAIN or TEST; default TEST, or TRAIN for a net that is valid only there.
        display_lrm: whether boxes show the learning-rate multipliers.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, f"net.{ext}")
        draw_net_to_file(caffe_net, path, rankdir, phase, display_lrm)
        with open(path, "rb") as file:
            return file.read()


def draw_net_to_file(
    caffe_net: Any, filename: str, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Draws a NetParameter into a file, whose extension gives the format; see ``draw_net``."""
    net = parse_net(to_text(caffe_net), "the net")
    graph.draw_net(net, filename, rankdir=_known(rankdir), phase=phase, rates=display_lrm)


def get_pydot_graph(
    caffe_net: Any,
    rankdir: str,
    label_edges: bool = True,
    phase: int | None = None,
    display_lrm: bool = False,
) -> Any:
    """Returns the graph of a NetParameter as a pydot object.

    ``label_edges`` has no effect: shapes are always shown in the boxes.

    Raises MissingDependencyError if pydot is not installed.
    """
    pydot = require("pydot", "pydot", "a graph of pydot")
    dot = draw_net(caffe_net, rankdir, "dot", phase, display_lrm).decode()
    return pydot.graph_from_dot_data(dot)[0]


def get_pooling_types_dict() -> dict[int, str]:
    """Returns the names of the pooling methods by number."""
    return {number: name for name, number in PoolingParameter.PoolMethod.items()}


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    """Returns the text of a LayerParameter's box as in pycaffe.

    Lines are separated by spaces for TB and BT, otherwise by the two characters ``\\n``.
    """
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    parts = [layer.name, f"({layer.type})"]
    if layer.type in ("Convolution", "Deconvolution"):
        parts += _window(layer.convolution_param, repeated=True)
    elif layer.type == "Pooling":
        parts[1] = f"({layer.type} {get_pooling_types_dict()[layer.pooling_param.pool]})"
        parts += _window(layer.pooling_param, repeated=False)
    if display_lrm:
        rates = [str(param.lr_mult) for param in layer.param]
        parts += [f"lr mult: {', '.join(rates)}"] if rates else []
    return separator.join(parts)


def get_edge_label(layer: Any) -> str:
    """Returns pycaffe's label of the edge from a LayerParameter: its number of outputs or batch size."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    return str(layer.inner_product_param.num_output) if layer.type == "InnerProduct" else '""'


def choose_color_by_layertype(layertype: str) -> str:
    """Returns pycaffe's colour for a layer type, as #RRGGBB."""
    colors = {
        "Convolution": "#FF5050", "Deconvolution": "#FF5050", "Pooling": "#FF9900", "InnerProduct": "#CC33FF",
    }  # fmt: skip
    return colors.get(layertype, "#6495ED")


def _known(rankdir: str) -> str:
    """Returns the direction of the graph: as in Graphviz, TB for an unknown one."""
    return rankdir if rankdir in ("TB", "BT", "LR", "RL") else "TB"


def _window(param: Any, repeated: bool) -> list[str]:
    """Kernel size, stride and pad with Caffe's defaults."""
    values = [("kernel size", param.kernel_size, 1), ("stride", param.stride, 1), ("pad", param.pad, 0)]
    return [
        f"{name}: {(value[0] if value else default) if repeated else value}"
        for name, value, default in values
    ]
