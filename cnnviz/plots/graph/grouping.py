"""Which layers share a box, and which boxes are drawn once for many: chains and repeated blocks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from cnnviz.analysis.summary import LayerSummary, NetSummary, summarize
from cnnviz.engine.graph import Graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import layer_types, traits_of
from cnnviz.errors import for_the_first
from cnnviz.plots.common.kinds import kind_of

# Types without a class of their own that say little by themselves, as layers that follow.
FOREIGN_FOLLOWERS = ("SELU",)
# Nets with more boxes than this have their repeated blocks folded, if that saves a good share of them.
MANY_BOXES = 60
MIN_SAVING = 0.2
# The longest pattern, in segments, that is looked for.
LONGEST_PATTERN = 12
# A single layer that repeats is a block only if it does so this often.
MIN_SINGLES = 3


@dataclass(frozen=True)
class Unit:
    """What one box stands for: a layer and the chain of layers folded into it, by index."""

    layers: tuple[int, ...]


@dataclass(frozen=True)
class Block:
    """A run of equal groups of units, drawn once: the units of each copy, by index into Folded.units."""

    copies: tuple[tuple[int, ...], ...]

    @property
    def shown(self) -> tuple[int, ...]:
        return self.copies[0]


@dataclass
class Folded:
    """The boxes of a net in running order and the blobs that run between them.

    Attributes:
        edges: (from unit, to unit) -> names of the blobs, in running order.
        sizes: unit -> the input of the net of which it reads no more than the size; not among the edges.
        blocks: the repeated blocks, in running order, none overlapping another.
    """

    units: list[Unit]
    edges: dict[tuple[int, int], list[str]]
    sizes: dict[int, str] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class FoldedNet:
    """A net on its way into a picture.

    Attributes:
        unknown: for each layer the fields of its file that the schema lacks, as text.
        prefix: begins the keys of its boxes.
    """

    graph: Graph
    summary: NetSummary
    folded: Folded
    unknown: Sequence[Sequence[str]]
    prefix: str

    def rows(self, unit: int) -> list[LayerSummary]:
        """Returns the rows of the table for the layers in one box."""
        return [self.summary.layers[i] for i in self.folded.units[unit].layers]

    def layers(self, unit: int) -> list[GraphLayer]:
        """Returns the layers in one box."""
        return [self.graph.layers[i] for i in self.folded.units[unit].layers]

    def box_key(self, unit: int) -> str:
        """Returns the key of a box, unique in the picture."""
        return f"{self.prefix}-layer{self.folded.units[unit].layers[0]}"

    def copies(self) -> dict[int, tuple[int, ...]]:
        """Returns, for each unit that is drawn for several, all of these."""
        found: dict[int, tuple[int, ...]] = {}
        for block in self.folded.blocks:
            found |= dict(zip(block.shown, zip(*block.copies, strict=True), strict=True))
        return found


def fold_net(graph: Graph, unknown: Sequence[Sequence[str]], prefix: str, fold: bool | str) -> FoldedNet:
    """Returns ``graph`` with its table and its boxes; ``fold`` as for ``draw_net``."""
    folded = fold_graph(graph, chains=bool(fold), blocks=fold is True)
    return FoldedNet(graph, summarize(graph), folded, unknown, prefix)


def fold_graph(graph: Graph, chains: bool = True, blocks: bool = True) -> Folded:
    """Returns the boxes to draw for ``graph``.

    Args:
        chains: whether followers such as ReLU are folded into the layer they follow: those that work in
            place, and those that are the only reader of their bottom; and inputs of which a layer reads
            no more than the size become words.
        blocks: whether repeated blocks are looked for, which is done in nets of many boxes only.
    """
    folded = _fold_chains(graph, chains)
    if blocks and len(folded.units) > MANY_BOXES:
        folded.blocks = _find_blocks(graph, folded)
    return folded


def is_foreign(layer: GraphLayer) -> bool:
    """Whether the type of ``layer`` is not built in, and no misspelling of one that is.

    Forks of Caffe have hundreds of such types; a figure can show them without knowing their shapes.
    Python layers are the net's own code, which drawing does not run.
    """
    if layer.type == "Python" and layer.fault:
        return True
    if layer.layer is not None or layer.type in layer_types():
        return False
    return _is_no_slip(layer.type)


@for_the_first(10_000, otherwise=True)
def _is_no_slip(type: str) -> bool:
    """Whether ``type``, which is not built in, is no misspelling of one that is."""
    plain = type.lower().replace("_", "")
    known = {name.lower() for name in layer_types()}
    if plain in known:
        return False
    return kind_of(type) != "other" or not get_close_matches(plain, known, n=1, cutoff=0.85)


def fault_of(layer: GraphLayer) -> str | None:
    """Returns why ``layer`` cannot work; a foreign type is no fault of the net."""
    return None if is_foreign(layer) else layer.fault


def _fold_chains(graph: Graph, chains: bool) -> Folded:
    readers = _readers(graph)
    version: dict[str, int] = {}  # blob -> the layer that wrote it last
    first: dict[str, int] = {}  # blob -> the layer that wrote it first
    home: dict[int, int] = {}  # layer -> its unit
    units: list[list[int]] = []
    edges: dict[tuple[int, int], list[str]] = {}
    sizes: dict[int, str] = {}
    for i, layer in enumerate(graph.layers):
        writers = [version[b] for b in layer.bottoms if b in version]
        host = writers[0] if writers else None
        if chains and host is not None and _follows(layer, graph.layers[host], readers[host]):
            home[i] = home[host]
            units[home[i]].append(i)
        else:
            home[i] = len(units)
            units.append([i])
            if chains and (size := _size_read(graph, layer, version, first)):
                sizes[home[i]] = size
            for blob in dict.fromkeys(layer.bottoms):
                if blob in version and blob != sizes.get(home[i]):
                    edges.setdefault((home[version[blob]], home[i]), []).append(blob)
        version.update((blob, i) for blob in layer.tops)
        for blob in layer.tops:
            first.setdefault(blob, i)
    return Folded([Unit(tuple(unit)) for unit in units], edges, sizes)


def _size_read(graph: Graph, layer: GraphLayer, version: dict[str, int], first: dict[str, int]) -> str:
    """The input of the net of which ``layer`` reads no more than the size; "" if there is none."""
    place = traits_of(layer.type).size_bottom
    if place is None or place >= len(layer.bottoms) or layer.bottoms.count(layer.bottoms[place]) > 1:
        return ""
    blob = layer.bottoms[place]
    writer = graph.layers[version[blob]] if blob in version else None
    if writer is not None and writer.tops == writer.bottoms:  # in place: as large as before
        writer = graph.layers[first[blob]]
    return blob if writer is not None and not writer.bottoms else ""


def _readers(graph: Graph) -> dict[int, int]:
    """Returns how many layers read what each layer writes."""
    readers: dict[int, int] = defaultdict(int)
    version: dict[str, int] = {}
    for i, layer in enumerate(graph.layers):
        for blob in set(layer.bottoms) & version.keys():
            readers[version[blob]] += 1
        version.update((blob, i) for blob in layer.tops)
    return readers


def _follows(layer: GraphLayer, host: GraphLayer, readers: int) -> bool:
    if len(layer.bottoms) != 1 or len(layer.tops) != 1 or len(host.tops) != 1 or readers != 1:
        return False
    if fault_of(layer) or fault_of(host) or not host.bottoms or kind_of(host.type) == "data":
        return False
    if layer.tops == layer.bottoms:
        return True
    # A normalization that starts a new group belongs to what follows it, unless it follows weights.
    starts = kind_of(layer.type) == "normalization" and not host.params and not follows(host.type)
    return follows(layer.type) and not starts


def follows(type: str) -> bool:
    """Whether layers of this type are listed in the box of the layer below."""
    return traits_of(type).follows or type in FOREIGN_FOLLOWERS


# --- repeated blocks ----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Segment:
    """Units between two places where a single blob carries everything, and what they look like."""

    units: tuple[int, ...]
    signature: tuple


def _find_blocks(graph: Graph, folded: Folded) -> list[Block]:
    """Returns runs of equal patterns of segments: at each place the pattern that saves most boxes."""
    segments = _segments(graph, folded)
    blocks = []
    i = 0
    while i < len(segments):
        saved, period, times = max(
            (_repeats(segments, i, period) for period in range(1, LONGEST_PATTERN + 1)),
            key=lambda found: (found[0], -found[1]),
        )
        if saved:
            copies = (segments[i + k * period : i + (k + 1) * period] for k in range(times))
            blocks.append(Block(tuple(tuple(u for s in copy for u in s.units) for copy in copies)))
        i += period * times if saved else 1
    spared = sum(len(block.shown) * (len(block.copies) - 1) for block in blocks)
    return blocks if spared >= MIN_SAVING * len(folded.units) else []


def _repeats(segments: Sequence[_Segment], start: int, period: int) -> tuple[int, int, int]:
    """Returns (boxes saved, period, times) for the pattern of ``period`` segments at ``start``."""
    pattern = [s.signature for s in segments[start : start + period]]
    times, place = 1, start + period
    while len(pattern) == period and [s.signature for s in segments[place : place + period]] == pattern:
        times += 1
        place += period
    boxes = sum(len(s.units) for s in segments[start : start + period])
    if times < (MIN_SINGLES if boxes == 1 else 2) or None in pattern:
        return 0, period, times
    return boxes * (times - 1), period, times


def _segments(graph: Graph, folded: Folded) -> list[_Segment]:
    """Cuts the units where only one unit's blob is still needed, apart from the net's own inputs."""
    last_use: dict[int, int] = {}
    done_at: dict[int, list[int]] = defaultdict(list)
    sources: dict[int, list[int]] = defaultdict(list)
    for a, b in folded.edges:
        last_use[a] = max(last_use.get(a, b), b)
        sources[b].append(a)
    for a, b in last_use.items():
        done_at[b].append(a)
    inputs = {u for u, unit in enumerate(folded.units) if not graph.layers[unit.layers[0]].bottoms}
    segments: list[_Segment] = []
    carrying: set[int] = set()
    entry, current = None, list[int]()
    for u in range(len(folded.units)):
        current.append(u)
        carrying.difference_update(done_at[u])
        if last_use.get(u, u) > u and u not in inputs:
            carrying.add(u)
        if len(carrying) == 1 and entry is not None:
            exit_unit = next(iter(carrying))
            if exit_unit >= current[0]:
                signature = _signature(graph, folded, current, sources, entry, exit_unit)
                segments.append(_Segment(tuple(current), signature))
                entry, current = exit_unit, []
        elif len(carrying) == 1:
            segments.append(_Segment(tuple(current), (None, u)))
            entry, current = next(iter(carrying)), []
    if current:
        segments.append(_Segment(tuple(current), (None, len(folded.units))))
    return segments


def _signature(graph: Graph, folded: Folded, units, sources, entry: int, exit_unit: int) -> tuple:
    """What must be equal for two segments to be the same block: types, parameters, connections."""
    place = {u: i for i, u in enumerate(units)} | {entry: -1}
    parts = []
    for u in units:
        if any(a not in place for a in sources[u]) or not sources[u]:
            return (None, u)  # unlike any other: something else enters here
        layers = [graph.layers[i] for i in folded.units[u].layers]
        faults = tuple(map(fault_of, layers))
        parts.append((tuple(map(_settings, layers)), faults, tuple(place[a] for a in sources[u])))
    return (tuple(parts), place[exit_unit])


def _settings(layer: GraphLayer) -> tuple[str, bytes]:
    """The type of a layer and all of its own parameters, without names and learning rates."""
    param = type(layer.param)()
    param.CopyFrom(layer.param)
    for name in ("name", "bottom", "top", "param", "include", "exclude", "phase", "loss_weight", "blobs"):
        param.ClearField(name)
    for kind in ("convolution_param", "inner_product_param"):
        if param.HasField(kind):
            for filler in ("weight_filler", "bias_filler"):
                getattr(param, kind).ClearField(filler)
    return layer.type, param.SerializeToString(deterministic=True)
