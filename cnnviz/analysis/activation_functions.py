"""The textbooks' table of activation functions: name, formula, derivative, and the layer that computes it.

The functions here are plain NumPy, apart from the kernels, so that the table can be drawn without a
device and the layers can be tested against it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ActivationFunction:
    """One row of the table.

    Attributes:
        name: as textbooks call it.
        formula, slope_formula: f(x) and f'(x) in TeX's mathematics.
        f, slope: the same as functions of arrays.
        layer: the fields of the prototxt layer that computes it.
        is_random: whether the layer adds noise in training; f is one random draw, slope is without noise.
    """

    name: str
    formula: str
    slope_formula: str
    f: Function
    slope: Function
    layer: str
    is_random: bool = False


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def _step(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, 1.0, 0.0)


def _positive(x: np.ndarray, below: float = 0.0) -> np.ndarray:
    """The derivative of ReLU and its leaky variants."""
    return np.where(x > 0, 1.0, below)


def _elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _noisy(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, x + 0.3 * np.random.default_rng(0).standard_normal(x.shape))


def _soft_exponential(a: float) -> tuple[Function, Function]:
    if a > 0:
        return (lambda x: np.expm1(a * x) / a + a), (lambda x: np.exp(a * x))

    def inside(x: np.ndarray) -> np.ndarray:  # NaN where the logarithm has no value
        return np.where(1 - a * (x + a) > 0, 1 - a * (x + a), np.nan)

    return (lambda x: -np.log(inside(x)) / a), (lambda x: 1 / inside(x))


def _sinc_slope(x: np.ndarray) -> np.ndarray:
    safe = np.where(x == 0, 1.0, x)
    return np.where(x == 0, 0.0, np.cos(safe) / safe - np.sin(safe) / safe**2)


def _mish_slope(x: np.ndarray) -> np.ndarray:
    t = np.tanh(_softplus(x))
    return t + x * _sigmoid(x) * (1 - t * t)


def _hard_swish_slope(x: np.ndarray) -> np.ndarray:
    return np.where(x <= -3, 0.0, np.where(x >= 3, 1.0, x / 3 + 0.5))


_DOWN, _DOWN_SLOPE = _soft_exponential(-0.5)
_UP, _UP_SLOPE = _soft_exponential(0.5)

# In the textbooks' order, then what newer nets use.
ACTIVATION_FUNCTIONS: tuple[ActivationFunction, ...] = (
    ActivationFunction("Identity", "x", "1", lambda x: x, np.ones_like, 'type: "Identity"'),
    ActivationFunction(
        "Binary step", r"0\ (x<0),\ 1\ (x\geq 0)", r"0\ (x\neq 0)",
        _step, np.zeros_like, 'type: "BinaryStep"',
    ),
    ActivationFunction(
        "Logistic (sigmoid)", r"\dfrac{1}{1+e^{-x}}", r"f\,(1-f)",
        _sigmoid, lambda x: _sigmoid(x) * (1 - _sigmoid(x)), 'type: "Sigmoid"',
    ),
    ActivationFunction(
        "TanH", r"\dfrac{2}{1+e^{-2x}}-1", r"1-f^2",
        np.tanh, lambda x: 1 - np.tanh(x) ** 2, 'type: "TanH"',
    ),
    ActivationFunction(
        "ArcTan", r"\tan^{-1}x", r"\dfrac{1}{x^2+1}",
        np.arctan, lambda x: 1 / (x * x + 1), 'type: "ArcTan"',
    ),
    ActivationFunction(
        "Rectified linear (ReLU)", r"\max(0,x)", r"0\ (x<0),\ 1\ (x>0)",
        lambda x: np.maximum(0, x), _positive, 'type: "ReLU"',
    ),
    ActivationFunction(
        "Leaky ReLU", r"0.01x\ (x\leq 0),\ x\ (x>0)", r"0.01,\ 1",
        lambda x: np.where(x > 0, x, 0.01 * x), lambda x: _positive(x, 0.01),
        'type: "ReLU" relu_param { negative_slope: 0.01 }',
    ),
    ActivationFunction(
        "Parametric ReLU, a = 0.25", r"ax\ (x<0),\ x\ (x\geq 0)", r"a,\ 1",
        lambda x: np.where(x > 0, x, 0.25 * x), lambda x: _positive(x, 0.25), 'type: "PReLU"',
    ),
    ActivationFunction(
        "Noisy ReLU, $\\sigma$ = 0.3", r"\max(0,\,x+\mathcal{N}(0,\sigma))", r"0\ (f=0),\ 1\ (f>0)",
        _noisy, _positive, 'type: "NoisyReLU" noisy_relu_param { deviation: 0.3 }', True,
    ),
    ActivationFunction(
        "Exponential linear (ELU), a = 1", r"a(e^x-1)\ (x<0),\ x\ (x\geq 0)", r"f+a,\ 1",
        _elu, lambda x: np.where(x > 0, 1.0, _elu(x) + 1), 'type: "ELU"',
    ),
    ActivationFunction(
        "SoftPlus", r"\ln(1+e^x)", r"\dfrac{1}{1+e^{-x}}", _softplus, _sigmoid, 'type: "SoftPlus"',
    ),
    ActivationFunction(
        "Bent identity", r"\dfrac{\sqrt{x^2+1}-1}{2}+x", r"\dfrac{x}{2\sqrt{x^2+1}}+1",
        lambda x: (np.sqrt(x * x + 1) - 1) / 2 + x, lambda x: x / (2 * np.sqrt(x * x + 1)) + 1,
        'type: "BentIdentity"',
    ),
    ActivationFunction(
        "Soft exponential, a = −0.5", r"-\dfrac{\ln(1-a(x+a))}{a}", r"\dfrac{1}{1-a(a+x)}",
        _DOWN, _DOWN_SLOPE, 'type: "SoftExponential" soft_exponential_param { alpha: -0.5 }',
    ),
    ActivationFunction(
        "Soft exponential, a = 0.5", r"\dfrac{e^{ax}-1}{a}+a", r"e^{ax}",
        _UP, _UP_SLOPE, 'type: "SoftExponential" soft_exponential_param { alpha: 0.5 }',
    ),
    ActivationFunction("Sinusoid", r"\sin x", r"\cos x", np.sin, np.cos, 'type: "Sinusoid"'),
    ActivationFunction(
        "Sinc", r"\dfrac{\sin x}{x},\ 1\ (x=0)", r"\dfrac{\cos x}{x}-\dfrac{\sin x}{x^2},\ 0\ (x=0)",
        lambda x: np.sinc(x / np.pi), _sinc_slope, 'type: "Sinc"',
    ),
    ActivationFunction(
        "Gaussian", r"e^{-x^2}", r"-2xe^{-x^2}",
        lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), 'type: "Gaussian"',
    ),
    ActivationFunction(
        "Swish", r"\dfrac{x}{1+e^{-x}}", r"f+\dfrac{1-f}{1+e^{-x}}",
        lambda x: x * _sigmoid(x), lambda x: x * _sigmoid(x) + _sigmoid(x) * (1 - x * _sigmoid(x)),
        'type: "Swish"',
    ),
    ActivationFunction(
        "Hard swish",
        r"x\,\min(\max(0,\frac{x}{6}+\frac{1}{2}),1)", r"\dfrac{x}{3}+\dfrac{1}{2}\ (|x|<3)",
        lambda x: x * np.clip(x / 6 + 0.5, 0, 1), _hard_swish_slope, 'type: "HardSwish"',
    ),
    ActivationFunction(
        "Mish", r"x\,t,\ t=\tanh\,\ln(1+e^x)", r"t+x\,\dfrac{1-t^2}{1+e^{-x}}",
        lambda x: x * np.tanh(_softplus(x)), _mish_slope, 'type: "Mish"',
    ),
)  # fmt: skip
