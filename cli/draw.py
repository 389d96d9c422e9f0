"""cnnviz draw"""

from __future__ import annotations

import click

from cnnviz.cli._options import dpi_option, level_option, phase_option, stage_option, style_option
from cnnviz.cli._progress import say

SECTION = "Look"


@click.command()
@click.argument("model")
@click.argument("out")
@phase_option
@level_option
@stage_option
@click.option("--both-phases", is_flag=True, help="Draw TRAIN and TEST side by side and mark what differs.")
@click.option(
    "--rankdir",
    type=click.Choice(["TB", "BT", "LR", "RL"], case_sensitive=False),
    default="TB",
    show_default=True,
    help="Where lines run: TB is from top to bottom.",
)
@click.option("--unfold", is_flag=True, help="Draw every copy of repeated blocks.")
@click.option("--every-layer", is_flag=True, help="Draw ReLU, BatchNorm and the like as boxes of their own.")
@click.option(
    "--color-by",
    type=click.Choice(["parameters", "macs", "memory", "time"]),
    help="Colour by cost instead of by the kind of layer.",
)
@click.option("--times", metavar="FILE", help="What `cnnviz time --json` wrote, for --color-by time.")
@click.option("--weights", metavar="FILE", help="For .html: show filters and statistics of these weights.")
@click.option("--costs/--no-costs", default=True, help="The line with MACs, memory and receptive field.")
@click.option("--rates", is_flag=True, help="The learning-rate multipliers of weights and biases.")
@click.option(
    "--layout",
    type=click.Choice(["own", "dot"]),
    default="own",
    show_default=True,
    help="Who finds the places: cnnviz, or an installed Graphviz.",
)
@click.option(
    "--columns",
    metavar="N",
    default="1",
    show_default=True,
    help="Break a long net into N columns; auto makes it as wide as a slide.",
)
@style_option
@dpi_option
def command(
    model: str, out: str, unfold: bool, every_layer: bool, times: str | None, columns: str, **options
) -> None:
    """Draw the graph of a net.

    MODEL is a net's prototxt, a solver's, or a caffemodel; nothing is run and no OpenCL is needed. OUT
    ends in .svg, .png, .pdf, .eps, .jpg, .webp, .html (interactive), .dot (for Graphviz) or .txt (the table
    of the layers).

    \b
    Example:
      cnnviz draw lenet.prototxt lenet.svg
      cnnviz draw train_val.prototxt net.html --both-phases
      cnnviz draw resnet152.prototxt net.png --color-by macs --style dark
      cnnviz draw resnet152.prototxt slide.pdf --columns auto
    """
    from cnnviz.analysis.summary import read_times
    from cnnviz.api.graph import draw_net

    if options["both_phases"] and options["phase"]:
        raise click.UsageError("Give --both-phases or --phase, not both.")
    fold = False if every_layer else "chains" if unfold else True
    measured = read_times(times) if times else None
    broken = int(columns) if columns.isdigit() else columns
    draw_net(model, out, fold=fold, times=measured, columns=broken, **options)
    say(f"Wrote {out}")
