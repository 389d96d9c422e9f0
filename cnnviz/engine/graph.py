"""Graph: a NetParameter made into layers and named blobs, without a device.

Follows Caffe's Net::Init: layers are filtered by the net's state, Split layers are inserted where a
blob has several readers, shapes are inferred layer by layer, and it is worked out which layers and
bottoms take part in the backward pass. With ``strict=False`` nothing raises: a fault is recorded at
its layer, and what lies behind it has unknown shapes, so that a broken net can still be drawn.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from cnnviz.engine.blob import Shape, check_shape
from cnnviz.engine.layer import Layer, Weight, create_layer, layer_types, raised_text
from cnnviz.engine.net_state import MOST_MAKERS, includes, makers_text, net_state
from cnnviz.engine.unknown_fields import refusal, transform_refusal
from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats.prototxt import NetDefinition
from cnnviz.formats.schema import LayerParameter, NetState, ParamSpec

AnyShape = Shape | None
# A net of very many unknown bottoms has its first ones explained by names that are alike.
MOST_NAMES_COMPARED = 200_000


@dataclass
class GraphParam:
    """One parameter blob of a layer.

    Attributes:
        weight: shape and filler.
        spec: name, lr_mult, decay_mult as given or by default.
        owner: (layer index, parameter index) of the blob whose memory this one uses: its own, or
            the first with the same name.
    """

    weight: Weight
    spec: ParamSpec
    owner: tuple[int, int]

    @property
    def shape(self) -> Shape:
        return self.weight.shape


@dataclass
class GraphLayer:
    """One layer in its place; shapes are None where they are unknown.

    ``place`` is the layer's index in the definition, None for a Split.
    """

    index: int
    param: LayerParameter
    line: int | None
    where: str
    layer: Layer | None = None
    bottom_shapes: list[AnyShape] = field(default_factory=list)
    top_shapes: list[AnyShape] = field(default_factory=list)
    params: list[GraphParam] = field(default_factory=list)
    macs: int = 0
    fault: str | None = None
    needs_backward: bool = False
    propagate_down: list[bool] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    unknown_bottoms: list[str] = field(default_factory=list)
    place: int | None = None

    @property
    def runs_users_code(self) -> bool:
        """Whether the layer runs Python code of its user, as far as it is made."""
        return self.type == "Python" and (self.layer is None or self.layer.type == "Python")

    @property
    def name(self) -> str:
        return self.param.name

    @property
    def type(self) -> str:
        return self.param.type

    @property
    def bottoms(self) -> list[str]:
        return list(self.param.bottom)

    @property
    def param_shapes(self) -> list[Shape]:
        return [p.shape for p in self.params]

    @property
    def title(self) -> str:
        """How errors call the layer: "lenet.prototxt:41: layer 'ip1' (InnerProduct)"."""
        return f"{self.where}: layer {self.name!r} ({self.type})"


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
        strict: whether a fault raises; else it is recorded in ``GraphLayer.fault``.
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
    builder.find_backward_path()
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

    # Which layers, and their Splits

    def take_layers(self) -> None:
        stages = set(self.state.stage)
        for i, param in enumerate(self.definition.proto.layer):
            node = GraphLayer(-1, param, self.definition.lines[i], self.definition.where(i), place=i)
            try:
                wanted = includes(param, self.state, stages)
            except NetError as error:
                self.fault(node, str(error))
                wanted = True
            if wanted:
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
        """Gives each reader of a blob that has several its own copy: a top of a Split layer."""
        layers = self.graph.layers
        last_top: dict[str, tuple[int, int]] = {}
        source: dict[tuple[int, int], tuple[int, int]] = {}
        uses: Counter = Counter()
        loss_weight: dict[tuple[int, int], float] = {}
        for i, node in enumerate(layers):
            for j, bottom in enumerate(node.param.bottom):
                if bottom not in last_top:
                    self.fault(node, self._unknown_bottom(node, bottom, last_top))
                    continue
                source[i, j] = last_top[bottom]
                uses[last_top[bottom]] += 1
            for j, top in enumerate(node.param.top):
                last_top[top] = (i, j)
            # A loss weight on a top is one more reader of it.
            for top, weight in zip(node.param.top, node.param.loss_weight, strict=False):
                loss_weight[last_top[top]] = weight
                uses[last_top[top]] += weight != 0
        given: Counter = Counter()
        result = []
        for i, node in enumerate(layers):
            for j, bottom in enumerate(node.param.bottom):
                top_index = source.get((i, j))
                if top_index is not None and uses[top_index] > 1:
                    prefix = self._split_name(layers[top_index[0]].name, bottom, top_index[1])
                    node.param.bottom[j] = f"{prefix}_{given[top_index]}"
                    given[top_index] += 1
            result.append(node)
            for j in range(len(node.param.top)):
                if uses[i, j] > 1:
                    weight = loss_weight.get((i, j), 0)
                    result.append(self._split_layer(node, j, uses[i, j], weight))
                    if weight:
                        node.param.ClearField("loss_weight")
                        given[i, j] += 1
        self.graph.layers = result
        self._number()

    @staticmethod
    def _split_name(layer: str, blob: str, top_index: int) -> str:
        return f"{blob}_{layer}_{top_index}_split"

    def _split_layer(self, node: GraphLayer, top_index: int, count: int, weight: float) -> GraphLayer:
        blob = node.param.top[top_index]
        name = self._split_name(node.name, blob, top_index)
        param = LayerParameter(name=name, type="Split", bottom=[blob])
        param.top.extend(f"{name}_{k}" for k in range(count))
        if weight:
            param.loss_weight.extend([weight] + [0] * (count - 1))
        return GraphLayer(-1, param, node.line, node.where)

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
        node.propagate_down = self._wanted_gradients(node)
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
        """What speaks against a layer; None where that is no fault of its own.

        What a user's Python code raises is told where the rest can be shown, else passes as it is.
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

    def _wanted_gradients(self, node: GraphLayer) -> list[bool]:
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
                wanted = (
                    f"{least}"
                    if least == most
                    else f"at least {least}"
                    if most is None
                    else f"{least} to {most}"
                )
                self.note(node, f"has {count} {kind} blob(s), wants {wanted}")

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
                f"this layer wants {weight.shape}"
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

    # The backward pass

    def _decide_backward(self, node: GraphLayer) -> None:
        node.needs_backward = any(node.propagate_down) or any(p.spec.lr_mult != 0 for p in node.params)
        if node.needs_backward:
            self.needing_backward.update(node.tops)
        else:
            self.needing_backward.difference_update(node.tops)

    def find_backward_path(self) -> None:
        """Keeps the backward pass to layers that a loss reaches, as Caffe does."""
        under_loss: set[str] = set()
        skipped: set[str] = set()
        for node in reversed(self.graph.layers):
            weights = node.layer.loss_weights if node.layer else []
            loss_of = dict(zip(node.tops, weights, strict=False))
            contributes = any(loss_of.get(top) or top in under_loss for top in node.tops)
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
        if self.definition.proto.force_backward:
            self._force_backward()

    def _force_backward(self) -> None:
        for node in self.graph.layers:
            if node.layer is None:
                continue
            node.needs_backward = True
            node.propagate_down = [
                down or node.layer.allow_force_backward(i) for i, down in enumerate(node.propagate_down)
            ]
