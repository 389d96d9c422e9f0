"""Labels that are not a class of the net: nothing fails, but what is learned or scored is wrong."""

from __future__ import annotations

import logging

import numpy as np

from cnnviz.engine.net import Net

log = logging.getLogger("cnnviz")

_NAMED = 3


class LabelCheck:
    """Looks once at the labels that each net has got, after its first forward pass."""

    def __init__(self) -> None:
        self._seen: list[Net] = []

    def __call__(self, net: Net) -> None:
        """Warns of labels in the batch at hand that are not a class of the layer that counts them."""
        if any(net is seen for seen in self._seen):
            return
        self._seen.append(net)
        for i, layer in enumerate(net.layers):
            if layer.label_classes is not None:
                node = net.graph.layers[i]
                labels = net.blobs[node.bottoms[1]].read_data()
                if fault := _fault(labels, layer.label_classes, layer.ignored_label):
                    log.warning("%s: %s", node.title, fault)


def _fault(labels: np.ndarray, classes: int, ignored: int | None) -> str:
    """Returns what is wrong with ``labels``, or "" if each is a class or the ignored label."""
    fine = (labels == np.floor(labels)) & (labels >= 0) & (labels < classes)
    if ignored is not None:
        fine |= labels == ignored
    wrong = labels[~fine]
    if not len(wrong):
        return ""
    shown = ", ".join(f"{value:g}" for value in np.unique(wrong)[:_NAMED])
    if (wrong != np.floor(wrong)).any():
        cure = "a label is the whole number of a class; values are learned by EuclideanLoss"
    else:
        cure = "give the layer before it as many outputs as there are classes, counted from 0"
    return (
        f"{len(wrong)} of the {labels.size} labels in the first batch are not among the {classes} classes, "
        f"0 to {classes - 1}: {shown}; {cure}."
    )
