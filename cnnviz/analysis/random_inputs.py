"""Random inputs and weights for nets that are checked without data of their own."""

from __future__ import annotations

import math

import numpy as np

from cnnviz.engine.net import Net


def vary_weights(net: Net, random: np.random.Generator) -> None:
    """Gives weights that were filled with one value (the default filler's 0) normal numbers instead.

    Equal numbers everywhere would put every maximum and ReLU on its corner.
    """
    for blob in net.learnable_params:
        if len(blob.shape) > 1 and np.ptp(blob.data) == 0:
            blob.data[...] = random.normal(0, math.sqrt(2 / blob.count_from(1)), blob.shape)


def fill_inputs(net: Net, random: np.random.Generator) -> None:
    """Fills the inputs with normal numbers, labels (what a layer reads without a gradient) with integers."""
    for name in net.inputs:
        blob = net.blobs[name]
        classes = _classes_for(net, name)
        if classes:
            blob.data[...] = random.integers(0, classes, blob.shape)
        else:
            blob.data[...] = random.standard_normal(blob.shape)


def _classes_for(net: Net, blob: str) -> int:
    """Returns the number of classes if the blob, or a Split of it, is a label; else 0."""
    for node in net.graph.layers:
        if blob not in node.bottoms or node.layer is None:
            continue
        if node.type == "Split":
            found = max(_classes_for(net, top) for top in node.tops)
        else:
            index = node.bottoms.index(blob)
            shape = node.bottom_shapes[0] or ()
            is_label = index > 0 and not (node.layer.has_backward and node.layer.allow_force_backward(index))
            found = shape[1] if is_label and len(shape) > 1 else 0
        if found:
            return found
    return 0
