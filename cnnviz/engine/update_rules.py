"""Update rules (solver types) and learning-rate policies.

A rule launches one kernel of kernels/solver.cl per parameter blob, which adds the weight decay, brings
the history up to date and changes the weights. The formulas stand in that file.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from cnnviz.engine.blob import Blob
from cnnviz.errors import NetError, did_you_mean
from cnnviz.formats.schema import SolverParameter


class UpdateRule:
    """Base of the solver types.

    Attributes:
        type: SolverParameter.type.
        moments: histories per parameter blob; the solver state holds all first ones, then all second.
        uses_momentum: whether a momentum may be given.
    """

    type: ClassVar[str]
    moments: ClassVar[int] = 1
    uses_momentum: ClassVar[bool] = True

    def __init__(self, param: SolverParameter):
        if param.momentum and not self.uses_momentum:
            raise NetError(
                f"the {self.type} solver takes no momentum, momentum is {param.momentum:g}. Remove it."
            )
        self.param = param

    def rate(self, rate: float, iteration: int) -> float:
        """Returns the rate that the kernel multiplies by."""
        return rate

    def extras(self) -> list[float]:
        """Returns the kernel's arguments after the histories."""
        raise NotImplementedError

    def apply(
        self, blob: Blob, histories: list[Blob], scale: float, decay: float, l1: bool, rate: float
    ) -> None:
        """Updates one parameter blob."""
        numbers = (blob.count, scale, decay, l1, rate)
        values = (blob.mutable_device_data, blob.mutable_device_diff)
        buffers = [history.mutable_device_data for history in histories]
        kernel = self.type.lower()
        blob.device.launch("solver", kernel, blob.count, *numbers, *values, *buffers, *self.extras())


class SGD(UpdateRule):
    """Stochastic gradient descent with momentum."""

    type = "SGD"

    def extras(self) -> list[float]:
        return [self.param.momentum]


class Nesterov(SGD):
    """Nesterov's accelerated gradient. Source: Sutskever et al. 2013."""

    type = "Nesterov"


class AdaGrad(UpdateRule):
    """Source: Duchi et al. 2011."""

    type = "AdaGrad"
    uses_momentum = False

    def extras(self) -> list[float]:
        return [self.param.delta]


class RMSProp(UpdateRule):
    """Source: Tieleman and Hinton 2012."""

    type = "RMSProp"
    uses_momentum = False

    def extras(self) -> list[float]:
        return [self.param.rms_decay, self.param.delta]


class AdaDelta(UpdateRule):
    """Momentum is the decay of both running means. Source: Zeiler 2012."""

    type = "AdaDelta"
    moments = 2

    def extras(self) -> list[float]:
        return [self.param.momentum, self.param.delta]


class Adam(UpdateRule):
    """Momentum is beta 1, momentum2 beta 2. Source: Kingma and Ba 2015."""

    type = "Adam"
    moments = 2

    def rate(self, rate: float, iteration: int) -> float:
        t = iteration + 1
        return rate * math.sqrt(1 - self.param.momentum2**t) / (1 - self.param.momentum**t)

    def extras(self) -> list[float]:
        return [self.param.momentum, self.param.momentum2, self.param.delta]


RULES: dict[str, type[UpdateRule]] = {
    rule.type: rule for rule in (SGD, Nesterov, AdaGrad, RMSProp, AdaDelta, Adam)
}


def create_rule(param: SolverParameter) -> UpdateRule:
    """Returns the rule of the solver's type.

    Raises NetError for an unknown type or a parameter that the rule does not take.
    """
    if param.type not in RULES:
        raise NetError(f"unknown solver type {param.type!r}{did_you_mean(param.type, RULES)}")
    return RULES[param.type](param)


POLICIES = ("fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid")


def check_policy(param: SolverParameter) -> None:
    """Raises NetError if the learning-rate policy is unknown or lacks what it needs."""
    policy = param.lr_policy
    if not policy:
        raise NetError(f"has no lr_policy; give one of {', '.join(POLICIES)}")
    if policy not in POLICIES:
        raise NetError(f"unknown lr_policy {policy!r}{did_you_mean(policy, POLICIES)}")
    if policy in ("step", "exp", "inv", "multistep", "sigmoid") and param.gamma < 0:
        raise NetError(f"lr_policy {policy!r} needs gamma >= 0, it is {param.gamma:g}")
    if policy in ("step", "sigmoid") and param.stepsize <= 0:
        raise NetError(f"lr_policy {policy!r} needs stepsize > 0, it is {param.stepsize}")
    if policy == "poly" and param.max_iter <= 0:
        raise NetError("lr_policy 'poly' needs max_iter > 0")


def learning_rate(param: SolverParameter, iteration: int, current_step: int) -> float:
    """Returns the rate of an iteration.

    fixed: base_lr
    step, multistep: base_lr gamma^current_step
    exp: base_lr gamma^iteration
    inv: base_lr (1 + gamma iteration)^-power
    poly: base_lr (1 - iteration / max_iter)^power
    sigmoid: base_lr / (1 + e^(-gamma (iteration - stepsize)))
    """
    policy: Any = param.lr_policy
    base = param.base_lr
    if policy in ("step", "multistep"):
        return base * param.gamma**current_step
    if policy == "exp":
        return base * param.gamma**iteration
    if policy == "inv":
        return base * (1 + param.gamma * iteration) ** -param.power
    if policy == "poly":
        return base * max(0.0, 1 - iteration / param.max_iter) ** param.power
    if policy == "sigmoid":
        exponent = -param.gamma * (iteration - param.stepsize)
        return base / (1 + math.exp(min(exponent, 700)))
    return base
