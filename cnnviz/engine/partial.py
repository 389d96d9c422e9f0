"""The part of a net that can run where some of its layers cannot: enough for inspection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from cnnviz.engine.filler import check_filler
from cnnviz.engine.graph import Graph, build_graph
from cnnviz.engine.graph_layer import GraphLayer
from cnnviz.engine.layer import raised_text
from cnnviz.errors import FileError, NetError
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import NetState

_MOST_NAMED = 4  # layers that need one that cannot run


class LayerFailure(NetError):
    """A layer of a partial net failed as it ran; see ``Net.rest``.

    Attributes:
        layer: its name.
        reason: why, without the place.
    """

    def __init__(self, node: GraphLayer, reason: str):
        super().__init__(_sentence(node, reason))
        self.layer, self.reason = node.name, reason


@contextmanager
def failures(node: GraphLayer) -> Iterator[None]:
    """Raises LayerFailure where the layer, its files or the Python code that it names fail in the block.

    Everything else, such as an error of cnnviz, a device out of memory or an interruption, passes.
    """
    try:
        yield
    except (NetError, FileError) as error:
        reason = str(error).removeprefix(f"{node.title}: ")
        raise LayerFailure(node, reason.removeprefix(f"layer {node.name!r} ({node.type}): ")) from None
    except Exception as error:
        if not node.runs_users_code:
            raise
        raise LayerFailure(node, raised_text(error)) from error


@dataclass
class LeftOut:
    """A layer that cannot run.

    Attributes:
        name: of the layer.
        reason: why, with file, line, name and type.
        needed_by: the layers downstream that cannot run without its tops.
        blobs: what these layers and it would make; reads: what they would read.
    """

    name: str
    reason: str
    needed_by: list[str] = field(default_factory=list)
    blobs: set[str] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)

    @property
    def names(self) -> list[str]:
        """All layers that do not run because of this one, itself first."""
        return [self.name, *self.needed_by]

    def __str__(self) -> str:
        return f"{self.reason.rstrip('.')}. Left out{_behind(self.needed_by)}.".replace("'?.", "'?")


def _behind(names: Sequence[str]) -> str:
    if not names:
        return ""
    listed = ", ".join(map(repr, names[:_MOST_NAMED]))
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f", with what needs it: {listed}{more}"


def runnable(
    definition: NetDefinition, state: NetState, failed: Mapping[str, str] | None = None
) -> tuple[Graph, list[LeftOut]]:
    """Returns the graph of the layers that can run, and those that cannot.

    Args:
        failed: names of layers that failed as they ran, with the reasons.

    A layer can run if it has no fault, its data is there, its shapes are known, and so for all layers that
    make its bottoms. Where all can, the graph is that of ``build_graph``.

    Raises NetError for an unknown bottom, which this machine does not lack: the net is wrong, and
    with the first reason if no layer but inputs can run.
    """
    graph = build_graph(definition, state=state, strict=False, running=True)
    failed = failed or {}
    if not failed and all(_own_fault(node) is None and _has_shapes(node) for node in graph.layers):
        return graph, []
    whole = build_graph(definition, state=state, splits=False, strict=False, running=True)
    kept, left_out = _parted(whole, failed)
    if not any(node.bottoms for node in kept):
        raise NetError(left_out[0].reason)
    part = definition.with_layers([node.param for node in kept], [node.place for node in kept])
    return build_graph(part, state=state), left_out


def _own_fault(node: GraphLayer) -> str | None:
    """Why a layer cannot run whatever its bottoms are; None if it can."""
    absent = node.layer.absent if node.layer is not None else None
    if node.fault is not None or absent is not None:
        return node.fault or str(absent)
    try:
        for param in node.params:
            check_filler(param.shape, param.weight.filler)
    except NetError as error:
        return str(error)
    return None


def _parted(graph: Graph, failed: Mapping[str, str]) -> tuple[list[GraphLayer], list[LeftOut]]:
    """The layers that can run, and the others with what needs them."""
    for node in graph.layers:
        if node.unknown_bottoms:
            raise NetError(_sentence(node, node.fault or ""))
    kept: list[GraphLayer] = []
    left_out: list[LeftOut] = []
    lost: dict[str, LeftOut] = {}  # a blob's name -> why it cannot be had
    for node in graph.layers:
        cause = next((lost[blob] for blob in node.bottoms if blob in lost), None)
        fault = failed.get(node.name) or _own_fault(node)
        if fault is None and cause is None and not _has_shapes(node):
            fault = "its shapes cannot be known, so it cannot run"
        if fault is not None:
            cause = LeftOut(node.name, _sentence(node, fault))
            left_out.append(cause)
        elif cause is not None:
            cause.needed_by.append(node.name)
        else:
            kept.append(node)
        for top in node.tops:
            if cause is None:
                lost.pop(top, None)
            else:
                lost[top] = cause
                cause.blobs.add(top)
        if cause is not None:
            cause.reads.update(node.bottoms)
    return kept, left_out


def _sentence(node: GraphLayer, fault: str) -> str:
    return f"{node.title}: {fault.rstrip('.')}."


def _has_shapes(node: GraphLayer) -> bool:
    return node.layer is not None and None not in node.top_shapes
