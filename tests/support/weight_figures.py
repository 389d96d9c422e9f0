"""Weights to plot, and what the figures of weights show."""

from __future__ import annotations

import itertools

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from cnnviz.engine.graph import build_graph
from cnnviz.formats.prototxt import parse_net

NET = """
name: "Small"
input: "data" input_shape { dim: 1 dim: 3 dim: 12 dim: 12 }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 6 kernel_size: 5 } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
        convolution_param { num_output: 9 kernel_size: 3 } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
        pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "pool2" top: "ip" inner_product_param { num_output: 4 } }
"""


class Snapshot(dict):
    """Blobs by layer name as a file would give them."""

    def __init__(self, blobs: dict, path: str = "small_iter_100.caffemodel"):
        super().__init__(blobs)
        self.path, self.net_name, self.layer_types = path, "Small", {}


def small(seed: int = 0, path: str = "small_iter_100.caffemodel") -> Snapshot:
    rng = np.random.default_rng(seed)
    shapes = {"conv1": (6, 3, 5, 5), "conv2": (9, 6, 3, 3), "ip": (4, 81)}
    return Snapshot({n: [rng.standard_normal(s), np.zeros(s[0])] for n, s in shapes.items()}, path)


def graph():
    return build_graph(parse_net(NET, "small.prototxt"), splits=False, strict=False)


def texts(figure: Figure) -> list[Text]:
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    # An axis that is off keeps its labels, which are not drawn.
    hidden = [
        t
        for axes in figure.axes
        if not axes.axison
        for t in [*axes.get_xticklabels(), *axes.get_yticklabels()]
    ]
    return [text for text in found if text not in hidden]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in texts(figure))


def assert_texts_are_apart(figure: Figure) -> None:
    """No text sticks out of the figure or lies on another one."""
    renderer = figure.canvas.get_renderer()
    figure.draw(renderer)
    width, height = figure.canvas.get_width_height()
    boxes = [(text.get_window_extent(renderer), text.get_text()) for text in texts(figure)]
    for box, text in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, f"{text!r} is clipped"
    for (a, first), (b, second) in itertools.combinations(boxes, 2):
        wide = min(a.x1, b.x1) - max(a.x0, b.x0)
        high = min(a.y1, b.y1) - max(a.y0, b.y0)
        # Boxes have room for characters that reach below the line, which numbers do not.
        assert wide <= 1 or high <= 0.25 * min(a.height, b.height), f"{first!r} lies on {second!r}"


def images(figure: Figure) -> list:
    """The drawn mosaics and matrices, without colour bars."""
    return [
        image
        for axes in figure.axes
        for image in axes.images
        if axes.get_position().height * figure.get_size_inches()[1] > 0.11
    ]
