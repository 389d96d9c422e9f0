"""Graph: a NetParameter made into layers and named blobs, without a device.

Follows Caffe's Net::Init: layers are filtered by the net's state, Split layers are inserted where a
blob has several readers, shapes are inferred layer by layer, and it is worked out which layers and
bottoms take part in the backward pass. With ``strict=False`` nothing raises: a fault is recorded at
its layer, and what is downstream of it has unknown shapes, so that a broken net can still be drawn.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from functools import cached_property

from cnnviz.engine.backward_path import force_backward, limit_to_losses
from cnnviz.engine.blob import Shape, check_shape
from cnnviz.engine.graph_layer import AnyShape, GraphLayer, GraphParam
from cnnviz.engine.layer import Layer, Weight, create_layer, layer_types, raised_text
from cnnviz.engine.net_state import MOST_MAKERS, includes, makers_text, net_state
from cnnviz.engine.splits import with_splits
from cnnviz.engine.unknown_fields import refusal, transform_refusal
from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetState, ParamSpec

# A net of very many unknown bottoms has its first ones explained by names that are alike.
MOST_NAMES_COMPARED = 200_000


class Graph:
    """The layers of one net state in order, with the shapes of all blobs.

    Attributes:
        name: the net's name.
        phase: cnnviz.TRAIN or cnnviz.TEST.
        state: the whole state, with level and stages.
        layers: in the order of running.
        shapes: each blob's shape, None if unknown, in order of creation.
        inputs: blobs of Input layers; outputs: blobs that nobody reads, sorted by name as in Caffe.
        path: the file the net came from.
    """

    def __init__(self, name: str, phase: int, path: str):
        self.name = name
        self.phase = phase
        self.state = NetState(phase=phase)
        self.path = path
        self.layers: list[GraphLayer] = []
        self.shapes: dict[str, AnyShape] = {}
        self.inputs: list[str] = []
        self.outputs: list[str] = []

    @property
    def param_count(self) -> int:
        """Number of learned values, shared ones counted once."""
        return sum(
            math.prod(p.shape)
            for layer in self.layers
            for i, p in enumerate(layer.params)
            if p.owner == (layer.index, i)
        )


def build_graph(
    definition: NetDefinition,
    phase: int | str = "TEST",
    level: int = 0,
    stages: Iterable[str] = (),
    *,
    state: NetState | None = None,
    splits: bool = True,
    strict: bool = True,
    running: bool | None = None,
) -> Graph:
    """Builds the graph of a net in one state.

    Args:
        definition: a net that ``read_net`` gave.
        phase, level, stages: the state, unless ``state`` gives it whole.
        splits: whether Split layers are inserted as Caffe does; drawings do without.
        strict: whether a fault raises; otherwise it is recorded in ``GraphLayer.fault``.
        running: whether what would run other than it is written is a fault; a drawing shows it as it
            stands. Default: as ``strict``.

    Raises:
        NetError: with file, line and layer, in strict mode.
    """
    state = state or net_state(definition, phase, level, stages)
    builder = _Builder(definition, state, strict, strict if running is None else running)
    builder.take_layers()
    if splits:
        builder.insert_splits()
    for layer in builder.graph.layers:
        builder.connect(layer)
    builder.graph.outputs = sorted(builder.unread)
    limit_to_losses(builder.graph.layers)
    if definition.proto.force_backward:
        force_backward(builder.graph.layers)
    return builder.graph


def _copy(param: LayerParameter) -> LayerParameter:
    copy = LayerParameter()
    copy.CopyFrom(param)
    return copy


class _Builder:
    def __init__(self, definition: NetDefinition, state: NetState, strict: bool, running: bool):
        self.definition = definition
        self.state = state
        self.strict = strict
        self.running = running
        self.graph = Graph(definition.proto.name, state.phase, definition.path)
        self.graph.state = state
        self.names_to_compare = MOST_NAMES_COMPARED
        self.named_params: dict[str, tuple[int, int]] = {}
        self.available: set[str] = set()
        self.unread: set[str] = set()
        self.needing_backward: set[str] = set()

    def fault(self, layer: GraphLayer, reason: str) -> None:
        if self.strict:
            raise NetError(f"{layer.title}: {reason.rstrip('.')}.")
        layer.fault = layer.fault or reason

    def note(self, layer: GraphLayer, reason: str) -> None:
        """As ``fault``, of checks within ``connect``, which puts the place in front."""
        if self.strict:
            raise NetError(reason)
        layer.fault = layer.fault or reason

    # Which layers

    def take_layers(self) -> None:
        stages = set(self.state.stage)
        for i, param in enumerate(self.definition.proto.layer):
            node = GraphLayer(-1, param, self.definition.lines[i], self.definition.where(i), place=i)
            try:
                included = includes(param, self.state, stages)
            except NetError as error:
                self.fault(node, str(error))
                included = True
            if included:
                if self.running:  # a drawing shows what it does not know as it stands
                    self._refuse_unknown_fields(node, i)
                node.param = _copy(param)
                self.graph.layers.append(node)
        self._number()

    def _refuse_unknown_fields(self, node: GraphLayer, index: int) -> None:
        kind = layer_types().get(node.type)
        if kind is not None:
            unknown = refusal(kind, self.definition.unknown_in(index))
            if reason := unknown or transform_refusal(kind, node.param):
                self.fault(node, reason)

    def _number(self) -> None:
        for index, node in enumerate(self.graph.layers):
            node.index = index

    def insert_splits(self) -> None:
        def on_unknown(node: GraphLayer, bottom: str, known: Collection[str]) -> None:
            self.fault(node, self._unknown_bottom(node, bottom, known))

        self.graph.layers = with_splits(self.graph.layers, on_unknown)
        self._number()

    def _unknown_bottom(self, node: GraphLayer, bottom: str, known: Collection[str]) -> str:
        makers = [param for param in self._makers.get(bottom, ()) if param.name != node.name]
        if makers:
            return f"unknown bottom {bottom!r}{makers_text(makers, self.state)}"
        self.names_to_compare -= len(known)
        hint = did_you_mean(bottom, known) if self.names_to_compare >= 0 else ""
        return f"unknown bottom {bottom!r}{hint}"

    @cached_property
    def _makers(self) -> dict[str, list[LayerParameter]]:
        """For each blob the layers of the file that make it in any state: the first few."""
        found: dict[str, list[LayerParameter]] = {}
        for param in self.definition.proto.layer:
            for top in param.top:
                makers = found.setdefault(top, [])
                if len(makers) < MOST_MAKERS:
                    makers.append(param)
        return found

    # One layer in its place

    def connect(self, node: GraphLayer) -> None:
        param = node.param
        if not param.HasField("phase"):
            param.phase = self.state.phase
        node.bottom_shapes = [self._take_bottom(node, blob) for blob in param.bottom]
        node.propagate_down = self._requested_gradients(node)
        try:
            layer = create_layer(param, self.state.phase, lambda reason: self.note(node, reason))
            node.layer = layer
            layer.resolve = self.definition.resolve
            node.tops = self._top_names(node, layer)
            self._check_blob_counts(node, layer)
            layer.loss_weights = self._loss_weights(node, layer)
            self._infer(node, layer)
        except Exception as error:
            reason = self._reason(node, error)
            if reason is None:
                raise
            self.fault(node, reason)
            node.tops = node.tops or list(param.top)
        missing = len(node.tops) - len(node.top_shapes)
        node.top_shapes += [None] * missing
        self._add_tops(node)
        self._decide_backward(node)

    def _reason(self, node: GraphLayer, error: Exception) -> str | None:
        """What is wrong with a layer; None where that is not a fault of its own.

        What a user's Python code raises is reported where the rest can be shown, otherwise passes as it is.
        """
        if isinstance(error, NetError):
            return str(error)
        return raised_text(error) if node.runs_users_code and not self.strict else None

    def _take_bottom(self, node: GraphLayer, blob: str) -> AnyShape:
        if blob not in self.available:
            node.unknown_bottoms.append(blob)
            self.fault(node, self._unknown_bottom(node, blob, self.graph.shapes))
            return None
        self.unread.discard(blob)
        return self.graph.shapes[blob]

    def _requested_gradients(self, node: GraphLayer) -> list[bool]:
        asked = list(node.param.propagate_down)
        if asked and len(asked) != len(node.param.bottom):
            self.fault(
                node,
                f"propagate_down has {len(asked)} entries for {len(node.param.bottom)} bottoms; "
                "give one for each, or none",
            )
            asked = []
        return asked or [blob in self.needing_backward for blob in node.param.bottom]

    def _top_names(self, node: GraphLayer, layer: Layer) -> list[str]:
        names = list(node.param.top)
        if layer.is_loss:  # a loss may be written without a top
            names += ["(automatic)"] * (layer.num_top[0] - len(names))
        return names

    def _check_blob_counts(self, node: GraphLayer, layer: Layer) -> None:
        for kind, count, (least, most) in (
            ("bottom", len(node.param.bottom), layer.num_bottom),
            ("top", len(node.tops), layer.num_top),
        ):
            if count < least or (most is not None and count > most):
                expected = (
                    f"{least}"
                    if least == most
                    else f"at least {least}"
                    if most is None
                    else f"{least} to {most}"
                )
                self.note(node, f"has {count} {kind} blob(s), expected {expected}")

    def _loss_weights(self, node: GraphLayer, layer: Layer) -> list[float]:
        given = list(node.param.loss_weight)
        if given and len(given) != len(node.tops):
            counts = f"{len(given)} entries for {len(node.tops)} tops"
            self.note(node, f"loss_weight has {counts}; give one for each, or none")
            given = []
        default = [1.0] + [0.0] * (len(node.tops) - 1) if layer.is_loss else [0.0] * len(node.tops)
        return given or default[: len(node.tops)]

    def _infer(self, node: GraphLayer, layer: Layer) -> None:
        """Sets the top shapes, parameters and cost as far as they can be known, of a faulty layer too."""
        known = [shape for shape in node.bottom_shapes if shape is not None]
        if len(known) < len(node.bottom_shapes):
            return
        try:
            self._apply_rules(node, layer, known)
        except NetError:
            raise
        except Exception:
            if node.fault is None:  # a rule may stumble over what a check has found
                raise

    def _apply_rules(self, node: GraphLayer, layer: Layer, known: Sequence[Shape]) -> None:
        shapes: list[AnyShape] = [*layer.shapes(known)[: len(node.tops)]]
        for name, shape in zip(node.tops, shapes, strict=False):
            if shape is not None:
                check_shape(shape, f"top {name!r}")
        node.top_shapes = shapes
        node.params = self._params(node, layer.weights(known))
        if None not in shapes:
            node.macs = layer.macs(known, [s for s in shapes if s is not None])

    def _params(self, node: GraphLayer, weights: Sequence[Weight]) -> list[GraphParam]:
        specs = node.param.param
        if len(specs) > len(weights):
            self.note(node, f"has {len(specs)} param entries for {len(weights)} parameter blob(s)")
        params = []
        for i, weight in enumerate(weights):
            check_shape(weight.shape, f"parameter {i}")
            spec = ParamSpec()
            if i < len(specs):
                spec.CopyFrom(specs[i])
            params.append(GraphParam(weight, spec, self._owner(node, i, weight, spec)))
        return params

    def _owner(self, node: GraphLayer, index: int, weight: Weight, spec: ParamSpec) -> tuple[int, int]:
        own = (node.index, index)
        if not spec.name:
            return own
        owner = self.named_params.setdefault(spec.name, own)
        if owner == own:
            return own
        owner_node = self.graph.layers[owner[0]]
        shared = owner_node.params[owner[1]] if owner[0] != node.index else None
        shape = shared.shape if shared else weight.shape
        permissive = spec.share_mode == ParamSpec.PERMISSIVE
        if math.prod(shape) != math.prod(weight.shape) or (not permissive and shape != weight.shape):
            raise NetError(
                f"cannot share param {spec.name!r} of layer {owner_node.name!r}: its shape is {shape}, "
                f"this layer's is {weight.shape}"
            )
        if shared:
            self._merge_mults(spec, shared.spec)
        return owner

    @staticmethod
    def _merge_mults(spec: ParamSpec, owner: ParamSpec) -> None:
        """lr_mult and decay_mult may be given by one of the sharers only, or must be equal."""
        for name in ("lr_mult", "decay_mult"):
            if spec.HasField(name) and owner.HasField(name):
                if getattr(spec, name) != getattr(owner, name):
                    raise NetError(
                        f"shared param {spec.name!r} has {name} {getattr(spec, name):g} here "
                        f"and {getattr(owner, name):g} before"
                    )
            elif spec.HasField(name):
                setattr(owner, name, getattr(spec, name))

    def _add_tops(self, node: GraphLayer) -> None:
        bottoms = node.bottoms
        for i, (blob, shape) in enumerate(zip(node.tops, node.top_shapes, strict=True)):
            in_place = i < len(bottoms) and bottoms[i] == blob
            if blob in self.available and not in_place and blob != "(automatic)":
                self.fault(node, f"top {blob!r} is produced by an earlier layer too; rename one of them")
            self.graph.shapes[blob] = shape
            self.available.add(blob)
            self.unread.add(blob)
            if node.type == "Input":
                self.graph.inputs.append(blob)

    def _decide_backward(self, node: GraphLayer) -> None:
        node.needs_backward = any(node.propagate_down) or any(p.spec.lr_mult != 0 for p in node.params)
        if node.needs_backward:
            self.needing_backward.update(node.tops)
        else:
            self.needing_backward.difference_update(node.tops)
