"""Layers that compute each element of the top from one element of the bottom."""

from __future__ import annotations

import numpy as np

from cnnviz.analysis.activation_functions import ACTIVATION_FUNCTIONS
from support.layer_harness import Case, uniform

ODD = (2, 3, 5, 7)
TABLE = {row.name.split(",")[0]: row.f for row in ACTIVATION_FUNCTIONS}
WIDE = {0: uniform(-7, 7)}


def row(type, name, reference, params="", shape=ODD, fills=None, **options):
    """A case of one bottom that may be worked on in place."""
    options = {"in_place": True} | options
    return Case(
        type, name, [shape], params, reference=reference, fills=fills or {0: uniform(-3, 3)}, **options
    )


def table(type, name, params=""):
    """A case whose reference is the row ``name`` of the table of activations."""
    return row(type, "table", TABLE[name], params)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def leaky(slope):
    return lambda x: np.where(x > 0, x, slope * x)


def prelu(x, a):
    return np.where(x > 0, x, np.reshape(a, (1, -1) + (1,) * (x.ndim - 2)) * x)


CASES = [
    row("ReLU", "default", TABLE["Rectified linear (ReLU)"]),
    row("ReLU", "one element", leaky(0), shape=(1,)),
    row("ReLU", "many elements", leaky(0), shape=(3, 1031)),
    row("ReLU", "leaky", leaky(0.1), "relu_param { negative_slope: 0.1 }"),
    row("ReLU", "negative slope below 0", leaky(-0.2), "relu_param { negative_slope: -0.2 }"),
    row("ReLU", "cut at 6", lambda x: np.clip(x, 0, 6), "relu_param { relu6: true }", fills=WIDE),
    table("Sigmoid", "Logistic (sigmoid)"),
    table("TanH", "TanH"),
    row("AbsVal", "default", np.abs),
    row("Power", "default", lambda x: x),
    row("Power", "square", lambda x: (0.5 + 2 * x) ** 2, "power_param { power: 2 scale: 2 shift: 0.5 }"),
    row("Power", "fraction", lambda x: (4 + 0.5 * x) ** 1.5,
        "power_param { power: 1.5 scale: 0.5 shift: 4 }"),
    row("Power", "cube", lambda x: (1 - x) ** 3, "power_param { power: 3 scale: -1 shift: 1 }"),
    row("Power", "linear", lambda x: 3 - 2 * x, "power_param { scale: -2 shift: 3 }"),
    row("Power", "constant", lambda x: np.full_like(x, 2.0**3), "power_param { power: 3 scale: 0 shift: 2 }"),
    row("Power", "power 0", np.ones_like, "power_param { power: 0 }"),
    row("Exp", "e", np.exp),
    row("Exp", "base 2", lambda x: 2 ** (0.5 - 1.5 * x), "exp_param { base: 2 scale: -1.5 shift: 0.5 }"),
    row("Log", "e", np.log, fills={0: uniform(0.5, 3)}),
    row("Log", "base 10", lambda x: np.log10(7 + 2 * x), "log_param { base: 10 scale: 2 shift: 7 }"),
    row("BNLL", "default", TABLE["SoftPlus"]),
    row("ELU", "default", TABLE["Exponential linear (ELU)"]),
    row("ELU", "alpha", lambda x: np.where(x > 0, x, 0.3 * np.expm1(x)), "elu_param { alpha: 0.3 }"),
    row("ELU", "alpha below 0", lambda x: np.where(x > 0, x, -0.3 * np.expm1(x)),
        "elu_param { alpha: -0.3 }"),
    row("PReLU", "default", prelu, weights={0: uniform(0.1, 0.4)}),
    row("PReLU", "2 axes", prelu, shape=(5, 7)),
    row("PReLU", "3 axes", prelu, shape=(2, 5, 3)),
    row("PReLU", "shared", prelu, "prelu_param { channel_shared: true }"),
    row("PReLU", "usual slope", lambda x, a: np.where(x > 0, x, 0.25 * x), weights={0: None}),
    row("Swish", "default", TABLE["Swish"]),
    row("Swish", "beta", lambda x: x * sigmoid(0.7 * x), "swish_param { beta: 0.7 }"),
    row("Clip", "limits", lambda x: np.clip(x, -1, 2), "clip_param { min: -1 max: 2 }"),
    row("Clip", "no limits given", np.zeros_like, gradient=False),
    row("Threshold", "default", lambda x: (x > 0) * 1.0, gradient=False),
    row("Threshold", "value", lambda x: (x > 0.7) * 1.0,
        "threshold_param { threshold: 0.7 }", gradient=False),
    table("Identity", "Identity"),
    table("BinaryStep", "Binary step"),
    table("ArcTan", "ArcTan"),
    table("Atan", "ArcTan"),
    table("SoftPlus", "SoftPlus"),
    table("Softplus", "SoftPlus"),
    row("Softsign", "default", lambda x: x / (1 + np.abs(x))),
    table("BentIdentity", "Bent identity"),
    row("SoftExponential", "alpha 0", lambda x: x),
    row("SoftExponential", "alpha above 0", lambda x: np.expm1(0.4 * x) / 0.4 + 0.4,
        "soft_exponential_param { alpha: 0.4 }"),
    row("SoftExponential", "alpha below 0", lambda x: np.log(1 + 0.2 * (x - 0.2)) / 0.2,
        "soft_exponential_param { alpha: -0.2 }"),
    table("Sinusoid", "Sinusoid"),
    table("Sinc", "Sinc"),
    row("Sinc", "near 0", TABLE["Sinc"], fills={0: uniform(-0.3, 0.3)}),
    table("Gaussian", "Gaussian"),
    row("ReLU6", "default", lambda x: np.clip(x, 0, 6), fills=WIDE),
    row("ReLU6", "leaky", lambda x: np.where(x > 0, np.minimum(x, 6), 0.1 * x),
        "relu6_param { negative_slope: 0.1 }", fills=WIDE),
    row("ReLU6", "negative slope below 0", lambda x: np.where(x > 0, np.minimum(x, 6), -0.2 * x),
        "relu6_param { negative_slope: -0.2 }", fills=WIDE),
    row("HardSigmoid", "default", lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
    row("HardSigmoid", "slope", lambda x: np.clip(x / 2 + 0.25, 0, 1),
        "hard_sigmoid_param { alpha: 0.5 beta: 0.25 }"),
    row("HardSwish", "default", TABLE["Hard swish"], fills=WIDE),
    row("HardSwish", "slope", lambda x: x * np.clip(0.2 * x + 0.5, 0, 1), "hard_swish_param { alpha: 0.2 }"),
    table("Mish", "Mish"),
    row("NoisyReLU", "test", leaky(0), phase="TEST"),
    row("NoisyReLU", "train without noise", leaky(0), "noisy_relu_param { deviation: 0 }"),
    row("NoisyReLU", "train", None, gradient=False),
    row("RReLU", "test", leaky(np.log(8 / 3) / 5), phase="TEST"),
    row("RReLU", "test with one slope", leaky(0.25), "rrelu_param { lb: 4 ub: 4 }", phase="TEST"),
    row("RReLU", "train with one slope", leaky(0.25), "rrelu_param { lb: 4 ub: 4 }"),
    row("RReLU", "train", None, gradient=False),
    row("Dropout", "test", lambda x: x, phase="TEST"),
    row("Dropout", "test of a fork", lambda x: 0.7 * x,
        "dropout_param { dropout_ratio: 0.3 scale_train: false }",
        phase="TEST"),
    row("Dropout", "train", None, gradient=False),
    row("Dropout", "nothing dropped", lambda x: x, "dropout_param { dropout_ratio: 0 }"),
    row("Dropout", "all dropped", np.zeros_like, "dropout_param { dropout_ratio: 1 }"),
]  # fmt: skip
