"""cnnviz activations"""

from __future__ import annotations

import click

from cnnviz.cli._options import FILE, dpi_option, style_option
from cnnviz.cli._output import format_option, output

SECTION = "Look"


@click.command()
@click.argument("out", type=FILE)
@style_option
@dpi_option
@format_option("svg", "png", "pdf", "eps", "jpg", "webp")
def command(out: str, style: str, dpi: int, stdout_format: str | None) -> None:
    """Draw a table of activation functions.

    Each panel shows the curve, its derivative and both formulas. The extension of OUT selects the format:
    .png, .svg, .pdf, .eps, .jpg or .webp.

    \b
    Example:
      cnnviz activations activations.png
      cnnviz activations activations.svg --style dark
    """
    from cnnviz.api.activation_functions import plot_activation_functions

    with output(out, stdout_format) as path:
        plot_activation_functions(path, style=style, dpi=dpi)
