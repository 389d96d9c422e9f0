"""Power."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Power(Neuron):
    """y = (shift + scale x)^power, y' = scale power (shift + scale x)^(power - 1)

    power_param:
        power, scale: default 1.
        shift: default 0.

    Where power scale is 0 the top is constant and its gradient 0, whatever x is.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Caffe's PowerLayer.
    """

    type = "Power"
    kind = "arithmetic"

    def picked(self) -> str:
        given = self.param.power_param
        if given.power * given.scale == 0:
            return "CONSTANT"
        return {1.0: "LINEAR", 2.0: "SQUARE"}.get(given.power, "POWER")

    @property
    def slope_from_top(self) -> bool:  # type: ignore[override]
        return self.picked() in ("CONSTANT", "LINEAR")

    def constants(self) -> tuple[float, ...]:
        given = self.param.power_param
        if self.picked() == "CONSTANT":
            return (1.0 if given.power == 0 else _power(given.shift, given.power),)
        return (given.shift, given.scale, given.power)


def _power(base: float, exponent: float) -> float:
    """Returns base^exponent as OpenCL's pow does: NaN or infinity where Python raises."""
    try:
        value = base**exponent
    except (ZeroDivisionError, OverflowError):
        return float("inf")
    return value if isinstance(value, float) else float("nan")
