"""The activations of the textbooks that Caffe has no layer for."""

from __future__ import annotations

from cnnviz.engine.layers._neuron import Neuron


class Identity(Neuron):
    """y = x, y' = 1

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: none needed.
    Checked: by its formula; no fork was available.
    """

    type = "Identity"
    function = "IDENTITY"
    slope_from_top = True


class BinaryStep(Neuron):
    """y = 0 for x < 0, 1 for x >= 0; y' = 0

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place). Nothing is learned below it.
    Source: McCulloch and Pitts 1943; Caffe's Threshold differs at 0 and has no gradient.
    Checked: by its formula; no fork was available.
    """

    type = "BinaryStep"
    function = "BINARY_STEP"
    slope_from_top = True


class ArcTan(Neuron):
    """y = atan x, y' = 1 / (x^2 + 1)

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: textbooks.
    Checked: by its formula; no fork was available.
    """

    type = "ArcTan"
    function = "ARCTAN"


class Atan(ArcTan):
    """y = atan x, y' = 1 / (x^2 + 1): the name that nets converted from elsewhere use for ArcTan

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: forks of Caffe.
    Checked: against Synopsys' fork.
    """

    type = "Atan"


class SoftPlus(Neuron):
    """y = ln(1 + e^x), y' = 1 / (1 + e^-x)

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Dugas et al. 2001; the same function as Caffe's BNLL.
    Checked: by its formula; no fork was available.
    """

    type = "SoftPlus"
    function = "SOFTPLUS"


class Softplus(SoftPlus):
    """y = ln(1 + e^x), y' = 1 / (1 + e^-x): SoftPlus as nets converted from TensorFlow spell it

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Synopsys's fork of Caffe.
    Checked: against Synopsys' fork.
    """

    type = "Softplus"


class Softsign(Neuron):
    """y = x / (1 + |x|), y' = 1 / (1 + |x|)^2

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Bergstra et al. 2009; Synopsys's fork of Caffe.
    Checked: against Synopsys' fork.
    """

    type = "Softsign"
    function = "SOFTSIGN"


class BentIdentity(Neuron):
    """y = (sqrt(x^2 + 1) - 1) / 2 + x, y' = x / (2 sqrt(x^2 + 1)) + 1

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: textbooks.
    Checked: by its formula; no fork was available.
    """

    type = "BentIdentity"
    function = "BENT_IDENTITY"


class SoftExponential(Neuron):
    """y = -ln(1 - a (x + a)) / a for a < 0; x for a = 0; (e^(a x) - 1) / a + a for a > 0; a = alpha

    y' = 1 / (1 - a (a + x)) for a < 0, e^(a x) for a >= 0. For a < 0 y is NaN where 1 - a (x + a) is
    not positive.

    soft_exponential_param:
        alpha: default 0.

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: Godfrey and Gashler 2015.
    Checked: by its formula; no fork was available.
    """

    type = "SoftExponential"
    function = "SOFT_EXPONENTIAL"

    def constants(self) -> tuple[float, ...]:
        return (self.param.soft_exponential_param.alpha,)


class Sinusoid(Neuron):
    """y = sin x, y' = cos x

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: textbooks.
    Checked: by its formula; no fork was available.
    """

    type = "Sinusoid"
    function = "SINUSOID"


class Sinc(Neuron):
    """y = sin x / x, 1 at 0; y' = cos x / x - sin x / x^2, 0 at 0

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: textbooks.
    Checked: by its formula; no fork was available.
    """

    type = "Sinc"
    function = "SINC"


class Gaussian(Neuron):
    """y = e^(-x^2), y' = -2 x y

    Bottom: x of any shape.
    Top: y of the same shape; may be the bottom (in place).
    Source: textbooks.
    Checked: by its formula; no fork was available.
    """

    type = "Gaussian"
    function = "GAUSSIAN"
