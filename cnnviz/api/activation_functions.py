"""The table of activation functions, drawn to a file."""

from __future__ import annotations

import os

from cnnviz.analysis.activation_functions import ACTIVATION_FUNCTIONS
from cnnviz.api.figures import save_figure
from cnnviz.plots.activation_functions import activation_functions_figure


def plot_activation_functions(path: str | os.PathLike, *, style: str = "light", dpi: float = 150) -> None:
    """Draws each activation function that a layer computes, with derivative and formulas, to ``path``.

    Raises FileError if the extension of ``path`` is not a figure format or it cannot be written.
    """
    figure = activation_functions_figure(ACTIVATION_FUNCTIONS, style)
    save_figure(figure, path, dpi, title="Activation functions")
