"""Which layers and bottoms take part in the backward pass, as in Caffe's Net::Init."""

from __future__ import annotations

from collections.abc import Sequence

from cnnviz.engine.graph_layer import GraphLayer


def limit_to_losses(layers: Sequence[GraphLayer]) -> None:
    """Keeps the backward pass to the layers that a loss reaches."""
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for node in reversed(layers):
        contributes = any(weight or top in under_loss for top, weight in _loss_weights(node))
        if all(top in skipped for top in node.tops):
            node.needs_backward = False
            node.propagate_down = [False] * len(node.propagate_down)
        if not contributes:
            node.needs_backward = False
        for i, bottom in enumerate(node.bottoms):
            if contributes:
                under_loss.add(bottom)
            elif i < len(node.propagate_down):
                node.propagate_down[i] = False
            if not node.propagate_down[i]:
                skipped.add(bottom)


def _loss_weights(node: GraphLayer) -> list[tuple[str, float]]:
    weights = node.layer.loss_weights if node.layer else []
    loss_of = dict(zip(node.tops, weights, strict=False))
    return [(top, loss_of.get(top, 0.0)) for top in node.tops]


def force_backward(layers: Sequence[GraphLayer]) -> None:
    """Has every layer pass its gradient down, as the net's force_backward asks."""
    for node in layers:
        if node.layer is None:
            continue
        node.needs_backward = True
        node.propagate_down = [
            down or node.layer.allow_force_backward(i) for i, down in enumerate(node.propagate_down)
        ]
