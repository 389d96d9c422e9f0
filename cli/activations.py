"""cnnviz activations"""

from __future__ import annotations

import click

from cnnviz.cli._options import dpi_option, style_option
from cnnviz.cli._progress import say

SECTION = "Look"


@click.command()
@click.argument("out")
@style_option
@dpi_option
def command(out: str, style: str, dpi: int) -> None:
    """Draw a table of activation functions.

    Each panel shows the curve, its derivative and both formulas. The extension of OUT selects the format:
    .png, .svg, .pdf, .eps, .jpg or .webp.

    \b
    Example:
      cnnviz activations activations.png
      cnnviz activations activations.svg --style dark
    """
    from cnnviz.api.activation_functions import plot_activation_functions

    plot_activation_functions(out, style=style, dpi=dpi)
    say(f"Wrote {out}")
