"""One layer of a graph in its place: its shapes, parameters, cost and fault."""

from __future__ import annotations

from dataclasses import dataclass, field

from cnnviz.engine.blob import Shape
from cnnviz.engine.layer import Layer, Weight
from cnnviz.formats.schema import LayerParameter, ParamSpec

AnyShape = Shape | None


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
