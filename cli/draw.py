"""cnnviz draw"""

from __future__ import annotations

import click

from cnnviz.cli._options import (
    FILE,
    dpi_option,
    level_option,
    model_argument,
    phase_option,
    stage_option,
    style_option,
)
from cnnviz.cli._output import format_option, output

SECTION = "Look"


@click.command()
@model_argument
@click.argument("out", type=FILE)
@phase_option
@level_option
@stage_option
@click.option(
    "--both-phases", is_flag=True, help="Draw TRAIN and TEST side by side and mark the differences."
)
@click.option(
    "--rankdir",
    type=click.Choice(["TB", "BT", "LR", "RL"], case_sensitive=False),
    default="TB",
    show_default=True,
    help="Direction of the graph: TB is from top to bottom.",
)
@click.option("--unfold", is_flag=True, help="Draw every copy of repeated blocks.")
@click.option(
    "--every-layer", is_flag=True, help="Draw ReLU, BatchNorm and similar layers as separate boxes."
)
@click.option(
    "--color-by",
    type=click.Choice(["parameters", "macs", "memory", "time"]),
    help="Colour boxes by cost instead of kind of layer.",
)
@click.option(
    "--times", type=FILE, metavar="FILE", help="Times written by `cnnviz time --json`, for --color-by time."
)
@click.option(
    "--weights",
    type=FILE,
    metavar="FILE",
    help="With .html: show the filters and statistics of these weights.",
)
@click.option("--costs/--no-costs", default=True, help="Show or hide MACs, memory and receptive fields.")
@click.option("--rates", is_flag=True, help="Show the learning-rate multipliers of weights and biases.")
@click.option(
    "--layout",
    type=click.Choice(["own", "dot"]),
    default="own",
    show_default=True,
    help="Layout engine: cnnviz's own, or Graphviz `dot`.",
)
@click.option(
    "--columns",
    metavar="N",
    default="1",
    show_default=True,
    help="Break a long net into N columns; auto fits a slide.",
)
@style_option
@dpi_option
@format_option("svg", "png", "pdf", "eps", "jpg", "webp", "html", "dot", "txt")
def command(
    model: str,
    out: str,
    unfold: bool,
    every_layer: bool,
    times: str | None,
    columns: str,
    stdout_format: str | None,
    **options,
) -> None:
    """Draw the graph of a net.

    MODEL is the prototxt of a net or a solver, or a caffemodel; nothing is run, and OpenCL is not needed. The
    extension of OUT selects the format: .svg, .png, .pdf, .eps, .jpg, .webp, .html (interactive), .dot (for
    Graphviz) or .txt (a table of the layers). For either, "-" is standard input or output.

    \b
    Example:
      cnnviz draw lenet.prototxt lenet.svg
      cnnviz draw train_val.prototxt net.html --both-phases
      cnnviz draw resnet152.prototxt net.png --color-by macs --style dark
      cnnviz draw resnet152.prototxt slide.pdf --columns auto
      cnnviz draw lenet.prototxt - --format dot | dot -Tpng > lenet.png
    """
    from cnnviz.api.graph import draw_net
    from cnnviz.formats.layer_times import read_times

    if options["both_phases"] and options["phase"]:
        raise click.UsageError("Give --both-phases or --phase, not both.")
    fold = False if every_layer else "chains" if unfold else True
    measured = read_times(times) if times else None
    broken = int(columns) if columns.isdigit() else columns
    with output(out, stdout_format) as path:
        draw_net(model, path, fold=fold, times=measured, columns=broken, **options)
