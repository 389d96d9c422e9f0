"""Which layers are shown: those asked for, or those that change the maps."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from itertools import groupby

from cnnviz.engine.layer import traits_of
from cnnviz.engine.net import Net

MOST_LAYERS = 24  # shown by default
_ENDS = ("inner product", "recurrent")  # kinds that end blocks, as Softmax does
_LEAST_JOINS = 4  # of nets that count as made of blocks

Titles = dict[int, list[int]]  # for each layer to record, the layers that its title names


def choose_layers(net: Net, patterns: Sequence[str] | None) -> tuple[Titles, int]:
    """Returns the layers to record, each with those that its title names, and how many more change maps.

    Args:
        patterns: names or patterns such as "fire*/concat"; default: each layer that changes the maps, or, if
            these are more than MOST_LAYERS, about so many that join branches or end blocks (of a chain:
            any), spread evenly over all map sizes.

    Raises NetError if no layer has such a name, or the one asked for cannot run.
    """
    if patterns:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return {index: [index] for pattern in patterns for index in _matching(net, pattern)}, 0
    changing = _changing_maps(net)
    chosen = _overview(net, changing)
    return {i: changing[i] for i in chosen}, len(changing) - len(chosen)


def _matching(net: Net, pattern: str) -> list[int]:
    names = net.layer_names
    if pattern in names:
        return [names.index(pattern)]
    found = [
        i
        for i, node in enumerate(net.graph.layers)
        if fnmatchcase(node.name, pattern) and node.tops and node.type not in ("Split", "Input")
    ]
    return found or [net.layer_index(pattern)]


def _changing_maps(net: Net) -> Titles:
    """Each layer with new maps; what works in place on them is shown with it, by its last writer."""
    changing: Titles = {}
    last_writer: dict[str, int] = {}
    for index, node in enumerate(net.graph.layers):
        if not node.tops:
            continue
        top = node.tops[0]
        own = [index] if traits_of(node.type).new_maps else []
        if top in node.bottoms and top in last_writer:
            own = changing.pop(last_writer[top], []) + own
        if own:
            changing[index] = own
        last_writer[top] = index
    return changing


def _overview(net: Net, changing: Titles) -> list[int]:
    """Of nets with too many layers those that join branches or end blocks, spread over all map sizes."""
    if len(changing) <= MOST_LAYERS:
        return list(changing)
    nodes = net.graph.layers
    chosen = [i for i in changing if _ends_block(net, changing[i][0])]
    if sum(traits_of(nodes[changing[i][0]].type).joins for i in chosen) < _LEAST_JOINS:
        chosen = list(changing)  # a deep chain
    chosen = sorted({next(iter(changing)), *chosen})
    stages = groupby(chosen, lambda i: net.blobs[nodes[i].tops[0]].shape[2:])
    return spread([list(stage) for _, stage in stages], MOST_LAYERS)


def _ends_block(net: Net, index: int) -> bool:
    node = net.graph.layers[index]
    if node.type == "Pooling":  # not the pooling branches inside a block, which keep the size
        above, below = (net.blobs[blob].shape for blob in (node.tops[0], node.bottoms[0]))
        return above[2:] != below[2:]
    traits = traits_of(node.type)
    return traits.joins or traits.kind in _ENDS or node.type == "Softmax"


def spread(groups: Sequence[Sequence[int]], limit: int) -> list[int]:
    """Returns at most about ``limit`` members of groups: the same number of each, evenly spaced, with the
    last."""
    share = 1
    while share < max(map(len, groups)) and sum(min(len(group), share + 1) for group in groups) <= limit:
        share += 1
    picked = []
    for group in groups:
        count = min(share, len(group))
        picked += [group[(k + 1) * len(group) // count - 1] for k in range(count)]
    return picked
